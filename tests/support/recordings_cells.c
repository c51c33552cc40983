/* recordings_cells.c: every cell and every wrapper of cells. */
#include "layers/cells.h"
#include "layers/structure.h"
#include "ops/ops.h"
#include "support/recordings.h"

/* ---- cells, unrolled over padded sequences --------------------------------------------------- */

#define CELL(function, maker, ...)                                                                 \
    static reel_cell function(reel_tape *t, int64_t in, int64_t hidden)                            \
    {                                                                                              \
        return maker(t, "cell", in, hidden, __VA_ARGS__);                                          \
    }

CELL(rnn, reel_rnn, (reel_rnn_options){ 0 })
CELL(rnn_softplus, reel_rnn, (reel_rnn_options){ .activation = REEL_SOFTPLUS })
CELL(lstm, reel_lstm, (reel_lstm_options){ 0 })
CELL(lstm_peephole, reel_lstm, (reel_lstm_options){ .peephole = true })
CELL(lstm_norm, reel_lstm, (reel_lstm_options){ .layer_norm = true })
CELL(lstm_projection, reel_lstm, (reel_lstm_options){ .projection = 5 })
CELL(gru, reel_gru, (reel_gru_options){ 0 })
CELL(gru_after, reel_gru, (reel_gru_options){ .reset_after = true })
CELL(gru_norm, reel_gru, (reel_gru_options){ .layer_norm = true })
CELL(coupled, reel_coupled_lstm, (reel_coupled_lstm_options){ .peephole = true })
CELL(multiplicative, reel_multiplicative_lstm, (reel_multiplicative_lstm_options){ 0 })
CELL(phased, reel_phased_lstm, (reel_phased_lstm_options){ .peephole = true, .open = 0.5 })
CELL(slstm, reel_slstm, (reel_slstm_options){ 0 })
CELL(slstm_exponential, reel_slstm, (reel_slstm_options){ .exponential_forget = true })
CELL(slstm_heads, reel_slstm, (reel_slstm_options){ .heads = 2 })
CELL(mlstm, reel_mlstm, (reel_mlstm_options){ .heads = 2 })
CELL(mgu, reel_mgu, (reel_mgu_options){ 0 })
CELL(indrnn, reel_indrnn, (reel_indrnn_options){ .steps = STEPS })
CELL(clockwork, reel_clockwork, (reel_clockwork_options){ .modules = 3 })
CELL(conv_lstm, reel_conv_lstm, (reel_conv_lstm_options){ .width = IN / 2, .peephole = true })
CELL(sru, reel_sru, (reel_sru_options){ 0 })
CELL(sru_linear, reel_sru, (reel_sru_options){ .linear = true })
CELL(qrnn, reel_qrnn, (reel_qrnn_options){ .kernel = 3 })
CELL(mingru, reel_mingru, (reel_mingru_options){ .positive = true })
CELL(minlstm, reel_minlstm, (reel_minlstm_options){ 0 })
CELL(lru, reel_lru, (reel_lru_options){ .out = 5 })

static reel_cell conv_on_half(reel_tape *t, int64_t in, int64_t hidden)
{
    return conv_lstm(t, in / 2, hidden / 2);
}

static reel_linear_terms linear_terms(void *self, reel_var x)
{
    reel_var a = reel_sigmoid(reel_matmul(x, reel_find_param(x.tape, self)));
    return (reel_linear_terms){ .decay = a, .drive = reel_tanh(a) };
}

static reel_cell linear(reel_tape *t, int64_t in, int64_t hidden)
{
    static char name[] = "W";
    reel_param(t, name, REEL_SHAPE(in, hidden), reel_glorot());
    return reel_linear(t,
                       (reel_linear_cell){ .self = name, .width = hidden, .terms = linear_terms });
}

static reel_cell dropout(reel_tape *t, int64_t in, int64_t hidden)
{
    return reel_dropout_cell(t, lstm(t, in, hidden), (reel_dropout_cell_options){ .input = 0.3 });
}
static reel_cell update_dropout(reel_tape *t, int64_t in, int64_t hidden)
{
    return reel_update_dropout(t, lstm(t, in, hidden), "g", 0.3,
                               (reel_update_dropout_options){ 0 });
}
static reel_cell weight_drop(reel_tape *t, int64_t in, int64_t hidden)
{
    return reel_weight_drop(t, lstm(t, in, hidden), "W_h", 0.3);
}
static reel_cell zoneout(reel_tape *t, int64_t in, int64_t hidden)
{
    return reel_zoneout(t, lstm(t, in, hidden),
                        (reel_zoneout_options){ .probability = { 0.05, 0.5 } });
}
static reel_cell residual(reel_tape *t, int64_t in, int64_t hidden)
{
    (void)hidden;
    return reel_residual(t, gru(t, in, in));
}
static reel_cell highway(reel_tape *t, int64_t in, int64_t hidden)
{
    (void)hidden;
    return reel_highway(t, "highway", gru(t, in, in), in, (reel_highway_options){ 0 });
}
static reel_cell norm_cell(reel_tape *t, int64_t in, int64_t hidden)
{
    return reel_norm_cell(t, "norm", lstm(t, in, hidden), hidden, (reel_norm_cell_options){ 0 });
}
static reel_cell clip_cell(reel_tape *t, int64_t in, int64_t hidden)
{
    return reel_clip_cell(t, lstm(t, in, hidden), 1);
}
static reel_cell stack(reel_tape *t, int64_t in, int64_t hidden)
{
    reel_cell cells[] = { gru(t, in, hidden),
                          reel_lstm(t, "upper", hidden, hidden, (reel_lstm_options){ 0 }) };
    return reel_stack_cells(t, 2, cells, (reel_stack_options){ .dropout = 0.5, .residual = true });
}
static reel_cell parallel(reel_tape *t, int64_t in, int64_t hidden)
{
    reel_cell cells[] = { gru(t, in, hidden),
                          reel_rnn(t, "other", in, 3, (reel_rnn_options){ 0 }) };
    return reel_parallel_cells(t, 2, cells);
}
static reel_cell member(reel_tape *t, const char *name, void *in)
{
    return reel_gru(t, name, *(int64_t *)in, 3, (reel_gru_options){ 0 });
}
static reel_cell ensemble(reel_tape *t, int64_t in, int64_t hidden)
{
    (void)hidden;
    return reel_ensemble(t, "ensemble", 2, member, &in, (reel_ensemble_options){ 0 });
}
static reel_cell transition(reel_tape *t, int64_t in, int64_t hidden)
{
    return reel_deep_transition(t, "deep", in, hidden, 3,
                                (reel_deep_transition_options){ .highway = true });
}
static reel_cell scope(reel_tape *t, int64_t in, int64_t hidden)
{
    return reel_scope(t, "layer", lstm(t, in, hidden));
}
static reel_cell wrap(reel_tape *t, int64_t in, int64_t hidden)
{
    reel_cell inner = gru(t, in, hidden);
    return reel_wrap(t, inner, NULL, 1, &inner);
}

/* ---- each unrolled --------------------------------------------------------------------------- */

static void unroll(recording *r, reel_cell cell, reel_unroll_options options)
{
    stir(r);
    put_rollout(r, cell, reel_unroll(cell, take_steps(r, IN), options));
}

/* All steps; and backwards through padded rows. */
#define RECORD(make)                                                                               \
    static void record_##make(recording *r)                                                        \
    {                                                                                              \
        unroll(r, make(r->t, IN, HIDDEN), (reel_unroll_options){ 0 });                             \
    }                                                                                              \
    static void padded_##make(recording *r)                                                        \
    {                                                                                              \
        reel_unroll_options options = { .lengths = recorded_lengths, .reverse = true };            \
        unroll(r, make(r->t, IN, HIDDEN), options);                                                \
    }
#define CELLS(X)                                                                                   \
    X(rnn, "reel_rnn")                                                                             \
    X(rnn_softplus, "reel_rnn-softplus")                                                           \
    X(lstm, "reel_lstm")                                                                           \
    X(lstm_peephole, "reel_lstm-peephole")                                                         \
    X(lstm_norm, "reel_lstm-layer_norm")                                                           \
    X(lstm_projection, "reel_lstm-projection")                                                     \
    X(gru, "reel_gru")                                                                             \
    X(gru_after, "reel_gru-reset_after")                                                           \
    X(gru_norm, "reel_gru-layer_norm")                                                             \
    X(coupled, "reel_coupled_lstm")                                                                \
    X(multiplicative, "reel_multiplicative_lstm")                                                  \
    X(phased, "reel_phased_lstm")                                                                  \
    X(slstm, "reel_slstm")                                                                         \
    X(slstm_exponential, "reel_slstm-exponential")                                                 \
    X(slstm_heads, "reel_slstm-heads")                                                             \
    X(mlstm, "reel_mlstm")                                                                         \
    X(mgu, "reel_mgu")                                                                             \
    X(indrnn, "reel_indrnn")                                                                       \
    X(clockwork, "reel_clockwork")                                                                 \
    X(conv_on_half, "reel_conv_lstm")                                                              \
    X(linear, "reel_linear")                                                                       \
    X(sru, "reel_sru")                                                                             \
    X(sru_linear, "reel_sru-linear")                                                               \
    X(qrnn, "reel_qrnn")                                                                           \
    X(mingru, "reel_mingru")                                                                       \
    X(minlstm, "reel_minlstm")                                                                     \
    X(lru, "reel_lru")                                                                             \
    X(wrap, "reel_wrap")                                                                           \
    X(dropout, "reel_dropout_cell")                                                                \
    X(update_dropout, "reel_update_dropout")                                                       \
    X(weight_drop, "reel_weight_drop")                                                             \
    X(zoneout, "reel_zoneout")                                                                     \
    X(residual, "reel_residual")                                                                   \
    X(highway, "reel_highway")                                                                     \
    X(norm_cell, "reel_norm_cell")                                                                 \
    X(clip_cell, "reel_clip_cell")                                                                 \
    X(stack, "reel_stack_cells")                                                                   \
    X(parallel, "reel_parallel_cells")                                                             \
    X(ensemble, "reel_ensemble")                                                                   \
    X(transition, "reel_deep_transition")                                                          \
    X(scope, "reel_scope")

#define RECORD_ROW(make, name) RECORD(make)
CELLS(RECORD_ROW)

const recording_row recordings_of_cells[] = {
#define CELL_ROW(make, name) { name, NULL, record_##make }, { name "-padded", NULL, padded_##make },
    CELLS(CELL_ROW){ 0 },
};

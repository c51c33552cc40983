/* sequence.h: ways of training on sequences: windows of long ones, states that go on from batch to
 * batch, decoders fed with their own output, packing, and sight of the values inside a cell.
 *
 *     reel_carry *carry = reel_carry_new(t, lstm, batch);
 *     for (reel_window w = { .steps = T, .stride = 35 }; reel_next_window(&w);) {
 *         reel_rewind(t);
 *         reel_var x = reel_input(t, REEL_SHAPE(w.end - w.begin, batch, in), data + w.begin * …);
 *         reel_rollout r = reel_unroll_carried(carry, x, (reel_unroll_options){ 0 }, w.carry);
 *         reel_backward(…);
 *         reel_optimizer_step(adam);
 *         reel_carry_save(carry);                  // numbers, for the next window
 *     } */
#ifndef REEL_SEQUENCE_H
#define REEL_SEQUENCE_H

#include "layers.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- truncated backpropagation through time (truncated.c) ----------------------------------- */

/* TBPTT(k1, k2) (Williams & Peng 1990; Sutskever 2013): an update every k1 steps, its gradient
 * going back k2 steps. Fill in the first three and ask for window after window; the others say
 * what it is. k2 = k1 cuts the sequence; k2 > k1 lets windows overlap: the steps before `fresh`
 * are run again so that the gradient reaches back through them, and only the loss of [fresh, end)
 * counts. k1 = k2 ≥ steps is full backpropagation through time. */
typedef struct {
    int64_t steps;             /* of the whole sequence; ≥ 0 */
    int64_t stride;            /* k1 ≥ 1 */
    int64_t reach;             /* k2 ≥ k1; 0: k1 */
    int64_t begin, fresh, end; /* the window is [begin, end), its loss that of [fresh, end) */
    int64_t carry; /* the next window begins with the state after this many of its steps */
} reel_window;

/* False after the last window, and for numbers out of range. */
REEL_API bool reel_next_window(reel_window *);

/* ---- states that outlive a rewind (carry.c) ------------------------------------------------- */

/* The state of a cell as numbers, from batch to batch (stateful training): data to the next batch,
 * so that no gradient goes back, and the memory of the old one is free. Belongs to the tape; zeros
 * at first. NULL, with an error, for a bad cell or batch. */
typedef struct reel_carry reel_carry;
REEL_API reel_carry *reel_carry_new(reel_tape *, reel_cell, int64_t batch);

/* reel_unroll from the state carried, options.initial being ignored; x has the carry's batch. The
 * state after `steps` of x's steps is kept for reel_carry_save; after 0 it is the one carried. */
#define REEL_ALL_STEPS (-1)
REEL_API reel_rollout reel_unroll_carried(reel_carry *, reel_var x, reel_unroll_options,
                                          int64_t steps);

/* Reads the state kept, before the rewind; after an optimiser's step will do. Without an unroll
 * since the last save it is an error, and the numbers stay. */
REEL_API reel_status reel_carry_save(reel_carry *);

/* Back to zeros where rows[row] is nonzero, or all rows for NULL; or to start[k], one row
 * [width[k]] for each state, where start is not NULL. */
REEL_API void reel_carry_reset(reel_carry *, const bool rows[], const double *const start[]);

/* The state carried as leaves of the tape, for a loop of one's own; [batch, width[k]]. */
REEL_API reel_status reel_carry_states(const reel_carry *, reel_var state[]);

/* Within one recording: state[k] as data. */
REEL_API void reel_detach(int n, reel_var state[]);

/* ---- learned initial states (learned_state.c) ----------------------------------------------- */

/* Parameters NAME.state_0 … [width[k]], zeros at the start. */
typedef struct {
    int states;
    reel_var row[REEL_MAX_STATES];
} reel_learned_state;
/* site: reel_learned_state (it ? it->row[0].tape : NULL) */
REEL_API reel_learned_state reel_learned_state_new(reel_tape *, const char *name, reel_cell);
/* The same row for the whole batch, [batch, width[k]], as reel_unroll's .initial. */
REEL_API reel_status reel_learned_state_rows(const reel_learned_state *, int64_t batch,
                                             reel_var initial[]);

/* ---- values inside a cell (probe.c) --------------------------------------------------------- */

/* v, by a name that others can ask for. The built-in cells name their gates, "i" "f" "g" "o" of the
 * LSTM and "r" "z" "n" of the GRU, and "W_h". Without anyone watching it costs no node and the loop
 * none of its speed. */
REEL_API reel_var reel_probe(reel_var v, const char *name);

/* From here on, values that are named are noted; each rewind forgets them. Parameters are not. */
REEL_API void reel_watch(reel_tape *, bool on);
/* All values of one name since the rewind, in the order of recording: of a gate in an unroll
 * [steps, batch, width], step by step in processing order. Unknown names are errors. */
REEL_API reel_var reel_watched(reel_tape *, const char *name);
/* Names in order of first appearance; NULL past the last. Until the next reel_probe. */
REEL_API const char *reel_watched_name(const reel_tape *, int index);
/* A cell whose names get "NAME." in front: to tell layers apart. */
REEL_API reel_cell reel_scope(reel_tape *, const char *name, reel_cell);

/* ---- regularisation over time (regularise.c) ------------------------------------------------ */

/* Merity et al. 2017, with mean squares instead of norms, as their code has it. h [steps, batch,
 * width]; lengths as in reel_unroll, or NULL: padding does not count.
 *     AR  = alpha·mean(h_t²), of outputs after dropout
 *     TAR = beta·mean((h_t - h_{t-1})²), of outputs before it; 0 for fewer than two steps */
REEL_API reel_var reel_activation_penalty(reel_var h, double alpha, const int32_t *lengths);
REEL_API reel_var reel_temporal_penalty(reel_var h, double beta, const int32_t *lengths);

/* ---- packing (pack.c) ----------------------------------------------------------------------- */

/* Floating x [steps, batch, …] → [Σ lengths, …]: the valid steps alone, step after step and within
 * a step row after row, in any order of lengths. An output layer or a loss then does no work for
 * padding. */
REEL_API reel_var reel_pack(reel_var x, const int32_t *lengths);
/* The same of numbers that are not on a tape yet, such as targets: indices [steps, batch] → int32
 * [Σ lengths]. */
REEL_API reel_var reel_pack_indices(reel_tape *, int64_t steps, int64_t batch,
                                    const int32_t *indices, const int32_t *lengths);
/* The way back, with zeros in the padding; `rows` [Σ lengths, …]. */
REEL_API reel_var reel_unpack(reel_var rows, int64_t steps, int64_t batch, const int32_t *lengths);

/* ---- time scales (segment.c) ---------------------------------------------------------------- */

typedef enum {
    REEL_SEGMENT_LAST, /* the last step of each segment */
    REEL_SEGMENT_SUM,
    REEL_SEGMENT_MEAN,
    REEL_SEGMENT_KIND_COUNT
} reel_segment_kind;

/* Words out of letters: x [steps, batch, width] and the segment of each step, segment[t·batch +
 * row] in 0 … segments - 1, or -1 for none → [segments, batch, width], zeros for a segment without
 * steps. A sentence encoder over the result, whose lengths are the numbers of words, sees one word
 * a step. */
REEL_API reel_var reel_pool_segments(reel_var x, const int32_t *segment, int64_t segments,
                                     reel_segment_kind);

/* ---- gradients, row by row (per_example.c) -------------------------------------------------- */

/* out[i] [batch, …shape of x[i]] = the gradient of each losses[row] in x[i]; losses [batch]. One
 * reverse sweep a row. */
REEL_API reel_status reel_per_example_gradients(reel_var losses, int n, const reel_var x[],
                                                reel_var out[]);

/* ---- encoder and decoder (encoder_decoder.c, bridge.c) -------------------------------------- */

/* What makes logits of tokens: an embedding, a cell (a stack, or one that attends), an output
 * layer. */
typedef struct {
    reel_layer embedding; /* int32 [...] → [..., embedded] */
    reel_cell cell;
    reel_layer output; /* [..., width] → logits [..., vocabulary] */
} reel_token_model;

/* Teacher forcing: logits for tokens int32 [steps, batch] (the targets, shifted by one), each token
 * after the gold ones before it. */
typedef struct {
    reel_var initial[REEL_MAX_STATES];
    const int32_t *lengths;
    /* The probability with which each token, by a coin of its own, is the gold one and not one
     * from the decoder's own output (Bengio et al. 2015). 0: 1, all gold; REEL_ZERO: all its own,
     * free running. The first token is always gold. See reel_sampling_ratio. */
    double teacher_forcing;
    bool greedy;    /* its own token is the likeliest; else it is drawn from the softmax */
    bool sentences; /* one coin a row for the whole sequence */
} reel_teaching_options;
/* .outputs are the logits [steps, batch, vocabulary], the states the cell's. The choice of a token
 * has no gradient; what the decoder makes of it has. */
REEL_API reel_rollout reel_unroll_tokens(reel_token_model, reel_var tokens, reel_teaching_options);

/* One step for a loop of one's own: a cell whose x are tokens, int32 [batch], and whose output are
 * logits. It keeps the states of decoder.cell: reorder them as you like between steps. Greedy, beam
 * and sampled search take the same step as reel_cell_decoder (train/decode.h), which may have
 * states of any shapes besides. */
REEL_API reel_cell reel_token_cell(reel_tape *, reel_token_model);

/* How the ratio of gold tokens falls with the update i (Bengio et al. 2015). */
typedef enum {
    REEL_LINEAR_DECAY,          /* 1 - rate·i */
    REEL_EXPONENTIAL_DECAY,     /* rate^i, 0 < rate < 1 */
    REEL_INVERSE_SIGMOID_DECAY, /* rate/(rate + exp(i/rate)), rate ≥ 1 */
    REEL_DECAY_COUNT
} reel_decay;
typedef struct {
    reel_decay decay;
    double rate;
    double least; /* never below this */
} reel_sampling_options;
/* In [least, 1], never 0 but REEL_ZERO: to be given as .teacher_forcing. NAN for a bad option. */
REEL_API double reel_sampling_ratio(reel_sampling_options, int64_t update);

/* Final states of an encoder → initial states of a decoder of other sizes: state k is
 * activation([from …]·W_k + b_k), of all n encoder states beside one another. Parameters NAME.k.W,
 * NAME.k.b. (bridge.c) */
typedef struct {
    int from, states;
    int64_t width; /* Σ from_width */
    reel_layer layer[REEL_MAX_STATES];
} reel_bridge;
typedef struct {
    reel_activation activation; /* default REEL_TANH */
} reel_bridge_options;
REEL_API reel_bridge reel_bridge_new(reel_tape *, const char *name, int n,
                                     const int64_t from_width[], reel_cell decoder,
                                     reel_bridge_options);
REEL_API reel_status reel_bridge_apply(const reel_bridge *, const reel_var from[],
                                       reel_var initial[]);

/* ---- copying from the source (copy.c) ------------------------------------------------------- */

/* Pointer-generator (See et al. 2017): log of
 *
 *     P(w) = p_gen·softmax(logits)[w] + (1 - p_gen)·Σ_{i: source_i = w} weights_i
 *
 * logits [batch, vocabulary]; weights [batch, steps], of an attention; p_gen [batch, 1] in [0, 1];
 * source[i·batch + row] is step i's word of the row in the extended vocabulary 0 … extended - 1, ≥
 * vocabulary for words that only the source knows, or -1 for padding. → [batch, extended]. A word
 * that nothing speaks for gets log(1e-20) and no gradient. */
REEL_API reel_var reel_copy_log_probabilities(reel_var logits, reel_var weights, reel_var p_gen,
                                              const int32_t *source, int64_t extended);

#ifdef __cplusplus
}
#endif

#endif

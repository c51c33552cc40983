/* recordings_attention.c: every kind of attention. */
#include "layers/attention.h"
#include "ops/ops.h"
#include "support/recordings.h"

/* ---- attention ------------------------------------------------------------------------------- */

#define ATTENTION(function, ...)                                                                   \
    static reel_attention function(reel_tape *t)                                                   \
    {                                                                                              \
        return __VA_ARGS__;                                                                        \
    }

ATTENTION(additive, reel_additive_attention(t, "a", HIDDEN, IN, 5, (reel_additive_options){ 0 }))
ATTENTION(coverage,
          reel_additive_attention(t, "a", HIDDEN, IN, 5,
                                  (reel_additive_options){ .coverage = true, .smooth = true }))
ATTENTION(location, reel_location_attention(t, "a", HIDDEN, IN, 5,
                                            (reel_additive_options){ .filters = 3, .kernel = 3 }))
ATTENTION(general,
          reel_luong_attention(t, "a", HIDDEN, IN, (reel_luong_options){ .score = REEL_GENERAL }))
ATTENTION(concat_,
          reel_luong_attention(t, "a", HIDDEN, IN,
                               (reel_luong_options){
                                   .score = REEL_CONCAT, .window = REEL_LOCAL_M, .half_width = 2 }))
ATTENTION(local_p, reel_luong_attention(t, "a", HIDDEN, IN,
                                        (reel_luong_options){ .score = REEL_GENERAL,
                                                              .scaled = true,
                                                              .window = REEL_LOCAL_P,
                                                              .half_width = 2 }))
ATTENTION(monotonic, reel_monotonic_attention(t, "a", HIDDEN, IN, 5, (reel_monotonic_options){ 0 }))
ATTENTION(monotonic_soft,
          reel_monotonic_attention(t, "a", HIDDEN, IN, 5,
                                   (reel_monotonic_options){ .soft = true, .r = -1 }))

/* Three queries, one after another, then a decoder that attends in each of its steps. */
static void attend(recording *r, reel_attention attention)
{
    reel_cell decoder = reel_gru(r->t, "decoder", 5 + IN, HIDDEN, (reel_gru_options){ 0 });
    stir(r);
    reel_memory memory = reel_memorize(take_steps(r, IN), attention, recorded_lengths);
    reel_var state[REEL_ATTENTION_STATES] = { { 0 } };
    for (int i = 0; i < 3; i++) {
        reel_attended a = reel_attend(take(r, REEL_SHAPE(BATCH, HIDDEN)), &memory, state);
        put(r, a.context);
        put(r, a.weights);
    }
    reel_cell cell =
        reel_attention_cell(decoder, memory, (reel_attention_cell_options){ .joined = true });
    put(r, reel_unroll(cell, take_steps(r, 5), (reel_unroll_options){ 0 }).outputs);
}

#define RECORD(make)                                                                               \
    static void record_##make(recording *r)                                                        \
    {                                                                                              \
        attend(r, make(r->t));                                                                     \
    }
RECORD(additive)
RECORD(coverage)
RECORD(location)
RECORD(general)
RECORD(concat_)
RECORD(local_p)
RECORD(monotonic)
RECORD(monotonic_soft)

static void attention_cell_after(recording *r)
{
    reel_attention attention = general(r->t);
    reel_layer combine = reel_dense(r->t, "combine", HIDDEN + IN, 5, (reel_dense_options){ 0 });
    reel_cell decoder = reel_gru(r->t, "decoder", 3 + 5, HIDDEN, (reel_gru_options){ 0 });
    stir(r);
    reel_memory memory = reel_memorize(take_steps(r, IN), attention, recorded_lengths);
    reel_attention_cell_options options = {
        .after = true, .combine = combine, .feed = 5, .weights = true
    };
    reel_cell cell = reel_attention_cell(decoder, memory, options);
    put_rollout(r, cell, reel_unroll(cell, take_steps(r, 3), (reel_unroll_options){ 0 }));
}

static void attention_softmax(recording *r)
{
    reel_memory memory = reel_memorize(take_steps(r, IN), general(r->t), recorded_lengths);
    put(r, reel_attention_softmax(take(r, REEL_SHAPE(BATCH, STEPS)), &memory));
}

static void coverage_loss(recording *r)
{
    reel_var weights = reel_softmax(take(r, REEL_SHAPE(4, BATCH, STEPS)), -1);
    put(r, reel_coverage_loss(weights, (reel_var){ 0 }));
}

static void dot_product(recording *r)
{
    reel_var q = take(r, REEL_SHAPE(2, 5, 4)), k = take(r, REEL_SHAPE(2, 7, 4));
    reel_attended a = reel_dot_product_attention(q, k, take(r, REEL_SHAPE(2, 7, 3)),
                                                 (reel_dot_product_options){ .dropout = 0.2 });
    put(r, a.context);
    put(r, a.weights);
}

static void heads(recording *r)
{
    reel_multi_head m =
        reel_multi_head_attention(r->t, "heads", 8, 2, (reel_multi_head_options){ .rotary = true });
    stir(r);
    reel_var x = take_steps(r, 8);
    reel_attention_mask mask = { .lengths = recorded_lengths, .causal = true };
    reel_attended a = reel_attend_heads(x, x, x, m, mask);
    put(r, a.context);
    put(r, a.weights);
}

static void heads_of_other_widths(recording *r)
{
    reel_multi_head m = reel_multi_head_attention(
        r->t, "heads", 6, 3, (reel_multi_head_options){ .key = 5, .value = 4 });
    stir(r);
    reel_attention_mask mask = { .bias = take(r, REEL_SHAPE(2, STEPS)) };
    reel_var values = take_steps(r, 4), keys = take_steps(r, 5);
    reel_var queries = take(r, REEL_SHAPE(2, BATCH, 6));
    put(r, reel_attend_heads(queries, keys, values, m, mask).context);
}

const recording_row recordings_of_attention[] = {
    { "reel_additive_attention", "reel_memorize reel_attend reel_attention_cell", record_additive },
    { "reel_additive_attention-coverage", "reel_memorize reel_attend reel_attention_cell",
      record_coverage },
    { "reel_location_attention", "reel_memorize reel_attend reel_attention_cell", record_location },
    { "reel_luong_attention", "reel_memorize reel_attend reel_attention_cell", record_general },
    { "reel_luong_attention-concat-local_m", "reel_memorize reel_attend reel_attention_cell",
      record_concat_ },
    { "reel_luong_attention-local_p", "reel_memorize reel_attend reel_attention_cell",
      record_local_p },
    { "reel_monotonic_attention", "reel_memorize reel_attend reel_attention_cell",
      record_monotonic },
    { "reel_monotonic_attention-soft", "reel_memorize reel_attend reel_attention_cell",
      record_monotonic_soft },
    { "reel_attention_cell-after", NULL, attention_cell_after },
    { "reel_attention_softmax", NULL, attention_softmax },
    { "reel_coverage_loss", NULL, coverage_loss },
    { "reel_dot_product_attention", NULL, dot_product },
    { "reel_attend_heads-rotary", "reel_multi_head_attention", heads },
    { "reel_attend_heads-widths", NULL, heads_of_other_widths },
    { 0 },
};

/* Every allocation of every layer fails once, one layer after another: an error, no crash, no
 * leak. */
#include <criterion/criterion.h>

#include "support/failing_memory.h"

enum { STEPS = 4, BATCH = 2, WIDTH = 4, CLASSES = 7 };

static const int32_t lengths[BATCH] = { 4, 2 };
static const double counts[CLASSES] = { 3, 2, 1, 5, 1, 1, 9 };

/* ---- one layer each: x [steps, batch, width] → a loss ---------------------------------------- */

static reel_var squares(reel_var v)
{
    return reel_mean_all(reel_square(v));
}

static reel_var decoded(reel_tape *t, reel_var x, reel_attention attention)
{
    reel_cell gru = reel_gru(t, "gru", 2 * WIDTH, WIDTH, (reel_gru_options){ 0 });
    reel_memory memory = reel_memorize(x, attention, lengths);
    reel_cell cell = reel_attention_cell(gru, memory, (reel_attention_cell_options){ 0 });
    return squares(reel_unroll(cell, x, (reel_unroll_options){ 0 }).outputs);
}

static reel_var additive(reel_tape *t, reel_var x)
{
    reel_additive_options all = { .coverage = true, .filters = 2, .kernel = 3, .smooth = true };
    return decoded(t, x, reel_additive_attention(t, "a", WIDTH, WIDTH, 3, all));
}

static reel_var luong(reel_tape *t, reel_var x)
{
    reel_luong_options options = { .score = REEL_CONCAT, .window = REEL_LOCAL_P };
    return decoded(t, x, reel_luong_attention(t, "a", WIDTH, WIDTH, options));
}

static reel_var monotonic(reel_tape *t, reel_var x)
{
    reel_monotonic_options options = { .noise = 0.1 };
    return decoded(t, x, reel_monotonic_attention(t, "a", WIDTH, WIDTH, 3, options));
}

static reel_var heads(reel_tape *t, reel_var x)
{
    reel_multi_head_options options = { .rotary = true, .dropout = 0.1 };
    reel_multi_head attention = reel_multi_head_attention(t, "a", WIDTH, 2, options);
    reel_attention_mask mask = { .lengths = lengths, .causal = true };
    reel_attended out = reel_attend_heads(x, x, x, attention, mask);
    return reel_add(squares(out.context),
                    reel_coverage_loss(reel_at(out.weights, 0), (reel_var){ 0 }));
}

static reel_var front_end(reel_tape *t, reel_var x)
{
    reel_conv1d_options options = { .groups = 2, .stride = 2, .padding = REEL_SAME };
    x = reel_apply(reel_learned_positions(t, "p", STEPS, WIDTH), reel_mask_steps(x, lengths));
    x = reel_apply(reel_conv1d(t, "c", WIDTH, WIDTH, 3, options), x);
    x = reel_add(x, reel_unsqueeze(reel_sinusoidal_positions(t, 2, WIDTH, 0, 0), 1));
    options.stride = 1;
    return squares(reel_mean_pool1d(reel_max_pool1d(x, 2, options), 2, options));
}

static reel_var normalised(reel_tape *t, reel_var x)
{
    reel_layer norm = reel_batch_norm(t, "n", WIDTH, (reel_batch_norm_options){ 0 });
    x = reel_rms_norm(reel_batch_norm_apply(x, norm, (reel_var){ 0 }), (reel_var){ 0 }, 0);
    reel_layer words = reel_embedding(t, "w", CLASSES, WIDTH, (reel_embedding_options){ 0 });
    x = reel_apply(reel_tied_output(t, "o", words, (reel_tied_output_options){ 0 }), x);
    reel_batch_norm_update(norm);
    return squares(x);
}

static reel_var classified(reel_tape *t, reel_var x, reel_class_output output)
{
    static const int32_t targets[STEPS * BATCH] = { 0, 1, 2, 3, 4, 5, 6, 0 };
    reel_var classes = reel_indices(t, REEL_SHAPE(STEPS, BATCH), targets);
    reel_var loss = reel_class_loss(x, classes, output, (reel_class_loss_options){ 0 });
    return reel_add(loss, squares(reel_class_log_probabilities(x, output)));
}

static reel_var adaptive(reel_tape *t, reel_var x)
{
    const int64_t cutoffs[] = { 2, 4 };
    reel_adaptive_softmax_options options = { .head_bias = true };
    return classified(t, x, reel_adaptive_softmax(t, "o", WIDTH, CLASSES, 2, cutoffs, options));
}

static reel_var hierarchical(reel_tape *t, reel_var x)
{
    return classified(t, x, reel_hierarchical_softmax(t, "o", WIDTH, CLASSES, counts));
}

static reel_var sampled(reel_tape *t, reel_var x)
{
    reel_sampled_options options = { .samples = 3, .distribution = counts };
    return classified(t, x, reel_sampled_softmax(t, "o", WIDTH, CLASSES, options));
}

static reel_var nce(reel_tape *t, reel_var x)
{
    return classified(t, x,
                      reel_nce(t, "o", WIDTH, CLASSES, (reel_sampled_options){ .samples = 3 }));
}

static reel_var mixture(reel_tape *t, reel_var x)
{
    (void)t;
    reel_mixture_options options = { .components = 1 };
    reel_var raw = reel_slice(x, -1, 0, 3);
    reel_var loss = reel_mixture_loss(raw, reel_slice(x, -1, 3, 4), options);
    return reel_add(loss, squares(reel_mixture_sample(raw, options)));
}

/* ---- all of them ----------------------------------------------------------------------------- */

typedef reel_var (*layer)(reel_tape *, reel_var x);

static const layer layers[] = { additive, luong,        monotonic, heads, front_end, normalised,
                                adaptive, hierarchical, sampled,   nce,   mixture };

static void use(reel_tape *t, layer make)
{
    reel_var x = reel_param(t, "x", REEL_SHAPE(STEPS, BATCH, WIDTH), reel_normal(0, 1));
    reel_var loss = make(t, x);
    reel_backward(loss);
    reel_item(loss);
}

/* Returns whether the refused request came up at all. */
static bool run(layer make, long fail_at)
{
    failing_memory memory = { .fail_at = fail_at };
    reel_tape *t = reel_tape_new((reel_tape_options){
        .seed = 1, .threads = 1, .allocator = { failing_memory_resize, &memory } });
    if (t) {
        use(t, make);
        bool refused = memory.calls > fail_at && fail_at >= 0;
        cr_expect_eq(reel_tape_status(t), refused ? REEL_OUT_OF_MEMORY : REEL_OK, "request %ld: %s",
                     fail_at, reel_tape_error(t));
        reel_tape_free(t);
    }
    cr_expect_eq(memory.held, 0, "request %ld: %zu bytes left", fail_at, memory.held);
    return memory.calls > fail_at;
}

Test(layers_out_of_memory, every_layer_survives_every_refused_request)
{
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
        cr_assert(run(layers[i], -1));
        for (long fail_at = 0; run(layers[i], fail_at); fail_at++) {
            cr_assert_lt(fail_at, 100000);
        }
    }
}

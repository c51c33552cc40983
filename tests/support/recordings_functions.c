/* recordings_functions.c: layers and transforms of one tensor. */
#include "layers/losses.h"
#include "layers/sequence.h"
#include "layers/structure.h"
#include "layers/transforms.h"
#include "ops/ops.h"
#include "support/recordings.h"

/* ---- functions of one tensor ----------------------------------------------------------------- */

static void activate(recording *r)
{
    reel_var x = take(r, REEL_SHAPE(4, 9));
    for (int a = REEL_LINEAR; a < REEL_ACTIVATION_COUNT; a++) {
        put(r, reel_activate(x, (reel_activation)a));
    }
}

static void dense(recording *r)
{
    reel_layer l =
        reel_dense(r->t, "dense", IN, 5, (reel_dense_options){ .activation = REEL_GELU });
    stir(r);
    put(r, reel_apply(l, take_steps(r, IN)));
}

static void embedding(recording *r)
{
    reel_layer words = reel_embedding(r->t, "words", 9, IN, (reel_embedding_options){ 0 });
    reel_layer out = reel_tied_output(r->t, "tied", words, (reel_tied_output_options){ 0 });
    stir(r);
    reel_var x = reel_apply(words, take_indices(r, REEL_SHAPE(STEPS, BATCH), 9));
    put(r, x);
    put(r, reel_apply(out, reel_tanh(x)));
    put(r, reel_embedding_table(r->t, words));
}

static void layer_norm(recording *r)
{
    reel_var gain = reel_param(r->t, "gain", REEL_SHAPE(HIDDEN), reel_uniform(0.5, 2));
    reel_var bias = take(r, REEL_SHAPE(HIDDEN)); /* the order of arguments is the compiler's */
    put(r, reel_layer_norm(take_steps(r, HIDDEN), gain, bias, 0));
}

static void rms_norm(recording *r)
{
    reel_var gain = reel_param(r->t, "gain", REEL_SHAPE(HIDDEN), reel_uniform(0.5, 2));
    put(r, reel_rms_norm(take_steps(r, HIDDEN), gain, 0));
}

static void batch_norm(recording *r)
{
    reel_layer l = reel_batch_norm(r->t, "norm", HIDDEN, (reel_batch_norm_options){ 0 });
    stir(r);
    reel_var x = take_steps(r, HIDDEN);
    put(r, reel_apply(l, x));
    put(r, reel_batch_norm_apply(x, l, reel_length_mask(r->t, STEPS, BATCH, recorded_lengths)));
}

static void batch_norm_training(recording *r)
{
    reel_layer l = reel_batch_norm(r->t, "norm", HIDDEN, (reel_batch_norm_options){ 0 });
    stir(r);
    reel_set_training(r->t, true);
    put(r, reel_apply(l, take_steps(r, HIDDEN)));
}

static void mask_steps(recording *r)
{
    put(r, reel_mask_steps(take_steps(r, IN), recorded_lengths));
    put(r, reel_length_mask(r->t, STEPS, BATCH, recorded_lengths));
}

static void conv1d(recording *r)
{
    static const reel_conv1d_options options[] = {
        { 0 },
        { .stride = 2, .padding = REEL_SAME },
        { .dilation = 2, .padding = REEL_CAUSAL, .groups = 2 },
    };
    static const char *const names[] = { "plain", "same", "causal" };
    reel_layer layer[3];
    for (int i = 0; i < 3; i++) {
        layer[i] = reel_conv1d(r->t, names[i], IN, 6, 3, options[i]);
    }
    stir(r);
    reel_var x = take_steps(r, IN);
    for (int i = 0; i < 3; i++) {
        put(r, reel_apply(layer[i], x));
    }
}

static void pooling(recording *r)
{
    reel_var x = take_steps(r, IN);
    reel_conv1d_options same = { .stride = 2, .padding = REEL_SAME };
    put(r, reel_max_pool1d(x, 3, same));
    put(r, reel_mean_pool1d(x, 3, same));
}

static void positions(recording *r)
{
    reel_layer learned = reel_learned_positions(r->t, "positions", 10, HIDDEN);
    reel_var x = take_steps(r, HIDDEN);
    put(r, reel_apply(learned, x));
    reel_var at = reel_sinusoidal_positions(r->t, STEPS, HIDDEN, 2, 0);
    put(r, reel_add(x, reel_unsqueeze(at, 1)));
}

static void rotary(recording *r)
{
    reel_var x = take_steps(r, HIDDEN);
    put(r, reel_rotary(x, (reel_rotary_options){ .first = 3 }));
    put(r, reel_rotary(x, (reel_rotary_options){ .halves = true }));
}

static void time_distributed(recording *r)
{
    reel_layer l = reel_dense(r->t, "dense", IN, 5, (reel_dense_options){ 0 });
    put(r, reel_time_distributed(l, take_steps(r, IN)));
}

static void variational_dropout(recording *r)
{
    put(r, reel_variational_dropout(take_steps(r, IN), 0.5));
}

static void packed(recording *r)
{
    reel_var rows = reel_pack(take_steps(r, IN), recorded_lengths);
    put(r, rows);
    put(r, reel_unpack(reel_tanh(rows), STEPS, BATCH, recorded_lengths));
}

static void segments(recording *r)
{
    static const int32_t segment[STEPS * BATCH] = { 0, 0, 1, 0, 1, 1, 1,  -1, 2,
                                                    1, 2, 2, 2, 2, 2, -1, 2,  -1 };
    reel_var x = take_steps(r, IN);
    for (int kind = 0; kind < REEL_SEGMENT_KIND_COUNT; kind++) {
        put(r, reel_pool_segments(x, segment, 3, (reel_segment_kind)kind));
    }
}

static void members(recording *r)
{
    put(r, reel_members(take_steps(r, HIDDEN), 2));
}

static void copying(recording *r)
{
    static const int32_t source[STEPS * BATCH] = { 3, 9, 1, 4, 0, 8, 2, 2,  7,
                                                   9, 5, 6, 1, 8, 3, 0, -1, -1 };
    reel_var logits = take(r, REEL_SHAPE(BATCH, 8));
    reel_var weights = reel_softmax(take(r, REEL_SHAPE(BATCH, STEPS)), -1);
    reel_var p_gen = reel_sigmoid(take(r, REEL_SHAPE(BATCH, 1)));
    put(r, reel_copy_log_probabilities(logits, weights, p_gen, source, 10));
}

const recording_row recordings_of_functions[] = {
    { "reel_activate", NULL, activate },
    { "reel_dense", "reel_apply", dense },
    { "reel_embedding", "reel_tied_output reel_embedding_table", embedding },
    { "reel_layer_norm", NULL, layer_norm },
    { "reel_rms_norm", NULL, rms_norm },
    { "reel_batch_norm", "reel_batch_norm_apply", batch_norm },
    { "reel_batch_norm-training", NULL, batch_norm_training },
    { "reel_mask_steps", "reel_length_mask", mask_steps },
    { "reel_conv1d", NULL, conv1d },
    { "reel_max_pool1d", "reel_mean_pool1d", pooling },
    { "reel_learned_positions", "reel_sinusoidal_positions", positions },
    { "reel_rotary", NULL, rotary },
    { "reel_time_distributed", NULL, time_distributed },
    { "reel_variational_dropout", NULL, variational_dropout },
    { "reel_pack", "reel_unpack", packed },
    { "reel_pool_segments", NULL, segments },
    { "reel_members", NULL, members },
    { "reel_copy_log_probabilities", NULL, copying },
    { 0 },
};

/* recordings_losses.c: outputs for many classes and densities, and losses. */
#include "layers/losses.h"
#include "layers/outputs.h"
#include "layers/sequence.h"
#include "ops/ops.h"
#include "support/recordings.h"

/* ---- outputs and losses ---------------------------------------------------------------------- */

static void class_outputs(recording *r)
{
    static const int64_t cutoffs[] = { 4, 7 };
    static const double counts[] = { 9, 7, 5, 4, 3, 2, 2, 1, 1 };
    reel_class_output out[] = {
        reel_adaptive_softmax(r->t, "adaptive", 8, 9, 2, cutoffs,
                              (reel_adaptive_softmax_options){ .head_bias = true }),
        reel_hierarchical_softmax(r->t, "tree", 8, 9, counts),
        reel_sampled_softmax(r->t, "sampled", 8, 9, (reel_sampled_options){ .samples = 3 }),
        reel_nce(r->t, "nce", 8, 9, (reel_sampled_options){ .samples = 3 }),
    };
    stir(r);
    static const int32_t targets[STEPS * BATCH] = { 3, 8, 1, 4, 0, 8, 2, 2, 7, 6, 5, 6, 1, 8, 3 };
    reel_var x = take_steps(r, 8), y = reel_indices(r->t, REEL_SHAPE(STEPS, BATCH), targets);
    for (size_t i = 0; i < sizeof out / sizeof *out; i++) {
        put(r, reel_class_log_probabilities(x, out[i]));
        put(r, reel_class_loss(x, y, out[i], (reel_class_loss_options){ 0 }));
    }
}

static void mixture(recording *r)
{
    reel_mixture_options options = { .components = 3, .width = 2, .correlated = true };
    reel_var raw = take_steps(r, reel_mixture_inputs(options));
    put(r, reel_mixture_mean(raw, options));
    put(r, reel_mixture_loss(raw, take_steps(r, 2), options));
}

static void cross_entropies(recording *r)
{
    reel_var logits = take_steps(r, 5), targets = take_indices(r, REEL_SHAPE(STEPS, BATCH), 5);
    reel_cross_entropy_options smooth = { .label_smoothing = 0.1 };
    put(r, reel_cross_entropy(logits, targets));
    put(r, reel_cross_entropy_ex(logits, targets, smooth));
    put(r, reel_focal_softmax(logits, targets, (reel_focal_options){ 0 }));
    put(r, reel_multi_margin(logits, targets, (reel_multi_margin_options){ .margin = 0.7 }));
}

static void element_losses(recording *r)
{
    reel_var a = take_steps(r, 5), b = take_steps(r, 5), p = reel_softmax(b, -1);
    reel_var ones = reel_sign(b), bits = reel_greater(b, reel_scalar(r->t, 0));
    put(r, reel_mse(a, b));
    put(r, reel_mae(a, b));
    put(r, reel_huber(a, b, 0.5));
    put(r, reel_binary_cross_entropy_with_logits(a, bits));
    put(r, reel_hinge(a, ones, (reel_hinge_options){ .squared = true }));
    put(r, reel_focal(a, bits, (reel_focal_options){ .alpha = 0.3 }));
    put(r, reel_kl_divergence(reel_log_softmax(a, -1), p, REEL_REDUCE_MEAN));
    put(r, reel_smooth_l1(a, b, 0.5, REEL_REDUCE_NONE));
    put(r, reel_poisson_nll(a, p, REEL_REDUCE_SUM));
    put(r, reel_gaussian_nll(a, b, reel_exp(b), REEL_REDUCE_MEAN));
    put(r, reel_masked_mean(a, reel_length_mask(r->t, STEPS, BATCH, recorded_lengths)));
    put(r, reel_activation_penalty(a, 2, recorded_lengths));
    put(r, reel_temporal_penalty(a, 2, recorded_lengths));
}

static void distances(recording *r)
{
    reel_var a = take_steps(r, 5), b = take_steps(r, 5), c = take_steps(r, 5);
    reel_var bits = reel_greater(take(r, REEL_SHAPE(STEPS, BATCH)), reel_scalar(r->t, 0));
    reel_var signs = reel_shift(reel_scale(bits, 2), -1);
    put(r, reel_cosine_similarity(a, b));
    put(r, reel_cosine_embedding(a, b, signs, 0.1, REEL_REDUCE_MEAN));
    put(r, reel_triplet(a, b, c, 0, REEL_REDUCE_MEAN));
    put(r, reel_contrastive(a, b, bits, 0, REEL_REDUCE_MEAN));
}

static const int32_t spelled[BATCH] = { 2, 1, 3 };

static void ctc(recording *r)
{
    static const int32_t targets[BATCH * 3] = { 1, 2, 0, 3, 0, 0, 2, 2, 1 };
    reel_var y = reel_indices(r->t, REEL_SHAPE(BATCH, 3), targets);
    put(r, reel_ctc(take_steps(r, 4), y, recorded_lengths, spelled,
                    (reel_ctc_options){ .reduction = REEL_REDUCE_NONE }));
}

static void transducer(recording *r)
{
    static const int32_t targets[BATCH * 3] = { 1, 2, 0, 3, 0, 0, 2, 2, 1 };
    reel_var y = reel_indices(r->t, REEL_SHAPE(BATCH, 3), targets);
    put(r, reel_transducer(take(r, REEL_SHAPE(BATCH, STEPS, 4, 4)), y, recorded_lengths, spelled,
                           (reel_transducer_options){ .reduction = REEL_REDUCE_NONE }));
}

static void crf(recording *r)
{
    reel_crf c = reel_crf_new(r->t, "crf", 4);
    reel_var emissions = take_steps(r, 4), tags = take_indices(r, REEL_SHAPE(STEPS, BATCH), 4);
    put(r, reel_crf_log_partition(c, emissions, recorded_lengths));
    put(r, reel_crf_loss(c, emissions, tags, recorded_lengths, REEL_REDUCE_NONE));
    put(r, reel_crf_marginals(c, emissions, recorded_lengths));
}

static void per_example(recording *r)
{
    reel_cell cell = reel_gru(r->t, "cell", IN, HIDDEN, (reel_gru_options){ 0 });
    stir(r);
    reel_var h = reel_unroll(cell, take_steps(r, IN), (reel_unroll_options){ 0 }).state[0];
    reel_var W = reel_find_param(r->t, "cell.W_h"), each;
    reel_per_example_gradients(reel_sum(reel_square(h), -1), 1, &W, &each);
    put(r, each);
}

const recording_row recordings_of_losses[] = {
    { "reel_adaptive_softmax",
      "reel_hierarchical_softmax reel_sampled_softmax reel_nce reel_class_loss "
      "reel_class_log_probabilities",
      class_outputs },
    { "reel_mixture_mean", "reel_mixture_loss", mixture },
    { "reel_cross_entropy", "reel_cross_entropy_ex reel_focal_softmax reel_multi_margin",
      cross_entropies },
    { "reel_mse",
      "reel_mae reel_huber reel_binary_cross_entropy_with_logits reel_hinge reel_focal "
      "reel_kl_divergence reel_smooth_l1 reel_poisson_nll reel_gaussian_nll reel_masked_mean "
      "reel_activation_penalty reel_temporal_penalty",
      element_losses },
    { "reel_cosine_similarity", "reel_cosine_embedding reel_triplet reel_contrastive", distances },
    { "reel_ctc", NULL, ctc },
    { "reel_transducer", NULL, transducer },
    { "reel_crf_log_partition", "reel_crf_loss reel_crf_marginals reel_crf_new", crf },
    { "reel_per_example_gradients", NULL, per_example },
    { 0 },
};

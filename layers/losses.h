/* losses.h: losses of whole sequences (CTC, transducer, CRF) and further losses of elements.
 *
 *     reel_var outputs = reel_unroll(cell, x, options).outputs;
 *     reel_var logits = reel_apply(out, outputs);                        // [steps, batch, n]
 *     reel_var loss = reel_ctc(logits, targets, steps, letters, (reel_ctc_options){ 0 });
 *     reel_backward(loss);
 *
 * Time is the first axis, the batch the second, except where a comment says otherwise. Lengths are
 * [batch] numbers read at the call; NULL means that every row has all steps. What stands behind a
 * row's length is never read as a number: a padded batch has the losses of its rows alone, and the
 * padding gets gradient 0, NaN or not. Every loss can be differentiated again. Cross-entropy and
 * the regression losses stand in layers.h.
 */
#ifndef REEL_LOSSES_H
#define REEL_LOSSES_H

#include "layers.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What becomes of the losses of rows or elements. */
typedef enum {
    REEL_REDUCE_MEAN,
    REEL_REDUCE_SUM,
    REEL_REDUCE_NONE,
    REEL_REDUCTION_COUNT
} reel_reduction;

/* Σ mask·values / Σ mask, 0 with zero gradient where no position counts. mask [a, b, ...] are the
 * first axes of values [a, b, ..., rest]: positions with mask 0 are left out, NaN and all, other
 * numbers weigh. An absent mask: all count alike. (masked_mean.c) */
REEL_API reel_var reel_masked_mean(reel_var values, reel_var mask);
/* [steps, batch]: 1 where step < lengths[row], else 0; each length 0 … steps; NULL: all steps.
 * (lengths.c) */
REEL_API reel_var reel_length_mask(reel_tape *, int64_t steps, int64_t batch,
                                   const int32_t *lengths);

/* ---- connectionist temporal classification (Graves et al. 2006; loss_ctc.c) ----------------- */

typedef struct {
    int32_t blank; /* the label that stands for none */
    /* REEL_REDUCE_MEAN: each loss divided by its target's length (at least 1), then the mean over
     * the batch, as in PyTorch; REEL_REDUCE_NONE: [batch]. */
    reel_reduction reduction;
    /* A target that no path spells (too few steps for it and the blanks between equal neighbours)
     * has loss +infinity and gradient 0; with this its loss is 0, too. */
    bool zero_infinity;
    bool log_probabilities; /* the first argument holds those (torch's convention), not logits */
} reel_ctc_options;
/* -log of the probability, summed over all paths, that the labels of the steps spell the target
 * when repeats are merged and blanks dropped. logits [steps, batch, labels]; targets int32 [batch,
 * longest], no blank among the first target_lengths[row], whatever behind. input_lengths 0 …
 * steps, target_lengths 0 … longest. An empty target is spelt by blanks alone, and by no step at
 * all. */
REEL_API reel_var reel_ctc(reel_var logits, reel_var targets, const int32_t *input_lengths,
                           const int32_t *target_lengths, reel_ctc_options);

/* ---- recurrent neural network transducer (Graves 2012; loss_transducer.c) ------------------- */

typedef struct {
    int32_t blank;
    reel_reduction reduction; /* REEL_REDUCE_MEAN: over the batch; REEL_REDUCE_NONE: [batch] */
    bool log_probabilities;
} reel_transducer_options;
/* -log of the probability, summed over all monotonic alignments, that the joint network puts out
 * the target. logits [batch, steps, longest + 1, labels]: at [b, t, u] for what follows step t
 * when u labels are out, the blank being "go on to step t + 1". targets int32 [batch, longest].
 * input_lengths 0 … steps, target_lengths 0 … longest; without steps only the empty target is
 * possible (loss 0, else +infinity). */
REEL_API reel_var reel_transducer(reel_var logits, reel_var targets, const int32_t *input_lengths,
                                  const int32_t *target_lengths, reel_transducer_options);

/* ---- linear-chain conditional random field (Lafferty et al. 2001; crf.c) -------------------- */

/* score(y) = start[y_0] + Σ_t emission_t[y_t] + Σ_t transitions[y_{t-1}, y_t] + end[y_last];
 * p(y) = exp(score(y)) / Z. A program may fill in variables of its own. */
typedef struct {
    reel_var transitions; /* [tags, tags]: from, to */
    reel_var start, end;  /* [tags] */
} reel_crf;
/* Parameters NAME.transitions, NAME.start, NAME.end, uniform in ±0.1. */
REEL_API reel_crf reel_crf_new(reel_tape *, const char *name, int64_t tags);

/* log Z [batch] of emissions [steps, batch, tags]; 0 for a row of length 0. */
REEL_API reel_var reel_crf_log_partition(reel_crf, reel_var emissions, const int32_t *lengths);
/* log Z - score(tags); tags int32 [steps, batch], whatever behind a row's length. The mean is that
 * over the batch; REEL_REDUCE_NONE: [batch]. */
REEL_API reel_var reel_crf_loss(reel_crf, reel_var emissions, reel_var tags, const int32_t *lengths,
                                reel_reduction);
/* p(y_t = k) [steps, batch, tags], the gradient of Σ log Z in the emissions; 0 in the padding. */
REEL_API reel_var reel_crf_marginals(reel_crf, reel_var emissions, const int32_t *lengths);
/* The likeliest tags (Viterbi 1967) into tags[steps·batch], 0 in the padding, and unless NULL their
 * scores into scores[batch]. Of equally good ones the one with smaller tags at its end. */
REEL_API reel_status reel_crf_viterbi(reel_crf, reel_var emissions, const int32_t *lengths,
                                      int32_t *tags, double *scores);

/* ---- classification (loss_margin.c, loss_distance.c) ---------------------------------------- */

/* max(0, margin - y·s), targets y = ±1 of scores' shape; margin 0 means 1, REEL_ZERO 0. */
typedef struct {
    double margin;
    bool squared; /* the square of it */
    reel_reduction reduction;
} reel_hinge_options;
REEL_API reel_var reel_hinge(reel_var scores, reel_var targets, reel_hinge_options);

/* Σ_{k≠y} max(0, margin - s_y + s_k) / classes, as torch's multi_margin_loss; scores [...,
 * classes], targets int32 [...]; with .squared each term is squared (its p = 2). With
 * .crammer_singer the greatest term in place of the sum over classes (Crammer & Singer 2001). */
typedef struct {
    double margin; /* 0: 1; REEL_ZERO: 0 */
    bool squared, crammer_singer;
    reel_reduction reduction;
} reel_multi_margin_options;
REEL_API reel_var reel_multi_margin(reel_var scores, reel_var targets, reel_multi_margin_options);

/* -α_t·(1 - p_t)^γ·log p_t of independent logits, p_t the probability given to the target t ∈ {0,
 * 1} (Lin et al. 2017), α_t = α where t = 1 and 1 - α where t = 0. */
typedef struct {
    double gamma; /* 0: 2; REEL_ZERO: 0 */
    double alpha; /* 0: no α_t */
    reel_reduction reduction;
} reel_focal_options;
REEL_API reel_var reel_focal(reel_var logits, reel_var targets, reel_focal_options);
/* The same of softmax(logits): logits [..., classes], targets int32 [...]; alpha must be 0. */
REEL_API reel_var reel_focal_softmax(reel_var logits, reel_var targets, reel_focal_options);

/* Σ p·(log p - log q), Kullback & Leibler 1951: log_q are log-probabilities, p probabilities of the
 * same shape; 0·log 0 is 0. As torch's kl_div(log_q, p): REEL_REDUCE_NONE gives each element's
 * term, REEL_REDUCE_SUM their sum, REEL_REDUCE_MEAN the sum divided by the first axis (its
 * "batchmean", the mean of the divergences; its "mean" divides by the number of elements). */
REEL_API reel_var reel_kl_divergence(reel_var log_q, reel_var p, reel_reduction);

/* ---- regression and distances (loss_distance.c) --------------------------------------------- */

/* d²/(2·beta) where |d| < beta, else |d| - beta/2 (Girshick 2015); beta 0 means 1, REEL_ZERO 0:
 * |d|. */
REEL_API reel_var reel_smooth_l1(reel_var prediction, reel_var target, double beta, reel_reduction);
/* exp(x) - t·x of a log rate x, as torch's poisson_nll_loss */
REEL_API reel_var reel_poisson_nll(reel_var log_rate, reel_var target, reel_reduction);
/* (log v + d²/v)/2, d = mean - target, with v = max(variance, 1e-6), as torch's gaussian_nll_loss;
 * a variance below gets gradient 0 (Nix & Weigend 1994). One shape for all three. */
REEL_API reel_var reel_gaussian_nll(reel_var mean, reel_var target, reel_var variance,
                                    reel_reduction);

/* a·b / (max(|a|, 1e-8)·max(|b|, 1e-8)) over the last axis, [..., n] → [...], as torch's. */
REEL_API reel_var reel_cosine_similarity(reel_var a, reel_var b);
/* 1 - cos(a, b) where y = 1, max(0, cos(a, b) - margin) where y = -1, as torch's
 * cosine_embedding_loss; targets y [...]. */
REEL_API reel_var reel_cosine_embedding(reel_var a, reel_var b, reel_var targets, double margin,
                                        reel_reduction);
/* max(0, |a - p + ε| - |a - n + ε| + margin) over the last axis, ε = 1e-6, as torch's
 * triplet_margin_loss (Schroff et al. 2015); margin 0 means 1. */
REEL_API reel_var reel_triplet(reel_var anchor, reel_var positive, reel_var negative, double margin,
                               reel_reduction);
/* y·d² + (1 - y)·max(0, margin - d)², d = |a - b| over the last axis, y = 1 for pairs that belong
 * together and 0 for others (Hadsell et al. 2006, without its 1/2); margin 0 means 1. */
REEL_API reel_var reel_contrastive(reel_var a, reel_var b, reel_var targets, double margin,
                                   reel_reduction);

#ifdef __cplusplus
}
#endif

#endif

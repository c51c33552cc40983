/* outputs.h: outputs for densities and for very many classes.
 *
 *     reel_class_output words = reel_adaptive_softmax(t, "words", 256, 50000, 2,
 *                                                     (const int64_t[]){ 2000, 10000 },
 *                                                     (reel_adaptive_softmax_options){ 0 });
 *     reel_var loss = reel_class_loss(h, targets, words, (reel_class_loss_options){ 0 });
 *     reel_var log_p = reel_class_log_probabilities(h, words);   // to choose a word by
 *
 * The four kinds of output for many classes share one interface: they differ in what a training
 * step costs. Numbers of classes order by frequency where that is said: 0 is the most frequent
 * one.
 */
#ifndef REEL_OUTPUTS_H
#define REEL_OUTPUTS_H

#include "layers.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- many classes: the interface (class_output.c) ------------------------------------------- */

/* A program makes its own by the same struct. */
typedef struct reel_class_output {
    void *self;
    /* x [n, in], targets int32 [n] → [n], -log p of each target or what trains in its place */
    reel_var (*loss)(void *self, reel_var x, reel_var targets);
    reel_var (*log_probabilities)(void *self, reel_var x); /* [n, in] → [n, classes] */
    int64_t in, classes;                                   /* loss is NULL after a misuse */
} reel_class_output;

typedef struct {
    /* [...] as targets: 0 leaves out, other numbers weigh; absent: ones. The target of what is
     * left out must be in range all the same; x is read as zeros there. */
    reel_var mask;
} reel_class_loss_options;

/* The mean loss over positions, 0 where none counts: x [..., in], targets int32 [...]. The
 * targets are read at the call: data, or what is computed at once. */
REEL_API reel_var reel_class_loss(reel_var x, reel_var targets, reel_class_output,
                                  reel_class_loss_options);

/* [..., in] → [..., classes], each row the logarithms of probabilities that sum to 1. */
REEL_API reel_var reel_class_log_probabilities(reel_var x, reel_class_output);

/* ---- adaptive softmax (adaptive_softmax.c) -------------------------------------------------- */

/* Frequent classes, 0 … cutoffs[0] - 1, in a head beside one place for each cluster of rarer
 * ones, cutoffs[i] … cutoffs[i + 1] - 1 (the last ends at classes), which look through in /
 * div_value^(i + 1) features, and cost only where a target lies in them (Grave et al. 2017).
 * Cutoffs rise strictly in 1 … classes - 1; at most 16. Features are rounded down: none at all
 * makes a cluster's classes equal. As torch.nn.AdaptiveLogSoftmaxWithLoss, parameters one to
 * one:
 *
 *     W_head [in, cutoffs[0] + clusters]    head.weight.T
 *     b_head, with .head_bias               head.bias
 *     W_in0, W_in1, …                       tail[i][0].weight.T
 *     W_out0, W_out1, …                     tail[i][1].weight.T
 *
 * How many rows have a target in a cluster is rounded up to a power of two, so that training
 * steps have few different structures. */
typedef struct {
    double div_value; /* ≥ 1; 0: 4 */
    bool head_bias;
} reel_adaptive_softmax_options;
REEL_API reel_class_output reel_adaptive_softmax(reel_tape *, const char *name, int64_t in,
                                                 int64_t classes, int clusters,
                                                 const int64_t *cutoffs,
                                                 reel_adaptive_softmax_options);

/* ---- hierarchical softmax (hierarchical_softmax.c) ------------------------------------------ */

/* The leaves of a binary tree are the classes; at each inner node n of a path it goes left with
 * probability σ(x·W_n + b_n), right with the rest, and p of a class is the product (Morin &
 * Bengio 2005). The tree is Huffman's over counts [classes], each ≥ 0, so that frequent classes
 * are near the root; NULL: a balanced one. At least 2 classes. Parameters: W [classes - 1, in],
 * b [classes - 1]. */
REEL_API reel_class_output reel_hierarchical_softmax(reel_tape *, const char *name, int64_t in,
                                                     int64_t classes, const double *counts);

/* ---- sampled losses (sampled_softmax.c) ----------------------------------------------------- */

/* Logits x·Wᵀ + b, of which a training step sees the targets and `samples` classes drawn for it
 * with replacement from a distribution Q, the same ones for all positions. Parameters: W
 * [classes, in], b [classes]. While not training, both losses are the full softmax's -log p; a
 * tape draws other classes each time.
 *
 * Sampled softmax (Jean et al. 2015), o the logits, S the number of samples and t the target:
 *
 *     -o_t + log(exp(o_t) + Σ_s exp(o_s - log(S·Q(s))))      over the samples s ≠ t
 *
 * whose sum is on average the full softmax's. */
typedef struct {
    int64_t samples; /* 0: 64 */
    /* Q up to a factor, [classes], copied; NULL: log-uniform, Q(k) ~ log((k + 2) / (k + 1)), for
     * classes ordered by frequency */
    const double *distribution;
} reel_sampled_options;
REEL_API reel_class_output reel_sampled_softmax(reel_tape *, const char *name, int64_t in,
                                                int64_t classes, reel_sampled_options);

/* Noise-contrastive estimation (Gutmann & Hyvärinen 2010, Mnih & Teh 2012): tell the target from
 * the samples, with d_k = o_k - log(S·Q(k)):
 *
 *     -log σ(d_t) - Σ_s log(1 - σ(d_s)) */
REEL_API reel_class_output reel_nce(reel_tape *, const char *name, int64_t in, int64_t classes,
                                    reel_sampled_options);

/* ---- mixture density (mixture_density.c) ---------------------------------------------------- */

/* A mixture of Gaussians over `width` numbers (Bishop 1994), read off a layer's output of
 * reel_mixture_ inputs numbers, one after another:
 *
 *     w [components]          mixing weights softmax(w)
 *     μ [components, width]   means
 *     s [components, width]   standard deviations exp(s)
 *     r [components]          with .correlated, width 2: correlations tanh(r) (Graves 2013) */
typedef struct {
    int64_t components; /* ≥ 1 */
    int64_t width;      /* 0: 1 */
    bool correlated;    /* width 2 alone; without it the numbers are independent */
    reel_var mask;      /* of the loss: [...], as in reel_class_loss */
    double bias;        /* of samples, ≥ 0: s - bias, w·(1 + bias): tidier (Graves 2013) */
} reel_mixture_options;

/* How many numbers a mixture is read off; 0 for options out of range. */
REEL_API int64_t reel_mixture_inputs(reel_mixture_options);
/* The mean of -log density: raw [..., inputs], target [..., width]. */
REEL_API reel_var reel_mixture_loss(reel_var raw, reel_var target, reel_mixture_options);
/* The expected value: raw [..., inputs] → [..., width]. */
REEL_API reel_var reel_mixture_mean(reel_var raw, reel_mixture_options);
/* One draw for each position, others at each call: [..., width], without gradient. */
REEL_API reel_var reel_mixture_sample(reel_var raw, reel_mixture_options);

#ifdef __cplusplus
}
#endif

#endif

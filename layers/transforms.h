/* transforms.h: normalisation, convolution, pooling, positions: functions of one tensor.
 *
 *     reel_conv1d_options pace = { .stride = 2, .padding = REEL_SAME };
 *     reel_layer conv = reel_conv1d(t, "conv", 40, 64, 5, pace);
 *     reel_layer norm = reel_batch_norm(t, "norm", 64, (reel_batch_norm_options){ 0 });
 *     for (…) {
 *         reel_var x = reel_mask_steps(reel_input(t, REEL_SHAPE(steps, batch, 40), data), lengths);
 *         reel_var y = reel_relu(reel_batch_norm_apply(reel_apply(conv, x), norm, mask));
 *         …
 *         reel_batch_norm_update(norm);    // between the backward pass and the rewind
 *     }
 *
 * Time is the first axis, the features are the last. reel_layer_norm is in layers.h.
 */
#ifndef REEL_TRANSFORMS_H
#define REEL_TRANSFORMS_H

#include "layers.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- normalisation (rms_norm.c, batch_norm.c) ----------------------------------------------- */

/* x / sqrt(mean(x²) + epsilon)∘gain over the last axis (Zhang & Sennrich 2019). gain is [width] or
 * absent; epsilon ≥ 0, 0 means 1e-5. */
REEL_API reel_var reel_rms_norm(reel_var x, reel_var gain, double epsilon);

/* Batch normalisation (Ioffe & Szegedy 2015) of x [..., width], over all axes but the last:
 *
 *     y = (x - mean) / sqrt(variance + epsilon)∘gain + bias
 *
 * While training, mean and variance are those of the positions that count; otherwise the running
 * ones. Parameters: gain, bias [width]; running_mean, running_variance [width], which no gradient
 * reaches: they are parameters so that they are saved with the rest (keep weight decay away from
 * them). As torch.nn.BatchNorm1d of the same positions. */
typedef struct {
    double momentum; /* running ← (1 - momentum)·running + momentum·batch; in [0, 1]; 0: 0.1 */
    double epsilon;  /* ≥ 0; 0: 1e-5 */
    bool plain;      /* without gain and bias */
} reel_batch_norm_options;
REEL_API reel_layer reel_batch_norm(reel_tape *, const char *name, int64_t width,
                                    reel_batch_norm_options);

/* reel_apply of such a layer counts every position. Here mask [...], x's shape without the
 * width, is 0 at positions that don't: they stay out of the statistics and come out as zeros,
 * whatever stands there. Absent: all count. */
REEL_API reel_var reel_batch_norm_apply(reel_var x, reel_layer, reel_var mask);

/* Moves the running statistics by what the layer saw in its last application while training, the
 * variance unbiased; nothing happens if there was none since the rewind or the last update, or
 * if fewer than two positions counted. After the backward pass (the forward pass runs if it has
 * not yet) and before the rewind. */
REEL_API reel_status reel_batch_norm_update(reel_layer);

/* x [steps, batch, ...] with zeros, and zero gradient, from each row's length on; lengths
 * [batch], each 0 … steps. Before a convolution it keeps padding out of a sequence's end.
 * (lengths.c) */
REEL_API reel_var reel_mask_steps(reel_var x, const int32_t *lengths);

/* ---- convolution and pooling over time (convolution.c, pooling.c) --------------------------- */

typedef enum {
    REEL_VALID,  /* no padding: the window lies inside */
    REEL_SAME,   /* dilation·(kernel - 1) zeros, half of them before, the odd one behind */
    REEL_CAUSAL, /* all of them before: y[t] sees nothing after x[t·stride] */
    REEL_PADDING_COUNT
} reel_padding;

typedef struct {
    int64_t stride, dilation; /* 0: 1 */
    reel_padding padding;
    int64_t groups; /* of channels, each for itself: out block g sees in block g; 0: 1 */
    bool no_bias;
} reel_conv1d_options;

/* x [steps, batch, in] → [steps', batch, out], y[t] = Σ_k x[t·stride + k·dilation]·W[k] + b, a
 * correlation as in PyTorch. Parameters: W [kernel, in/groups, out], torch.nn.Conv1d's weight [out,
 * in/groups, kernel] with the axes reversed; b [out]. */
REEL_API reel_layer reel_conv1d(reel_tape *, const char *name, int64_t in, int64_t out,
                                int64_t kernel, reel_conv1d_options);

/* How many steps come out of `steps`, for lengths; the same for a pooling. 0 where none fits. */
REEL_API int64_t reel_conv1d_steps(int64_t steps, int64_t kernel, reel_conv1d_options);

/* The largest, or the mean, of each window of `kernel` steps: x [steps, batch, ...] → [steps',
 * ...]. groups and no_bias do not count; stride 0 means kernel. Padding is never the largest,
 * and does not count in a mean. The gradient of equal largest ones is shared evenly. */
REEL_API reel_var reel_max_pool1d(reel_var x, int64_t kernel, reel_conv1d_options);
REEL_API reel_var reel_mean_pool1d(reel_var x, int64_t kernel, reel_conv1d_options);

/* ---- positions (positional.c, rotary.c) ----------------------------------------------------- */

/* [steps, width] with sin(t/base^(2i/width)) at 2i and its cosine at 2i + 1 (Vaswani et al.
 * 2017), t from `first` on. base 0: 10000. */
REEL_API reel_var reel_sinusoidal_positions(reel_tape *, int64_t steps, int64_t width,
                                            int64_t first, double base);

/* A layer: x [steps, batch, width] + table[t] (Gehring et al. 2017), at most `steps` steps.
 * Parameter: table [steps, width], normal with std 0.02. */
REEL_API reel_layer reel_learned_positions(reel_tape *, const char *name, int64_t steps,
                                           int64_t width);

/* Rotary positions (Su et al. 2021): in x [steps, ..., width] each pair of features turns by the
 * angle t/base^(2i/width), so that the dot product of two rows depends on how far apart they are
 * alone. The width must be even. */
typedef struct {
    int64_t first; /* the position of x[0], for decoding in pieces */
    double base;   /* 0: 10000 */
    bool halves;   /* pairs are i and i + width/2 instead of 2i and 2i + 1 */
} reel_rotary_options;
REEL_API reel_var reel_rotary(reel_var x, reel_rotary_options);

/* ---- tied output (embedding.c, tied_output.c) ----------------------------------------------- */

/* The table [count, width] of a reel_embedding; poisoned, with an error, for another layer. */
REEL_API reel_var reel_embedding_table(reel_tape *, reel_layer);

/* Logits by an embedding's own vectors (Press & Wolf 2017): y = x·tableᵀ + b, x [..., width] →
 * [..., count]. The table's gradient is the sum of both uses; a padding index has a logit like any
 * other. Parameter: b [count]. */
typedef struct {
    bool no_bias;
} reel_tied_output_options;
REEL_API reel_layer reel_tied_output(reel_tape *, const char *name, reel_layer embedding,
                                     reel_tied_output_options);

#ifdef __cplusplus
}
#endif

#endif

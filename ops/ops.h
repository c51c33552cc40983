/* ops.h: every primitive operation.
 *
 * Shapes broadcast as in NumPy; axes may be negative; a call with shapes that do not fit returns
 * a poisoned handle and leaves a message on the tape. Nothing is computed before a value is
 * read. Formula, conventions and source of each op stand in its entry, and in docs/ops.md. / */
#ifndef REEL_OPS_H
#define REEL_OPS_H

#include "../graph/op.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- arithmetic (arithmetic.c, power.c, piecewise.c) ---------------------------------------- */
REEL_API reel_var reel_add(reel_var a, reel_var b);
REEL_API reel_var reel_sub(reel_var a, reel_var b);
REEL_API reel_var reel_mul(reel_var a, reel_var b);
REEL_API reel_var reel_div(reel_var a, reel_var b);
REEL_API reel_var reel_pow(reel_var a, reel_var b);
REEL_API reel_var reel_maximum(reel_var a, reel_var b); /* gradient at ties: half to each */
REEL_API reel_var reel_minimum(reel_var a, reel_var b);
/* a·b, and 0 where a is 0, whatever b is (as SciPy's xlogy) */
REEL_API reel_var reel_xmul(reel_var a, reel_var b);
REEL_API reel_var reel_scale(reel_var x, double factor); /* factor·x */
REEL_API reel_var reel_shift(reel_var x, double term);   /* x + term */
REEL_API reel_var reel_neg(reel_var x);
REEL_API reel_var reel_square(reel_var x);
REEL_API reel_var reel_sqrt(reel_var x);
REEL_API reel_var reel_rsqrt(reel_var x);
REEL_API reel_var reel_reciprocal(reel_var x);
REEL_API reel_var reel_abs(reel_var x); /* gradient 0 at 0 */
REEL_API reel_var reel_sign(reel_var x);
REEL_API reel_var reel_floor(reel_var x);
/* gradient 1 at the bounds, as PyTorch */
REEL_API reel_var reel_clamp(reel_var x, double lo, double hi);

/* ---- exponentials, trigonometry (exponential.c, trigonometric.c) ---------------------------- */
REEL_API reel_var reel_exp(reel_var x);
REEL_API reel_var reel_log(reel_var x);
REEL_API reel_var reel_log1p(reel_var x);
REEL_API reel_var reel_expm1(reel_var x);
REEL_API reel_var reel_sin(reel_var x);
REEL_API reel_var reel_cos(reel_var x);
REEL_API reel_var reel_tan(reel_var x);
REEL_API reel_var reel_erf(reel_var x);

/* ---- activations (activation.c, rectifier.c) ------------------------------------------------ */
REEL_API reel_var reel_sigmoid(reel_var x);
REEL_API reel_var reel_tanh(reel_var x);
REEL_API reel_var reel_relu(reel_var x); /* gradient 0 at 0 */
REEL_API reel_var reel_leaky_relu(reel_var x, double slope);
REEL_API reel_var reel_elu(reel_var x, double alpha);
REEL_API reel_var reel_softplus(reel_var x);
REEL_API reel_var reel_gelu(reel_var x); /* exact, by erf */
REEL_API reel_var reel_silu(reel_var x);
/* clamp(x/6 + 1/2, 0, 1), as PyTorch and ONNX */
REEL_API reel_var reel_hard_sigmoid(reel_var x);

/* ---- choosing and comparing (compare.c): 1 where true, 0 elsewhere -------------------------- */
/* As IEEE 754 has it, NaN is unequal to everything and neither less nor greater. */
REEL_API reel_var reel_less(reel_var a, reel_var b);
REEL_API reel_var reel_less_equal(reel_var a, reel_var b);
REEL_API reel_var reel_greater(reel_var a, reel_var b);
REEL_API reel_var reel_greater_equal(reel_var a, reel_var b);
REEL_API reel_var reel_equal(reel_var a, reel_var b);
REEL_API reel_var reel_not_equal(reel_var a, reel_var b);
/* a where condition is not 0, else b; what is not chosen gets gradient 0, even where it is not
 * finite */
REEL_API reel_var reel_where(reel_var condition, reel_var a, reel_var b);

/* ---- reductions (sum.c, extremum.c, product.c, statistics.c, cumulate.c) -------------------- */
/* The axis goes; _keep keeps it as 1; _all takes the whole tensor. */
REEL_API reel_var reel_sum(reel_var v, int axis); /* pairwise summation */
REEL_API reel_var reel_mean(reel_var v, int axis);
/* gradient at ties: shared evenly; NaN wins */
REEL_API reel_var reel_max(reel_var v, int axis);
REEL_API reel_var reel_min(reel_var v, int axis);
REEL_API reel_var reel_prod(reel_var v, int axis);      /* gradient right with zeros, too */
REEL_API reel_var reel_logsumexp(reel_var v, int axis); /* -infinity for a row of -infinity */
/* population variance (÷ n), as NumPy; C leaves no room for reel_var(v, axis) beside the type */
REEL_API reel_var reel_variance(reel_var v, int axis);
REEL_API reel_var reel_norm(reel_var v, int axis);   /* Euclidean; gradient 0 at 0 */
REEL_API reel_var reel_argmax(reel_var v, int axis); /* int32; the first of ties */
REEL_API reel_var reel_sum_keep(reel_var v, int axis);
REEL_API reel_var reel_mean_keep(reel_var v, int axis);
REEL_API reel_var reel_max_keep(reel_var v, int axis);
REEL_API reel_var reel_min_keep(reel_var v, int axis);
REEL_API reel_var reel_prod_keep(reel_var v, int axis);
REEL_API reel_var reel_logsumexp_keep(reel_var v, int axis);
REEL_API reel_var reel_var_keep(reel_var v, int axis);
REEL_API reel_var reel_norm_keep(reel_var v, int axis);
REEL_API reel_var reel_argmax_keep(reel_var v, int axis);
REEL_API reel_var reel_sum_all(reel_var v);
REEL_API reel_var reel_mean_all(reel_var v);
REEL_API reel_var reel_max_all(reel_var v);
REEL_API reel_var reel_min_all(reel_var v);
REEL_API reel_var reel_prod_all(reel_var v);
REEL_API reel_var reel_logsumexp_all(reel_var v);
REEL_API reel_var reel_var_all(reel_var v);
REEL_API reel_var reel_norm_all(reel_var v);
REEL_API reel_var reel_argmax_all(reel_var v);
REEL_API reel_var reel_cumsum(reel_var v, int axis);

/* ---- linear recurrences (linear_scan.c) ------------------------------------------------------ */
/* y[t] = a[t]∘y[t-1] + b[t] over axis 0, all steps in one op: b and y [steps, ...], a the same or
 * what broadcasts to it. Threads share the columns or, where these are few, chunks of steps; its
 * gradient is the same scan from the other end. */
typedef struct {
    reel_var initial; /* y[-1], a step of b's shape; absent: zeros */
    bool reverse;     /* y[t] = a[t]∘y[t+1] + b[t], from the last step to the first */
    /* Complex numbers: the last axis is [real parts, imaginary parts], two halves of one length. */
    bool complex_values;
} reel_linear_scan_options;
REEL_API reel_var reel_linear_scan(reel_var a, reel_var b, reel_linear_scan_options);

/* ---- softmax (softmax.c) -------------------------------------------------------------------- */
REEL_API reel_var reel_softmax(reel_var v, int axis);     /* zeros for a row of -infinity */
REEL_API reel_var reel_log_softmax(reel_var v, int axis); /* -infinity for such a row */

/* ---- products (matmul.c): 2-D, batched with broadcasting, vectors as in NumPy --------------- */
REEL_API reel_var reel_matmul(reel_var a, reel_var b);
typedef struct {
    bool transpose_a, transpose_b; /* of the last two axes */
} reel_matmul_options;
REEL_API reel_var reel_matmul_ex(reel_var a, reel_var b, reel_matmul_options);
/* x·W + b; x [..., in], W [in, out], b [out] */
REEL_API reel_var reel_affine(reel_var x, reel_var W, reel_var b);

/* ---- shape (view.c, permute.c, slice.c): no data moves -------------------------------------- */
REEL_API reel_var reel_reshape(reel_var v, reel_shape shape); /* one axis may be -1 */
REEL_API reel_var reel_transpose(reel_var v, int axis_a, int axis_b);
REEL_API reel_var reel_permute_n(reel_var v, int n, const int axes[]);
/* v[begin:end]; negative counts from the end; outside is an error */
REEL_API reel_var reel_slice(reel_var v, int axis, int64_t begin, int64_t end);
/* v[index] on axis 0, which goes; negative from the end */
REEL_API reel_var reel_at(reel_var v, int64_t index);
REEL_API reel_status reel_split(reel_var v, int axis, int n, reel_var out[]); /* n equal parts */
REEL_API reel_var reel_flip(reel_var v, int axis);
REEL_API reel_var reel_squeeze(reel_var v, int axis);
REEL_API reel_var reel_unsqueeze(reel_var v, int axis);
REEL_API reel_var reel_stop_gradient(reel_var v); /* v; its gradient is zero */
/* v; its gradient's elements are clamped to ±bound (clip_gradient.c) */
REEL_API reel_var reel_clip_gradient(reel_var v, double bound);

/* ---- joining (join.c) ----------------------------------------------------------------------- */
REEL_API reel_var reel_concat_n(int axis, int n, const reel_var v[]);
REEL_API reel_var reel_stack_n(int axis, int n, const reel_var v[]);
REEL_API reel_var reel_pad(reel_var v, int axis, int64_t before, int64_t after); /* with zeros */

/* ---- by index (gather.c, pick.c): an index out of range is an error that names it ----------- */
/* table [n, ...], indices [i...] → [i..., ...] */
REEL_API reel_var reel_gather(reel_var table, reel_var indices);
/* v with rows[k] added at v[indices[k]] */
REEL_API reel_var reel_scatter_add(reel_var v, reel_var indices, reel_var rows);
REEL_API reel_var reel_one_hot(reel_var indices, int64_t depth); /* [i...] → [i..., depth] */
/* v [i..., n], indices [i...] → v[i, indices[i]] */
REEL_API reel_var reel_pick(reel_var v, reel_var indices);

/* ---- random (random.c): Philox 4x32-10 keyed by the tape's seed; each call its own stream --- */
/* scaled by 1/(1-p); v itself when not training */
REEL_API reel_var reel_dropout(reel_var v, double p);
REEL_API reel_var reel_random_uniform(reel_tape *, reel_shape, double lo, double hi);
REEL_API reel_var reel_random_normal(reel_tape *, reel_shape, double mean, double std);
REEL_API reel_var reel_random_bernoulli(reel_tape *, reel_shape, double p);
REEL_API reel_var reel_fill(reel_tape *, reel_shape, double value); /* a constant tensor */

/* ---- recomputation -------------------------------------------------------------------------- */
/* v itself; the backward pass recomputes what lies between checkpoints instead of keeping it
 * (Chen et al. 2016). */
REEL_API reel_var reel_checkpoint(reel_var v);

#ifdef __cplusplus
}
#endif

/* Any number of variables: reel_concat(-1, h, x), reel_stack(0, a, b, c), reel_permute(v, 2, 0,
 * 1). */
#ifndef __cplusplus
#define REEL_VARS(...)                                                                             \
    (int)(sizeof((reel_var[]){ __VA_ARGS__ }) / sizeof(reel_var)), (const reel_var[])              \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }
#ifdef REEL_NO_SITES
#define REEL_SITED(v) (v)
#else
#define REEL_SITED(v) reel_located((v), __FILE__, __LINE__)
#endif
#define reel_concat(axis, ...) REEL_SITED(reel_concat_n((axis), REEL_VARS(__VA_ARGS__)))
#define reel_stack(axis, ...) REEL_SITED(reel_stack_n((axis), REEL_VARS(__VA_ARGS__)))
#define reel_permute(v, ...)                                                                       \
    REEL_SITED(reel_permute_n((v), (int)(sizeof((int[]){ __VA_ARGS__ }) / sizeof(int)),            \
                              (const int[]){ __VA_ARGS__ }))
#else
template <class... V> static inline reel_var reel_concat(int axis, V... v)
{
    const reel_var list[] = { v... };
    return reel_concat_n(axis, (int)sizeof...(v), list);
}
template <class... V> static inline reel_var reel_stack(int axis, V... v)
{
    const reel_var list[] = { v... };
    return reel_stack_n(axis, (int)sizeof...(v), list);
}
template <class... I> static inline reel_var reel_permute(reel_var v, I... axis)
{
    const int list[] = { axis... };
    return reel_permute_n(v, (int)sizeof...(axis), list);
}
#endif

#endif

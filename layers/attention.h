/* attention.h: attention over a memory, for decoders that step and for whole sequences.
 *
 *     reel_attention bahdanau = reel_additive_attention(t, "attention", 128, 256, 128,
 *                                                       (reel_additive_options){ 0 });
 *     for (…) {
 *         reel_rewind(t);
 *         reel_var encoded = reel_unroll(encoder, x, …).outputs;          // [steps, batch, 256]
 *         reel_memory memory = reel_memorize(encoded, bahdanau, lengths); // keys, once
 *         reel_cell decoder = reel_attention_cell(gru, memory, (reel_attention_cell_options){ 0 });
 *         reel_rollout r = reel_unroll(decoder, y, (reel_unroll_options){ 0 });
 *     }
 *
 * A step of a decoder asks with one query a row and gets weights over the memory's steps that
 * sum to 1, and their weighted mean of the memory, the context. What a step hands to the next
 * one (the coverage so far, where it looked last) is the attention's state, a few tensors that
 * start at zero as a cell's do. Below stand the kinds, one interface to all of them, a cell
 * around a cell that attends, and multi-head attention of a whole sequence of queries.
 *
 * Padding of the memory gets weight 0 and is read as zeros: nothing of it gets out, NaN
 * included. Where everything is hidden from a query its weights and its context are zeros, with
 * zero gradient.
 */
#ifndef REEL_ATTENTION_H
#define REEL_ATTENTION_H

#include "layers.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- a memory and one step (attention.c) ---------------------------------------------------- */

#define REEL_ATTENTION_STATES 2

typedef struct reel_memory reel_memory;

/* A kind of attention; a program makes its own by the same struct. */
typedef struct reel_attention {
    void *self;
    /* Of the memory's values [batch, steps, width], once: what `weigh` compares queries with,
     * [batch, steps, any]. NULL: the values themselves. */
    reel_var (*keys)(void *self, reel_var values);
    /* The weights [batch, steps] for query [batch, width], 0 where memory->valid is; overwrites
     * state[] with the next state. reel_attention_softmax does the last step of most. */
    reel_var (*weigh)(void *self, const reel_memory *memory, reel_var query, reel_var state[]);
    int states;                           /* how many tensors state[] holds */
    int64_t width[REEL_ATTENTION_STATES]; /* state[k] is [batch, width[k]]; 0: the memory's steps */
} reel_attention;

/* Dies at the rewind, as its handles do. */ /* site: reel_memory it.values.tape */
struct reel_memory {
    reel_attention attention;
    int64_t batch, steps, width;
    reel_var values;   /* [batch, steps, width], zeros in the padding */
    reel_var keys;     /* [batch, steps, any] */
    reel_var valid;    /* [batch, steps]: 1 for a step, 0 for padding; absent: all are steps */
    reel_var length;   /* [batch, 1], how many are */
    reel_var position; /* [1, steps]: 0, 1, 2, … */
};

/* memory [steps, batch, width]; lengths [batch], each 0 … steps, or NULL, as in reel_unroll.
 * After a misuse .values is a poisoned handle. */
REEL_API reel_memory reel_memorize(reel_var memory, reel_attention, const int32_t *lengths);

typedef struct {
    reel_var context; /* the weighted mean of the values */
    reel_var weights; /* the alignment: read it to draw it */
} reel_attended;

/* One step: query [batch, any] → context [batch, width], weights [batch, steps]. state[] holds
 * the attention's states and becomes the next ones; absent handles are the start, zeros. NULL
 * will do for an attention without states. */
REEL_API reel_attended reel_attend(reel_var query, const reel_memory *, reel_var state[]);

/* softmax over the steps that are valid: scores [batch, steps] → weights, for a program's own
 * kind. */
REEL_API reel_var reel_attention_softmax(reel_var scores, const reel_memory *);

/* ---- the kinds ------------------------------------------------------------------------------ */

/* s is the query [query], h_i a step of the memory [memory]; a = softmax(e) unless said otherwise.
 * Matrices start Glorot uniform, biases at zero, v uniform in ±1/√width. */

/* Additive attention (Bahdanau et al. 2015):
 *
 *     e_i = tanh(s·W_q + h_i·W_m + b)·v
 *
 * Parameters: W_q [query, width], W_m [memory, width], b [width], v [width].
 * (attention_additive.c) */
typedef struct {
    /* c∘w_c inside the tanh, with c_i the sum of all earlier weights on i, the state (See et al.
     * 2017). Parameter w_c [width]. For its loss see reel_coverage_loss. */
    bool coverage;
    /* Filters over where it looked before (Chorowski et al. 2015): f·W_f inside the tanh, with f
     * = F ∗ a' a convolution of the last weights a', the state. That many filters, 0: none.
     * Parameters F [kernel, filters], W_f [filters, width]. */
    int64_t filters;
    int64_t kernel;  /* taps of F, odd; 0: 31 */
    bool cumulative; /* the filters see the sum of all earlier weights instead (Shen et al. 2018) */
    /* a = σ(e) / Σ σ(e) instead of the softmax: "smoothing" (Chorowski et al. 2015) */
    bool smooth;
} reel_additive_options;
REEL_API reel_attention reel_additive_attention(reel_tape *, const char *name, int64_t query,
                                                int64_t memory, int64_t width,
                                                reel_additive_options);

/* Location-sensitive attention (Chorowski et al. 2015): additive with .filters, 0: 32. */
REEL_API reel_attention reel_location_attention(reel_tape *, const char *name, int64_t query,
                                                int64_t memory, int64_t width,
                                                reel_additive_options);

/* Multiplicative attention (Luong et al. 2015):
 *
 *     REEL_DOT       e_i = s·h_i                     query and memory of one width
 *     REEL_GENERAL   e_i = s·W·h_i                   W [query, memory]
 *     REEL_CONCAT    e_i = tanh([s, h_i]·W)·v        W [query + memory, width], v [width]
 *
 * and its windows, of the half width D:
 *
 *     REEL_LOCAL_M   the softmax is over |i - t| ≤ D alone, t counts the steps from 0: the state
 *     REEL_LOCAL_P   p = length·σ(tanh(s·W_p)·v_p); the softmax is over |i - p| ≤ D alone, then
 *                    a_i ← a_i·exp(-(i - p)²/(2σ²)) with σ = D/2. W_p [query, query], v_p [query]
 *
 * A window that holds no step gives zeros. (attention_luong.c) */
typedef enum { REEL_DOT, REEL_GENERAL, REEL_CONCAT, REEL_LUONG_SCORE_COUNT } reel_luong_score;
typedef enum { REEL_GLOBAL, REEL_LOCAL_M, REEL_LOCAL_P, REEL_LUONG_WINDOW_COUNT } reel_luong_window;
typedef struct {
    reel_luong_score score;
    int64_t width; /* of REEL_CONCAT; 0: the query's */
    /* REEL_DOT, REEL_GENERAL: e ÷ √memory, scaled dot-product attention (Vaswani et al. 2017) */
    bool scaled;
    reel_luong_window window;
    int64_t half_width; /* D; 0: 10 */
} reel_luong_options;
REEL_API reel_attention reel_luong_attention(reel_tape *, const char *name, int64_t query,
                                             int64_t memory, reel_luong_options);

/* Monotonic attention (Raffel et al. 2017): from where it stopped last, each step stops with
 * probability p_i = σ(e_i), or goes on:
 *
 *     e_i = g·tanh(s·W_q + h_i·W_m + b)·v/‖v‖ + r
 *     a_i = p_i·Σ_{k ≤ i} a'_k·Π_{k ≤ l < i} (1 - p_l)
 *
 * with a' the weights before, at first all on step 0; the state is a' less that. The sum of a
 * may be below 1: what runs past the end attends to nothing. While training a is this
 * expectation; otherwise p_i is 1 where e_i > 0 and 0 elsewhere, and a is one step or none.
 * Computed exactly, by a scan of log₂(steps) passes, without dividing by products that vanish;
 * weights below 1e-20 are 0. Parameters as additive attention's, and g [1] from 1/√width and r
 * [1]. (attention_monotonic.c) */
typedef struct {
    double r;     /* where r starts; 0: -4; REEL_ZERO: 0 */
    double noise; /* std of normal noise on e while training, which teaches p to be 0 or 1; ≥ 0 */
    bool soft;    /* the expectation always */
} reel_monotonic_options;
REEL_API reel_attention reel_monotonic_attention(reel_tape *, const char *name, int64_t query,
                                                 int64_t memory, int64_t width,
                                                 reel_monotonic_options);

/* Σ_t Σ_i min(a_ti, Σ_{s<t} a_si) / number of queries t, b that count: looking again where it
 * looked before costs (See et al. 2017). weights [queries, batch, steps]; mask [queries, batch],
 * 0 for padding, or absent. 0 where nothing counts. */
REEL_API reel_var reel_coverage_loss(reel_var weights, reel_var mask);

/* ---- a cell that attends (attention_cell.c) ------------------------------------------------- */

/* Around a cell: with q the inner cell's state[0],
 *
 *     the default      c = attend(q), o = inner([x, c])           (Bahdanau et al. 2015)
 *     .after           o = inner(x), c = attend(o)                (Luong et al. 2015)
 *
 * The output is o, or [o, c] with .joined, or combine([o, c]). States, one after another: the inner
 * cell's, the attention's, what is fed back, the weights. */
typedef struct {
    bool after;
    bool joined;
    /* A layer over [o, c], such as reel_dense with tanh: Luong's attentional output. */
    reel_layer combine;
    /* The last output is put behind x, [x, output]: input feeding (Luong et al. 2015). Its
     * width; 0: none. */
    int64_t feed;
    /* One more state, the weights of the step [batch, memory steps]: with .all_states the rollout's
     * last states are the alignments [steps, batch, memory steps]. */
    bool weights;
} reel_attention_cell_options;

/* The cell lives until the rewind, as the memory's handles do; the inner one stays. */
REEL_API reel_cell reel_attention_cell(reel_cell inner, reel_memory, reel_attention_cell_options);

/* ---- sequences of queries (attention_dot.c, attention_heads.c) ------------------------------ */

/* Which keys a query may see; all that is given must allow it. */
typedef struct {
    /* [batch], each 0 … keys: keys from there on are padding, read as zeros, and as queries too
     * in self attention; multi-head attention only. PyTorch's key_padding_mask is true from
     * there on. */
    const int32_t *lengths;
    /* Nonzero: may be seen. Broadcasts to the scores, [..., queries, keys]; the opposite of
     * MultiheadAttention's boolean attn_mask. */
    reel_var mask;
    /* Added to the scores, broadcast to them; -infinity hides. PyTorch's floating attn_mask. */
    reel_var bias;
    bool causal; /* query i sees keys 0 … i */
} reel_attention_mask;

/* softmax(q·kᵀ·scale)·v (Vaswani et al. 2017): q [..., queries, d], k [..., keys, d], v [..., keys,
 * any] with equal leading axes → context [..., queries, any], weights [..., queries, keys].
 * scale 0: 1/√d. dropout in [0, 1) is of the weights that make the context. */
typedef struct {
    reel_attention_mask mask; /* without lengths */
    double scale;
    double dropout;
} reel_dot_product_options;
REEL_API reel_attended reel_dot_product_attention(reel_var q, reel_var k, reel_var v,
                                                  reel_dot_product_options);

/* Multi-head attention (Vaswani et al. 2017): heads of width/heads each, side by side,
 *
 *     head = dot_product(q·W_q + b_q, k·W_k + b_k, v·W_v + b_v), output = [head …]·W_o + b_o
 *
 * Parameters: W_q [width, width], W_k [key, width], W_v [value, width], W_o [width, width], b_q,
 * b_k, b_v, b_o [width]. They are those of torch.nn.MultiheadAttention(width, heads, kdim = key,
 * vdim = value) one to one:
 *
 *     W_q, W_k, W_v   in_proj_weight.T, columns 0 … width - 1, width … and 2·width …;
 *                     or q_proj_weight.T, k_proj_weight.T, v_proj_weight.T where widths differ
 *     b_q, b_k, b_v   in_proj_bias, cut in three
 *     W_o, b_o        out_proj.weight.T, out_proj.bias */
typedef struct {
    int64_t key, value; /* their widths; 0: width */
    bool no_bias;
    double dropout; /* of the weights, in [0, 1) */
    bool rotary;    /* reel_rotary on queries and keys of each head (Su et al. 2021) */
} reel_multi_head_options;
typedef struct reel_multi_head {
    void *self; /* NULL after a misuse */
} reel_multi_head;
REEL_API reel_multi_head reel_multi_head_attention(reel_tape *, const char *name, int64_t width,
                                                   int64_t heads, reel_multi_head_options);

/* query [queries, batch, width], key [keys, batch, key], value [keys, batch, value] → context
 * [queries, batch, width], weights [batch, heads, queries, keys] (PyTorch's with
 * average_attn_weights = False; it gives NaN where everything is hidden, where here the heads
 * are zeros and the output is b_o). Self attention gives one variable three times. */
REEL_API reel_attended reel_attend_heads(reel_var query, reel_var key, reel_var value,
                                         reel_multi_head, reel_attention_mask);

#ifdef __cplusplus
}
#endif

#endif

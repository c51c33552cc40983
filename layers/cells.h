/* cells.h: cells beyond RNN, LSTM and GRU, each from a paper, with its equations.
 *
 *     reel_cell cell = reel_indrnn(t, "cell", 64, 128, (reel_indrnn_options){ 0 });
 *     reel_rollout r = reel_unroll(cell, x, (reel_unroll_options){ 0 });
 *
 * Below, x is [batch, in], h the state of that name, σ the logistic function, ∘ the product element
 * by element, and [a b] = z says that z's columns are those of a, then of b. Without another word
 * W_x starts Glorot uniform, each gate's block of W_h orthogonal, all biases zero, and the output
 * is the new h [batch, hidden]. A size below 1 or an option out of range makes no cell and leaves
 * a message that names the argument.
 */
#ifndef REEL_CELLS_H
#define REEL_CELLS_H

#include "layers.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- LSTMs (cell_coupled_lstm.c, cell_multiplicative_lstm.c, cell_phased_lstm.c) ------------ */

/* LSTM whose forget gate is what the input gate leaves (Greff et al. 2017, CIFG):
 *
 *     [i g o] = x·W_x + h·W_h + b
 *     c' = (1 - σ(i))∘c + σ(i)∘tanh(g)
 *     h' = σ(o)∘tanh(c')
 *
 * Parameters: W_x [in, 3·hidden], W_h [hidden, 3·hidden], b [3·hidden]. States: h, c. */
typedef struct {
    /* i gets c∘p_i, o gets c'∘p_o. Parameter W_c [2·hidden], p_i then p_o; starts at zero. */
    bool peephole;
    /* b's i starts at minus this, so that 1 - σ(i) is σ(forget_bias); 0: 1; REEL_ZERO: 0. */
    double forget_bias;
} reel_coupled_lstm_options;
REEL_API reel_cell reel_coupled_lstm(reel_tape *, const char *name, int64_t in, int64_t hidden,
                                     reel_coupled_lstm_options);

/* LSTM whose recurrent weights depend on the input (Krause et al. 2016):
 *
 *     m = (x·W_xm)∘(h·W_hm)
 *     [i f g o] = x·W_x + m·W_h + b
 *     c' = σ(f)∘c + σ(i)∘tanh(g)
 *     h' = σ(o)∘tanh(c')
 *
 * Parameters: W_x [in, 4·hidden], W_h [hidden, 4·hidden], b [4·hidden], W_xm [in, hidden], Glorot,
 * W_hm [hidden, hidden], orthogonal. States: h, c. */
typedef struct {
    double forget_bias; /* 0: 1; REEL_ZERO: 0 */
} reel_multiplicative_lstm_options;
REEL_API reel_cell reel_multiplicative_lstm(reel_tape *, const char *name, int64_t in,
                                            int64_t hidden, reel_multiplicative_lstm_options);

/* LSTM with a rhythmic time gate k (Neil et al. 2016):
 *
 *     φ = time/period - shift, less its whole part
 *     k = 2φ/open where φ < open/2; 2 - 2φ/open where φ < open; leak∘φ elsewhere
 *     [i f g o] = x·W_x + h·W_h + b
 *     c~ = σ(f)∘c + σ(i)∘tanh(g),  c' = c + k∘(c~ - c)
 *     h~ = σ(o)∘tanh(c~),          h' = h + k∘(h~ - h)
 *
 * Parameters: W_x [in, 4·hidden], W_h [hidden, 4·hidden], b [4·hidden], and [hidden] each: period,
 * exp of a uniform number in [log shortest, log longest]; shift, uniform in [0, 1), in periods;
 * open, 0.05. States: h, c, and the clock [batch, 1], the number of the row's next step. */
typedef struct {
    /* x is [batch, in + 1]: its last column is the time, in any unit. Otherwise steps are counted
     * from the initial clock. */
    bool timed;
    bool peephole;            /* as in reel_lstm, from c and c~ (the paper has them) */
    double shortest, longest; /* of the periods at the start; 0: 1 and e³ */
    double open;              /* where the parameter starts, in (0, 1]; 0: 0.05 */
    double leak;              /* ≥ 0; 0: 0.001; REEL_ZERO: 0 */
    double forget_bias;       /* 0: 1; REEL_ZERO: 0 */
} reel_phased_lstm_options;
REEL_API reel_cell reel_phased_lstm(reel_tape *, const char *name, int64_t in, int64_t hidden,
                                    reel_phased_lstm_options);

/* ---- xLSTM (cell_slstm.c, cell_mlstm.c) ------------------------------------------------------ */

/* sLSTM, with an exponential input gate, a normaliser n and a stabiliser m (Beck et al. 2024):
 *
 *     [i f z o] = x·W_x + h·W_h + b
 *     F = log σ(f), or f with .exponential_forget
 *     m' = max(F + m, i), or i where n is 0
 *     c' = exp(F + m - m')∘c + exp(i - m')∘tanh(z)
 *     n' = exp(F + m - m')∘n + exp(i - m')
 *     h' = σ(o)∘c'/n'
 *
 * Parameters: W_x [in, 4·hidden], W_h [hidden, 4·hidden], b [4·hidden]. States: h, c, n, m; all
 * starting at zero is the empty memory. */
typedef struct {
    bool exponential_forget;
    /* The recurrent matrix of each gate is of blocks along its diagonal, one for a head of d =
     * hidden / heads columns: head k hears h of head k alone. W_h is [hidden, 4·d]: rows k·d …
     * are the blocks of head k, i, f, z, o beside one another. A divisor of hidden, at most 64;
     * 0: 1. */
    int64_t heads;
    double forget_bias; /* 0: 1; REEL_ZERO: 0 */
} reel_slstm_options;
REEL_API reel_cell reel_slstm(reel_tape *, const char *name, int64_t in, int64_t hidden,
                              reel_slstm_options);

/* mLSTM, with a matrix for a memory in each head (Beck et al. 2024). For each head of d = hidden /
 * heads columns, with scalars i, f, m:
 *
 *     [q k v o i f] = x·W_x + b,  k /= √d
 *     m' = max(log σ(f) + m, i)
 *     C' = exp(log σ(f) + m - m')·C + exp(i - m')·kᵀv
 *     n' = exp(log σ(f) + m - m')·n + exp(i - m')·k
 *     h' = σ(o)∘(q·C') / max(|q·n'|, exp(-m'))
 *
 * Parameters: W_x [in, 4·hidden + 2·heads], b as wide: f from 3 in the first head to 6 in the last.
 * States: C [batch, hidden·d], row by row, n [batch, hidden], m [batch, heads]; h is not fed back.
 */
typedef struct {
    int64_t heads; /* a divisor of hidden; 0: 1 */
} reel_mlstm_options;
REEL_API reel_cell reel_mlstm(reel_tape *, const char *name, int64_t in, int64_t hidden,
                              reel_mlstm_options);

/* ---- small ones (cell_mgu.c, cell_indrnn.c, cell_clockwork.c) -------------------------------- */

/* Minimal gated unit (Zhou et al. 2016):
 *
 *     f = σ(x·W_xf + h·W_hf + b_f)
 *     n = tanh(x·W_xn + (f∘h)·W_hn + b_n)
 *     h' = (1 - f)∘h + f∘n
 *
 * Parameters: W_x [in, 2·hidden], W_h [hidden, 2·hidden], b [2·hidden], f then n. State: h. */
typedef struct {
    double forget_bias; /* where b_f starts */
} reel_mgu_options;
REEL_API reel_cell reel_mgu(reel_tape *, const char *name, int64_t in, int64_t hidden,
                            reel_mgu_options);

/* Independently recurrent network (Li et al. 2018): h' = activation(x·W_x + h∘w_h + b).
 * Parameters: W_x [in, hidden], w_h [hidden], b [hidden]. State: h. */
typedef struct {
    reel_activation activation; /* REEL_RELU is the default */
    /* How many steps gradients should last: w_h starts uniform in [0, 2^(1/steps)] (the paper's
     * bound, γ = 2). 0: uniform in [0, 1]. */
    int64_t steps;
} reel_indrnn_options;
REEL_API reel_cell reel_indrnn(reel_tape *, const char *name, int64_t in, int64_t hidden,
                               reel_indrnn_options);

/* Clockwork RNN (Koutník et al. 2014): hidden is cut into equal modules; at step t those whose
 * period divides t become tanh(x·W_x + h·W + b), the others stay. A module hears itself and the
 * modules after it alone: W is made of W_h's blocks, and zeros. Parameters: W_x [in, hidden], b
 * [hidden], W_h [rows, d], d = hidden / modules: the blocks [hidden, d], [hidden - d, d], …, [d,
 * d] of the modules one below the other. States: h, and the clock [batch, 1], the number of the
 * row's next step. */
typedef struct {
    int modules; /* a divisor of hidden; 0: 4, or hidden's largest divisor below */
    /* [modules], each at least 1, read at the call; NULL: 1, 2, 4, 8, … The paper sorts them from
     * fast to slow, so that slow ones speak to fast ones. */
    const int32_t *periods;
} reel_clockwork_options;
REEL_API reel_cell reel_clockwork(reel_tape *, const char *name, int64_t in, int64_t hidden,
                                  reel_clockwork_options);

/* ---- convolutional (cell_conv_lstm.c) -------------------------------------------------------- */

/* ConvLSTM (Shi et al. 2015): the LSTM's products are convolutions over a picture, with zeros
 * around it, so that its size stays. A row of x is [height, width, in] laid flat, in and hidden
 * being channels; h and c are [height, width, hidden] laid flat.
 *
 *     [i f g o] = x*W_x + h*W_h + b
 *     c' = σ(f)∘c + σ(i)∘tanh(g)
 *     h' = σ(o)∘tanh(c')
 *
 * Parameters: W_x [taps·in, 4·hidden], W_h [taps·hidden, 4·hidden], Glorot, b [4·hidden]; taps are
 * kernel·kernel, row by row, or kernel where height is 1. The convolutions are those of the field:
 * the kernel is not flipped. States: h, c, [batch, height·width·hidden] each. */
typedef struct {
    int64_t height; /* 0: 1, a line */
    int64_t width;  /* at least 1 */
    int64_t kernel; /* odd, at most 31; 0: 3 */
    /* As in reel_lstm, each place with weights of its own: W_c [height·width, 3·hidden], zero. */
    bool peephole;
    double forget_bias; /* 0: 1; REEL_ZERO: 0 */
} reel_conv_lstm_options;
REEL_API reel_cell reel_conv_lstm(reel_tape *, const char *name, int64_t in, int64_t hidden,
                                  reel_conv_lstm_options);

/* ---- linear recurrences (linear.c) ----------------------------------------------------------- */

/* Cells whose new state is a∘h + b, where a and b depend on x alone. Written once, such a cell runs
 * step by step in reel_unroll, and all steps at once in reel_unroll_parallel: products over the
 * whole sequence, one reel_linear_scan, products again. reel_sru (with .linear), reel_qrnn,
 * reel_mingru, reel_minlstm and reel_lru are such cells; a program's own is
 *
 *     static reel_linear_terms terms(void *self, reel_var x)
 *     {
 *         reel_var a = reel_sigmoid(reel_matmul(x, ((my_cell *)self)->W));
 *         return (reel_linear_terms){ .decay = a, .drive = reel_sub(reel_scalar(x.tape, 1), a) };
 *     }
 *     reel_linear_cell mine = { .self = &my, .width = 8, .terms = terms };
 *     reel_cell cell = reel_linear(t, mine);
 */
typedef struct {
    reel_var decay, drive; /* a and b: [..., width]; a may be what broadcasts to it */
    reel_var gate;         /* anything for `output`, or absent */
} reel_linear_terms;
typedef struct {
    void *self;
    int64_t width; /* of h */
    /* a, b and h are complex numbers, real parts in the first half, imaginary ones in the
     * second. */
    bool complex_values;
    /* How many steps of x `terms` sees, the last `window` of them side by side, oldest first; 0: 1.
     * Where it is more than 1, state[1] holds the steps before, [batch, (window - 1)·in]. */
    int64_t window, in;
    /* x [..., window·in], with any axes in front. */
    reel_linear_terms (*terms)(void *self, reel_var x);
    /* From this step's x [..., in], the new h and the terms' gate to [..., any]; NULL: h. */
    reel_var (*output)(void *self, reel_var x, reel_var h, reel_var gate);
} reel_linear_cell;
REEL_API reel_cell reel_linear(reel_tape *, reel_linear_cell);

/* What reel_unroll gives, with all of its options, for a cell made by reel_linear; an error for any
 * other. Numbers agree up to rounding. */
REEL_API reel_rollout reel_unroll_parallel(reel_cell, reel_var x, reel_unroll_options);

/* Simple recurrent unit (Lei et al. 2018):
 *
 *     [u f r s] = x·W_x;  s is x itself where in is hidden
 *     f = σ(f + v_f∘c + b_f),  r = σ(r + v_r∘c + b_r)
 *     c' = f∘c + (1 - f)∘u
 *     h = r∘c' + (1 - r)∘scale·s, the output
 *
 * Parameters: W_x [in, 3·hidden], or [in, 4·hidden] where in is not hidden, uniform in ±√(3/in);
 * v [2·hidden], v_f then v_r, uniform in ±1/√hidden; b [2·hidden], b_f zero, b_r highway_bias.
 * scale is √(1 + 2·exp(highway_bias)), which keeps the variance of x through a stack of layers.
 * State: c. */
typedef struct {
    /* Without v_f and v_r (Lei & Zhang 2017): the gates see x alone, and reel_unroll_parallel
     * can. */
    bool linear;
    double highway_bias;
} reel_sru_options;
REEL_API reel_cell reel_sru(reel_tape *, const char *name, int64_t in, int64_t hidden,
                            reel_sru_options);

/* Quasi-recurrent network with fo-pooling (Bradbury et al. 2017): X are the last `kernel` steps of
 * x, the oldest first, zeros before the first,
 *
 *     [z f o] = X·W_x + b
 *     c' = σ(f)∘c + (1 - σ(f))∘tanh(z)
 *     h = σ(o)∘c', the output
 *
 * Parameters: W_x [kernel·in, 3·hidden], b [3·hidden]. States: c, and with a kernel above 1 the
 * steps before [batch, (kernel - 1)·in]. */
typedef struct {
    int64_t kernel; /* 0: 2 */
} reel_qrnn_options;
REEL_API reel_cell reel_qrnn(reel_tape *, const char *name, int64_t in, int64_t hidden,
                             reel_qrnn_options);

/* minGRU (Feng et al. 2024): [z n] = x·W_x + b, h' = (1 - σ(z))∘h + σ(z)∘n.
 * Parameters: W_x [in, 2·hidden], b [2·hidden]. State: h. */
typedef struct {
    /* n becomes g(n): n + 0.5 from 0 up, σ(n) below, which keeps h positive, as the paper's form in
     * log space has it. */
    bool positive;
} reel_mingru_options;
REEL_API reel_cell reel_mingru(reel_tape *, const char *name, int64_t in, int64_t hidden,
                               reel_mingru_options);

/* minLSTM (Feng et al. 2024), whose gates are scaled to a sum of 1:
 *
 *     [f i n] = x·W_x + b
 *     h' = (σ(f)∘h + σ(i)∘n) / (σ(f) + σ(i))
 *
 * Parameters: W_x [in, 3·hidden], b [3·hidden]. State: h. */
typedef struct {
    bool positive;      /* as in reel_mingru */
    double forget_bias; /* where b_f starts */
} reel_minlstm_options;
REEL_API reel_cell reel_minlstm(reel_tape *, const char *name, int64_t in, int64_t hidden,
                                reel_minlstm_options);

/* Linear recurrent unit (Orvieto et al. 2023), complex and diagonal:
 *
 *     λ = exp(-exp(nu) + i·exp(theta)),  γ = √(1 - |λ|²)
 *     h' = λ∘h + γ∘(x·B)
 *     y = Re(h'·C) + x·D, the output
 *
 * Parameters: nu, theta [hidden], so that λ starts uniform in the ring of radii `least` and `most`
 * and angles up to `angle`; B [in, 2·hidden] and C [2·hidden, out], real parts then imaginary
 * ones, normal of variance 1/(2·in) and 1/hidden; D [in, out], normal of variance 1/in. State: h
 * [batch, 2·hidden], real parts then imaginary ones. */
typedef struct {
    int64_t out;               /* 0: hidden */
    double least, most, angle; /* 0: 0.9, 0.999 and π/10; REEL_ZERO for a least of 0 */
} reel_lru_options;
REEL_API reel_cell reel_lru(reel_tape *, const char *name, int64_t in, int64_t hidden,
                            reel_lru_options);

/* ---- trees (cell_tree_lstm.c) ---------------------------------------------------------------- */

/* Child-sum tree LSTM (Tai et al. 2015). A node with children k:
 *
 *     [i g o] = x·W_x + (Σ h_k)·W_h + b, the same for f_k with h_k alone
 *     c = σ(i)∘tanh(g) + Σ σ(f_k)∘c_k
 *     h = σ(o)∘tanh(c)
 *
 * Parameters: W_x [in, 4·hidden], W_h [hidden, 4·hidden], b [4·hidden], blocks i, f, g, o; the
 * forget block of b starts at forget_bias. The tree is the program's: call reel_tree_node for one
 * node after another, children first. */
typedef struct {
    reel_var h, c; /* [batch, hidden] */
} reel_tree_state;
typedef struct reel_tree_cell {
    void *self;
    int64_t hidden;
    reel_tree_state (*node)(void *self, reel_var x, int children, const reel_tree_state child[]);
} reel_tree_cell;
typedef struct {
    double forget_bias; /* 0: 1; REEL_ZERO: 0 */
} reel_tree_lstm_options;
REEL_API reel_tree_cell reel_tree_lstm(reel_tape *, const char *name, int64_t in, int64_t hidden,
                                       reel_tree_lstm_options);

/* x [batch, in]; `children` may be 0. Poisoned handles after a misuse. */
REEL_API reel_tree_state reel_tree_node(reel_tree_cell, reel_var x, int children,
                                        const reel_tree_state child[]);
/* All nodes of a tree, or of several: x [nodes, batch, in], parent[i] > i being the node that i is
 * a child of, -1 for a root. h and c of all nodes, [nodes, batch, hidden]. */
REEL_API reel_tree_state reel_tree_fold(reel_tree_cell, reel_var x, const int32_t *parent);

#ifdef __cplusplus
}
#endif

#endif

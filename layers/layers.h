/* layers.h: cells, unrolling, dense and embedding layers, losses, all composed from ops.h.
 *
 *     reel_layer embedding = reel_embedding(t, "bytes", 256, 64, (reel_embedding_options){ 0 });
 *     reel_cell lstm = reel_lstm(t, "lstm", 64, 128, (reel_lstm_options){ 0 });
 *     reel_layer out = reel_dense(t, "out", 128, 256, (reel_dense_options){ 0 });
 *     for (…) {
 *         reel_rewind(t);
 *         reel_var x = reel_apply(embedding, reel_indices(t, REEL_SHAPE(steps, batch), bytes));
 *         reel_rollout r = reel_unroll(lstm, x, (reel_unroll_options){ .lengths = lengths });
 *         reel_backward(reel_cross_entropy(reel_apply(out, r.outputs), targets));
 *     }
 *
 * Vectors are rows: y = x·W + b. Time is the first axis, the batch the second. A zeroed options
 * struct gives the defaults; where 0 would be a value of its own, REEL_ZERO asks for it. Parameters
 * are named NAME.W_x and so on, and belong to the tape, as the cells and layers do: nothing here is
 * freed by itself. A misuse returns a poisoned handle, or a cell or layer without a function, and
 * leaves a message on the tape.
 */
#ifndef REEL_LAYERS_H
#define REEL_LAYERS_H

#include "../graph/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- activations (activate.c) -------------------------------------------------------------- */

typedef enum {
    REEL_DEFAULT_ACTIVATION, /* tanh in a cell, linear in a dense layer */
    REEL_LINEAR,
    REEL_TANH,
    REEL_RELU,
    REEL_SIGMOID,
    REEL_HARD_SIGMOID,
    REEL_LEAKY_RELU, /* slope 0.01 */
    REEL_ELU,        /* alpha 1 */
    REEL_SOFTPLUS,
    REEL_GELU,
    REEL_SILU,
    REEL_ACTIVATION_COUNT
} reel_activation;

REEL_API reel_var reel_activate(reel_var x, reel_activation);

/* ---- cells --------------------------------------------------------------------------------- */

/* One time step as a pure function of its input and its state. A program's own cell is the same
 * struct:
 *
 *     static reel_var step(void *self, reel_var x, reel_var state[])
 *     {
 *         my_cell *c = self;
 *         return state[0] = reel_tanh(reel_affine(reel_concat(-1, state[0], x), c->W, c->b));
 *     }
 *     reel_cell cell = { .self = &my, .step = step, .states = 1, .width = { 6 } };
 *
 * `step` gets x [batch, in] and state[k] [batch, width[k]], overwrites state[] with the next state
 * and returns the output [batch, any]. The output need not be a state; a cell without states is
 * allowed. */
typedef struct reel_cell {
    void *self;
    reel_var (*step)(void *self, reel_var x, reel_var state[]);
    int states;
    int64_t width[REEL_MAX_STATES];
} reel_cell;

/* In all three W_x starts Glorot uniform, each gate's block of W_h orthogonal, and b at zero but
 * for the LSTM's forget gate. */

/* h' = activation(x·W_x + h·W_h + b), the output is h' (Elman 1990).
 * Parameters: W_x [in, hidden], W_h [hidden, hidden], b [hidden]. state[0] is h. */
typedef struct {
    reel_activation activation; /* REEL_TANH (the default), REEL_RELU or another one */
} reel_rnn_options;
REEL_API reel_cell reel_rnn(reel_tape *, const char *name, int64_t in, int64_t hidden,
                            reel_rnn_options);

/* Long short-term memory (Hochreiter & Schmidhuber 1997) with forget gate (Gers et al. 2000):
 *
 *     [i f g o] = x·W_x + h·W_h + b
 *     c' = σ(f)∘c + σ(i)∘tanh(g)
 *     h' = σ(o)∘tanh(c'), the output
 *
 * Parameters: W_x [in, 4·hidden], W_h [hidden, 4·hidden], b [4·hidden], gates in PyTorch's order
 * i, f, g, o. state[0] is h, state[1] is c. */
typedef struct {
    /* The gates see the cell: i and f get c∘p, o gets c'∘p (Gers & Schmidhuber 2000). Parameter
     * W_c [3·hidden], the p of i, f and o one after another; starts at zero. */
    bool peephole;
    /* [i f g o] = norm(x·W_x)∘gain_x + norm(h·W_h)∘gain_h + b, h' = σ(o)∘tanh(norm(c')∘gain_c +
     * bias_c) (Ba et al. 2016, whose two further biases b absorbs). norm(v) = (v - mean) /
     * sqrt(variance + epsilon) over all of v's row. Parameters gain_x, gain_h [4·hidden], gain_c,
     * bias_c [hidden]. */
    bool layer_norm;
    double epsilon; /* of layer_norm; 0: 1e-5 */
    /* h' = (σ(o)∘tanh(c'))·W_p, of this size (Sak et al. 2014). Parameter W_p [hidden, projection];
     * W_h is [projection, 4·hidden]. 0: none. */
    int64_t projection;
    /* Where b's forget gate starts (Jozefowicz et al. 2015); 0: 1; REEL_ZERO: 0. */
    double forget_bias;
} reel_lstm_options;
REEL_API reel_cell reel_lstm(reel_tape *, const char *name, int64_t in, int64_t hidden,
                             reel_lstm_options);

/* Gated recurrent unit (Cho et al. 2014):
 *
 *     r = σ(x·W_xr + h·W_hr + b_r)
 *     z = σ(x·W_xz + h·W_hz + b_z)
 *     n = tanh(x·W_xn + (r∘h)·W_hn + b_n)            the default
 *     n = tanh(x·W_xn + b_n + r∘(h·W_hn + b_h))      with .reset_after, as PyTorch, cuDNN and Keras
 *     h' = (1 - z)∘n + z∘h, the output
 *
 * Parameters: W_x [in, 3·hidden], W_h [hidden, 3·hidden], b [3·hidden], gates in PyTorch's order r,
 * z, n; with .reset_after also b_h [hidden]. state[0] is h. z keeps the old state, as in Cho et al.
 * 2014 and PyTorch; Chung et al. 2014 and many tutorials swap z and 1 - z. */
typedef struct {
    bool reset_after;
    /* Every product of x or h is normalised and scaled: norm(x·W)∘gain_x for x·W, r and z
     * together, n by itself, and likewise with gain_h (Ba et al. 2016, who have .reset_after).
     * norm as in the LSTM. Parameters gain_x, gain_h [3·hidden]. */
    bool layer_norm;
    double epsilon; /* of layer_norm; 0: 1e-5 */
} reel_gru_options;
REEL_API reel_cell reel_gru(reel_tape *, const char *name, int64_t in, int64_t hidden,
                            reel_gru_options);

/* ---- unrolling (unroll.c) ------------------------------------------------------------------ */

typedef struct {
    reel_var initial[REEL_MAX_STATES]; /* [batch, width[k]] before the first step; absent: zeros */
    /* [batch], each 0 … steps, in any order, read at the call; NULL: all rows have all steps. Steps
     * from a row's length on are padding: they leave its state alone, put out zeros and get zero
     * gradient; x is read as zeros there, so that not even a NaN gets out of it. The structure of
     * what is recorded does not depend on the numbers. */
    const int32_t *lengths;
    /* [steps, batch], or absent. Nonzero: the row's state returns to .initial before that step. In
     * padding a reset does nothing; with .reverse, "before" is before in processing order. */
    reel_var resets;
    bool all_states; /* fill rollout.states */
    bool reverse;    /* from each row's last valid step to its first */
} reel_unroll_options;

typedef struct {
    reel_var outputs; /* [steps, batch, width]; output t belongs to x[t], .reverse or not */
    reel_var state[REEL_MAX_STATES];  /* after each row's last step processed: [batch, width[k]] */
    reel_var states[REEL_MAX_STATES]; /* with .all_states: after step t, [steps, batch, width[k]] */
} reel_rollout;

/* Runs the cell over x [steps, batch, in]. Without steps the state is the initial one and the
 * outputs are [0, batch, width]. */
REEL_API reel_rollout reel_unroll(reel_cell, reel_var x, reel_unroll_options);

/* ---- layers -------------------------------------------------------------------------------- */

/* A function of one variable together with its parameters; a program makes its own likewise. */
typedef struct reel_layer {
    void *self;
    reel_var (*apply)(void *self, reel_var x);
} reel_layer;
REEL_API reel_var reel_apply(reel_layer, reel_var x);

/* y = activation(x·W + b), x [..., in]. Parameters: W [in, out], b [out]. (dense.c) */
typedef struct {
    reel_activation activation; /* REEL_LINEAR is the default */
    bool no_bias;
    reel_init W, b; /* how they start; zero: Glorot and zeros */
} reel_dense_options;
REEL_API reel_layer reel_dense(reel_tape *, const char *name, int64_t in, int64_t out,
                               reel_dense_options);

/* Row i of the table for each index i: indices [...] → [..., width]. Parameter: table [count,
 * width]. (embedding.c) */
typedef struct {
    bool padded; /* .padding_index counts */
    /* The index whose vector is zero, whatever its row in the table; the row gets no gradient. */
    int32_t padding_index;
    reel_init table; /* zero: normal, mean 0, std 1 */
} reel_embedding_options;
REEL_API reel_layer reel_embedding(reel_tape *, const char *name, int64_t count, int64_t width,
                                   reel_embedding_options);

/* (x - mean) / sqrt(variance + epsilon)∘gain + bias over the last axis (Ba et al. 2016). gain and
 * bias are [width] or absent; epsilon 0 means 1e-5. (layer_norm.c) */
REEL_API reel_var reel_layer_norm(reel_var x, reel_var gain, reel_var bias, double epsilon);

/* ---- losses, each a scalar (cross_entropy.c, loss.c) --------------------------------------- */

/* Mean of -log softmax(logits)[target]: logits [..., classes], targets int32 [...]. A target
 * outside 0 … classes - 1 is an error that names position and value. */
REEL_API reel_var reel_cross_entropy(reel_var logits, reel_var targets);

/* A position weighs w = mask·class_weights[target], or 0 where its target is ignored. The loss is
 * Σ w·l / Σ w as in PyTorch, and 0 with zero gradient where Σ w is 0 (PyTorch: NaN). With
 * smoothing, class weights weigh the uniform part too, as in PyTorch. At positions that do not
 * count the logits are read as 0: what stands there cannot get out, NaN included. */
typedef struct {
    bool ignore;          /* .ignore_index counts */
    int32_t ignore_index; /* targets to leave out; may lie outside 0 … classes - 1 */
    /* [...] as targets: 0 leaves out (its target must be in range all the same), other numbers
     * weigh; absent: ones. */
    reel_var mask;
    /* ε in [0, 1]: the target distribution is (1 - ε)·one-hot + ε/classes (Szegedy et al. 2016). */
    double label_smoothing;
    reel_var class_weights; /* [classes]; absent: ones */
    bool sum;               /* Σ w·l instead of the mean */
} reel_cross_entropy_options;
REEL_API reel_var reel_cross_entropy_ex(reel_var logits, reel_var targets,
                                        reel_cross_entropy_options);

/* Means over all elements, 0 for none. Both arguments have one shape: nothing is broadcast. */
REEL_API reel_var reel_mse(reel_var prediction, reel_var target);
REEL_API reel_var reel_mae(reel_var prediction, reel_var target);
/* d²/2 where |d| ≤ delta, else delta·(|d| - delta/2); delta > 0 (Huber 1964) */
REEL_API reel_var reel_huber(reel_var prediction, reel_var target, double delta);
/* -t·log σ(z) - (1 - t)·log(1 - σ(z)), exact for large |z|; targets t in [0, 1], floating */
REEL_API reel_var reel_binary_cross_entropy_with_logits(reel_var logits, reel_var targets);

#ifdef __cplusplus
}
#endif

/* The rest of the folder, each header with a story of its own. */
#include "attention.h"
#include "cells.h"
#include "flow.h"
#include "losses.h"
#include "outputs.h"
#include "sequence.h"
#include "structure.h"
#include "transforms.h"

#endif

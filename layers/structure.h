/* structure.h: cells around cells, stacks of cells, both directions.
 *
 *     reel_cell lstm = reel_lstm(t, "lstm", 64, 128, (reel_lstm_options){ 0 });
 *     reel_cell cell = reel_zoneout(t, lstm, (reel_zoneout_options){ .probability = { 0.05 } });
 *     cell = reel_dropout_cell(t, cell, (reel_dropout_cell_options){ .input = 0.3 });
 *     cell = reel_residual(t, cell);
 *     reel_rollout r = reel_unroll(cell, x, (reel_unroll_options){ 0 });
 *
 * A wrapper takes a cell, built in, written by the program or wrapped already, and returns a cell;
 * the states are those of the inner one. Whatever is random asks reel_is_training, the library's
 * one switch between training and evaluation (reel_set_training): in evaluation nothing is
 * dropped, and zoneout takes the expectation.
 *
 * A mask that belongs to a whole sequence is drawn in the first step after the sequence began, and
 * used in all others. reel_unroll begins a sequence by itself; a loop of one's own calls
 * reel_begin_sequence before its first step. A rewind, or another batch size, begins one as
 * well. */
#ifndef REEL_STRUCTURE_H
#define REEL_STRUCTURE_H

#include "layers.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- wrapping (wrap.c) ---------------------------------------------------------------------- */

/* `outer` as a cell that steps `n` inner ones: a beginning of a sequence reaches those, after
 * `begin` (may be NULL) was told with outer.self. For wrappers of a program's own; all below are
 * made by it. Without it a wrapper works as well, but masks inside it last until the rewind. */
typedef void (*reel_begin_fn)(void *self);
REEL_API reel_cell reel_wrap(reel_tape *, reel_cell outer, reel_begin_fn begin, int n,
                             const reel_cell inner[]);

/* What the cell and those in it keep for one sequence is made anew at the next step. */
REEL_API void reel_begin_sequence(reel_cell);

/* ---- dropout (wrap_dropout.c) --------------------------------------------------------------- */

/* Dropout of x, of state[0] as the step sees it, and of the output; what stays is scaled by
 * 1/(1 - p). Probabilities lie in [0, 1); a bad one is an error and the cell has no step. */
typedef struct {
    double input, state, output;
    /* One mask a sequence for each of the three (Gal & Ghahramani 2016); else a fresh one a
     * step. */
    bool variational;
} reel_dropout_cell_options;
REEL_API reel_cell reel_dropout_cell(reel_tape *, reel_cell, reel_dropout_cell_options);

/* x [steps, batch, width] with one mask [batch, width] for all steps (Gal & Ghahramani 2016;
 * "locked dropout" in Merity et al. 2018): between layers it costs less than inside the loop. */
REEL_API reel_var reel_variational_dropout(reel_var x, double p);

/* Dropout of one value inside the cell, known by the name that the cell gives it (reel_probe),
 * such as the update of the state: "g" of an LSTM or "n" of a GRU (Semeniuta et al. 2016), whose
 * c' = f∘c + i∘d(g) never loses what it remembers. A name that does not come by in a step is an
 * error. */
typedef struct {
    bool variational; /* one mask a sequence */
} reel_update_dropout_options;
REEL_API reel_cell reel_update_dropout(reel_tape *, reel_cell, const char *name, double p,
                                       reel_update_dropout_options);

/* DropConnect on a matrix of the cell, one mask a sequence for all rows of the batch (Wan et al.
 * 2013; Merity et al. 2018 on the recurrent one): `name` is "W_h" in the built-in cells that have
 * one; a program's cell says reel_probe(W, "W_h") where it uses its own. */
REEL_API reel_cell reel_weight_drop(reel_tape *, reel_cell, const char *name, double p);

/* ---- zoneout (wrap_zoneout.c) --------------------------------------------------------------- */

/* With probability p an element of a state stays what it was (Krueger et al. 2017):
 *
 *     s' = m∘s + (1 - m)∘cell(s), m ~ Bernoulli(p) each step;     in evaluation m = p
 *
 * probability[k] in [0, 1) belongs to state[k]; of an LSTM Krueger et al. use { 0.05, 0.5 }. Where
 * the output is a state, it is the state after zoneout. */
typedef struct {
    double probability[REEL_MAX_STATES];
} reel_zoneout_options;
REEL_API reel_cell reel_zoneout(reel_tape *, reel_cell, reel_zoneout_options);

/* ---- residual, highway, layer norm (wrap_skip.c, wrap_norm.c) -------------------------------- */

/* y = cell(x) + x (He et al. 2016). Widths that differ are an error naming both. */
REEL_API reel_cell reel_residual(reel_tape *, reel_cell);

/* y = t∘cell(x) + (1 - t)∘x, t = σ(x·W_t + b_t) (Srivastava et al. 2015); x and the output have
 * this width. Parameters: W_t [width, width], Glorot; b_t [width]. */
typedef struct {
    double bias; /* where b_t starts; 0: -2, which lets x through; REEL_ZERO: 0 */
} reel_highway_options;
REEL_API reel_cell reel_highway(reel_tape *, const char *name, reel_cell, int64_t width,
                                reel_highway_options);

/* The output through layer norm (Ba et al. 2016), or with .input x before the cell; of this width.
 * States are left alone. Parameters: gain, bias [width]. */
typedef struct {
    bool input;
    double epsilon; /* 0: 1e-5 */
} reel_norm_cell_options;
REEL_API reel_cell reel_norm_cell(reel_tape *, const char *name, reel_cell, int64_t width,
                                  reel_norm_cell_options);

/* The gradient that goes back through a state, from each step to the one before, is clamped to
 * ±bound, element by element (Graves 2013); bound > 0. Forward nothing changes. (wrap_clip.c) */
REEL_API reel_cell reel_clip_cell(reel_tape *, reel_cell, double bound);

/* ---- stacks (stack.c) ----------------------------------------------------------------------- */

/* How layers follow one another, in both kinds of stack. */
typedef struct {
    double dropout;   /* of what goes from one layer to the next, in [0, 1) */
    bool variational; /* one mask a sequence; else a fresh one a step */
    bool residual;    /* each layer but the first adds its input to its output (Wu et al. 2016) */
} reel_stack_options;

/* n cells as one: in every step each takes the output of the one before. States: the first cell's,
 * then the second's, and so on; more than REEL_MAX_STATES together are an error. Widths that do not
 * fit are an error that names the layers and the widths. */
REEL_API reel_cell reel_stack_cells(reel_tape *, int n, const reel_cell cells[],
                                    reel_stack_options);

/* ---- ensembles (ensemble.c) ----------------------------------------------------------------- */

/* n cells side by side on the same x: the output is theirs beside one another, and state[k] all of
 * theirs, [batch, Σ width[k]]; each has as many states as the others. One loop runs them all, at
 * about what they cost one after another; the planner makes one product of those that share x. */
REEL_API reel_cell reel_parallel_cells(reel_tape *, int n, const reel_cell cells[]);

/* Members NAME.0, NAME.1, … as one cell, each made by make(tape, its name, self): the same cell
 * with parameters, and starts, of its own. Without .apart all see x [batch, in]; with it member i
 * sees its own columns of x [batch, members·in], such as the output of the ensemble below. A member
 * that is not made leaves its own error. */
typedef reel_cell (*reel_make_cell)(reel_tape *, const char *name, void *self);
typedef struct {
    bool apart;
} reel_ensemble_options;
REEL_API reel_cell reel_ensemble(reel_tape *, const char *name, int members, reel_make_cell,
                                 void *self, reel_ensemble_options);

/* Outputs or a state of an ensemble with an axis for its members in front: [..., members·width] →
 * [members, ..., width]. A dense layer for each is a product with W [members, width, out]. */
REEL_API reel_var reel_members(reel_var, int members);

/* ---- deep transitions (deep_transition.c) --------------------------------------------------- */

/* A transition of several layers between h and h', one cell:
 *
 *     s = h, then for l = 1 … depth
 *         s = activation(s·R_l + b_l)                           (Pascanu et al. 2014)
 *         s = t∘tanh(a) + (1 - t)∘s, [a, t] = [·, σ](s·R_l + b_l), .highway (Zilly et al. 2017)
 *     h' = s, the output; x·W_x is added in the brackets of the first layer
 *
 * Parameters: W_x [in, G·hidden], R_l [hidden, G·hidden], orthogonal, b_l [G·hidden], l from 1,
 * with G = 1, or 2 with .highway; state[0] is h. */
typedef struct {
    bool highway;
    double bias;                /* where the b of t starts; 0: -2; REEL_ZERO: 0 */
    reel_activation activation; /* without .highway; default REEL_TANH */
} reel_deep_transition_options;
REEL_API reel_cell reel_deep_transition(reel_tape *, const char *name, int64_t in, int64_t hidden,
                                        int depth, reel_deep_transition_options);

/* ---- both directions (bidirectional.c) ------------------------------------------------------ */

typedef enum {
    REEL_MERGE_CONCAT, /* [forward, backward] */
    REEL_MERGE_SUM,
    REEL_MERGE_AVERAGE,
    REEL_MERGE_MULTIPLY,
    REEL_MERGE_SEPARATE, /* .outputs stays absent */
    REEL_MERGE_COUNT
} reel_merge;

typedef struct {
    reel_merge merge;
    const int32_t *lengths; /* as in reel_unroll: the backward cell starts at a row's last step */
    reel_var forward[REEL_MAX_STATES],
        backward[REEL_MAX_STATES]; /* initial states; absent: zeros */
    /* [steps, batch], nonzero where a row's next episode begins: neither direction looks past it */
    reel_var resets;
    bool all_states;
} reel_bidirectional_options;

typedef struct {
    reel_var outputs;               /* merged, [steps, batch, width] */
    reel_rollout forward, backward; /* each with its final states */
} reel_bidirectional_rollout;

/* Runs one cell over x [steps, batch, in] from first to last step and another (Schuster & Paliwal
 * 1997) from last to first. Outputs of different widths can only be concatenated or left
 * separate. */
REEL_API reel_bidirectional_rollout reel_bidirectional(reel_cell forward, reel_cell backward,
                                                       reel_var x, reel_bidirectional_options);

/* ---- layer by layer (unroll_layers.c) ------------------------------------------------------- */

typedef struct {
    reel_cell cell;
    reel_cell backward; /* without a step function: one direction */
    reel_merge merge;   /* of the two; not REEL_MERGE_SEPARATE */
} reel_recurrent_layer;

typedef struct {
    const int32_t *lengths;
    reel_var resets;
    bool all_states;
    reel_stack_options between;
    /* [n], one for each layer, or NULL: only the initial states of it count */
    const reel_bidirectional_options *initial;
} reel_unroll_layers_options;

/* Each layer over all steps before the next one; the outputs of the last are returned. layer[k],
 * where `layer` is not NULL, gets what layer k gave, its final states among it; of a layer of one
 * direction .backward stays absent. The same function as a stack of cells where all layers go
 * forward. */
REEL_API reel_var reel_unroll_layers(int n, const reel_recurrent_layer layers[], reel_var x,
                                     reel_unroll_layers_options,
                                     reel_bidirectional_rollout layer[]);

/* A layer for one step, [batch, in] → [batch, …], at every step at once: x [steps, batch, …] →
 * [steps, batch, …]. Embedding and dense layers need no such thing; others that count axes do. */
REEL_API reel_var reel_time_distributed(reel_layer, reel_var x);

#ifdef __cplusplus
}
#endif

#endif

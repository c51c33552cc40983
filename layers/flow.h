/* flow.h: sight of the gradient along time.
 *
 *     reel_watch(t, true);                                        // gates, too
 *     reel_rollout r = reel_unroll(lstm, x, (reel_unroll_options){ .all_states = true });
 *     reel_var loss = …;
 *     reel_var W_h = reel_find_param(t, "lstm.W_h");
 *     reel_flow_layer layer = { .name = "lstm", .rollout = r, .W_h = W_h };
 *     reel_flow *flow = reel_flow_new(loss, 1, &layer);
 *     reel_flow_write(flow, "flow");                              // flow.dat, .gnuplot, .png, .svg
 *     reel_flow_free(flow);
 *
 * A gradient that vanishes fades from right to left in the picture, one that explodes glows;
 * docs/flow.md shows both. */
#ifndef REEL_FLOW_H
#define REEL_FLOW_H

#include "layers.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    const char *name;
    reel_rollout rollout; /* of reel_unroll with .all_states */
    reel_var W_h;         /* [hidden, G·hidden], or absent */
} reel_flow_layer;

/* One state of one layer: norm[t] = ‖∂loss/∂state_t‖ over the batch and the width, with all that
 * the state does later. */
typedef struct {
    const char *name; /* "lstm.0" for state 0 of "lstm" */
    int64_t steps;
    const double *norm;
} reel_flow_row;

/* A value that the cell names (reel_probe) and that was watched: the share of numbers below 0.1 or
 * above 0.9 in each step; of a value that is somewhere negative, a tanh, the share below -0.9 or
 * above 0.9. Steps are in order of processing. */
typedef struct {
    const char *name;
    int64_t steps;
    const double *saturated;
    double share; /* of all steps */
} reel_flow_gate;

/* The largest |eigenvalue| of each [hidden, hidden] block of W_h. */
typedef struct {
    const char *name;
    int blocks;
    const double *radius;
} reel_flow_matrix;

typedef struct {
    reel_tape *tape;
    int rows, gates, matrices;
    reel_flow_row *row;
    reel_flow_gate *gate;
    reel_flow_matrix *matrix;
} reel_flow;

/* Differentiates the loss (one element) in every state of every step, evaluates, and measures.
 * NULL, with an error, for rollouts without all states or matrices of another shape. Free it
 * before the tape. */
REEL_API reel_flow *reel_flow_new(reel_var loss, int layers, const reel_flow_layer[]);
REEL_API void reel_flow_free(reel_flow *);

/* Writes the norms as a table, PATH.dat, a gnuplot script, PATH.gnuplot, and a heat map of log10
 * of the norms, PATH.png and PATH.svg. Without gnuplot data and script are there, and the status
 * is REEL_NOT_FOUND with a message on the tape. PATH may hold letters, digits and "/._-" alone. */
REEL_API reel_status reel_flow_write(const reel_flow *, const char *path);

/* The largest |eigenvalue| of each square block of W [n, blocks·n], into radius[blocks]: how fast
 * the norm of a vector grows under the block again and again, which is right for complex
 * eigenvalues, too; within about 1 %. (spectral_radius.c) */
REEL_API reel_status reel_spectral_radius(reel_var W, int blocks, double radius[]);

#ifdef __cplusplus
}
#endif

#endif

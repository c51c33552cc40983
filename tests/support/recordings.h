/* recordings.h: every layer, recorded once in evaluation mode: what exports are tried on.
 *
 *     recording r = recording_begin(&recording_rows[i]);
 *     … r.t, r.x[], r.y[]
 *     recording_end(&r);
 */
#ifndef REEL_TEST_RECORDINGS_H
#define REEL_TEST_RECORDINGS_H

#include "graph/graph.h"
#include "layers/layers.h"

enum { RECORDED_MOST = 64 };

typedef struct {
    reel_tape *t;
    int inputs, outputs;
    reel_var x[RECORDED_MOST], y[RECORDED_MOST];
} recording;

typedef struct {
    const char *name;
    const char *shows; /* public functions, but for the one that the name begins with; or NULL */
    void (*record)(recording *);
} recording_row;

/* Each up to a row without a name. */
extern const recording_row recordings_of_cells[], recordings_of_unrolling[],
    recordings_of_attention[], recordings_of_functions[], recordings_of_losses[];

/* Calls `each` for every row of every table. */
void recordings_for_each(void (*each)(const recording_row *, void *), void *self);

/* On a tape of its own; the tape has an error where something went wrong. */
recording recording_begin(const recording_row *);
void recording_end(recording *);

/* ---- for those who write rows ---------------------------------------------------------------- */

enum { STEPS = 6, BATCH = 3, IN = 4, HIDDEN = 6 };
extern const int32_t recorded_lengths[BATCH]; /* 6, 3, 5 */

/* Data, the same at every call; they become inputs of the recording. */
reel_var take(recording *, reel_shape);
reel_var take_steps(recording *, int64_t width); /* [STEPS, BATCH, width] */
reel_var take_indices(recording *, reel_shape, int32_t below);
void put(recording *, reel_var);
void put_rollout(recording *, reel_cell, reel_rollout);
/* Moves every parameter made so far. */
void stir(recording *);

#endif

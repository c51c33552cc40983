/* deploy.h: inference without the tape: a frozen program, or one file of C.
 *
 *     reel_recorded step;
 *     reel_record_step(t, lstm, 1, 8, out, &step);        // one step of a cell and what follows it
 *     reel_frozen *f = reel_freeze(t, step, (reel_freeze_options){ 0 });
 *     for (…) {
 *         reel_frozen_step(f, x, y);                       // the state stays inside
 *     }
 *     reel_frozen_reset(f);                                // for the next sequence
 *     reel_frozen_free(f);
 *     reel_emit_c(t, step, "lstm.c", (reel_emit_c_options){ .name = "lstm" });
 *
 * Both take whatever was recorded, a cell's step or a graph of one's own, with values of parameters
 * as they are at the call. Record with reel_set_training(t, false): what draws at random is
 * refused.
 */
#ifndef REEL_DEPLOY_H
#define REEL_DEPLOY_H

#include "../layers/layers.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- what is to run -------------------------------------------------------------------------- */

#define REEL_MAX_PORTS 16

/* Variables of one tape. A state is read as `state[k]` and becomes `next[k]`, of the same shape;
 * where state[k] is data given to the tape, a sequence begins with these. */
typedef struct {
    int inputs, outputs, states;
    reel_var input[REEL_MAX_PORTS], output[REEL_MAX_PORTS];
    reel_var state[REEL_MAX_PORTS], next[REEL_MAX_PORTS];
} reel_recorded;

/* Records one step of the cell on zeros [batch, in], from a state of zeros, and `output` (absent:
 * the cell's own output) of it. */
REEL_API reel_status reel_record_step(reel_tape *, reel_cell, int64_t batch, int64_t in,
                                      reel_layer output, reel_recorded *);

/* ---- freezing -------------------------------------------------------------------------------- */

typedef struct {
    /* Matrices of parameters that stand on the right of products become int8, each output's column
     * scaled by its largest absolute value / 127; sums stay float. f32 tapes only. What it costs is
     * to be measured: run both programs on data that are at hand; reel_frozen_report tells how far
     * the weights moved. Trained models lose about a hundredth of their loss or less. */
    bool int8;
} reel_freeze_options;

typedef struct reel_frozen reel_frozen;

/* A program with memory of its own, for one thread at a time: it needs neither the tape nor its
 * parameters any more, and its allocations are those of now. What does not depend on inputs or
 * states is computed once, here. Of f32 or f64 as the tape is. NULL with an error on the tape for
 * bad handles, shapes of state and next that differ, random ops. */
REEL_API reel_frozen *reel_freeze(reel_tape *, reel_recorded, reel_freeze_options);
REEL_API void reel_frozen_free(reel_frozen *);

/* For one input and one output; floats, whatever the tape's type was. REEL_BAD_INDEX for an index
 * out of range: the state stays as it was. */
REEL_API reel_status reel_frozen_step(reel_frozen *, const float *x, float *y);
/* For any number; x[i] points to floats, or to int32_t for an index tensor, and so does y[i]. */
REEL_API reel_status reel_frozen_run(reel_frozen *, const void *const x[], void *const y[]);
/* The states of the beginning. */
REEL_API void reel_frozen_reset(reel_frozen *);
/* All elements of state k, n of them. */
REEL_API reel_status reel_frozen_read_state(const reel_frozen *, int k, float *, size_t n);
REEL_API reel_status reel_frozen_write_state(reel_frozen *, int k, const float *, size_t n);

typedef struct {
    size_t bytes;        /* all memory of the program … */
    size_t weight_bytes; /* … and of it the parameters and constants */
    int kernels;         /* run at each step */
    int quantised;       /* matrices that are int8 */
    /* the largest |w - int8's w| over the column's largest |w|; at most 1/254 */
    double weight_error;
} reel_frozen_report;
REEL_API reel_frozen_report reel_frozen_report_of(const reel_frozen *);

/* ---- one file of C --------------------------------------------------------------------------- */

typedef struct {
    const char *name; /* of the functions; NULL: "model" */
} reel_emit_c_options;

/* Writes a C99 file that includes <math.h>, <stdint.h> and <string.h> and needs libm: constants,
 * NAME_state with everything that changes, and
 *
 *     void NAME_init(NAME_state *);
 *     void NAME_step(NAME_state *, const float *x0, …, float *y0, …);
 *
 * of float or double as the tape is; index tensors are int32_t. Nothing is allocated. An op that
 * has no C form (random, or a program's own) is an error that names it. The file is replaced as a
 * whole; on failure the old one is as it was. */
REEL_API reel_status reel_emit_c(reel_tape *, reel_recorded, const char *path, reel_emit_c_options);

#ifdef __cplusplus
}
#endif

#endif

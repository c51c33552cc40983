/* decoding.h: what the ways of decoding share. Not installed.
 *
 * A decoding has `rows` = batch·width hypotheses, those of a batch row side by side. Its states
 * live on the host between steps: reel__decode_evaluate uploads them, runs one step and reads the
 * results; reel__decode_advance makes each row the continuation of some row of the step before.
 * What was put out is a trail of (token, row it continues), one entry a row and step.
 */
#ifndef REEL_DECODING_H
#define REEL_DECODING_H

#include "../graph/op.h"
#include "../graph/tape.h"
#include "../layers/layer.h"
#include "../ops/ops.h"
#include "decode.h"

typedef struct {
    reel_shape shape; /* [rows, ...] */
    bool index, constant;
    size_t row_bytes;
    char *now, *next; /* before and after the step evaluated last */
} reel__decode_state;

typedef struct {
    reel_tape *tape;
    const char *name; /* in errors */
    reel_decoder decoder;
    reel_decode_options options;
    int64_t batch, width, rows;
    int64_t vocabulary, source; /* known after the first step; source 0: no alignment */
    int64_t steps;              /* advanced */
    reel__decode_state state[REEL_MAX_STATES];
    int32_t *token;    /* [rows]: the last one */
    double *log_p;     /* [rows, vocabulary]: of the next one */
    double *alignment; /* [rows, source]: of the step evaluated last */
    int32_t *prefix;   /* room for one row's tokens */
    size_t prefix_room;
    reel__list tokens, parents; /* int32_t [steps, rows] */
    reel__list alignments;      /* double [steps, rows, source] */
    reel__arena arena;          /* everything but the lists */
    bool training;              /* to be restored */
    bool opened;
} reel__decoding;

/* Around the body of a public function: its caller's line is that of all errors met meanwhile. */
static inline void reel__decode_call_begins(reel_tape *t)
{
    t->nested++;
}
static inline void reel__decode_call_ends(reel_tape *t)
{
    t->nested--;
    reel__forget_site(t);
}

/* ---- decode_open.c, decode_step.c ----------------------------------------------------------- */

/* Zero options become their defaults; bad ones are an error. Reads the initial states. Whatever it
 * returns, close afterwards. */
bool reel__decode_open(reel__decoding *, const reel_var initial[]);
void reel__decode_close(reel__decoding *);

bool reel__decode_read_state(const reel__decoding *, const reel__decode_state *, reel_var,
                             void *out);
/* One step from now: log_p and alignment; state[].next. */
bool reel__decode_evaluate(reel__decoding *);
/* Row r continues row parent[r] with token[r]. */
bool reel__decode_advance(reel__decoding *, const int32_t *parent, const int32_t *token);

static inline bool reel__decode_ends(const reel__decoding *d, int32_t token)
{
    return !d->options.endless && token == d->options.end;
}

/* The first of the greatest. */
static inline int32_t reel__likeliest(const double *log_p, int64_t count)
{
    int32_t best = 0;
    for (int32_t k = 1; k < count; k++) {
        best = log_p[k] > log_p[best] ? k : best;
    }
    return best;
}

/* ---- decode_adjust.c: what may follow ------------------------------------------------------- */

/* Applies min_length, repetition and the callback to row r's log_p. */
bool reel__decode_adjust(reel__decoding *, int64_t row);

/* ---- decode_trail.c: what was put out ------------------------------------------------------- */

/* A hypothesis: what leads to row `row` after `length` steps, or, with `ended`, to it after length
 * - 1 and then the end. */
typedef struct {
    int64_t length, row;
    bool ended;
    double log_p, score;
} reel__hypothesis;
#define REEL__NO_HYPOTHESIS ((reel__hypothesis){ .length = -1, .score = -INFINITY })

/* The row's tokens so far, d->steps of them; NULL without memory. */
const int32_t *reel__decode_prefix(reel__decoding *, int64_t row);
/* [batch, best] hypotheses as a result. */
reel_decoded *reel__decode_result(reel__decoding *, int64_t best, const reel__hypothesis *);
/* A result with room for all of it and nothing in it but `fill` as tokens. */
reel_decoded *reel__decoded_new(reel_tape *, int64_t batch, int64_t best, int64_t steps,
                                int64_t source, int32_t fill);

#endif

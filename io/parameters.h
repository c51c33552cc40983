/* parameters.h: what checkpoints take from saving and loading parameters. Not installed. */
#ifndef REEL_PARAMETERS_H
#define REEL_PARAMETERS_H

#include "checkpoint.h"
#include "match.h"
#include "safetensors.h"

bool reel__starts_with(const char *name, const char *prefix);
bool reel__add_texts(reel_archive *, const reel_text *);
/* An array under PREFIX and name together. */
bool reel__lend_as(reel_archive *, const char *prefix, const char *name, reel_array);
/* Every parameter, as an array that looks into the tape. */
bool reel__lend_params(reel_archive *, const char *prefix, const reel_tape *);

/* What is to be loaded into each parameter. */
typedef struct {
    reel_tape *tape;
    const reel_archive *from;
    const reel_load_options *options;
    reel_archive *params; /* of the tape, to find them by name */
    reel_array *arrays;   /* one a parameter */
    bool *given;          /* whether there is one */
    size_t room;          /* bytes of both */
    reel__mismatches mismatches;
    reel_load_report report;
} reel__match;

/* Settles all of it; an error of `caller` on the tape when anything does not fit. To be ended in
 * either case. */
reel_status reel__match_begin(reel__match *, const char *caller, reel_tape *, const reel_archive *,
                              const reel_load_options *);
reel_status reel__match_write(const reel__match *);
void reel__match_end(reel__match *);

/* A checkpoint that is in memory. (checkpoint.c) */
reel_status reel__load_checkpoint_archive(reel_tape *, const reel_archive *, reel_training_state *);

#endif

/* match.h: what is to be written to which parameter, settled before anything is. Not installed. */
#ifndef REEL_MATCH_H
#define REEL_MATCH_H

#include "../graph/op.h"
#include "../graph/tape.h"
#include "reader.h"

/* Messages about everything that does not fit. */
typedef struct {
    char text[900];
    size_t length, left_out; /* what has no room any more is counted */
    reel_log_fn log;
    void *log_self;
} reel__mismatches;

void reel__mismatch(reel__mismatches *, const char *format, ...)
#ifdef __GNUC__
    __attribute__((format(printf, 2, 3)))
#endif
    ;
/* "W is missing; …, and 3 more" */
const char *reel__mismatch_text(reel__mismatches *);

/* A floating array of the parameter's shape; otherwise a mismatch. */
bool reel__fits(const reel__param *, const reel_array *, reel__mismatches *);

/* A parameter as an array that looks into the tape. */
reel_array reel__param_array(const reel_tape *, const reel__param *);

/* Writes to where a parameter's numbers lie, between reel_flat_begin and reel_flat_end. */
void reel__write_numbers(const reel_tape *, char *flat, size_t offset, reel_array);

/* An archive whose memory is the tape's. */
reel_archive *reel__tape_archive(reel_tape *);
/* Takes an archive's error over to the tape, under the name of the call; returns its status. */
reel_status reel__pass_error(reel_tape *, const char *caller, const reel_archive *);
/* The status of the first error, one raised before included. */
reel_status reel__tape_failed(const reel_tape *);

#endif

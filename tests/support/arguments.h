/* arguments.h: arguments for a function known by the types of its parameters alone: one that is
 * good, and all that could be bad. */
#ifndef REEL_TEST_ARGUMENTS_H
#define REEL_TEST_ARGUMENTS_H

#include "reel.h"

typedef enum {
    KIND_INTEGER, /* signed or an enumeration */
    KIND_COUNT,   /* unsigned */
    KIND_TRUTH,
    KIND_REAL,
    KIND_VAR,
    KIND_POINTER,
    KIND_STRUCT /* or a pointer to a function */
} argument_kind;

#define KIND_OF(x)                                                                                 \
    _Generic((x), int                                                                              \
             : KIND_INTEGER, int64_t                                                               \
             : KIND_INTEGER, unsigned                                                              \
             : KIND_INTEGER, uint64_t                                                              \
             : KIND_COUNT, bool                                                                    \
             : KIND_TRUTH, double                                                                  \
             : KIND_REAL, reel_var                                                                 \
             : KIND_VAR, default                                                                   \
             : KIND_STRUCT)

/* A parameter, and where its argument goes. */
typedef struct {
    void *to;
    size_t size;
    argument_kind kind;
    const char *type, *name; /* "const float *", "out" */
} argument;

/* What the variables are that are handed over: most functions want one of these. */
typedef enum { SET_MATRIX, SET_SEQUENCE, SET_SYMBOLS, SET_SCALAR, ARGUMENT_SETS } argument_set;

/* A number in a structure. */
typedef struct {
    const char *type, *name; /* "reel_gru_options", "epsilon" */
    size_t offset, size;
    argument_kind kind;
} argument_field;

/* A tape with a few things on it, made for one call. */
typedef struct {
    argument_set set;
    const argument_field *fields; /* of all structures … */
    size_t field_count;           /* … so many */
    reel_tape *tape, *other;
} surroundings;

void surroundings_make(surroundings *); /* the tapes; the rest is set */

/* Fits parameters of this type in many a call; pointers point to something wherever a program can
 * have something to point to, arrays have room for ARGUMENT_ROOM bytes, numbers are 1. */
#define ARGUMENT_ROOM 65536
void argument_good(const surroundings *, const argument *);

/* How many bad ones there are, and one of them; `what` says which: "NULL", "-1", "poisoned". */
int argument_bads(const surroundings *, const argument *);
const char *argument_bad(const surroundings *, const argument *, int which);

#endif

/* listing.h: what was recorded, as a list that can be read without the tape. Not installed.
 *
 * Export, freezing and emitting C walk the same list: every item comes behind its inputs, is named
 * by its position, and knows where its numbers lie once views move none.
 */
#ifndef REEL_LISTING_H
#define REEL_LISTING_H

#include "../graph/tape.h"

typedef enum {
    REEL__LISTED_INPUT,     /* one of the variables that the caller will feed */
    REEL__LISTED_PARAMETER, /* of the tape: `name`, `data` */
    REEL__LISTED_CONSTANT,  /* numbers that were given while recording: `data` */
    REEL__LISTED_CALL       /* of an op */
} reel__listed_kind;

typedef struct {
    reel__listed_kind kind;
    bool index;    /* int32, not floating */
    bool fixed;    /* depends on no input */
    int number;    /* of an input: which one */
    uint32_t node; /* on the tape */
    const reel_op *op;
    const void *attributes;
    reel_shape shape;
    int64_t size;
    const char *name; /* of a parameter */
    const void *data; /* of a parameter or a constant, dense */
    int inputs;
    const uint32_t *input; /* positions in the list */
    /* Whose memory it is: its own, or, for a view, that of the item looked into. */
    uint32_t storage;
    /* A view that strides alone cannot express: its own memory is a dense copy of its input. */
    bool packs;
    int64_t offset, stride[REEL_MAX_RANK]; /* in elements, into the storage */
} reel__listed;

typedef struct {
    reel_tape *tape;
    reel__arena arena;
    uint32_t count;
    reel__listed *item;
    int outputs;
    uint32_t *output; /* positions */
} reel__listing;

/* Lists what the outputs need, down to the inputs. False, with an error of the function `who`, for
 * bad handles and for an input given twice. Free it in either case. */
bool reel__list_nodes(reel_tape *, const char *who, int inputs, const reel_var input[], int outputs,
                      const reel_var output[], reel__listing *);
void reel__listing_free(reel__listing *);

/* An attribute by its name; zero where the op has none of that name. */
int64_t reel__listed_int(const reel__listed *, const char *name);
double reel__listed_real(const reel__listed *, const char *name);
reel_shape reel__listed_shape(const reel__listed *, const char *name);

/* The numbers of an item in memory of its own follow one another. */
bool reel__listed_dense(const reel__listed *);
static inline const reel__listed *reel__listed_input(const reel__listing *l, const reel__listed *y,
                                                     int input)
{
    return &l->item[y->input[input]];
}

#endif

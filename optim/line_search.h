/* line_search.h: how far to go in a direction. Not installed. */
#ifndef REEL_LINE_SEARCH_H
#define REEL_LINE_SEARCH_H

#include <stdbool.h>

/* The loss f at start + t·direction, its derivative in t, and a buffer that has its gradient. */
typedef struct {
    double t, f, slope;
    int buffer;
} reel__line_point;

/* How many buffers for gradients a search needs; its start's is one of them. */
#define REEL__LINE_BUFFERS 4

typedef struct {
    /* Fills in f, slope and the buffer's gradient for t; false: an error, the search ends. */
    bool (*evaluate)(void *self, reel__line_point *);
    void *self;
    double size;      /* the direction's largest element */
    double tolerance; /* a bracket smaller than this is small enough */
    int most;         /* evaluations */
} reel__line;

/* A point that meets the strong Wolfe conditions (Nocedal & Wright 2006, section 3.5; constants
 * 1e-4 and 0.9), or the best that was found. `*evaluations` counts; false after an error. */
bool reel__line_search(const reel__line *, reel__line_point start, double t,
                       reel__line_point *found, int *evaluations);

#endif

/* more_cells.h: one or two of each cell of layers/cells.h, by the name of its case in
 * golden/more_cells.txt. */
#ifndef REEL_TEST_MORE_CELLS_H
#define REEL_TEST_MORE_CELLS_H

#include "reel.h"

enum { MORE_CELLS_IN = 2, MORE_CELLS_HIDDEN = 4 };

typedef struct {
    const char *name;
    reel_cell (*make)(reel_tape *);
    int64_t in; /* columns of x */
    bool reverse;
    bool linear; /* reel_unroll_parallel runs it */
} more_cell;
extern const more_cell more_cells[];
extern const int more_cells_count;

#endif

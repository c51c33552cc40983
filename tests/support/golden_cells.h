/* golden_cells.h: rows of the golden files as parameters and leaves, and values compared with them.
 * */
#ifndef REEL_TEST_GOLDEN_CELLS_H
#define REEL_TEST_GOLDEN_CELLS_H

#include "golden.h"
#include "reel.h"

/* Where a row stands: file and first field. */
typedef struct {
    const char *file, *name;
} golden_case;

bool golden_has(golden_case, const char *label);
/* Parameter `label`, or a constant; poisoned without such a row. */
reel_var golden_param(reel_tape *, golden_case, const char *label);
reel_var golden_input(reel_tape *, golden_case, const char *label);
reel_var golden_indices(reel_tape *, golden_case, const char *label);
/* Writes the row of its name into each parameter of the tape that has one. */
void golden_write_params(reel_tape *, golden_case);

/* The greatest |v - row| / (1 + |row|); infinity where row or shape is not the same. The second is
 * of row "d:NAME" and the gradient of parameter NAME. */
double golden_distance(golden_case, const char *label, reel_var v);
double golden_gradient_distance(golden_case, reel_var parameter);

#endif

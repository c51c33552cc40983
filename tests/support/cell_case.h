/* cell_case.h: a cell, unrolled, against a case of a golden file as golden/cells.py writes them.
 * Needs Criterion. */
#ifndef REEL_TEST_CELL_CASE_H
#define REEL_TEST_CELL_CASE_H

#include "golden_cells.h"

#define CELL_CASE_TOLERANCE 1e-10

typedef struct {
    bool reverse;
    bool all_at_once; /* by reel_unroll_parallel */
} cell_case_options;

/* Outputs, states and gradients of sum(outputs·u) + Σ sum(state_k·v_k), the case's numbers in the
 * parameters. */
void cell_case_expect(reel_tape *, golden_case, reel_cell, cell_case_options);

/* Its parts, for networks of more than one cell. The lengths are NULL where the case has none;
 * free() them. */
int32_t *cell_case_lengths(golden_case);
reel_var cell_case_weighted(reel_tape *, golden_case, const char *weights, reel_var);
void cell_case_expect_gradients(reel_tape *, golden_case);

#endif

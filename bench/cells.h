/* cells.h: the recurrent layers that are measured, by name: reel's own, and cells as a program
 * writes them. Each has its like in peers/torch_cells.py, with parameters of the same names.
 *
 *     bench_model m = { .tape = t, .batch = 32, .in = 256, .hidden = 256 };
 *     bench_cell_make("peephole", &m);
 *     reel_var outputs = bench_cell_run(&m, x);
 */
#ifndef BENCH_CELLS_H
#define BENCH_CELLS_H

#include <reel.h>

enum { BENCH_SLOTS = 32, BENCH_PARAMETERS = 12 };

typedef struct bench_model bench_model;
struct bench_model {
    reel_tape *tape;
    int64_t batch, in, hidden;
    reel_cell cell, second;
    reel_var p[BENCH_PARAMETERS]; /* a cell's own */
    reel_var (*run)(bench_model *, reel_var x);
    /* multiply-adds of the products, for one row of one step */
    double products;
};

/* False when there is no cell of that name. */
bool bench_cell_make(const char *name, bench_model *);
/* The same for library_cells.c's alone, which it asks. */
bool bench_library_cell_make(const char *name, bench_model *);
/* Rewrites what the library drew: parameter cell.W_x gets the numbers called W_x. */
void bench_refill(bench_model *);
/* x [steps, batch, in] → [steps, batch, hidden] */
reel_var bench_cell_run(bench_model *, reel_var x);

#endif

/* data_check.c: is data what a model can be trained on? */
#include <math.h>
#include <string.h>

#include "training.h"

static bool check_pointer(reel_tape *tape, const char *op, const char *what, const reel_data *d)
{
    int pointers = (d->f32 != NULL) + (d->f64 != NULL) + (d->i32 != NULL);
    if (d->shape.rank < 1 || !reel__shape_valid(d->shape)) {
        reel_fail(tape, REEL_BAD_SHAPE, op, "%s has no valid shape with rows on its first axis",
                  what);
    } else if (reel_shape_size(d->shape) == 0) {
        reel_fail(tape, REEL_BAD_SHAPE, op, "%s is empty: %s", what, REEL_SHAPE_TEXT(d->shape));
    } else if (pointers != 1) {
        reel_fail(tape, REEL_BAD_ARGUMENT, op, "%s has %d data pointers, must have one", what,
                  pointers);
    }
    return reel_tape_status(tape) == REEL_OK;
}

static bool check_lengths(reel_tape *tape, const char *op, const char *what, const reel_data *d)
{
    if (!d->lengths) {
        return true;
    }
    if (!reel__data_is_sequence(*d)) {
        reel_fail(tape, REEL_BAD_ARGUMENT, op, "%s has lengths and no steps: %s", what,
                  REEL_SHAPE_TEXT(d->shape));
        return false;
    }
    for (int64_t row = 0; row < d->shape.dim[0]; row++) {
        if (d->lengths[row] < 0 || d->lengths[row] > d->shape.dim[1]) {
            reel_fail(tape, REEL_BAD_INDEX, op,
                      "%s: the length of row %lld is %d, must be in 0 … %lld", what, (long long)row,
                      (int)d->lengths[row], (long long)d->shape.dim[1]);
            return false;
        }
    }
    return true;
}

/* Is a number behind the end of its row? */
static bool is_padding(const reel_data *d, int64_t row, int64_t within)
{
    if (!d->lengths) {
        return false;
    }
    int64_t per_step = reel_shape_size(d->shape) / d->shape.dim[0] / d->shape.dim[1];
    return within / per_step >= d->lengths[row];
}

/* "row 3, step 0, column 2" */
static void place(char out[96], const reel_data *d, int64_t row, int64_t within)
{
    if (d->shape.rank == 3) {
        int64_t columns = d->shape.dim[2];
        snprintf(out, 96, "row %lld, step %lld, column %lld", (long long)row,
                 (long long)(within / columns), (long long)(within % columns));
    } else {
        snprintf(out, 96, "row %lld, column %lld", (long long)row, (long long)within);
    }
}

static bool has_nan(const reel_data *d)
{
    int64_t size = reel_shape_size(d->shape);
    bool found = false;
    for (int64_t i = 0; d->f32 && i < size; i++) {
        found |= d->f32[i] != d->f32[i];
    }
    for (int64_t i = 0; d->f64 && i < size; i++) {
        found |= d->f64[i] != d->f64[i];
    }
    return found;
}

static bool check_nan(reel_tape *tape, const char *op, const char *what, const reel_data *d)
{
    int64_t size = reel_shape_size(d->shape), in_row = size / d->shape.dim[0];
    if (!has_nan(d)) {
        return true;
    }
    for (int64_t i = 0; i < size; i++) {
        if (isnan(reel_data_at(*d, i)) && !is_padding(d, i / in_row, i % in_row)) {
            char where[96];
            place(where, d, i / in_row, i % in_row);
            reel_fail(tape, REEL_NOT_FINITE, op, "%s is nan at %s", what, where);
            return false;
        }
    }
    return true;
}

bool reel__data_check(reel_tape *tape, const char *op, const char *what, reel_data data,
                      bool allow_nan)
{
    return check_pointer(tape, op, what, &data) && check_lengths(tape, op, what, &data) &&
           (allow_nan || check_nan(tape, op, what, &data));
}

static bool has_data(reel_data d)
{
    return d.f32 || d.f64 || d.i32;
}

bool reel__data_fits(reel_model *model, const char *op, reel_data x, reel_data y)
{
    reel_shape row = { .rank = x.shape.rank - 1 };
    memcpy(row.dim, x.shape.dim + 1, (size_t)row.rank * sizeof *row.dim);
    if (has_data(y) && reel_data_rows(x) != reel_data_rows(y)) {
        reel_fail(model->tape, REEL_BAD_SHAPE, op, "X has %lld rows and Y has %lld: %s and %s",
                  (long long)reel_data_rows(x), (long long)reel_data_rows(y),
                  REEL_SHAPE_TEXT(x.shape), REEL_SHAPE_TEXT(y.shape));
        return false;
    }
    return reel_model_build(model, row, x.i32 != NULL) == REEL_OK;
}

/* fit_options.c: what fit is given, checked and brought into one form. */
#include <math.h>

#include "run.h"

#define FAIL(model, status, ...) (reel_fail((model)->tape, status, "fit", __VA_ARGS__), false)

static bool has_data(reel_data d)
{
    return d.f32 || d.f64 || d.i32;
}

static bool check_numbers(reel_model *m, const reel_fit_options *o)
{
    if (o->epochs < 0) {
        return FAIL(m, REEL_BAD_ARGUMENT, "epochs is %d, must be at least 1", o->epochs);
    }
    if (o->initial_epoch < 0) {
        return FAIL(m, REEL_BAD_ARGUMENT, "initial_epoch is %d, must be at least 0",
                    o->initial_epoch);
    }
    if (o->batch_size < 0) {
        return FAIL(m, REEL_BAD_ARGUMENT, "batch_size is %lld, must be at least 1",
                    (long long)o->batch_size);
    }
    if (!(o->validation_split >= 0 && o->validation_split < 1)) {
        return FAIL(m, REEL_BAD_ARGUMENT, "validation_split is %g, must be in [0, 1)",
                    o->validation_split);
    }
    if (o->verbose < 0 || o->verbose > 2) {
        return FAIL(m, REEL_BAD_ARGUMENT, "verbose is %d, must be 0, 1 or 2", o->verbose);
    }
    if (o->class_weights && o->classes < 1) {
        return FAIL(m, REEL_BAD_ARGUMENT, "class_weights need .classes, their number; it is %d",
                    o->classes);
    }
    return true;
}

static bool check_weights(reel_model *m, const char *what, const double *weight, int64_t n)
{
    for (int64_t i = 0; weight && i < n; i++) {
        if (!(weight[i] >= 0) || isinf(weight[i])) {
            return FAIL(m, REEL_BAD_ARGUMENT, "%s[%lld] is %g, must be finite and at least 0", what,
                        (long long)i, weight[i]);
        }
    }
    return true;
}

/* Functional models that return their loss may do without targets. */
static bool check_pair(reel_model *m, const char *x_name, const char *y_name, reel_data x,
                       reel_data y, bool allow_nan)
{
    bool needs_y = !m->build || m->loss || m->loss_function;
    return reel__data_check(m->tape, "fit", x_name, x, allow_nan) &&
           ((!needs_y && !has_data(y)) || reel__data_check(m->tape, "fit", y_name, y, allow_nan)) &&
           reel__data_fits(m, "fit", x, y);
}

/* The last part of the rows, as they stand. */
static bool split(reel_model *m, const reel_fit_options *o, reel__slice *train, reel__slice *val)
{
    int64_t rows = train->rows, kept = (int64_t)floor((double)rows * (1 - o->validation_split));
    if (o->validation_split > 0 && (kept < 1 || kept >= rows)) {
        return FAIL(m, REEL_BAD_ARGUMENT,
                    "validation_split of %g leaves %lld of %lld rows to train on",
                    o->validation_split, (long long)kept, (long long)rows);
    }
    *val = *train;
    val->begin = kept;
    val->rows = rows - kept;
    val->class_weights = NULL; /* they balance training; validation tells the plain loss */
    train->rows = kept;
    return true;
}

static bool find_validation(reel_model *m, const reel_fit_options *o, reel__slice *train,
                            reel__slice *val)
{
    if (!has_data(o->validation_x)) {
        return split(m, o, train, val);
    }
    *val = (reel__slice){ .x = o->validation_x,
                          .y = o->validation_y,
                          .rows = reel_data_rows(o->validation_x),
                          .sample_weights = o->validation_weights };
    return check_pair(m, "validation X", "validation Y", val->x, val->y, o->allow_nan) &&
           check_weights(m, "validation_weights", val->sample_weights, val->rows);
}

bool reel__fit_data(reel_model *m, reel_data x, reel_data y, const reel_fit_options *o,
                    reel__slice *train, reel__slice *val)
{
    *train = (reel__slice){ .x = x,
                            .y = y,
                            .rows = reel_data_rows(x),
                            .sample_weights = o->sample_weights,
                            .class_weights = o->class_weights,
                            .classes = o->classes };
    if (!check_numbers(m, o) || !check_pair(m, "X", "Y", x, y, o->allow_nan) ||
        !check_weights(m, "sample_weights", o->sample_weights, train->rows) ||
        !check_weights(m, "class_weights", o->class_weights, o->classes) ||
        !find_validation(m, o, train, val)) {
        return false;
    }
    if (o->bucket && (!x.lengths || o->no_shuffle)) {
        return FAIL(m, REEL_BAD_ARGUMENT, "bucket: %s",
                    x.lengths ? "no_shuffle asks for another order"
                              : "the rows of X have no lengths");
    }
    if (o->batch_size > train->rows) {
        return FAIL(m, REEL_BAD_ARGUMENT, "batch_size is %lld, more than the %lld rows to train on",
                    (long long)o->batch_size, (long long)train->rows);
    }
    return true;
}

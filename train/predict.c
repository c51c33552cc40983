/* predict.c: evaluate and predict. */
#include <math.h>

#include "training.h"

enum { BATCH_SIZE = 32 };

/* ---- evaluate ------------------------------------------------------------------------------ */

static bool evaluate(reel_model *model, reel_data x, reel_data y, reel_evaluate_options o,
                     reel_evaluation *out)
{
    reel_tape *tape = model->tape;
    reel__score score;
    if (o.batch_size < 0) {
        reel_fail(tape, REEL_BAD_ARGUMENT, "evaluate", "batch_size is %lld, must be at least 1",
                  (long long)o.batch_size);
        return false;
    }
    if (!reel__data_check(tape, "evaluate", "X", x, false) ||
        !reel__data_check(tape, "evaluate", "Y", y, false) ||
        !reel__data_fits(model, "evaluate", x, y)) {
        return false;
    }
    reel__slice all = {
        .x = x, .y = y, .rows = reel_data_rows(x), .sample_weights = o.sample_weights
    };
    int64_t batch_size = o.batch_size ? o.batch_size : BATCH_SIZE;
    if (!reel__score_all(model, "evaluate", all, batch_size, &score)) {
        return false;
    }
    out->loss = reel__score_loss(&score);
    for (int k = 0; k < model->metrics; k++) {
        out->name[k] = model->metric[k].name;
        out->metric[k] = reel__score_metric(model, &score, k);
    }
    out->count = model->metrics;
    return true;
}

reel_evaluation reel_evaluate(reel_model *model, reel_data x, reel_data y,
                              reel_evaluate_options options)
{
    reel_evaluation out = { .loss = NAN };
    if (!model) {
        return out;
    }
    model->tape->nested++;
    if (reel__model_ready(model, "evaluate")) {
        evaluate(model, x, y, options, &out);
    }
    model->tape->nested--;
    return out;
}

/* ---- predict ------------------------------------------------------------------------------- */

/* Where outputs go: of one of the two types. */
typedef struct {
    float *f32;
    double *f64;
    size_t count;
} target;

static void put(const target *to, size_t index, double value)
{
    if (to->f32) {
        to->f32[index] = (float)value;
    } else {
        to->f64[index] = value;
    }
}

/* Turns [T, B, …] round. */
static void put_batch(const target *to, const reel__slice *s, const reel__step *step,
                      const double *from)
{
    reel_shape shape = reel_shape_of(step->output.v);
    size_t steps = step->output.sequence ? (size_t)shape.dim[0] : 1, rows = (size_t)s->rows;
    size_t item = (size_t)reel_shape_size(shape) / steps / rows;
    for (size_t b = 0; b < rows; b++) {
        for (size_t t = 0; t < steps; t++) {
            size_t at = (((size_t)s->begin + b) * steps + t) * item;
            for (size_t k = 0; k < item; k++) {
                put(to, at + k, from[(t * rows + b) * item + k]);
            }
        }
    }
}

static bool check_room(reel_model *model, const reel__step *step, const reel__slice *s,
                       const target *to)
{
    size_t row = (size_t)(reel_shape_size(reel_shape_of(step->output.v)) / s->rows);
    size_t needed = row * (size_t)reel_data_rows(s->x);
    if (needed != to->count) {
        reel_fail(model->tape, REEL_BAD_SHAPE, "predict", "n is %zu, the outputs are %zu numbers",
                  to->count, needed);
    }
    return needed == to->count;
}

static bool predict_batch(reel_model *model, const reel__slice *s, const target *to)
{
    reel__step step;
    reel_rewind(model->tape);
    if (!reel__batch_outputs(model, "predict", s, &step) || !check_room(model, &step, s, to)) {
        return false;
    }
    size_t count = (size_t)reel_shape_size(reel_shape_of(step.output.v));
    double *numbers = reel__room_for(model->tape, &model->outputs, count * sizeof *numbers);
    if (!numbers || reel_read_f64(step.output.v, numbers, count) != REEL_OK) {
        return false;
    }
    put_batch(to, s, &step, numbers);
    return true;
}

static bool ready_for(reel_model *model, reel_data x, bool allow_nan)
{
    return reel_tape_status(model->tape) == REEL_OK &&
           reel__data_check(model->tape, "predict", "X", x, allow_nan) &&
           reel__data_fits(model, "predict", x, (reel_data){ 0 });
}

static reel_status predict(reel_model *model, reel_data x, target to)
{
    if (!model) {
        return REEL_BAD_HANDLE;
    }
    reel_tape *tape = model->tape;
    bool training = reel_is_training(tape);
    tape->nested++;
    reel_set_training(tape, false);
    bool good = ready_for(model, x, false);
    if (good && !to.f32 && !to.f64) {
        reel_fail(tape, REEL_BAD_ARGUMENT, "predict", "there is nowhere to write to");
        good = false;
    }
    for (int64_t begin = 0; good && begin < reel_data_rows(x); begin += BATCH_SIZE) {
        int64_t left = reel_data_rows(x) - begin;
        reel__slice slice = { .x = x,
                              .begin = begin,
                              .rows = left < BATCH_SIZE ? left : BATCH_SIZE };
        good = predict_batch(model, &slice, &to);
    }
    reel_set_training(tape, training);
    reel_rewind(tape);
    tape->nested--;
    return reel_tape_status(tape);
}

reel_status reel_predict(reel_model *model, reel_data x, float *out, size_t n)
{
    return predict(model, x, (target){ .f32 = out, .count = n });
}

reel_status reel_predict_f64(reel_model *model, reel_data x, double *out, size_t n)
{
    return predict(model, x, (target){ .f64 = out, .count = n });
}

reel_shape reel_predict_shape(reel_model *model, reel_data x)
{
    reel_shape out = { .rank = -1 };
    reel__step step;
    reel__slice one = { .x = x, .rows = 1 };
    if (!model || !ready_for(model, x, true)) {
        return out;
    }
    reel_rewind(model->tape);
    if (reel__batch_outputs(model, "predict", &one, &step)) {
        reel_shape shape = reel_shape_of(step.output.v);
        out = shape;
        if (step.output.sequence) {
            out.dim[1] = shape.dim[0];
        }
        out.dim[0] = reel_data_rows(x);
    }
    reel_rewind(model->tape);
    return out;
}

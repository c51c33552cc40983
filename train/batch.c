/* batch.c: rows of the data as a batch on the tape, in the order of steps and rows that the model
 * has, and the loss of what the model makes of it. */
#include <math.h>
#include <string.h>

#include "../layers/layer.h"
#include "training.h"

static int64_t row_at(const reel__slice *s, int64_t place)
{
    return s->order ? s->order[s->begin + place] : s->begin + place;
}

/* ---- from rows to time-major order --------------------------------------------------------- */

/* How many steps of the data, x or the targets of all its steps, are taken. */
static int64_t steps_of(const reel__slice *s, reel_shape shape)
{
    return s->steps && shape.dim[1] == s->x.shape.dim[1] ? s->steps : shape.dim[1];
}

/* Copies the batch's rows; of sequences step by step. Returns what data of that order looks like. */
static reel_data gather(reel_model *model, reel__room *room, reel_data from, const reel__slice *s,
                        bool sequence)
{
    reel_shape shape = from.shape;
    int64_t all = sequence ? shape.dim[1] : 1, steps = sequence ? steps_of(s, shape) : 1;
    size_t element = from.f64 ? sizeof(double) : sizeof(float);
    size_t item = (size_t)(reel_shape_size(shape) / shape.dim[0] / all) * element;
    const char *source = from.f32   ? (const char *)from.f32
                         : from.f64 ? (const char *)from.f64
                                    : (const char *)from.i32;
    char *out = reel__room_for(model->tape, room, item * (size_t)(steps * s->rows));
    for (int64_t b = 0; out && b < s->rows; b++) {
        const char *row = source + (size_t)(row_at(s, b) * all) * item;
        for (int64_t t = 0; t < steps; t++) {
            memcpy(out + (size_t)(t * s->rows + b) * item, row + (size_t)t * item, item);
        }
    }
    shape.dim[0] = sequence ? steps : s->rows;
    shape.dim[1] = sequence ? s->rows : shape.dim[1];
    reel_data batch = { .shape = shape };
    batch.f32 = from.f32 ? (const float *)(void *)out : NULL;
    batch.f64 = from.f64 ? (const double *)(void *)out : NULL;
    batch.i32 = from.i32 ? (const int32_t *)(void *)out : NULL;
    return batch;
}

static reel_var record(reel_tape *tape, reel_data d, reel_shape shape)
{
    return d.f32   ? reel_input(tape, shape, d.f32)
           : d.f64 ? reel_input_f64(tape, shape, d.f64)
           : d.i32 ? reel_indices(tape, shape, d.i32)
                   : reel__poisoned(tape);
}

static const int32_t *gather_lengths(reel_model *model, const reel__slice *s)
{
    int32_t *out = reel__room_for(model->tape, &model->lengths, (size_t)s->rows * sizeof *out);
    for (int64_t b = 0; out && b < s->rows; b++) {
        out[b] = s->x.lengths[row_at(s, b)];
    }
    return out;
}

static bool has_data(reel_data d)
{
    return d.f32 || d.f64 || d.i32;
}

/* What a functional model without a loss of reel_compile's gets to see. */
static void record_targets(reel_model *model, const reel__slice *s, reel_batch *batch)
{
    bool sequence = reel__data_is_sequence(s->x) && reel__data_is_sequence(s->y) &&
                    s->y.shape.dim[1] == s->x.shape.dim[1];
    reel_data y = gather(model, &model->y, s->y, s, sequence);
    batch->y = record(model->tape, y, y.shape);
}

static void record_weights(reel_model *model, const reel__slice *s, reel_batch *batch)
{
    double *w = reel__room_for(model->tape, &model->weights, (size_t)s->rows * sizeof *w);
    for (int64_t b = 0; w && b < s->rows; b++) {
        w[b] = s->sample_weights[row_at(s, b)];
    }
    batch->weights =
        w ? reel_input_f64(model->tape, REEL_SHAPE(s->rows), w) : reel__poisoned(model->tape);
}

/* ---- padding ------------------------------------------------------------------------------- */

/* A function may count the steps of what it is given; so does what comes after a flattened
 * sequence. */
static bool counts_steps(const reel__model_layer *layer, bool sequence)
{
    reel_layer_kind kind = layer->spec.kind;
    return kind == REEL_LAYER_FUNCTION || (kind == REEL_LAYER_FLATTEN && sequence) ||
           (layer->inner && counts_steps(layer->inner, false));
}

static bool takes_any_steps(const reel_model *model)
{
    bool any = model->build ? model->any_steps : true;
    for (int k = 0; k < model->count; k++) {
        any = any && !counts_steps(&model->layer[k], k == 0 || model->layer[k - 1].sequence);
    }
    return any;
}

/* Each number of steps has a plan of its own, and a tape keeps 64 of them. */
enum { NUMBERS_OF_STEPS = 64 };

/* Steps behind the end of every row of the batch change nothing: they are left out. */
static void leave_out_padding(const reel_model *model, reel__slice *s)
{
    if (!s->x.lengths || !reel__data_is_sequence(s->x) || !takes_any_steps(model)) {
        return;
    }
    int64_t longest = 1, all = s->x.shape.dim[1];
    for (int64_t b = 0; b < s->rows; b++) {
        int64_t length = s->x.lengths[row_at(s, b)];
        longest = length > longest ? length : longest;
    }
    int64_t grain = (all + NUMBERS_OF_STEPS - 1) / NUMBERS_OF_STEPS;
    int64_t rounded = (longest + grain - 1) / grain * grain;
    s->steps = rounded < all ? rounded : all;
}

static bool has_own_loss(const reel_model *model)
{
    return model->build && !model->loss && !model->loss_function;
}

bool reel__batch_outputs(reel_model *model, const char *op, const reel__slice *s, reel__step *step)
{
    reel_tape *tape = model->tape;
    bool sequence = reel__data_is_sequence(s->x), own = has_own_loss(model);
    reel_data x = gather(model, &model->x, s->x, s, sequence);
    reel_batch batch = { .rows = s->rows, .x = record(tape, x, x.shape) };
    batch.lengths = s->x.lengths ? gather_lengths(model, s) : NULL;
    if (model->build && has_data(s->y)) {
        record_targets(model, s, &batch);
    }
    if (model->build && s->sample_weights) {
        record_weights(model, s, &batch);
    }
    *step = (reel__step){ .own_loss = own && has_data(s->y) };
    step->output = reel__model_forward(model, &batch, s->x.i32 != NULL);
    reel_shape shape = reel_shape_of(step->output.v);
    int axis = step->output.sequence ? 1 : 0;
    bool has_rows = shape.rank > axis && shape.dim[axis] == s->rows;
    if (reel_tape_status(tape) == REEL_OK && !step->own_loss && shape.rank != 0 && !has_rows) {
        reel_fail(tape, REEL_BAD_SHAPE, op, "the model's output %s lacks the axis of %lld rows%s",
                  REEL_SHAPE_TEXT(shape), (long long)s->rows,
                  step->output.sequence ? "" : " (batch->sequence says whether steps come first)");
    }
    return reel_tape_status(tape) == REEL_OK;
}

/* ---- targets ------------------------------------------------------------------------------- */

/* Batch first; axes of length 1 at the end say nothing. */
static reel_shape essence(reel_shape shape)
{
    while (shape.rank > 1 && shape.dim[shape.rank - 1] == 1) {
        shape.rank--;
    }
    return shape;
}

static reel_shape output_rows_first(const reel__step *step)
{
    reel_shape shape = reel_shape_of(step->output.v);
    if (step->output.sequence) {
        int64_t steps = shape.dim[0];
        shape.dim[0] = shape.dim[1];
        shape.dim[1] = steps;
    }
    return shape;
}

/* Are the targets one number for each output, or one class for each row of outputs? */
static bool match_targets(reel_model *model, const char *op, const reel__slice *s, reel__step *step)
{
    reel_shape y = s->y.shape, full = output_rows_first(step), classes = full;
    bool by_class = model->loss && model->loss->classes;
    y.dim[0] = full.dim[0];
    if (step->output.sequence && y.rank > 1) {
        y.dim[1] = steps_of(s, y);
    }
    classes.rank -= classes.rank > 1;
    bool is_full = reel_shape_equal(essence(y), essence(full));
    step->classes = !is_full && (by_class || model->loss_function) &&
                    reel_shape_equal(essence(y), essence(classes));
    if (is_full || step->classes) {
        return true;
    }
    y.dim[0] = full.dim[0] = classes.dim[0] = reel_data_rows(s->y);
    if (step->output.sequence && s->steps) {
        y.dim[1] = s->y.shape.dim[1];
        full.dim[1] = classes.dim[1] = s->x.shape.dim[1];
    }
    reel_fail(model->tape, REEL_BAD_SHAPE, op, "Y is %s, expected %s%s%s", REEL_SHAPE_TEXT(y),
              REEL_SHAPE_TEXT(full), by_class ? " or classes " : "",
              by_class ? REEL_SHAPE_TEXT(classes) : "");
    return false;
}

/* Classes written as floating numbers become int32. */
static bool to_classes(reel_model *model, const char *op, reel_data *y)
{
    int64_t count = reel_shape_size(y->shape);
    int32_t *out = (int32_t *)(void *)model->y.data; /* no wider than what it replaces */
    for (int64_t i = 0; i < count; i++) {
        double v = reel_data_at(*y, i);
        if (v != floor(v) || fabs(v) > INT32_MAX) {
            reel_fail(model->tape, REEL_BAD_ARGUMENT, op, "Y holds %g, which is no class", v);
            return false;
        }
        out[i] = (int32_t)v;
    }
    *y = (reel_data){ .shape = y->shape, .i32 = out };
    return true;
}

static reel_var numbers_from_i32(reel_model *model, reel_data y, reel_shape shape)
{
    size_t count = (size_t)reel_shape_size(shape);
    double *out = reel__room_for(model->tape, &model->outputs, count * sizeof *out);
    for (size_t i = 0; out && i < count; i++) {
        out[i] = y.i32[i];
    }
    return out ? reel_input_f64(model->tape, shape, out) : reel__poisoned(model->tape);
}

static reel_var target_var(reel_model *model, const char *op, const reel__slice *s,
                           reel__step *step)
{
    reel_shape shape = reel_shape_of(step->output.v);
    if (!match_targets(model, op, s, step)) {
        return reel__poisoned(model->tape);
    }
    step->target = gather(model, &model->y, s->y, s, step->output.sequence);
    if (step->classes) {
        shape.rank--;
        if (!step->target.i32 && !to_classes(model, op, &step->target)) {
            return reel__poisoned(model->tape);
        }
        return record(model->tape, step->target, shape);
    }
    return step->target.i32 ? numbers_from_i32(model, step->target, shape)
                            : record(model->tape, step->target, shape);
}

/* ---- weights ------------------------------------------------------------------------------- */

bool reel__position_counts(const reel__step *step, int64_t position)
{
    if (!step->output.lengths) {
        return true;
    }
    reel_shape shape = reel_shape_of(step->output.v);
    int64_t rows = shape.dim[1], in_step = step->positions / shape.dim[0];
    int64_t row = position % in_step / (in_step / rows);
    return position / in_step < step->output.lengths[row];
}

static int64_t row_of_position(const reel__step *step, int64_t position)
{
    reel_shape shape = reel_shape_of(step->output.v);
    int64_t in_step = step->output.sequence ? step->positions / shape.dim[0] : step->positions;
    int64_t rows = shape.dim[step->output.sequence ? 1 : 0];
    return position % in_step / (in_step / rows);
}

/* The class at a position, of whatever kind the targets are. */
static int64_t class_at(const reel__step *step, int64_t position)
{
    if (step->classes) {
        return (int64_t)reel_data_at(step->target, position);
    }
    int64_t width = reel_shape_size(step->target.shape) / step->positions, best = 0;
    if (width == 1) {
        return (int64_t)reel_data_at(step->target, position);
    }
    for (int64_t k = 1; k < width; k++) {
        double here = reel_data_at(step->target, position * width + k);
        best = here > reel_data_at(step->target, position * width + best) ? k : best;
    }
    return best;
}

static double weight_at(const reel__slice *s, const reel__step *step, int64_t position)
{
    double weight = reel__position_counts(step, position) ? 1 : 0;
    if (s->sample_weights) {
        weight *= s->sample_weights[row_at(s, row_of_position(step, position))];
    }
    if (s->class_weights && weight != 0) {
        int64_t class = class_at(step, position);
        weight *= class >= 0 && class < s->classes ? s->class_weights[class] : NAN;
    }
    return weight;
}

static reel_var weights_var(reel_model *model, const char *op, const reel__slice *s,
                            const reel__step *step, reel_shape shape)
{
    size_t count = (size_t)step->positions;
    double *w = reel__room_for(model->tape, &model->weights, count * sizeof *w);
    for (size_t i = 0; w && i < count; i++) {
        w[i] = weight_at(s, step, (int64_t)i);
        if (isnan(w[i])) {
            return reel_fail(model->tape, REEL_BAD_INDEX, op,
                             "the weight of class %lld is not a number among %d class_weights",
                             (long long)class_at(step, (int64_t)i), s->classes);
        }
    }
    return w ? reel_input_f64(model->tape, shape, w) : reel__poisoned(model->tape);
}

/* ---- the loss ------------------------------------------------------------------------------ */

static void count_positions(reel__step *step)
{
    reel_shape shape = reel_shape_of(step->output.v);
    bool has_width = shape.rank > (step->output.sequence ? 2 : 1);
    int64_t width = has_width ? shape.dim[shape.rank - 1] : 1;
    step->positions = width ? reel_shape_size(shape) / width : 0;
    step->counted = (double)step->positions;
    if (step->output.lengths) {
        int64_t counted = 0, in_row = step->positions / shape.dim[0] / shape.dim[1];
        for (int64_t b = 0; b < shape.dim[1]; b++) {
            counted += step->output.lengths[b] * in_row;
        }
        step->counted = (double)counted;
    }
}

static reel_var weighted_mean(reel_model *model, const char *op, const reel__slice *s,
                              const reel__step *step, reel_var each)
{
    reel_shape shape = reel_shape_of(each);
    bool weighted = s->sample_weights || s->class_weights || step->output.lengths;
    if (shape.rank == 0 && !weighted) {
        return each;
    }
    if (shape.rank >= 0 && reel_shape_size(shape) != step->positions) {
        return reel_fail(model->tape, REEL_BAD_SHAPE, op,
                         "the loss is %s: weights and lengths need one number for each of %lld "
                         "positions",
                         REEL_SHAPE_TEXT(shape), (long long)step->positions);
    }
    if (weighted) {
        each = reel_xmul(weights_var(model, op, s, step, shape), each);
    }
    return reel_scale(reel_sum_all(each), step->counted > 0 ? 1 / step->counted : 1);
}

/* A loss by name takes its mean over the last axis: outputs of one axis get a second. */
static reel_var each_of(reel_model *model, reel_var prediction, reel_var target)
{
    if (model->loss_function) {
        return model->loss_function(prediction, target);
    }
    if (reel_shape_of(prediction).rank == 1) {
        prediction = reel_unsqueeze(prediction, -1);
        target = reel_unsqueeze(target, -1);
    }
    return model->loss->each(prediction, target);
}

static bool take_own_loss(reel_model *model, const char *op, const reel__slice *s, reel__step *step)
{
    reel_shape shape = reel_shape_of(step->output.v);
    step->loss = step->output.v;
    step->positions = s->rows;
    step->counted = (double)s->rows;
    if (shape.rank != 0) {
        reel_fail(model->tape, REEL_BAD_SHAPE, op,
                  "without a loss in reel_compile the model must return one; its output is %s",
                  REEL_SHAPE_TEXT(shape));
    }
    return reel_tape_status(model->tape) == REEL_OK;
}

bool reel__batch_loss(reel_model *model, const char *op, const reel__slice *slice, reel__step *step)
{
    reel__slice shorter = *slice, *s = &shorter;
    leave_out_padding(model, s);
    if (!reel__batch_outputs(model, op, s, step)) {
        return false;
    }
    if (has_own_loss(model)) {
        step->own_loss = true;
        return take_own_loss(model, op, s, step);
    }
    count_positions(step);
    reel_var target = target_var(model, op, s, step);
    if (reel_tape_status(model->tape) != REEL_OK) {
        return false;
    }
    step->loss = weighted_mean(model, op, s, step, each_of(model, step->output.v, target));
    return reel_tape_status(model->tape) == REEL_OK;
}

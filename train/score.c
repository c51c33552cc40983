/* score.c: loss and metrics, summed over batches. */
#include <math.h>

#include "training.h"

/* The last axis of a target row as doubles. */
static void copy_row(double *out, reel_data from, int64_t begin, int64_t width)
{
    for (int64_t k = 0; k < width; k++) {
        out[k] = reel_data_at(from, begin + k);
    }
}

static void add_position(const reel_model *model, reel__score *score, const reel__step *step,
                         const double *prediction, double *target, int64_t position)
{
    int64_t width = reel_shape_size(reel_shape_of(step->output.v)) / step->positions;
    reel__metric_row row = { .prediction = prediction + position * width, .width = width };
    if (step->classes) {
        row.class = (int64_t)reel_data_at(step->target, position);
    } else {
        copy_row(target, step->target, position * width, width);
        row.target = target;
    }
    for (int k = 0; k < model->metrics; k++) {
        score->metric[k] += model->metric[k]->of_row(&row);
    }
    score->rows++;
}

static bool add_metrics(reel_model *model, reel__score *score, const reel__step *step)
{
    reel_tape *tape = model->tape;
    size_t count = (size_t)reel_shape_size(reel_shape_of(step->output.v));
    size_t width = count / (size_t)step->positions;
    double *numbers = reel__room_for(tape, &model->outputs, (count + width) * sizeof *numbers);
    if (!numbers || reel_read_f64(step->output.v, numbers, count) != REEL_OK) {
        return false;
    }
    for (int64_t i = 0; i < step->positions; i++) {
        if (reel__position_counts(step, i)) {
            add_position(model, score, step, numbers, numbers + count, i);
        }
    }
    return true;
}

bool reel__score_add(reel_model *model, reel__score *score, const reel__step *step)
{
    double loss = reel_item(step->loss);
    score->loss += step->counted > 0 ? loss * step->counted : 0;
    score->counted += step->counted;
    if (reel_tape_status(model->tape) != REEL_OK) {
        return false;
    }
    return model->metrics == 0 || step->own_loss || add_metrics(model, score, step);
}

double reel__score_loss(const reel__score *score)
{
    return score->counted > 0 ? score->loss / score->counted : 0;
}

double reel__score_metric(const reel_model *model, const reel__score *score, int metric)
{
    double mean = score->rows > 0 ? score->metric[metric] / score->rows : NAN;
    return model->metric[metric]->finish ? model->metric[metric]->finish(mean) : mean;
}

bool reel__score_all(reel_model *model, const char *op, reel__slice slice, int64_t batch_size,
                     reel__score *score)
{
    int64_t end = slice.begin + slice.rows;
    bool training = reel_is_training(model->tape), good = true;
    reel_set_training(model->tape, false);
    for (; good && slice.begin < end; slice.begin += batch_size) {
        reel__step step;
        slice.rows = end - slice.begin < batch_size ? end - slice.begin : batch_size;
        reel__model_rewind(model);
        good = reel__batch_loss(model, op, &slice, &step);
        if (good && model->metrics && !step.own_loss) {
            reel_keep(step.output.v);
        }
        good = good && reel__score_add(model, score, &step);
    }
    reel_set_training(model->tape, training);
    reel__model_rewind(model);
    return good;
}

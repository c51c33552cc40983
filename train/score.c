/* score.c: loss and metrics, summed over batches. */
#include <math.h>
#include <string.h>

#include "training.h"

/* The last axis of a target row as doubles. */
static void copy_row(double *out, reel_data from, int64_t begin, int64_t width)
{
    for (int64_t k = 0; k < width; k++) {
        out[k] = reel_data_at(from, begin + k);
    }
}

static void add_position(const reel_model *model, reel__score *score, const reel__metric_row *row)
{
    for (int k = 0; k < model->metrics; k++) {
        if (model->metric[k].own) {
            score->metric[k] += model->metric[k].own->of_row(row);
        }
    }
    score->rows++;
}

/* What a batch's predictions and targets become: rows that count, one after another. */
typedef struct {
    double *predictions, *targets;
    int32_t *labels;
    size_t rows, width;
} gathered;

static void gather_position(gathered *g, const reel__step *step, int64_t position)
{
    size_t width = g->width, row = g->rows++;
    memmove(g->predictions + row * width, g->predictions + (size_t)position * width,
            width * sizeof *g->predictions);
    if (step->classes) {
        g->labels[row] = (int32_t)reel_data_at(step->target, position);
    } else {
        copy_row(g->targets + row * width, step->target, position * (int64_t)width, (int64_t)width);
    }
}

static bool add_general(reel_model *model, const gathered *g, bool classes)
{
    reel_metric_batch batch = { .rows = g->rows,
                                .columns = g->width,
                                .predictions = g->predictions,
                                .targets = classes ? NULL : g->targets,
                                .labels = classes ? g->labels : NULL };
    for (int k = 0; k < model->metrics; k++) {
        reel_metric *metric = model->metric[k].general;
        reel_status status = metric ? reel_metric_update(metric, batch) : REEL_OK;
        if (status != REEL_OK) {
            reel_fail(model->tape, status, "metric", "%s: %s", model->metric[k].name,
                      reel_metric_error(metric));
            return false;
        }
    }
    return true;
}

static bool add_metrics(reel_model *model, reel__score *score, const reel__step *step)
{
    reel_tape *tape = model->tape;
    size_t count = (size_t)reel_shape_size(reel_shape_of(step->output.v));
    size_t rows = (size_t)step->positions, width = rows ? count / rows : 0;
    size_t bytes = 2 * count * sizeof(double) + rows * sizeof(int32_t);
    double *numbers = reel__room_for(tape, &model->outputs, bytes);
    if (!numbers || reel_read_f64(step->output.v, numbers, count) != REEL_OK) {
        return false;
    }
    gathered g = { .predictions = numbers,
                   .targets = numbers + count,
                   .labels = (int32_t *)(void *)(numbers + 2 * count),
                   .width = width };
    for (int64_t i = 0; i < step->positions; i++) {
        if (reel__position_counts(step, i)) {
            size_t row = g.rows;
            gather_position(&g, step, i);
            add_position(
                model, score,
                &(reel__metric_row){ .prediction = g.predictions + row * width,
                                     .target = step->classes ? NULL : g.targets + row * width,
                                     .width = (int64_t)width,
                                     .class = step->classes ? g.labels[row] : 0 });
        }
    }
    return add_general(model, &g, step->classes);
}

void reel__score_begin(reel_model *model, reel__score *score)
{
    *score = (reel__score){ 0 };
    for (int k = 0; k < model->metrics; k++) {
        if (model->metric[k].general) {
            reel_metric_reset(model->metric[k].general);
        }
    }
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
    const reel__model_metric *m = &model->metric[metric];
    if (m->general) {
        return reel_metric_result(m->general);
    }
    double mean = score->rows > 0 ? score->metric[metric] / score->rows : NAN;
    return m->own->finish ? m->own->finish(mean) : mean;
}

bool reel__score_all(reel_model *model, const char *op, reel__slice slice, int64_t batch_size,
                     reel__score *score)
{
    int64_t end = slice.begin + slice.rows;
    reel__score_begin(model, score);
    bool training = reel_is_training(model->tape), good = true;
    reel_set_training(model->tape, false);
    for (; good && slice.begin < end; slice.begin += batch_size) {
        reel__step step;
        slice.rows = end - slice.begin < batch_size ? end - slice.begin : batch_size;
        reel_rewind(model->tape);
        good = reel__batch_loss(model, op, &slice, &step);
        if (good && model->metrics && !step.own_loss) {
            reel_keep(step.output.v);
        }
        good = good && reel__score_add(model, score, &step);
    }
    reel_set_training(model->tape, training);
    reel_rewind(model->tape);
    return good;
}

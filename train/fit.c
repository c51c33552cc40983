/* fit.c: epochs and batches. */
#include <math.h>
#include <string.h>

#include "../io/checkpoint.h"
#include "interrupt.h"
#include "progress.h"
#include "run.h"

enum { BATCH_SIZE = 32 };

/* ---- order of the rows --------------------------------------------------------------------- */

static bool put_in_order(reel__fit *f)
{
    reel_model *m = f->public.model;
    size_t bytes = (size_t)f->train.rows * sizeof(int64_t);
    int64_t *order = f->options->no_shuffle ? NULL : reel__room_for(m->tape, &m->order, bytes);
    f->train.order = order;
    if (order) {
        uint64_t seed = f->options->seed;
        seed = seed ? seed : reel_tape_options_of(m->tape).seed;
        if (f->options->bucket) {
            return reel_bucket(m->tape, order, f->train.rows, f->train.x.lengths, f->batch_size,
                               seed, f->public.epoch);
        }
        reel_shuffle(order, f->train.rows, seed, f->public.epoch);
    }
    return order || f->options->no_shuffle;
}

/* ---- a batch ------------------------------------------------------------------------------- */

/* Parameters are changed in the last call here and nowhere else. */
static bool update(reel_model *m)
{
    if (m->clip_norm > 0) {
        reel_clip_norm(m->tape, m->clip_norm);
    }
    if (m->clip_value > 0) {
        reel_clip_value(m->tape, m->clip_value);
    }
    return reel_optimizer_step(m->optimizer) == REEL_OK;
}

static bool train_batch(reel_model *m, const char *op, const reel__slice *slice, reel__score *score,
                        double *loss)
{
    reel__step step;
    reel_rewind(m->tape);
    if (!reel__batch_loss(m, op, slice, &step)) {
        return false;
    }
    if (m->metrics && !step.own_loss) {
        reel_keep(step.output.v);
    }
    reel_backward(step.loss);
    bool good = update(m) && reel__score_add(m, score, &step);
    *loss = good ? reel_item(step.loss) : NAN;
    return good;
}

/* Metrics of metrics.h are asked when all is in: some, like roc_auc, take long to answer. */
static void log_score(reel__fit *f, const reel__score *score, const char *const names[], bool over)
{
    const reel_model *m = f->public.model;
    reel__set_log(f, names[0], reel__score_loss(score));
    for (int k = 0; k < m->metrics && score->rows > 0; k++) {
        if (m->metric[k].own || over) {
            reel__set_log(f, names[k + 1], reel__score_metric(m, score, k));
        }
    }
}

/* ---- an epoch ------------------------------------------------------------------------------ */

static bool run_batches(reel__fit *f, const char *const names[])
{
    reel_model *m = f->public.model;
    reel__score score;
    bool good = put_in_order(f);
    reel__score_begin(m, &score);
    for (int64_t b = 0; good && b < f->public.batches && !f->public.stop; b++) {
        reel__slice slice = f->train;
        slice.begin = b * f->batch_size;
        int64_t left = f->train.rows - slice.begin;
        slice.rows = left < f->batch_size ? left : f->batch_size;
        f->public.batch = b;
        good = reel__call_hooks(f, REEL__BATCH_BEGIN) &&
               train_batch(m, "fit", &slice, &score, &f->public.batch_loss);
        if (!good) {
            break;
        }
        f->public.step++;
        log_score(f, &score, names, b + 1 == f->public.batches);
        good = reel__call_hooks(f, REEL__BATCH_END);
        if (f->options->catch_interrupt && reel__interrupt_seen()) {
            f->public.stop = f->public.interrupted = true;
            f->stopped_by = "interrupt";
        }
    }
    return good;
}

static bool validate(reel__fit *f, const char *const val_names[])
{
    int every = f->options->validation_every > 0 ? f->options->validation_every : 1;
    reel__score score;
    if (f->validation.rows == 0 || (f->public.epoch + 1) % every != 0) {
        return true;
    }
    bool good = reel__call_hooks(f, REEL__VALIDATION_BEGIN) &&
                reel__score_all(f->public.model, "fit", f->validation, f->batch_size, &score);
    if (good) {
        log_score(f, &score, val_names, true);
    }
    return good && reel__call_hooks(f, REEL__VALIDATION_END);
}

static bool run_epoch(reel__fit *f, const char *const names[], const char *const val_names[])
{
    reel_model *m = f->public.model;
    reel__clear_logs(f);
    bool good =
        reel__call_hooks(f, REEL__EPOCH_BEGIN) && run_batches(f, names) && validate(f, val_names);
    for (int i = 0; good && i < f->public.count; i++) {
        good = reel__history_set(m, f->names[i], f->values[i]);
    }
    if (good) {
        good = reel__call_hooks(f, REEL__EPOCH_END);
        m->history->public.epochs++;
    }
    return good;
}

/* ---- the whole ----------------------------------------------------------------------------- */

static bool keep_interrupted(reel__fit *f)
{
    const char *path = f->options->interrupt_checkpoint;
    if (!f->public.interrupted || !path) {
        return true;
    }
    reel_training_state state = { .optimizer = f->public.model->optimizer,
                                  .epoch = f->public.epoch,
                                  .step = f->public.step };
    reel_checkpoint_options options = { 0 };
    return reel_save_checkpoint(f->public.model->tape, path, &state, options) == REEL_OK;
}

static bool run_epochs(reel__fit *f)
{
    reel_model *m = f->public.model;
    const char *names[REEL_MAX_METRICS + 1] = { "loss" }, *val_names[REEL_MAX_METRICS + 1];
    for (int k = 0; k <= m->metrics; k++) {
        names[k] = k == 0 ? "loss" : m->metric[k - 1].name;
        snprintf(f->val_names[k], sizeof f->val_names[k], "val_%s", names[k]);
        val_names[k] = f->val_names[k];
    }
    f->public.epoch = f->options->initial_epoch;
    bool good = reel__call_hooks(f, REEL__TRAIN_BEGIN);
    int first = f->public.epoch, end = f->options->initial_epoch + f->public.epochs;
    for (int e = first; good && e < end && !f->public.stop; e++) {
        f->public.epoch = e;
        good = run_epoch(f, names, val_names);
    }
    m->history->public.stopped_by =
        f->stopped_by ? reel__tape_store_text(m->tape, f->stopped_by) : NULL;
    good = good && keep_interrupted(f);
    reel_status before = reel_tape_status(m->tape);
    bool ended = reel__call_hooks(f, REEL__TRAIN_END);
    return good && ended && before == REEL_OK;
}

static bool start(reel__fit *f, reel_data x, reel_data y)
{
    reel_model *m = f->public.model;
    const reel_fit_options *o = f->options;
    if (!reel__fit_data(m, x, y, o, &f->train, &f->validation)) {
        return false;
    }
    f->batch_size = o->batch_size ? o->batch_size : BATCH_SIZE;
    f->public.epochs = o->epochs ? o->epochs : 1;
    f->public.batches = (f->train.rows + f->batch_size - 1) / f->batch_size;
    f->public.name = f->names;
    f->public.value = f->values;
    return reel__progress(m->tape, o, &f->progress) &&
           reel__history_new(m, f->public.epochs) != NULL;
}

static bool run(reel__fit *f)
{
    reel_tape *tape = f->public.model->tape;
    bool training = reel_is_training(tape);
    reel_set_training(tape, true);
    reel_zero_grad(tape);
    bool good = run_epochs(f);
    reel_set_training(tape, training);
    reel_rewind(tape);
    return good;
}

static bool fit(reel__fit *f, reel_data x, reel_data y)
{
    if (!start(f, x, y)) {
        return false;
    }
    if (!f->options->catch_interrupt) {
        return run(f);
    }
    if (!reel__interrupt_catch()) {
        reel_fail(f->public.model->tape, REEL_BAD_ARGUMENT, "fit",
                  "catch_interrupt: another fit of this process catches SIGINT");
        return false;
    }
    bool good = run(f);
    reel__interrupt_release();
    return good;
}

reel_history *reel_fit(reel_model *model, reel_data x, reel_data y, reel_fit_options options)
{
    if (!model) {
        return NULL;
    }
    reel__fit f = { .public = { .model = model }, .options = &options };
    model->tape->nested++; /* an error anywhere in it is at the line of the fit */
    bool good = reel__model_ready(model, "fit") && fit(&f, x, y);
    model->tape->nested--;
    return good ? &model->history->public : NULL;
}

double reel_train_on_batch(reel_model *model, reel_data x, reel_data y)
{
    if (!model) {
        return NAN;
    }
    reel_tape *tape = model->tape;
    reel__score score = { 0 };
    double loss = NAN;
    reel__slice train, validation;
    reel_fit_options options = { .batch_size = reel_data_rows(x) };
    bool training = reel_is_training(tape);
    tape->nested++;
    bool good = reel__model_ready(model, "train_on_batch") &&
                reel__fit_data(model, x, y, &options, &train, &validation);
    if (good) {
        reel_set_training(tape, true);
        reel_zero_grad(tape);
        good = train_batch(model, "train_on_batch", &train, &score, &loss);
        reel_set_training(tape, training);
        reel_rewind(tape);
    }
    tape->nested--;
    return loss;
}

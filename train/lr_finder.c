/* lr_finder.c: which learning rate to begin with (Smith 2017). */
#include <math.h>
#include <string.h>

#include "plot.h"
#include "search.h"
#include "training.h"

typedef struct {
    reel_optimizer *optimizer;
    reel_lr_finder_options options;
    double *rate, *loss;
    double mean, least; /* mean: exponentially weighted, its start not yet corrected */
    int count;
} finder;

static reel_status set_rate(void *self, reel_training *t)
{
    finder *f = self;
    double share = (double)t->step / (f->options.steps - 1);
    double lr = f->options.lo * pow(f->options.hi / f->options.lo, share);
    return reel_optimizer_set_lr(f->optimizer, lr);
}

static reel_status note_loss(void *self, reel_training *t)
{
    finder *f = self;
    double keep = f->options.smoothing;
    f->mean = keep * f->mean + (1 - keep) * t->batch_loss;
    double loss = f->mean / (1 - pow(keep, f->count + 1));
    if (!isfinite(loss) || (f->count > 0 && loss > 4 * f->least)) {
        t->stop = true;
        return REEL_OK;
    }
    f->least = f->count == 0 || loss < f->least ? loss : f->least;
    f->rate[f->count] = reel_optimizer_lr(f->optimizer);
    f->loss[f->count++] = loss;
    t->stop = f->count == f->options.steps;
    return REEL_OK;
}

/* Where the loss falls fastest over the rate's logarithm, whose steps are equal. The first tenth is
 * left out: what is smoothed there is of few batches. */
static double steepest(const finder *f)
{
    int first = f->options.steps / 10, best = first < f->count ? first : 0;
    double fall = 0;
    for (int i = first + 1; i + 1 < f->count; i++) {
        double here = f->loss[i - 1] - f->loss[i + 1];
        if (here > fall) {
            fall = here;
            best = i;
        }
    }
    return f->count > 0 ? f->rate[best] : NAN;
}

static bool run(reel_model *m, reel_data x, reel_data y, finder *f)
{
    int64_t rows = reel_data_rows(x), batch_size = f->options.batch_size;
    int64_t batches = rows > 0 ? (rows + batch_size - 1) / batch_size : 1;
    reel_fit_options fit = {
        .epochs = (int)(f->options.steps / batches) + 1,
        .batch_size = f->options.batch_size < rows ? f->options.batch_size : 0,
        .callbacks = { { .name = "find_lr",
                         .self = f,
                         .on_batch_begin = set_rate,
                         .on_batch_end = note_loss } },
    };
    return reel_fit(m, x, y, fit) != NULL;
}

static bool keep_parameters(reel_tape *tape, reel__room *copy, bool restore)
{
    reel_flat flat;
    if (reel_flat_begin(tape, &flat) != REEL_OK) {
        return false;
    }
    size_t bytes = flat.count * tape->element;
    bool good = restore ? copy->bytes >= bytes : reel__room_for(tape, copy, bytes) != NULL;
    if (good) {
        memcpy(restore ? flat.values : copy->data, restore ? copy->data : flat.values, bytes);
    }
    reel_flat_end(tape, restore);
    return good;
}

static bool prepare(reel_model *m, reel_data x, reel_data y, finder *f)
{
    reel_lr_finder_options *o = &f->options;
    o->lo = o->lo == 0 ? 1e-7 : o->lo;
    o->hi = o->hi == 0 ? 10 : o->hi;
    o->steps = o->steps == 0 ? 100 : o->steps;
    o->batch_size = o->batch_size == 0 ? 32 : o->batch_size;
    o->smoothing = o->smoothing == 0 ? 0.9 : o->smoothing;
    if (!(o->lo > 0 && o->lo < o->hi && isfinite(o->hi)) || o->steps < 3 || o->batch_size < 1 ||
        !(o->smoothing >= 0 && o->smoothing < 1)) {
        reel_fail(m->tape, REEL_BAD_ARGUMENT, "find_lr",
                  "rates from %g to %g in %d steps, smoothing %g", o->lo, o->hi, o->steps,
                  o->smoothing);
        return false;
    }
    f->rate = reel__tape_store(m->tape, (size_t)o->steps * sizeof(double));
    f->loss = reel__tape_store(m->tape, (size_t)o->steps * sizeof(double));
    f->optimizer = m->optimizer;
    return f->rate && f->loss && reel__data_check(m->tape, "find_lr", "X", x, false) &&
           reel__data_fits(m, "find_lr", x, y);
}

reel_lr_finding reel_find_lr(reel_model *m, reel_data x, reel_data y, reel_lr_finder_options o)
{
    reel_lr_finding out = { .suggestion = NAN };
    finder f = { .options = o };
    reel__room copy = { 0 };
    if (!reel__model_ready(m, "find_lr") || !prepare(m, x, y, &f)) {
        return out;
    }
    double lr = reel_optimizer_lr(m->optimizer);
    bool kept = keep_parameters(m->tape, &copy, false), good = kept && run(m, x, y, &f);
    if (kept) {
        keep_parameters(m->tape, &copy, true);
    }
    reel_optimizer_set_lr(m->optimizer, lr);
    reel__room_free(m->tape, &copy);
    if (!good || f.count == 0) {
        return out;
    }
    out = (reel_lr_finding){ f.count, f.rate, f.loss, steepest(&f) };
    if (o.plot) {
        reel_plot_options p = { .x_label = "learning rate", .y_label = "loss" };
        reel_plot_line(m->tape, f.count, f.rate, f.loss, true, o.plot, p);
    }
    return out;
}

/* callback_rate.c: callbacks that change the learning rate between epochs. */
#include <math.h>

#include "monitor.h"

static reel_status log_rate(const reel_model *model, reel_training *t)
{
    return reel_training_add_log(t, "learning_rate", reel_optimizer_lr(model->optimizer));
}

/* ---- on a plateau -------------------------------------------------------------------------- */

typedef struct {
    reel_model *model;
    reel_reduce_lr_options options;
    reel__monitor monitor;
    int waited, cooling;
} plateau;

static reel_status begin(void *self, reel_training *t)
{
    (void)t;
    plateau *p = self;
    reel__monitor_reset(&p->monitor);
    p->waited = p->cooling = 0;
    return REEL_OK;
}

static reel_status reduce(plateau *p)
{
    double lr = reel_optimizer_lr(p->model->optimizer), least = p->options.min_lr;
    p->cooling = p->options.cooldown;
    p->waited = 0;
    if (lr <= least) {
        return REEL_OK;
    }
    return reel_optimizer_set_lr(p->model->optimizer, fmax(lr * p->options.factor, least));
}

/* The rate of an epoch is logged before it changes. */
static reel_status plateau_end(void *self, reel_training *t)
{
    plateau *p = self;
    double value;
    if (!reel__monitor_read(&p->monitor, t, &value)) {
        return REEL_NOT_FOUND;
    }
    reel_status status = log_rate(p->model, t);
    if (p->cooling > 0) {
        p->cooling--;
        p->waited = 0;
    }
    if (reel__monitor_improves(&p->monitor, value)) {
        p->waited = 0;
    } else if (p->cooling == 0 && ++p->waited >= p->options.patience && status == REEL_OK) {
        status = reduce(p);
    }
    return status;
}

reel_callback reel_reduce_lr_on_plateau(reel_model *model, reel_reduce_lr_options o)
{
    static const char *const name = "reduce_lr_on_plateau";
    if (!model) {
        return (reel_callback){ 0 };
    }
    reel_tape *tape = model->tape;
    o.factor = o.factor == 0 ? 0.1 : o.factor;
    o.patience = o.patience == 0 ? 10 : o.patience;
    o.min_delta = o.min_delta == 0 ? 1e-4 : o.min_delta;
    plateau *p = reel__tape_store(tape, sizeof *p);
    if (!p ||
        !reel__check_option(tape, name, "factor", o.factor, o.factor > 0 && o.factor < 1,
                            "in (0, 1)") ||
        !reel__check_option(tape, name, "patience", o.patience, o.patience > 0, "at least 1") ||
        !reel__check_option(tape, name, "min_delta", o.min_delta, o.min_delta >= 0, "at least 0") ||
        !reel__check_option(tape, name, "min_lr", o.min_lr, o.min_lr >= 0, "at least 0") ||
        !reel__monitor_init(tape, &p->monitor, o.monitor, o.maximize, o.min_delta)) {
        return (reel_callback){ 0 };
    }
    p->model = model;
    p->options = o;
    return (reel_callback){
        .name = name, .self = p, .on_train_begin = begin, .on_epoch_end = plateau_end
    };
}

/* ---- by a function ------------------------------------------------------------------------- */

typedef struct {
    reel_model *model;
    reel_epoch_schedule schedule;
    void *self;
} scheduler;

static reel_status schedule_begin(void *self, reel_training *t)
{
    scheduler *s = self;
    double lr = s->schedule(s->self, t->epoch, reel_optimizer_lr(s->model->optimizer));
    if (!(lr >= 0) || isinf(lr)) {
        snprintf(t->message, sizeof t->message, "the schedule gives a rate of %g", lr);
        return REEL_BAD_ARGUMENT;
    }
    return reel_optimizer_set_lr(s->model->optimizer, lr);
}

static reel_status schedule_end(void *self, reel_training *t)
{
    scheduler *s = self;
    return log_rate(s->model, t);
}

reel_callback reel_lr_scheduler(reel_model *model, reel_epoch_schedule schedule, void *self)
{
    scheduler *s = model ? reel__tape_store(model->tape, sizeof *s) : NULL;
    if (!s) {
        return (reel_callback){ 0 };
    }
    if (!schedule) {
        reel_fail(model->tape, REEL_BAD_ARGUMENT, "lr_scheduler", "the schedule is NULL");
        return (reel_callback){ 0 };
    }
    *s = (scheduler){ .model = model, .schedule = schedule, .self = self };
    return (reel_callback){ .name = "lr_scheduler",
                            .self = s,
                            .on_epoch_begin = schedule_begin,
                            .on_epoch_end = schedule_end };
}

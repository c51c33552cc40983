/* lbfgs.c: L-BFGS (Liu & Nocedal 1989) with a line search, over all parameters as one vector. */
#include <limits.h>
#include <math.h>
#include <string.h>

#include "line_search.h"
#include "optimizer.h"
#include "vectors.h"

/* The options, and what the next step needs of the last. */
typedef struct {
    reel_lbfgs_options given;
    double iterations, t, scale;
    double pairs, oldest; /* how many are kept, and where the oldest stands */
} memory;

/* Slots; pair i has its s and y behind them. */
enum { DIRECTION, GRADIENT, PAIRS };

#define NUMBER(field)                                                                              \
    {                                                                                              \
#field, offsetof(memory, field), 1                                                         \
    }
static const reel_update_rule rule = {
    .name = "lbfgs",
    .slot_name = { "direction", "gradient" },
    .options_size = sizeof(memory),
    .numbers = 5,
    .number = { NUMBER(iterations), NUMBER(t), NUMBER(scale), NUMBER(pairs), NUMBER(oldest) },
};

static bool check_counts(reel_tape *tape, const reel_lbfgs_options *o)
{
    if (o->history >= 1 && o->history <= REEL_LBFGS_HISTORY && o->iterations >= 1 &&
        o->evaluations >= 1) {
        return true;
    }
    reel_fail(
        tape, REEL_BAD_ARGUMENT, "lbfgs",
        "history is %d, must be in 1 … %d; iterations and evaluations are %d and %d, must be at "
        "least 1",
        o->history, REEL_LBFGS_HISTORY, o->iterations, o->evaluations);
    return false;
}

reel_optimizer *reel_lbfgs(reel_tape *tape, reel_lbfgs_options options)
{
    options.history = options.history ? options.history : 10;
    options.iterations = options.iterations ? options.iterations : 20;
    options.evaluations =
        options.evaluations ? options.evaluations : (int)fmin(options.iterations * 1.25, INT_MAX);
    options.tolerance_gradient = reel__optim_option(options.tolerance_gradient, 1e-7);
    options.tolerance_change = reel__optim_option(options.tolerance_change, 1e-9);
    if (!tape || !check_counts(tape, &options) ||
        !reel__optim_check(tape, "lbfgs", "tolerance_gradient", options.tolerance_gradient,
                           INFINITY) ||
        !reel__optim_check(tape, "lbfgs", "tolerance_change", options.tolerance_change, INFINITY)) {
        return NULL;
    }
    memory start = { .given = options, .scale = 1 };
    reel__optimizer_numbers numbers = { .lr = reel__optim_option(options.lr, 1),
                                        .slots = PAIRS + 2 * options.history };
    return reel__optimizer_new(tape, &rule, numbers, &start);
}

/* ---- one call ------------------------------------------------------------------------------ */

typedef struct {
    reel_optimizer *optimizer;
    reel_tape *tape;
    memory *m;
    reel_loss_fn loss;
    void *self;
    size_t n;   /* elements of the flat buffers */
    char *work; /* the start of the line, then the buffers for gradients */
    bool stopped;
} run;

static char *slot(const run *r, int k)
{
    return reel__slot_at(r->optimizer, k, 0);
}

/* s and y of pair i, the oldest being 0. */
static int slot_of_pair(const run *r, int i)
{
    return PAIRS + 2 * (((int)r->m->oldest + i) % r->m->given.history);
}

static char *start_of(const run *r)
{
    return r->work;
}

static char *buffer(const run *r, int i)
{
    return r->work + (size_t)(1 + i) * r->n * r->tape->element;
}

/* Frozen parameters have no gradient. */
static void freeze(const run *r, char *gradients)
{
    for (size_t i = 0; i < r->optimizer->members.count; i++) {
        const reel__param *param = reel__param_entry(r->tape, (uint32_t)i);
        if (reel__member_at(r->optimizer, i)->frozen) {
            memset(gradients + param->offset * r->tape->element, 0,
                   param->count * r->tape->element);
        }
    }
}

/* The loss where the parameters are. Its gradient is in the flat buffers then. */
static bool loss_here(const run *r, double *loss, reel_flat *flat)
{
    reel_rewind(r->tape);
    reel_zero_grad(r->tape);
    reel_var v = r->loss(r->tape, r->self);
    reel_backward(v);
    *loss = reel_item(v);
    return reel_tape_status(r->tape) == REEL_OK && reel_flat_begin(r->tape, flat) == REEL_OK;
}

static bool go_to(const run *r, double t)
{
    reel_flat flat;
    if (reel_flat_begin(r->tape, &flat) != REEL_OK || flat.count != r->n) {
        reel_fail(r->tape, REEL_BAD_ARGUMENT, "lbfgs_step",
                  "the loss made parameters in the course of a step");
        return false;
    }
    memcpy(flat.values, start_of(r), r->n * r->tape->element);
    if (t != 0) {
        reel__combine(r->tape, r->n, t, slot(r, DIRECTION), 1, flat.values);
    }
    reel_flat_end(r->tape, true);
    return true;
}

static bool evaluate_at(void *self, reel__line_point *point)
{
    const run *r = self;
    reel_flat flat;
    if (!go_to(r, point->t) || !loss_here(r, &point->f, &flat)) {
        return false;
    }
    freeze(r, flat.gradients);
    memcpy(buffer(r, point->buffer), flat.gradients, r->n * r->tape->element);
    point->slope = reel__dot(r->tape, r->n, buffer(r, point->buffer), slot(r, DIRECTION));
    return true;
}

/* ---- the direction ------------------------------------------------------------------------- */

/* Of the last step s and the change y of the gradient a new pair, in place of the oldest where
 * there are enough; not where the curvature along it is not positive. */
static void remember(run *r, const char *gradient)
{
    memory *m = r->m;
    size_t bytes = r->n * r->tape->element;
    char *s = slot(r, DIRECTION), *y = slot(r, GRADIENT);
    reel__combine(r->tape, r->n, 1, gradient, -1, y);
    reel__combine(r->tape, r->n, m->t, s, 0, s);
    double curvature = reel__dot(r->tape, r->n, y, s);
    if (!(curvature > 1e-10)) {
        return;
    }
    bool full = (int)m->pairs == m->given.history;
    int at = slot_of_pair(r, full ? 0 : (int)m->pairs);
    memcpy(slot(r, at), s, bytes);
    memcpy(slot(r, at + 1), y, bytes);
    m->oldest = full ? (double)(((int)m->oldest + 1) % m->given.history) : m->oldest;
    m->pairs += !full;
    m->scale = curvature / reel__dot(r->tape, r->n, y, y);
}

/* The inverse Hessian's approximation times -gradient, by two loops over the pairs. */
static void find_direction(run *r, const char *gradient)
{
    double along[REEL_LBFGS_HISTORY], inverse[REEL_LBFGS_HISTORY];
    int pairs = (int)r->m->pairs;
    char *d = slot(r, DIRECTION);
    reel__combine(r->tape, r->n, -1, gradient, 0, d);
    for (int i = pairs; i-- > 0;) {
        const char *s = slot(r, slot_of_pair(r, i)), *y = slot(r, slot_of_pair(r, i) + 1);
        inverse[i] = 1 / reel__dot(r->tape, r->n, y, s);
        along[i] = inverse[i] * reel__dot(r->tape, r->n, s, d);
        reel__combine(r->tape, r->n, -along[i], y, 1, d);
    }
    reel__combine(r->tape, r->n, r->m->scale, d, 0, d);
    for (int i = 0; i < pairs; i++) {
        const char *s = slot(r, slot_of_pair(r, i)), *y = slot(r, slot_of_pair(r, i) + 1);
        double back = inverse[i] * reel__dot(r->tape, r->n, y, d);
        reel__combine(r->tape, r->n, along[i] - back, s, 1, d);
    }
}

/* ---- iterations ---------------------------------------------------------------------------- */

/* From `now`, whose gradient is in its buffer, to the next point. */
static bool iterate(run *r, reel__line_point *now, int *evaluations)
{
    memory *m = r->m;
    const reel_lbfgs_options *o = &m->given;
    const char *gradient = buffer(r, now->buffer);
    if (m->iterations++ > 0) {
        remember(r, gradient);
    }
    find_direction(r, gradient);
    memcpy(slot(r, GRADIENT), gradient, r->n * r->tape->element);
    double first = fmin(1, 1 / reel__sum_of_sizes(r->tape, r->n, gradient));
    double size = reel__largest_size(r->tape, r->n, slot(r, DIRECTION));
    m->t = (m->iterations == 1 ? first : 1) * r->optimizer->lr;
    now->t = 0;
    now->slope = reel__dot(r->tape, r->n, gradient, slot(r, DIRECTION));
    if (!(now->slope <= -o->tolerance_change)) {
        r->stopped = true;
        return true;
    }
    reel__line line = { .evaluate = evaluate_at,
                        .self = r,
                        .size = size,
                        .tolerance = o->tolerance_change,
                        .most = o->evaluations - *evaluations };
    reel__line_point found;
    if (!reel__line_search(&line, *now, m->t, &found, evaluations) || !go_to(r, found.t)) {
        return false;
    }
    reel_flat flat;
    reel_flat_begin(r->tape, &flat);
    memcpy(start_of(r), flat.values, r->n * r->tape->element);
    m->t = found.t;
    r->stopped =
        reel__largest_size(r->tape, r->n, buffer(r, found.buffer)) <= o->tolerance_gradient ||
        size * found.t <= o->tolerance_change || fabs(found.f - now->f) < o->tolerance_change ||
        *evaluations >= o->evaluations;
    *now = found;
    return true;
}

static bool minimise(run *r, double loss, const char *gradients)
{
    reel__line_point now = { .f = loss };
    int evaluations = 1;
    memcpy(buffer(r, 0), gradients, r->n * r->tape->element);
    freeze(r, buffer(r, 0));
    r->stopped = reel__largest_size(r->tape, r->n, buffer(r, 0)) <= r->m->given.tolerance_gradient;
    for (int i = 0; i < r->m->given.iterations && !r->stopped; i++) {
        if (!iterate(r, &now, &evaluations)) {
            return false;
        }
    }
    return true;
}

/* After an error: the parameters are what they were, and what was remembered is forgotten. */
static void undo(run *r, const char *before)
{
    reel_flat flat = { r->tape->flat_values, r->tape->flat_gradients, r->tape->flat_count };
    memcpy(flat.values, before, r->n * r->tape->element);
    reel_flat_end(r->tape, true);
    *r->m = (memory){ .given = r->m->given, .scale = 1 };
}

double reel_lbfgs_step(reel_optimizer *optimizer, reel_loss_fn loss, void *self)
{
    if (!reel__optimizer_usable(optimizer, "lbfgs_step")) {
        return NAN;
    }
    reel_tape *tape = optimizer->tape;
    if (optimizer->rule != &rule || !loss) {
        reel_fail(tape, REEL_BAD_ARGUMENT, "lbfgs_step",
                  loss ? "the optimiser is another one: call reel_optimizer_step"
                       : "the loss is missing");
        return NAN;
    }
    run r = { optimizer, tape, optimizer->options, loss, self, 0, NULL, false };
    double value;
    reel_flat flat;
    if (!loss_here(&r, &value, &flat) || !reel__optimizer_join(optimizer)) {
        return NAN;
    }
    r.n = flat.count;
    size_t vector = r.n * tape->element, bytes = (2 + REEL__LINE_BUFFERS) * vector;
    r.work = reel__resize(tape, NULL, 0, bytes ? bytes : 1);
    if (!r.work) {
        return NAN;
    }
    char *before = buffer(&r, REEL__LINE_BUFFERS);
    if (vector) {
        memcpy(start_of(&r), flat.values, vector);
        memcpy(before, flat.values, vector);
        if (!minimise(&r, value, flat.gradients)) {
            undo(&r, before);
            value = NAN;
        }
    }
    reel_zero_grad(tape);
    reel__resize(tape, r.work, bytes ? bytes : 1, 0);
    return value;
}

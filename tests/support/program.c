/* program.c: runs a generated program on a tape and notes everything it reads. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "run.h"

static bool has_bit(uint64_t bits, int k)
{
    return bits >> (k % 64) & 1u;
}

/* ---- reading --------------------------------------------------------------------------------- */

static void read_value(run *r, const char *label, reel_var v)
{
    reel_shape shape = reel_shape_of(v);
    if (shape.rank >= 0) {
        result *one = results_add(&r->out, label, (size_t)reel_shape_size(shape));
        one->status = reel_read_f64(v, one->numbers, one->n);
    }
}

void run_watch(run *r, const char *name, int number, reel_var v)
{
    /* A cell may hand a parameter on: that one does change when it is written. */
    if (r->watches == MOST_WATCHED || v.tape == NULL || reel_param_name(v)) {
        return;
    }
    watched *w = &r->watch[r->watches];
    snprintf(w->label, sizeof w->label, "%s %d", name, number);
    w->value = has_bit(r->p->kept, r->watches) ? reel_keep(v) : v;
    if (has_bit(r->p->early, r->watches)) {
        read_value(r, w->label, v);
    }
    r->watches++;
}

/* ---- parameters ------------------------------------------------------------------------------ */

static reel_shape param_shape(const program *p, int k)
{
    if (p->param[k].steps) {
        return REEL_SHAPE(p->param[k].steps, p->param[k].rows, p->param[k].columns);
    }
    return p->param[k].rows ? REEL_SHAPE(p->param[k].rows, p->param[k].columns)
                            : REEL_SHAPE(p->param[k].columns);
}

static void find_params(run *r)
{
    bool first = reel_param_count(r->t) == 0;
    for (int k = 0; k < r->p->params; k++) {
        char name[16];
        snprintf(name, sizeof name, "p%d", k);
        int64_t rows = r->p->param[k].steps ? 1 : r->p->param[k].rows;
        double deviation = 0.7 / sqrt(rows > 0 ? (double)rows : 1);
        r->param[k] = first
                          ? reel_param(r->t, name, param_shape(r->p, k), reel_normal(0, deviation))
                          : reel_find_param(r->t, name);
    }
}

/* ---- the loss -------------------------------------------------------------------------------- */

static reel_var mean_square(reel_var v)
{
    return v.tape ? reel_mean_all(reel_square(v)) : v;
}

static reel_var term_of(run *r, const program_term *term)
{
    const program_loop *loop = &r->p->loop[term->loop];
    const reel_rollout *rollout = &r->rollout[term->loop];
    switch (term->kind) {
    case TERM_DENSE:
        if (term->param == NO_PARAM) {
            break;
        }
        return mean_square(
            reel_log_softmax(reel_matmul(rollout->outputs, r->param[term->param]), -1));
    case TERM_STEP:
        return mean_square(reel_at(rollout->outputs, term->number));
    case TERM_SLICE:
        return mean_square(reel_slice(rollout->outputs, 0, term->number, loop->steps));
    case TERM_STATES:
        if (rollout->states[term->number].tape) {
            return mean_square(rollout->states[term->number]);
        } /* fall through */
    case TERM_FINAL:
        return mean_square(rollout->state[term->number]);
    case TERM_CAPTURED:
        return mean_square(r->captured[term->loop]);
    case TERM_SUM:
        return mean_square(r->sum[term->loop][loop->steps - 1]);
    case TERM_SUM_STEP:
        return mean_square(r->sum[term->loop][term->number]);
    case TERM_PARAM:
        return mean_square(r->param[term->param]);
    case TERM_OUTPUTS:
    case TERM_KINDS:
        break;
    }
    return mean_square(rollout->outputs);
}

static reel_var loss_of(run *r)
{
    reel_var loss = reel_scalar(r->t, 0.25);
    for (int k = 0; k < r->p->terms; k++) {
        reel_var term = term_of(r, &r->p->term[k]);
        if (term.tape) {
            loss = reel_add(loss, reel_scale(term, 1 + 0.3 * k));
        } else if (reel_tape_status(r->t) != REEL_OK) {
            return (reel_var){ r->t, 0 }; /* the loop broke off before the term was there */
        }
    }
    return loss;
}

/* ---- derivatives ----------------------------------------------------------------------------- */

/* Parameters, and with `captured` what was captured as well. */
static int variables(const run *r, reel_var x[], bool captured)
{
    int n = 0;
    for (int k = 0; k < r->p->wanted; k++) {
        x[n++] = r->param[k];
    }
    for (int k = 0; captured && k < r->p->loops; k++) {
        if (r->captured[k].tape) {
            x[n++] = r->captured[k];
        }
    }
    return n;
}

static void directions(run *r, int n, const reel_var x[], reel_var v[])
{
    for (int k = 0; k < n; k++) {
        v[k] = run_numbers(r, reel_shape_of(x[k]));
    }
}

static void watch_all(run *r, const char *name, int n, const reel_var v[])
{
    for (int k = 0; k < n; k++) {
        run_watch(r, name, k, v[k]);
    }
}

/* Each under its loop's number, whatever else was captured. */
static void watch_captured(run *r, const reel_var gradient[])
{
    for (int k = 0; k < r->p->loops; k++) {
        if (r->captured[k].tape) {
            run_watch(r, "gradient of captured", k, *gradient++);
        }
    }
}

static reel_var penalty(const run *r, reel_var loss)
{
    reel_var x[MOST_PARAMS + MOST_LOOPS], dx[MOST_PARAMS + MOST_LOOPS];
    int n = variables(r, x, false);
    reel_gradients(loss, n, x, dx);
    for (int k = 0; k < n; k++) {
        loss = reel_add(loss, reel_scale(reel_mean_all(reel_square(dx[k])), 0.5));
    }
    return loss;
}

static void differentiate(run *r, reel_var loss)
{
    reel_var x[MOST_PARAMS + MOST_LOOPS], v[MOST_PARAMS + MOST_LOOPS],
        out[MOST_PARAMS + MOST_LOOPS];
    int n = variables(r, x, r->p->derivative == BY_GRADIENTS);
    switch (r->p->derivative) {
    case BY_BACKWARD_TWICE:
        reel_backward(reel_scale(loss, 0.5)); /* fall through */
    case BY_BACKWARD:
        reel_backward(loss);
        break;
    case BY_GRADIENTS:
        reel_gradients(loss, n, x, out);
        watch_all(r, "gradient", r->p->wanted, out);
        watch_captured(r, out + r->p->wanted);
        break;
    case BY_PENALTY:
        loss = penalty(r, loss);
        run_watch(r, "penalty", 0, loss);
        reel_backward(loss);
        break;
    case BY_HVP:
        directions(r, n, x, v);
        reel_hvp(loss, n, x, v, out);
        watch_all(r, "Hessian product", n, out);
        break;
    case BY_JVP:
        directions(r, n, x, v);
        run_watch(r, "Jacobian product", 0, reel_jvp(r->rollout[0].outputs, n, x, v));
        break;
    case NO_DERIVATIVE:
    case DERIVATIVE_KINDS:
        break;
    }
}

static void read_gradients(run *r)
{
    for (int k = 0; k < r->p->params; k++) {
        char label[LABEL_SIZE];
        snprintf(label, sizeof label, "gradient of p%d", k);
        result *one = results_add(&r->out, label, (size_t)reel_shape_size(param_shape(r->p, k)));
        reel_read_grad_f64(r->param[k], one->numbers, one->n);
    }
}

/* ---- after a parameter changed --------------------------------------------------------------- */

/* Either the old numbers or the error that says why not; kept values are always there. */
static void expect_old_numbers(run *r, int k, const double *old, bool must)
{
    size_t n = (size_t)reel_shape_size(reel_shape_of(r->watch[k].value));
    double *now = calloc(n + 1, sizeof *now);
    reel_status status = reel_read_f64(r->watch[k].value, now, n);
    if (status == REEL_STALE_VALUE && !must) {
        reel_tape_clear(r->t);
    } else if (status != REEL_OK || memcmp(old, now, n * sizeof *now) != 0) {
        snprintf(r->out.error, sizeof r->out.error, "%s after a write: %s", r->watch[k].label,
                 status == REEL_OK ? "other numbers than before" : reel_tape_error(r->t));
        reel_tape_clear(r->t);
    }
    free(now);
}

/* It stays changed: the next run, on other data, starts from there. */
static void change_param(run *r, int k)
{
    size_t n = (size_t)reel_shape_size(param_shape(r->p, k));
    double *numbers = calloc(n + 1, sizeof *numbers);
    reel_read_f64(r->param[k], numbers, n);
    for (size_t i = 0; i < n; i++) {
        numbers[i] = 0.7 * numbers[i] + 0.1;
    }
    reel_write_param_f64(r->param[k], numbers, n);
    free(numbers);
}

static void write_and_read_again(run *r)
{
    change_param(r, r->p->written);
    for (int k = 0; k < r->watches && r->out.error[0] == '\0'; k++) {
        const double *old = r->out.list[r->watch[k].result].numbers;
        expect_old_numbers(r, k, old, has_bit(r->p->kept, k));
    }
}

/* What the first loop made has to be held by then: some of it is read, all of it kept. */
static void rewrite(run *r)
{
    for (int k = 0; k < r->watches; k++) {
        reel_var kept = reel_keep(r->watch[k].value);
        if (k % 2) {
            read_value(r, "before a write", kept);
        }
    }
    for (int64_t i = 0; r->sum[0][0].tape && i < r->p->loop[0].steps; i++) {
        reel_keep(r->sum[0][i]);
    }
    change_param(r, r->p->rewritten);
}

static void read_all(run *r)
{
    for (int i = 0; i < r->watches; i++) {
        int k = r->p->read_downwards ? r->watches - 1 - i : i;
        watched *w = &r->watch[(k + r->p->read_first) % r->watches];
        w->result = r->out.count;
        read_value(r, w->label, w->value);
    }
}

/* ---- the whole ------------------------------------------------------------------------------- */

results program_run(const program *p, reel_tape *t, uint64_t data_seed)
{
    run r = { .p = p, .t = t, .data = { data_seed } };
    reel_rewind(t);
    reel_zero_grad(t);
    find_params(&r);
    for (int k = 0; k < p->loops; k++) {
        run_loop(&r, k);
        if (k == 0 && p->rewritten != NO_PARAM) {
            rewrite(&r);
        }
    }
    reel_var loss = loss_of(&r);
    run_watch(&r, "loss", 0, loss);
    for (int k = 0; k < r.watches; k++) {
        if (has_bit(p->before, k)) {
            read_value(&r, r.watch[k].label, r.watch[k].value);
        }
    }
    differentiate(&r, loss);
    read_all(&r);
    read_gradients(&r);
    snprintf(r.out.error, sizeof r.out.error, "%s", reel_tape_error(t));
    if (p->written != NO_PARAM && r.out.error[0] == '\0') {
        write_and_read_again(&r);
    }
    return r.out;
}

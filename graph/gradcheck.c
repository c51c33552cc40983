/* gradcheck.c: compares gradients with central differences, and explains what it finds.
 *
 * Order 1 checks the gradient g of the loss. Order 2 checks the gradient of s = g·v, v a fixed
 * random direction: s is computed from gradients that are read, its gradient is a Hessian-vector
 * product. Nothing is added to the parameters' gradients, and every move of a parameter is taken
 * back.
 *
 * The step is eps, or 2^-26 of the element where that is more: beside 1e6 a step of 1e-6 would
 * be mostly rounding.
 *
 * Two criteria. Each derivative: |a - n| <= atol + rtol·|n|; NaN and infinity never pass. Then
 * each parameter as a whole, because a gradient below atol passes the first whatever it says:
 * |a - n| <= 5·rtol·max(|a|, |n|) in Euclidean norms, unless the difference is no more than what
 * rounding, or the change of n with the step, accounts for.
 */
#include "gradcheck.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "tape.h"

/* Runs over the derivatives of one parameter, or over all random directions. */
typedef struct {
    size_t begin, end;
    double analytic, numeric, difference; /* sums of squares */
    size_t mismatches;
    size_t widest; /* where |a - n| is largest */
    double width;
} probes;

static double central(reel__gradcheck *c, size_t probe, double eps)
{
    return reel__gradcheck_slope(c, probe, -eps, eps);
}

/* ---- kinks ----------------------------------------------------------------------------------- */

static double tolerance(const reel__gradcheck *c, double n)
{
    return c->options.atol + c->options.rtol * fabs(n);
}

/* Something like |x| inside the step shows in one of two ways: the slopes to either side differ and
 * the analytic derivative lies between them, or the central difference has not settled, so that a
 * shorter step changes it by as much as the mismatch. A wrong derivative of a smooth function does
 * neither. */
static bool is_kink(reel__gradcheck *c, size_t probe, double a, double n)
{
    double eps = c->options.eps;
    if (!c->kinked || !isfinite(a) || !isfinite(n)) {
        return false;
    }
    double left = reel__gradcheck_slope(c, probe, -eps, 0),
           right = reel__gradcheck_slope(c, probe, 0, eps);
    double slack = tolerance(c, 0);
    bool between = a >= fmin(left, right) - slack && a <= fmax(left, right) + slack;
    if (between && fabs(right - left) >= fabs(a - n)) {
        return true;
    }
    return fabs(central(c, probe, eps / 10) - n) >= fabs(a - n) / 2;
}

/* ---- comparing ------------------------------------------------------------------------------- */

static void compare(reel__gradcheck *c, probes *all, size_t probe)
{
    double a = reel__gradcheck_derivative(c, probe), n = central(c, probe, c->options.eps);
    if (reel_tape_status(c->tape) != REEL_OK) {
        return;
    }
    c->report->compared++;
    all->analytic += a * a;
    all->numeric += n * n;
    all->difference += (a - n) * (a - n);
    if (fabs(a - n) > all->width) {
        all->width = fabs(a - n);
        all->widest = probe;
    }
    if (fabs(a - n) <= tolerance(c, n)) {
        reel__gradcheck_note(c, probe, a, n);
        return;
    }
    all->mismatches++;
    reel__gradcheck_mismatch(c, probe, a, n, is_kink(c, probe, a, n));
}

/* How much ten times the step changes the numeric derivatives: rounding and curvature together. */
static double step_noise(reel__gradcheck *c, const probes *all)
{
    double sum = 0;
    for (size_t probe = all->begin; probe < all->end; probe++) {
        double change = central(c, probe, 10 * c->options.eps) - central(c, probe, c->options.eps);
        sum += change * change;
    }
    return sqrt(sum);
}

/* The second criterion: what passed only because it is smaller than atol. */
static void compare_norms(reel__gradcheck *c, const probes *all)
{
    double difference = sqrt(all->difference);
    double norm = sqrt(fmax(all->analytic, all->numeric));
    double rounding = c->rounding * sqrt((double)(all->end - all->begin));
    if (all->mismatches > 0 || difference <= 5 * c->options.rtol * norm || difference <= rounding) {
        return;
    }
    if (difference > 10 * step_noise(c, all) && reel_tape_status(c->tape) == REEL_OK) {
        c->below_atol = true;
        double a = reel__gradcheck_derivative(c, all->widest);
        double n = central(c, all->widest, c->options.eps);
        reel__gradcheck_mismatch(c, all->widest, a, n, is_kink(c, all->widest, a, n));
    }
}

static bool compare_all(reel__gradcheck *c, size_t begin, size_t end)
{
    probes all = { .begin = begin, .end = end, .widest = begin };
    for (size_t probe = begin; probe < end && reel_tape_status(c->tape) == REEL_OK; probe++) {
        compare(c, &all, probe);
    }
    if (reel__gradcheck_is_fine(c)) {
        compare_norms(c, &all);
    }
    return reel__gradcheck_is_fine(c);
}

static bool check_order(reel__gradcheck *c, int order)
{
    double magnitude = 0;
    c->order = order;
    if (!reel__gradcheck_analytic(c)) {
        return false;
    }
    c->base = reel__gradcheck_value(c, &magnitude);
    c->rounding = 100 * DBL_EPSILON * magnitude / c->options.eps;
    if (!reel__gradcheck_is_fine(c)) {
        return false;
    }
    if (c->options.directions > 0) {
        return compare_all(c, 0, (size_t)c->options.directions);
    }
    for (size_t p = 0; p < c->count; p++) {
        if (!compare_all(c, c->first[p], c->first[p + 1])) {
            return false;
        }
    }
    return true;
}

/* ---- verdicts -------------------------------------------------------------------------------- */

static bool is_deterministic(reel__gradcheck *c, double *loss)
{
    double magnitude, again = reel__gradcheck_value(c, &magnitude);
    if (!reel__gradcheck_is_fine(c)) {
        return false;
    }
    if (memcmp(loss, &again, sizeof again) == 0) {
        return true;
    }
    reel__gradcheck_say(
        c, REEL_GRADCHECK_NOT_DETERMINISTIC,
        "the loss is %.17g and then %.17g at the same parameters; is there dropout, or a counter?",
        *loss, again);
    return false;
}

static void judge(reel__gradcheck *c)
{
    double magnitude, loss;
    c->order = 1;
    loss = reel__gradcheck_value(c, &magnitude);
    if (!reel__gradcheck_is_fine(c) || !is_deterministic(c, &loss) || !check_order(c, 1)) {
        return;
    }
    if (c->options.order == 2 && !check_order(c, 2)) {
        return;
    }
    c->order = 1;
    if (is_deterministic(c, &loss)) {
        reel__gradcheck_summarise(c);
    }
}

/* ---- setting up ------------------------------------------------------------------------------ */

static void set_defaults(reel_gradcheck_options *options)
{
    options->order = options->order ? options->order : 1;
    options->eps = options->eps != 0 ? options->eps : 1e-6;
    options->atol = options->atol != 0 ? options->atol : 1e-5;
    options->rtol = options->rtol != 0 ? options->rtol : 1e-3;
    if (options->max_failures == 0 || options->max_failures > REEL_GRADCHECK_ROWS) {
        options->max_failures = REEL_GRADCHECK_ROWS;
    }
}

static bool options_are_valid(reel__gradcheck *c)
{
    const reel_gradcheck_options *o = &c->options;
    if (reel_tape_options_of(c->tape).dtype != REEL_F64) {
        return reel__gradcheck_refuse(c, REEL_BAD_ARGUMENT, "needs an f64 tape");
    }
    if (c->loss == NULL) {
        return reel__gradcheck_refuse(c, REEL_BAD_ARGUMENT, "needs a loss function");
    }
    if (o->order < 1 || o->order > 2) {
        return reel__gradcheck_refuse(c, REEL_BAD_ARGUMENT, "checks order 1 and order 2 only");
    }
    if (!(o->eps > 0 && o->atol >= 0 && o->rtol >= 0 && isfinite(o->eps)) || o->directions < 0) {
        return reel__gradcheck_refuse(c, REEL_BAD_ARGUMENT,
                                      "needs positive eps, atol, rtol and directions");
    }
    return true;
}

static bool is_checked(const reel__gradcheck *c, reel_var param)
{
    const char *prefix = c->options.parameter;
    return reel_shape_size(reel_shape_of(param)) > 0 &&
           (prefix == NULL || strncmp(reel_param_name(param), prefix, strlen(prefix)) == 0);
}

/* Counts the parameters to check and their elements; notes them where there is room. */
static void list_params(reel__gradcheck *c)
{
    size_t all = reel_param_count(c->tape);
    c->count = c->size = 0;
    for (size_t p = 0; p < all; p++) {
        reel_var param = reel_param_at(c->tape, p);
        if (!is_checked(c, param)) {
            continue;
        }
        if (c->block) {
            c->param[c->count] = param;
            c->first[c->count] = c->size;
        }
        c->count++;
        c->size += (size_t)reel_shape_size(reel_shape_of(param));
    }
    if (c->block) {
        c->first[c->count] = c->size;
    }
}

static bool allocate(reel__gradcheck *c)
{
    size_t handles = 3 * c->count * sizeof(reel_var), firsts = (c->count + 1) * sizeof(size_t);
    c->block_size = handles + firsts + 4 * c->size * sizeof(double);
    c->block = reel__resize(c->tape, NULL, 0, c->block_size);
    if (c->block == NULL) {
        return false;
    }
    c->param = c->block;
    c->result = c->param + c->count;
    c->weight = c->result + c->count;
    c->first = (size_t *)(void *)(c->weight + c->count);
    c->point = (double *)(void *)(c->first + c->count + 1);
    c->moved = c->point + c->size;
    c->analytic = c->moved + c->size;
    c->gradient = c->analytic + c->size;
    return true;
}

static bool prepare(reel__gradcheck *c)
{
    list_params(c);
    if (c->count == 0) {
        return reel__gradcheck_refuse(c, REEL_NOT_FOUND,
                                      c->options.parameter
                                          ? "found no parameter whose name begins so"
                                          : "needs a parameter; the tape has none");
    }
    if (!allocate(c)) {
        return reel__gradcheck_is_fine(c);
    }
    list_params(c);
    if (!reel__gradcheck_read(c, c->param, c->point)) {
        return false;
    }
    memcpy(c->moved, c->point, c->size * sizeof *c->point);
    return true;
}

bool reel_gradcheck(reel_tape *tape, reel_loss_fn loss, void *self, reel_gradcheck_options options,
                    reel_gradcheck_report *report)
{
    reel_gradcheck_report unread;
    reel__gradcheck c = { .tape = tape, .loss = loss, .self = self, .options = options };
    c.report = report ? report : &unread;
    *c.report = (reel_gradcheck_report){ .verdict = REEL_GRADCHECK_ERROR };
    set_defaults(&c.options);
    if (tape == NULL) {
        reel__gradcheck_say(&c, REEL_GRADCHECK_ERROR, "gradcheck needs a tape");
        return false;
    }
    if (reel__gradcheck_is_fine(&c) && options_are_valid(&c) && prepare(&c)) {
        judge(&c);
        reel__gradcheck_restore(&c);
    }
    reel__resize(tape, c.block, c.block_size, 0);
    return c.report->verdict == REEL_GRADCHECK_PASSED;
}

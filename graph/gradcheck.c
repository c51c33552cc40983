/* gradcheck.c: compares gradients with central differences, and explains what it finds.
 *
 * Order 1 checks the gradient g of the loss. Order 2 checks the gradient of s = g·v, v a fixed random
 * direction: s is computed from gradients that are read, its gradient is a Hessian-vector product.
 * Nothing is added to the parameters' gradients, and every move of a parameter is taken back.
 *
 * Two criteria. Each derivative: |a - n| <= atol + rtol·|n|; NaN and infinity never pass. Then each
 * parameter as a whole, because a gradient below atol passes the first whatever it says:
 * |a - n| <= 5·rtol·max(|a|, |n|) in Euclidean norms, unless the difference is no more than what
 * rounding, or the change of n with the step, accounts for.
 */
#include "graph.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "tape.h"

typedef struct {
    reel_tape *tape;
    reel_loss_fn loss;
    void *self;
    reel_gradcheck_options options;
    reel_gradcheck_report *report;
    void *block; /* all arrays that follow */
    size_t block_size;
    size_t count;     /* parameters checked */
    reel_var *param;  /* [count] */
    reel_var *result; /* [count] their gradients, as recorded */
    reel_var *weight; /* [count] the direction v of order 2 */
    size_t *first;    /* [count + 1] where each begins in the arrays that follow */
    size_t size;      /* elements of all of them */
    double *point;    /* [size] the parameters as they were */
    double *moved;    /* [size] where the loss is evaluated */
    double *analytic; /* [size] the derivatives under check */
    double *gradient; /* [size] */
    int order;        /* which of the two is under check */
    bool kinked;      /* an op of the loss has kinks */
    double base;      /* the function at the point */
    double rounding;  /* how far rounding moves a central difference */
} checker;

/* Runs over the derivatives of one parameter, or over all random directions. */
typedef struct {
    size_t begin, end;
    double analytic, numeric, difference; /* sums of squares */
    size_t mismatches;
    size_t widest; /* where |a - n| is largest */
    double width;
} probes;

/* ---- directions ------------------------------------------------------------------------------ */

static uint64_t splitmix64(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/* Element i of a random direction: ±[0.5, 1), so that no parameter is left out. */
static double direction_element(uint64_t stream, size_t i)
{
    uint64_t bits = splitmix64(splitmix64(stream) ^ (uint64_t)i);
    double magnitude = 0.5 + (double)(bits >> 12) * 0x1p-53;
    return bits & 1 ? magnitude : -magnitude;
}

#define SECOND_ORDER_STREAM 0

static uint64_t probe_stream(size_t probe)
{
    return (uint64_t)probe + 1;
}

/* ---- the report ------------------------------------------------------------------------------ */

static void say(checker *c, reel_gradcheck_verdict verdict, const char *format, ...)
    REEL_PRINTF(3, 4);
static void say(checker *c, reel_gradcheck_verdict verdict, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(c->report->message, sizeof c->report->message, format, arguments);
    va_end(arguments);
    c->report->verdict = verdict;
}

static bool refuse(checker *c, reel_status status, const char *why)
{
    reel_fail(c->tape, status, "gradcheck", "%s", why);
    say(c, REEL_GRADCHECK_ERROR, "gradcheck %s", why);
    return false;
}

/* The tape's own words; order 2 says so, because there the op named lacks a second derivative. */
static bool tape_is_fine(checker *c)
{
    if (reel_tape_status(c->tape) == REEL_OK) {
        return true;
    }
    if (c->report->message[0] == '\0') {
        say(c, REEL_GRADCHECK_ERROR, "%s%s", c->order == 2 ? "second derivative: " : "",
            reel_tape_error(c->tape));
    }
    return false;
}

static size_t param_of(const checker *c, size_t element)
{
    size_t p = 0;
    while (c->first[p + 1] <= element) {
        p++;
    }
    return p;
}

static double relative_error(const checker *c, double a, double n)
{
    double scale = fmax(fmax(fabs(a), fabs(n)), fmax(c->rounding, DBL_MIN));
    double error = fabs(a - n) / scale;
    return isfinite(error) ? error : INFINITY;
}

static reel_gradcheck_row make_row(const checker *c, size_t probe, double a, double n)
{
    reel_gradcheck_row row = {
        .order = c->order, .index = -1, .step = -1, .analytic = a, .numeric = n
    };
    row.relative_error = relative_error(c, a, n);
    if (c->options.directions > 0) {
        snprintf(row.parameter, sizeof row.parameter, "direction %zu", probe);
        return row;
    }
    size_t p = param_of(c, probe);
    reel_shape shape = reel_shape_of(c->param[p]);
    snprintf(row.parameter, sizeof row.parameter, "%s", reel_param_name(c->param[p]));
    row.index = (int64_t)(probe - c->first[p]);
    if (shape.rank == 3) {
        row.step = row.index / (shape.dim[1] * shape.dim[2]);
    }
    return row;
}

/* The first failures; where there is no room left a failure takes the place of a kink. */
static void add_row(checker *c, const reel_gradcheck_row *row)
{
    reel_gradcheck_report *report = c->report;
    if (report->rows < (int)c->options.max_failures) {
        report->row[report->rows++] = *row;
        return;
    }
    for (int i = report->rows - 1; i >= 0 && !row->kink; i--) {
        if (report->row[i].kink) {
            report->row[i] = *row;
            return;
        }
    }
}

static void note_worst(checker *c, const reel_gradcheck_row *row)
{
    reel_gradcheck_report *report = c->report;
    if (report->worst.order == 0 || row->relative_error > report->worst_relative_error) {
        report->worst_relative_error = row->relative_error;
        report->worst = *row;
    }
}

/* ---- the function under check ---------------------------------------------------------------- */

/* Records the loss anew. False, with the tape's error, when it cannot be used. */
static bool record_loss(checker *c, reel_var *loss)
{
    reel_rewind(c->tape);
    *loss = c->loss(c->tape, c->self);
    c->kinked = reel__tape_has_kinks(c->tape);
    if (tape_is_fine(c) && (loss->tape != c->tape || loss->id == 0)) {
        return refuse(c, REEL_BAD_HANDLE, "got no value of this tape from the loss function");
    }
    return tape_is_fine(c);
}

static bool read_all(checker *c, const reel_var *from, double *to)
{
    for (size_t p = 0; p < c->count; p++) {
        reel_read_f64(from[p], to + c->first[p], c->first[p + 1] - c->first[p]);
    }
    return tape_is_fine(c);
}

static bool read_gradient(checker *c, reel_var loss)
{
    reel_gradients(loss, (int)c->count, c->param, c->result);
    return tape_is_fine(c) && read_all(c, c->result, c->gradient);
}

/* s = g·v; `magnitude` gets Σ|g_i·v_i|, the scale of its rounding errors. */
static double along_second_direction(const checker *c, double *magnitude)
{
    double s = 0;
    *magnitude = 0;
    for (size_t i = 0; i < c->size; i++) {
        double term = c->gradient[i] * direction_element(SECOND_ORDER_STREAM, i);
        s += term;
        *magnitude += fabs(term);
    }
    return s;
}

/* The loss or s where the parameters are; NaN after an error. */
static double evaluate(checker *c, double *magnitude)
{
    reel_var loss;
    if (!record_loss(c, &loss)) {
        return NAN;
    }
    if (c->order == 2) {
        return read_gradient(c, loss) ? along_second_direction(c, magnitude) : NAN;
    }
    double value = reel_item(loss);
    *magnitude = fabs(value);
    return tape_is_fine(c) ? value : NAN;
}

static void write_param(checker *c, size_t p)
{
    reel_write_param_f64(c->param[p], c->moved + c->first[p], c->first[p + 1] - c->first[p]);
}

/* Moves the parameters by h along a probe. Returns how far they went after rounding. */
static double displace(checker *c, size_t probe, double h)
{
    reel_rewind(c->tape);
    if (c->options.directions > 0) {
        for (size_t i = 0; i < c->size; i++) {
            c->moved[i] = c->point[i] + h * direction_element(probe_stream(probe), i);
        }
        for (size_t p = 0; p < c->count; p++) {
            write_param(c, p);
        }
        return h;
    }
    c->moved[probe] = c->point[probe] + h;
    write_param(c, param_of(c, probe));
    return c->moved[probe] - c->point[probe];
}

static double value_at(checker *c, size_t probe, double *h)
{
    double magnitude;
    *h = displace(c, probe, *h);
    double value = evaluate(c, &magnitude);
    displace(c, probe, 0);
    return value;
}

static double slope(checker *c, size_t probe, double from, double to)
{
    double f_from = from == 0 ? c->base : value_at(c, probe, &from);
    double f_to = to == 0 ? c->base : value_at(c, probe, &to);
    return (f_to - f_from) / (to - from);
}

static double central(checker *c, size_t probe, double eps)
{
    return slope(c, probe, -eps, eps);
}

static double analytic_of(const checker *c, size_t probe)
{
    if (c->options.directions == 0) {
        return c->analytic[probe];
    }
    double sum = 0;
    for (size_t i = 0; i < c->size; i++) {
        sum += c->analytic[i] * direction_element(probe_stream(probe), i);
    }
    return sum;
}

/* ---- kinks ----------------------------------------------------------------------------------- */

static double tolerance(const checker *c, double n)
{
    return c->options.atol + c->options.rtol * fabs(n);
}

/* Something like |x| inside the step shows in one of two ways: the slopes to either side differ and
 * the analytic derivative lies between them, or the central difference has not settled, so that a
 * shorter step changes it by as much as the mismatch. A wrong derivative of a smooth function does
 * neither. */
static bool is_kink(checker *c, size_t probe, double a, double n)
{
    double eps = c->options.eps;
    if (!c->kinked || !isfinite(a) || !isfinite(n)) {
        return false;
    }
    double left = slope(c, probe, -eps, 0), right = slope(c, probe, 0, eps);
    double slack = tolerance(c, 0);
    bool between = a >= fmin(left, right) - slack && a <= fmax(left, right) + slack;
    if (between && fabs(right - left) >= fabs(a - n)) {
        return true;
    }
    return fabs(central(c, probe, eps / 10) - n) >= fabs(a - n) / 2;
}

/* ---- comparing ------------------------------------------------------------------------------- */

static void add_mismatch(checker *c, size_t probe, double a, double n)
{
    reel_gradcheck_row row = make_row(c, probe, a, n);
    row.kink = is_kink(c, probe, a, n);
    *(row.kink ? &c->report->kinks : &c->report->failed) += 1;
    add_row(c, &row);
    note_worst(c, &row);
}

static void compare(checker *c, probes *all, size_t probe)
{
    double a = analytic_of(c, probe), n = central(c, probe, c->options.eps);
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
        reel_gradcheck_row row = make_row(c, probe, a, n);
        note_worst(c, &row);
        return;
    }
    all->mismatches++;
    add_mismatch(c, probe, a, n);
}

/* How much ten times the step changes the numeric derivatives: rounding and curvature together. */
static double step_noise(checker *c, const probes *all)
{
    double sum = 0;
    for (size_t probe = all->begin; probe < all->end; probe++) {
        double change = central(c, probe, 10 * c->options.eps) - central(c, probe, c->options.eps);
        sum += change * change;
    }
    return sqrt(sum);
}

/* The second criterion: what passed only because it is smaller than atol. */
static void compare_norms(checker *c, const probes *all)
{
    double difference = sqrt(all->difference);
    double norm = sqrt(fmax(all->analytic, all->numeric));
    double rounding = c->rounding * sqrt((double)(all->end - all->begin));
    if (all->mismatches > 0 || difference <= 5 * c->options.rtol * norm || difference <= rounding) {
        return;
    }
    if (difference > 10 * step_noise(c, all) && reel_tape_status(c->tape) == REEL_OK) {
        double n = central(c, all->widest, c->options.eps);
        add_mismatch(c, all->widest, analytic_of(c, all->widest), n);
    }
}

static bool compare_all(checker *c, size_t begin, size_t end)
{
    probes all = { .begin = begin, .end = end, .widest = begin };
    for (size_t probe = begin; probe < end && reel_tape_status(c->tape) == REEL_OK; probe++) {
        compare(c, &all, probe);
    }
    if (tape_is_fine(c)) {
        compare_norms(c, &all);
    }
    return tape_is_fine(c);
}

/* The gradient, or for order 2 the Hessian times v, where the parameters are. */
static bool read_analytic(checker *c)
{
    reel_var loss;
    if (!record_loss(c, &loss)) {
        return false;
    }
    if (c->order == 1) {
        return read_gradient(c, loss) &&
               memcpy(c->analytic, c->gradient, c->size * sizeof *c->gradient) != NULL;
    }
    for (size_t i = 0; i < c->size; i++) {
        c->gradient[i] = direction_element(SECOND_ORDER_STREAM, i);
    }
    for (size_t p = 0; p < c->count; p++) {
        reel_shape shape = reel_shape_of(c->param[p]);
        c->weight[p] = reel_input_f64(c->tape, shape, c->gradient + c->first[p]);
    }
    reel_hvp(loss, (int)c->count, c->param, c->weight, c->result);
    return tape_is_fine(c) && read_all(c, c->result, c->analytic);
}

static bool check_order(checker *c, int order)
{
    double magnitude = 0;
    c->order = order;
    if (!read_analytic(c)) {
        return false;
    }
    c->base = evaluate(c, &magnitude);
    c->rounding = 100 * DBL_EPSILON * magnitude / c->options.eps;
    if (!tape_is_fine(c)) {
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

static bool is_deterministic(checker *c, double *loss)
{
    double magnitude, again = evaluate(c, &magnitude);
    if (!tape_is_fine(c)) {
        return false;
    }
    if (memcmp(loss, &again, sizeof again) == 0) {
        return true;
    }
    say(c, REEL_GRADCHECK_NOT_DETERMINISTIC,
        "the loss is %.17g and then %.17g at the same parameters; is there dropout, or a counter?",
        *loss, again);
    return false;
}

static const char *worst_place(const reel_gradcheck_row *worst, char *out, size_t size)
{
    if (worst->index < 0) {
        snprintf(out, size, "%s", worst->parameter);
    } else {
        snprintf(out, size, "%s[%" PRId64 "]", worst->parameter, worst->index);
    }
    return out;
}

/* "1,234" */
static const char *grouped(size_t n, char out[32])
{
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%zu", n), used = 0;
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0) {
            out[used++] = ',';
        }
        out[used++] = digits[i];
    }
    out[used] = '\0';
    return out;
}

static void summarise(checker *c)
{
    reel_gradcheck_report *r = c->report;
    char place[96], compared[32], bad[32];
    grouped(r->compared, compared);
    worst_place(&r->worst, place, sizeof place);
    if (r->failed > 0) {
        bool small = fabs(r->worst.analytic - r->worst.numeric) <= tolerance(c, r->worst.numeric);
        say(c, REEL_GRADCHECK_FAILED,
            "%s of %s derivatives differ, order %d, worst relative error %.2g at %s%s",
            grouped(r->failed, bad), compared, c->options.order, r->worst_relative_error, place,
            small ? "; the differences are below atol, but not beside so small a gradient" : "");
    } else if (r->kinks > 0) {
        say(c, REEL_GRADCHECK_KINK,
            "%s of %s derivatives differ, each with a kink (relu, max, abs) inside the step; try "
            "other "
            "parameters",
            grouped(r->kinks, bad), compared);
    } else {
        say(c, REEL_GRADCHECK_PASSED,
            "%s derivatives compared, order %d, worst relative error %.2g at %s", compared,
            c->options.order, r->worst_relative_error, place);
    }
}

static void judge(checker *c)
{
    double magnitude, loss;
    c->order = 1;
    loss = evaluate(c, &magnitude);
    if (!tape_is_fine(c) || !is_deterministic(c, &loss) || !check_order(c, 1)) {
        return;
    }
    if (c->options.order == 2 && !check_order(c, 2)) {
        return;
    }
    c->order = 1;
    if (is_deterministic(c, &loss)) {
        summarise(c);
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

static bool options_are_valid(checker *c)
{
    const reel_gradcheck_options *o = &c->options;
    if (reel_tape_options_of(c->tape).dtype != REEL_F64) {
        return refuse(c, REEL_BAD_ARGUMENT, "needs an f64 tape");
    }
    if (c->loss == NULL) {
        return refuse(c, REEL_BAD_ARGUMENT, "needs a loss function");
    }
    if (o->order < 1 || o->order > 2) {
        return refuse(c, REEL_BAD_ARGUMENT, "checks order 1 and order 2 only");
    }
    if (!(o->eps > 0 && o->atol >= 0 && o->rtol >= 0 && isfinite(o->eps)) || o->directions < 0) {
        return refuse(c, REEL_BAD_ARGUMENT, "needs positive eps, atol, rtol and directions");
    }
    return true;
}

static bool is_checked(const checker *c, reel_var param)
{
    const char *prefix = c->options.parameter;
    return reel_shape_size(reel_shape_of(param)) > 0 &&
           (prefix == NULL || strncmp(reel_param_name(param), prefix, strlen(prefix)) == 0);
}

/* Counts the parameters to check and their elements; notes them where there is room. */
static void list_params(checker *c)
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

static bool allocate(checker *c)
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

static bool prepare(checker *c)
{
    list_params(c);
    if (c->count == 0) {
        return refuse(c, REEL_NOT_FOUND,
                      c->options.parameter ? "found no parameter whose name begins so"
                                           : "needs a parameter; the tape has none");
    }
    if (!allocate(c)) {
        return tape_is_fine(c);
    }
    list_params(c);
    if (!read_all(c, c->param, c->point)) {
        return false;
    }
    memcpy(c->moved, c->point, c->size * sizeof *c->point);
    return true;
}

static void restore(checker *c)
{
    reel_rewind(c->tape);
    memcpy(c->moved, c->point, c->size * sizeof *c->point);
    for (size_t p = 0; p < c->count; p++) {
        write_param(c, p);
    }
}

bool reel_gradcheck(reel_tape *tape, reel_loss_fn loss, void *self, reel_gradcheck_options options,
                    reel_gradcheck_report *report)
{
    reel_gradcheck_report unread;
    checker c = { .tape = tape, .loss = loss, .self = self, .options = options };
    c.report = report ? report : &unread;
    *c.report = (reel_gradcheck_report){ .verdict = REEL_GRADCHECK_ERROR };
    set_defaults(&c.options);
    if (tape == NULL) {
        say(&c, REEL_GRADCHECK_ERROR, "gradcheck needs a tape");
        return false;
    }
    if (tape_is_fine(&c) && options_are_valid(&c) && prepare(&c)) {
        judge(&c);
        restore(&c);
    }
    reel__resize(tape, c.block, c.block_size, 0);
    return c.report->verdict == REEL_GRADCHECK_PASSED;
}

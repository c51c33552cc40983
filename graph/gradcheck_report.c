/* gradcheck_report.c: a gradient check's findings as rows, counts and a sentence. */
#include "gradcheck.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "op.h"

/* ---- the report ------------------------------------------------------------------------------ */

void reel__gradcheck_say(reel__gradcheck *c, reel_gradcheck_verdict verdict, const char *format,
                         ...) REEL_PRINTF(3, 4);
void reel__gradcheck_say(reel__gradcheck *c, reel_gradcheck_verdict verdict, const char *format,
                         ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(c->report->message, sizeof c->report->message, format, arguments);
    va_end(arguments);
    c->report->verdict = verdict;
}

bool reel__gradcheck_refuse(reel__gradcheck *c, reel_status status, const char *why)
{
    reel_fail(c->tape, status, "gradcheck", "%s", why);
    reel__gradcheck_say(c, REEL_GRADCHECK_ERROR, "gradcheck %s", why);
    return false;
}

/* The tape's own words; order 2 says so, because there the op named lacks a second derivative. */
bool reel__gradcheck_is_fine(reel__gradcheck *c)
{
    if (reel_tape_status(c->tape) == REEL_OK) {
        return true;
    }
    bool lacks_second = c->order == 2 && reel_tape_status(c->tape) == REEL_NOT_DIFFERENTIABLE;
    if (c->report->message[0] == '\0') {
        reel__gradcheck_say(c, REEL_GRADCHECK_ERROR, "%s%s",
                            lacks_second ? "second derivative: " : "", reel_tape_error(c->tape));
    }
    return false;
}

static double relative_error(const reel__gradcheck *c, double a, double n)
{
    double scale = fmax(fmax(fabs(a), fabs(n)), fmax(c->rounding, DBL_MIN));
    double error = fabs(a - n) / scale;
    return isfinite(error) ? error : INFINITY;
}

static reel_gradcheck_row make_row(const reel__gradcheck *c, size_t probe, double a, double n)
{
    reel_gradcheck_row row = {
        .order = c->order, .index = -1, .step = -1, .analytic = a, .numeric = n
    };
    row.relative_error = relative_error(c, a, n);
    if (c->options.directions > 0) {
        snprintf(row.parameter, sizeof row.parameter, "direction %zu", probe);
        return row;
    }
    size_t p = reel__gradcheck_param_of(c, probe);
    reel_shape shape = reel_shape_of(c->param[p]);
    snprintf(row.parameter, sizeof row.parameter, "%s", reel_param_name(c->param[p]));
    row.index = (int64_t)(probe - c->first[p]);
    if (shape.rank == 3) {
        row.step = row.index / (shape.dim[1] * shape.dim[2]);
    }
    return row;
}

/* The first failures; where there is no room left a failure takes the place of a kink. */
static void add_row(reel__gradcheck *c, const reel_gradcheck_row *row)
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

static void note_worst(reel__gradcheck *c, const reel_gradcheck_row *row)
{
    reel_gradcheck_report *report = c->report;
    if (report->worst.order == 0 || row->relative_error > report->worst_relative_error) {
        report->worst_relative_error = row->relative_error;
        report->worst = *row;
    }
}

void reel__gradcheck_note(reel__gradcheck *c, size_t probe, double analytic, double numeric)
{
    reel_gradcheck_row row = make_row(c, probe, analytic, numeric);
    note_worst(c, &row);
}

void reel__gradcheck_mismatch(reel__gradcheck *c, size_t probe, double analytic, double numeric,
                              bool kink)
{
    reel_gradcheck_row row = make_row(c, probe, analytic, numeric);
    row.kink = kink;
    *(kink ? &c->report->kinks : &c->report->failed) += 1;
    add_row(c, &row);
    note_worst(c, &row);
}

/* ---- in words -------------------------------------------------------------------------------- */

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

void reel__gradcheck_summarise(reel__gradcheck *c)
{
    reel_gradcheck_report *r = c->report;
    char place[96], compared[32], bad[32];
    grouped(r->compared, compared);
    worst_place(&r->worst, place, sizeof place);
    if (r->failed > 0) {
        reel__gradcheck_say(
            c, REEL_GRADCHECK_FAILED,
            "%s of %s derivatives differ, order %d, worst relative error %.2g at %s%s",
            grouped(r->failed, bad), compared, c->options.order, r->worst_relative_error, place,
            c->below_atol ? "; the differences are below atol, but not beside so small a gradient"
                          : "");
    } else if (r->kinks > 0) {
        reel__gradcheck_say(
            c, REEL_GRADCHECK_KINK,
            "%s of %s derivatives differ, each with a kink (relu, max, abs) inside the step; try "
            "other "
            "parameters",
            grouped(r->kinks, bad), compared);
    } else {
        reel__gradcheck_say(c, REEL_GRADCHECK_PASSED,
                            "%s derivatives compared, order %d, worst relative error %.2g at %s",
                            compared, c->options.order, r->worst_relative_error, place);
    }
}

/* gradcheck_print.c: a report as a person reads it.
 *
 *     gradcheck FAILED: 1 of 1,234 derivatives differ, order 2, worst relative error 0.01 at W[17]
 *
 *     order  parameter   index   step       analytic        numeric  relative error
 *         2  W              17      -     0.12345678     0.12222222            0.01
 */
#include "graph.h"

#include <inttypes.h>
#include <string.h>

static const char *const verdicts[] = {
    [REEL_GRADCHECK_PASSED] = "PASSED",
    [REEL_GRADCHECK_FAILED] = "FAILED",
    [REEL_GRADCHECK_NOT_DETERMINISTIC] = "NOT DETERMINISTIC",
    [REEL_GRADCHECK_KINK] = "KINK",
    [REEL_GRADCHECK_ERROR] = "ERROR",
};

static int widest_name(const reel_gradcheck_report *report)
{
    size_t width = strlen("parameter");
    for (int i = 0; i < report->rows; i++) {
        size_t length = strlen(report->row[i].parameter);
        width = length > width ? length : width;
    }
    return (int)width;
}

/* A dash stands for what a row does not have. */
static void print_count(int64_t n, int width, FILE *out)
{
    if (n < 0) {
        fprintf(out, "  %*s", width, "-");
    } else {
        fprintf(out, "  %*" PRId64, width, n);
    }
}

static void print_row(const reel_gradcheck_row *row, int name_width, FILE *out)
{
    fprintf(out, "  %5d  %-*s", row->order, name_width, row->parameter);
    print_count(row->index, 8, out);
    print_count(row->step, 5, out);
    fprintf(out, "  %15.8g  %15.8g  %14.2g%s\n", row->analytic, row->numeric, row->relative_error,
            row->kink ? "  kink" : "");
}

void reel_gradcheck_print(const reel_gradcheck_report *report, FILE *out)
{
    if (report == NULL || out == NULL) {
        return;
    }
    unsigned verdict = (unsigned)report->verdict;
    bool known = verdict < sizeof verdicts / sizeof *verdicts;
    fprintf(out, "gradcheck %s: %s\n", known ? verdicts[verdict] : "?", report->message);
    if (report->rows == 0) {
        return;
    }
    int width = widest_name(report);
    fprintf(out, "\n  %5s  %-*s  %8s  %5s  %15s  %15s  %14s\n", "order", width, "parameter",
            "index", "step", "analytic", "numeric", "relative error");
    for (int i = 0; i < report->rows; i++) {
        print_row(&report->row[i], width, out);
    }
    size_t all = report->failed + report->kinks;
    if (all > (size_t)report->rows) {
        fprintf(out, "  and %zu more\n", all - (size_t)report->rows);
    }
}

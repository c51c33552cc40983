/* plot.c: learning curves, forecasts, matrices. */
#include <math.h>
#include <string.h>

#include "gnuplot.h"

static const char *or_else(const char *label, const char *standard)
{
    return label ? label : standard;
}

static bool is_missing(reel_tape *tape, const char *op, bool missing, const char *what)
{
    if (missing) {
        reel_fail(tape, REEL_BAD_ARGUMENT, op, "there is no %s", what);
    }
    return missing;
}

static void write_number(FILE *out, double v)
{
    if (isfinite(v)) {
        fprintf(out, " %.9g", v);
    } else {
        fputs(" nan", out);
    }
}

/* ---- learning curves ----------------------------------------------------------------------- */

reel_status reel_plot_history(reel_tape *tape, const reel_history *h, const char *path,
                              reel_plot_options o)
{
    static const char op[] = "plot_history";
    reel__plot p;
    o.x_label = or_else(o.x_label, "epoch");
    if (is_missing(tape, op, !h || h->epochs < 1, "epoch") ||
        !reel__plot_begin(&p, tape, op, path, o)) {
        return reel_tape_status(tape);
    }
    for (int epoch = 0; epoch < h->epochs; epoch++) {
        fprintf(p.data, "%d", epoch + 1);
        for (int i = 0; i < h->count; i++) {
            write_number(p.data, h->values[i][epoch]);
        }
        fputc('\n', p.data);
    }
    for (int i = 0; i < h->count; i++) {
        bool validation = strncmp(h->name[i], "val_", 4) == 0;
        fputs(i ? ", \\\n  " : "plot ", p.script);
        reel__plot_data_name(&p);
        fprintf(p.script, " using 1:%d with linespoints pt 7 ps 0.4 lw 2 dt %d title ", i + 2,
                validation ? 2 : 1);
        reel__plot_text(p.script, h->name[i]);
    }
    fputc('\n', p.script);
    return reel__plot_finish(&p);
}

/* ---- forecasts ----------------------------------------------------------------------------- */

static double at(const double *values, int64_t i)
{
    return values ? values[i] : NAN;
}

reel_status reel_plot_forecast(reel_tape *tape, reel_forecast f, const char *path,
                               reel_plot_options o)
{
    static const char op[] = "plot_forecast";
    reel__plot p;
    o.x_label = or_else(o.x_label, "step");
    if (is_missing(tape, op, f.steps < 1 || !f.forecast || (f.past > 0 && !f.values), "forecast") ||
        !reel__plot_begin(&p, tape, op, path, o)) {
        return reel_tape_status(tape);
    }
    for (int64_t i = 0; i < f.past; i++) {
        fprintf(p.data, "%lld", (long long)(i - f.past + 1));
        write_number(p.data, f.values[i]);
        fputs(" nan nan nan nan\n", p.data);
    }
    for (int64_t i = 0; i < f.steps; i++) {
        fprintf(p.data, "%lld nan", (long long)(i + 1));
        write_number(p.data, f.forecast[i]);
        write_number(p.data, at(f.lower, i));
        write_number(p.data, at(f.upper, i));
        write_number(p.data, at(f.actual, i));
        fputc('\n', p.data);
    }
    fputs("set style fill transparent solid 0.25 noborder\nfile = ", p.script);
    reel__plot_data_name(&p);
    fputs("\nplot ", p.script);
    if (f.lower && f.upper) {
        fputs("file using 1:4:5 with filledcurves lc 1 title 'interval', ", p.script);
    }
    if (f.past > 0) {
        fputs("file using 1:2 with lines lw 2 lc rgb 'black' title 'past', ", p.script);
    }
    if (f.actual) {
        fputs("file using 1:6 with lines lw 2 dt 2 lc rgb 'black' title 'actual', ", p.script);
    }
    fputs("file using 1:3 with lines lw 2 lc 1 title 'forecast'\n", p.script);
    return reel__plot_finish(&p);
}

/* ---- matrices ------------------------------------------------------------------------------ */

typedef struct {
    int64_t rows, columns;
    const double *values;
    const char *const *row_names, *const *column_names;
    bool numbers; /* written into the cells */
} matrix;

static void write_tics(FILE *out, const char *axis, int64_t n, const char *const names[])
{
    fprintf(out, "set %stics (", axis);
    for (int64_t i = 0; i < n; i++) {
        char number[24];
        snprintf(number, sizeof number, "%lld", (long long)i);
        fputs(i ? ", " : "", out);
        reel__plot_text(out, names && names[i] ? names[i] : number);
        fprintf(out, " %lld", (long long)i);
    }
    fputs(")\n", out);
}

/* Row 0 stands above: gnuplot's axis is turned round. */
static reel_status plot_matrix(reel__plot *p, const matrix *m)
{
    for (int64_t i = 0; i < m->rows * m->columns; i++) {
        fprintf(p->data, "%lld %lld", (long long)(i % m->columns), (long long)(i / m->columns));
        write_number(p->data, m->values[i]);
        fputs((i + 1) % m->columns ? "\n" : "\n\n", p->data);
    }
    fprintf(p->script,
            "unset grid\nunset key\nset palette defined (0 'white', 1 '#08519c')\n"
            "set cbrange [0:*]\nset xrange [-0.5:%g]\nset yrange [%g:-0.5]\n"
            "set xtics rotate by -45\n",
            (double)m->columns - 0.5, (double)m->rows - 0.5);
    write_tics(p->script, "x", m->columns, m->column_names);
    write_tics(p->script, "y", m->rows, m->row_names);
    fputs("file = ", p->script);
    reel__plot_data_name(p);
    fputs("\nplot file using 1:2:3 with image pixels", p->script);
    if (m->numbers) {
        fputs(", file using 1:2:(sprintf('%g', $3)) with labels", p->script);
    }
    fputc('\n', p->script);
    return reel__plot_finish(p);
}

reel_status reel_plot_confusion(reel_tape *tape, int64_t classes, const double counts[],
                                const char *const names[], const char *path, reel_plot_options o)
{
    static const char op[] = "plot_confusion";
    matrix m = { classes, classes, counts, names, names, true };
    reel__plot p;
    o.x_label = or_else(o.x_label, "predicted");
    o.y_label = or_else(o.y_label, "actual");
    if (is_missing(tape, op, classes < 1 || !counts, "class") ||
        !reel__plot_begin(&p, tape, op, path, o)) {
        return reel_tape_status(tape);
    }
    return plot_matrix(&p, &m);
}

reel_status reel_plot_attention(reel_tape *tape, int64_t outputs, int64_t inputs,
                                const double weights[], const char *const output_names[],
                                const char *const input_names[], const char *path,
                                reel_plot_options o)
{
    static const char op[] = "plot_attention";
    matrix m = { outputs, inputs, weights, output_names, input_names, false };
    reel__plot p;
    if (is_missing(tape, op, outputs < 1 || inputs < 1 || !weights, "weight") ||
        !reel__plot_begin(&p, tape, op, path, o)) {
        return reel_tape_status(tape);
    }
    return plot_matrix(&p, &m);
}

/* ---- lines --------------------------------------------------------------------------------- */

reel_status reel_plot_line(reel_tape *tape, int64_t n, const double x[], const double y[],
                           bool log_x, const char *path, reel_plot_options o)
{
    static const char op[] = "plot_line";
    reel__plot p;
    if (is_missing(tape, op, n < 1 || !x || !y, "point") ||
        !reel__plot_begin(&p, tape, op, path, o)) {
        return reel_tape_status(tape);
    }
    for (int64_t i = 0; i < n; i++) {
        fprintf(p.data, "%.9g", x[i]);
        write_number(p.data, y[i]);
        fputc('\n', p.data);
    }
    fprintf(p.script, "unset key\n%splot ", log_x ? "set logscale x\n" : "");
    reel__plot_data_name(&p);
    fputs(" using 1:2 with lines lw 2\n", p.script);
    return reel__plot_finish(&p);
}

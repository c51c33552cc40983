/* gnuplot.c: one picture in the making. */
#include "gnuplot.h"

#include <errno.h>
#include <string.h>

#include "spawn.h"

static const struct {
    const char *ending, *terminal;
} terminals[] = { { "png", "pngcairo" }, { "svg", "svg" }, { "pdf", "pdfcairo" } };
enum { TERMINALS = sizeof terminals / sizeof *terminals };

static int terminal_of(const char *path)
{
    const char *end = strrchr(path, '.');
    for (int i = 0; end && i < TERMINALS; i++) {
        if (strcmp(end + 1, terminals[i].ending) == 0) {
            return i;
        }
    }
    return -1;
}

void reel__plot_text(FILE *out, const char *text)
{
    fputc('"', out);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\') {
            fputc('\\', out);
        }
        fputc(*text == '\n' ? ' ' : *text, out);
    }
    fputc('"', out);
}

/* Between single quotes a quote is written twice. */
static void write_path(FILE *out, const char *path)
{
    fputc('\'', out);
    for (; *path; path++) {
        if (*path == '\'') {
            fputc('\'', out);
        }
        fputc(*path, out);
    }
    fputc('\'', out);
}

void reel__plot_data_name(reel__plot *p)
{
    write_path(p->script, p->data_path);
}

static void write_label(FILE *out, const char *what, const char *text)
{
    if (text) {
        fprintf(out, "set %s ", what);
        reel__plot_text(out, text);
        fputs(" noenhanced\n", out);
    }
}

static void write_head(reel__plot *p, int terminal)
{
    const reel_plot_options *o = &p->options;
    int width = o->width > 0 ? o->width : 800, height = o->height > 0 ? o->height : 500;
    bool inches = strcmp(terminals[terminal].ending, "pdf") == 0;
    fprintf(p->script, "set terminal %s noenhanced size %g%s,%g%s\nset output ",
            terminals[terminal].terminal, inches ? width / 100.0 : width, inches ? "in" : "",
            inches ? height / 100.0 : height, inches ? "in" : "");
    write_path(p->script, p->path);
    fputs("\nset encoding utf8\nset datafile missing 'nan'\nset grid\nset key outside right\n",
          p->script);
    write_label(p->script, "title", o->title);
    write_label(p->script, "xlabel", o->x_label);
    write_label(p->script, "ylabel", o->y_label);
    if (o->log_y) {
        fputs("set logscale y\n", p->script);
    }
}

static void close_files(reel__plot *p)
{
    FILE **files[] = { &p->data, &p->script };
    for (int i = 0; i < 2; i++) {
        if (*files[i]) {
            fclose(*files[i]);
            *files[i] = NULL;
        }
    }
}

static bool fail_to_write(reel__plot *p, const char *path)
{
    reel_fail(p->tape, REEL_FILE_ERROR, p->op, "cannot write %s: %s", path, strerror(errno));
    close_files(p);
    return false;
}

bool reel__plot_begin(reel__plot *p, reel_tape *tape, const char *op, const char *path,
                      reel_plot_options options)
{
    *p = (reel__plot){ .tape = tape, .op = op, .path = path, .options = options };
    int terminal = path ? terminal_of(path) : -1;
    if (!tape || terminal < 0 || strlen(path) > 1000) {
        reel_fail(tape, REEL_BAD_ARGUMENT, op, "the path must end in .png, .svg or .pdf: %.200s",
                  path ? path : "NULL");
        return false;
    }
    snprintf(p->data_path, sizeof p->data_path, "%s.dat", path);
    snprintf(p->script_path, sizeof p->script_path, "%s.gnuplot", path);
    if (!(p->data = fopen(p->data_path, "w"))) {
        return fail_to_write(p, p->data_path);
    }
    if (!(p->script = fopen(p->script_path, "w"))) {
        return fail_to_write(p, p->script_path);
    }
    write_head(p, terminal);
    return true;
}

static bool flushed(FILE *file)
{
    return fflush(file) == 0 && !ferror(file);
}

reel_status reel__plot_finish(reel__plot *p)
{
    if (!flushed(p->data) || !flushed(p->script)) {
        fail_to_write(p, flushed(p->data) ? p->script_path : p->data_path);
        return REEL_FILE_ERROR;
    }
    close_files(p);
    const char *const command[] = { "gnuplot", p->script_path, NULL };
    int status = reel__run_program(command);
    if (status != 0) {
        reel_fail(p->tape, REEL_UNSUPPORTED, p->op,
                  "gnuplot %s; the numbers are in %s, the picture is made by: gnuplot %s",
                  status == REEL__NO_PROGRAM ? "is not installed" : "failed", p->data_path,
                  p->script_path);
        return REEL_UNSUPPORTED;
    }
    if (!p->options.keep_files) {
        remove(p->data_path);
        remove(p->script_path);
    }
    return REEL_OK;
}

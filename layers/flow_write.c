/* flow_write.c: a flow as a table and a heat map. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "layer.h"

/* log10 of what is shown as nothing */
#define LEAST_SHOWN (-12.0)

enum { LONGEST_PATH = 400 };

static reel_status fail(const reel_flow *flow, reel_status status, const char *what,
                        const char *path)
{
    reel_fail(flow->tape, status, "flow_write", "%s: %s", what, path);
    return status;
}

/* The path stands in a script and in a command. */
static bool is_plain(const char *path)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789/._-";
    return path && path[0] && path[0] != '-' && strlen(path) <= LONGEST_PATH &&
           strspn(path, allowed) == strlen(path);
}

static FILE *open_for(const char *path, const char *ending)
{
    char full[LONGEST_PATH + 16];
    snprintf(full, sizeof full, "%s%s", path, ending);
    return fopen(full, "w");
}

static bool close_well(FILE *file)
{
    bool good = !ferror(file);
    return fclose(file) == 0 && good;
}

static double shown(double norm)
{
    double log_norm = norm > 0 ? log10(norm) : LEAST_SHOWN;
    return log_norm > LEAST_SHOWN ? log_norm : LEAST_SHOWN;
}

/* Lines "step row log10", a blank one between rows. */
static bool write_data(const reel_flow *flow, const char *path)
{
    FILE *file = open_for(path, ".dat");
    if (!file) {
        return false;
    }
    fprintf(file, "# step, row, log10 of the norm of the gradient, the norm\n");
    for (int i = 0; i < flow->rows; i++) {
        fprintf(file, "# %s\n", flow->row[i].name);
        for (int64_t t = 0; t < flow->row[i].steps; t++) {
            double norm = flow->row[i].norm[t];
            fprintf(file, "%lld %d %.6g %.9g\n", (long long)t, i, shown(norm), norm);
        }
        fputs("\n", file);
    }
    for (int i = 0; i < flow->gates; i++) {
        fprintf(file, "# saturated %s %.4f\n", flow->gate[i].name, flow->gate[i].share);
    }
    for (int i = 0; i < flow->matrices; i++) {
        for (int b = 0; b < flow->matrix[i].blocks; b++) {
            fprintf(file, "# spectral radius of W_h, %s block %d: %.4f\n", flow->matrix[i].name, b,
                    flow->matrix[i].radius[b]);
        }
    }
    return close_well(file);
}

static bool write_script(const reel_flow *flow, const char *path)
{
    FILE *file = open_for(path, ".gnuplot");
    if (!file) {
        return false;
    }
    int height = 170 + 40 * flow->rows;
    fprintf(
        file,
        "set xlabel 'step'\n"
        "set cblabel 'log10 |dL/ds|' noenhanced\n"
        "set palette defined (0 '#0d0887', 1 '#7e03a8', 2 '#cc4778', 3 '#f89540', 4 '#f0f921')\n"
        "set yrange [%d.5:-0.5]\n"
        "set autoscale xfix\n"
        "set tics nomirror out\n"
        "set ytics noenhanced (",
        flow->rows - 1);
    for (int i = 0; i < flow->rows; i++) {
        fprintf(file, "%s'", i ? ", " : "");
        for (const char *c = flow->row[i].name; *c; c++) {
            fputc(*c == '\'' || *c == '\\' || *c == '\n' ? '_' : *c, file);
        }
        fprintf(file, "' %d", i);
    }
    fputs(")\n", file);
    const char *terminals[][2] = { { "pngcairo", "png" }, { "svg", "svg" } };
    for (int i = 0; i < 2; i++) {
        fprintf(file,
                "set terminal %s size 900,%d\n"
                "set output '%s.%s'\n"
                "plot '%s.dat' using 1:2:3 with image notitle\n",
                terminals[i][0], height, path, terminals[i][1], path);
    }
    fputs("unset output\n", file);
    return close_well(file);
}

reel_status reel_flow_write(const reel_flow *flow, const char *path)
{
    if (!flow) {
        return REEL_BAD_ARGUMENT;
    }
    if (!is_plain(path)) {
        return fail(flow, REEL_BAD_ARGUMENT,
                    "a path has 1 to 400 letters, digits and /._- and does not begin with -",
                    path ? path : "");
    }
    if (!write_data(flow, path) || !write_script(flow, path)) {
        return fail(flow, REEL_NOT_FOUND, "the files cannot be written", path);
    }
    char command[LONGEST_PATH + 64];
    snprintf(command, sizeof command, "gnuplot '%s.gnuplot' > /dev/null 2>&1", path);
    if (system(command) != 0) {
        return fail(flow, REEL_NOT_FOUND,
                    "gnuplot is missing or failed; data and script are written", path);
    }
    return REEL_OK;
}

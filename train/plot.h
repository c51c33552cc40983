/* plot.h: pictures through gnuplot.
 *
 *     reel_plot_history(t, h, "curves.png", (reel_plot_options){ .title = "LSTM" });
 *
 * The path's ending says what is made: .png, .svg or .pdf. The numbers go to PATH.dat and what
 * gnuplot is to do with them to PATH.gnuplot; when gnuplot has made the picture both are removed.
 * Where it is not installed they stay, and the error, REEL_UNSUPPORTED, says how to go on.
 */
#ifndef REEL_PLOT_H
#define REEL_PLOT_H

#include "fit.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    const char *title;
    const char *x_label, *y_label;
    int width, height; /* pixels; 0: 800 by 500 */
    bool keep_files;   /* leave PATH.dat and PATH.gnuplot */
    bool log_y;
} reel_plot_options;

/* Learning curves: every series of the history; those of validation are dashed. */
REEL_API reel_status reel_plot_history(reel_tape *, const reel_history *, const char *path,
                                       reel_plot_options);

/* A time series of `past` values, and what was forecast for the `steps` after them, with the
 * interval between lower and upper; what came, where it is known. lower and upper, or actual, may
 * be NULL. */
typedef struct {
    int64_t past;
    const double *values; /* [past] */
    int64_t steps;
    const double *forecast, *lower, *upper, *actual; /* [steps] */
} reel_forecast;
REEL_API reel_status reel_plot_forecast(reel_tape *, reel_forecast, const char *path,
                                        reel_plot_options);

/* counts [classes, classes], rows are the actual classes; each cell has its number in it. names may
 * be NULL. */
REEL_API reel_status reel_plot_confusion(reel_tape *, int64_t classes, const double counts[],
                                         const char *const names[], const char *path,
                                         reel_plot_options);

/* weights [outputs, inputs] as shades (Bahdanau et al. 2015, figure 3); names may be NULL. */
REEL_API reel_status reel_plot_attention(reel_tape *, int64_t outputs, int64_t inputs,
                                         const double weights[], const char *const output_names[],
                                         const char *const input_names[], const char *path,
                                         reel_plot_options);

/* y over x: what the learning-rate finder draws; log_x for a logarithmic axis. */
REEL_API reel_status reel_plot_line(reel_tape *, int64_t n, const double x[], const double y[],
                                    bool log_x, const char *path, reel_plot_options);

#ifdef __cplusplus
}
#endif

#endif

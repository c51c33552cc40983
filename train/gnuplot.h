/* gnuplot.h: one picture in the making. Not installed. */
#ifndef REEL_GNUPLOT_H
#define REEL_GNUPLOT_H

#include "../graph/tape.h"
#include "plot.h"

typedef struct {
    reel_tape *tape;
    const char *op, *path;
    reel_plot_options options;
    FILE *data, *script; /* to be written to between begin and finish */
    char data_path[1024], script_path[1024];
} reel__plot;

/* Opens both files and writes what all pictures need; false with an error of `op`. */
bool reel__plot_begin(reel__plot *, reel_tape *, const char *op, const char *path,
                      reel_plot_options);
/* Closes the files and has the picture made. */
reel_status reel__plot_finish(reel__plot *);
/* Text between double quotes; without enhanced mode only quotes and backslashes mean something. */
void reel__plot_text(FILE *, const char *text);
/* The name of the data file, between single quotes. */
void reel__plot_data_name(reel__plot *);

#endif

/* monitor.h: what callbacks that watch one number share. Not installed. */
#ifndef REEL_MONITOR_H
#define REEL_MONITOR_H

#include "training.h"

typedef struct {
    const char *name; /* NULL: "val_loss", or "loss" */
    bool maximize;
    double min_delta, best;
    bool any; /* `best` is one */
} reel__monitor;

/* Copies the name. */
bool reel__monitor_init(reel_tape *, reel__monitor *, const char *name, bool maximize,
                        double min_delta);
void reel__monitor_reset(reel__monitor *);
/* This epoch's number; false, with a message, when there is none. */
bool reel__monitor_read(const reel__monitor *, reel_training *, double *value);
/* Notes a value; was it the best by more than min_delta? NaN never is. */
bool reel__monitor_improves(reel__monitor *, double value);

/* "early_stopping: patience is -1, must be at least 0" */
bool reel__check_option(reel_tape *, const char *callback, const char *what, double value,
                        bool good, const char *rule);

#endif

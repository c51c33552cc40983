/* forecaster.h: an LSTM that reads a number a year and says what the next AHEAD years will bring. */
#ifndef FORECASTER_H
#define FORECASTER_H

#include <reel.h>

#include "baselines.h"

enum { HIDDEN = 32, WINDOW = 48 };

typedef struct {
    reel_tape *tape;
    reel_cell lstm;
    reel_layer out, cycle; /* of the LSTM's output, and of the last AHEAD years as they were */
    reel_optimizer *adam;
    float state[2][HIDDEN]; /* after the years read so far */
} forecaster;

forecaster forecaster_new(int seed);
void forecaster_free(forecaster *);

/* Once through the first `known` years, window by window, from year `first` on. The mean loss. */
double forecaster_learn(forecaster *, const series *, int known, int first);
/* Of the AHEAD years behind the first `known` ones. */
void forecaster_forecast(forecaster *, const series *, int known, double forecast[AHEAD]);

#endif

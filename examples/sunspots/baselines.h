/* baselines.h: the yearly sunspot numbers, and two forecasts that any other has to be compared with. */
#ifndef BASELINES_H
#define BASELINES_H

#include <stdbool.h>

enum { MOST_YEARS = 400, AHEAD = 11, ORDER = 9 };

typedef struct {
    int first, count; /* the first year, and how many */
    double spots[MOST_YEARS];
} series;

/* Lines of year,number under a line of titles. False where the file holds something else. */
bool series_read(const char *path, series *);

/* All forecasts are of the AHEAD years behind the first `known` ones. This one: the cycle of the sun
 * comes again as it was, eleven years before. */
void last_cycle(const series *, int known, double forecast[AHEAD]);

/* x[t] = w[0] + w[1]·x[t-1] + … + w[ORDER]·x[t-ORDER], by least squares over the first `known` years;
 * ORDER 9 is that of the literature. Forecasts feed on themselves. */
typedef struct {
    double w[ORDER + 1];
} autoregression;
autoregression autoregression_fit(const series *, int known);
void autoregression_forecast(const autoregression *, const series *, int known,
                             double forecast[AHEAD]);

#endif

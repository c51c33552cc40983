/* baselines.c: the last cycle, and linear autoregression. */
#include "baselines.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { UNKNOWNS = ORDER + 1 };

bool series_read(const char *path, series *s)
{
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        return false;
    }
    int year;
    double spots;
    *s = (series){ 0 };
    bool titled = fscanf(file, "%*[^\n]") != EOF;
    while (titled && s->count < MOST_YEARS && fscanf(file, "%d,%lf", &year, &spots) == 2) {
        s->first = s->count ? s->first : year;
        s->spots[s->count++] = spots;
    }
    bool whole = feof(file) != 0;
    fclose(file);
    return whole && s->count > 0;
}

void last_cycle(const series *s, int known, double forecast[AHEAD])
{
    memcpy(forecast, s->spots + known - AHEAD, AHEAD * sizeof *forecast);
}

/* a·w = b, a being positive definite: Gauss's elimination needs no pivoting. */
static void solve(double a[UNKNOWNS][UNKNOWNS], double b[UNKNOWNS], double w[UNKNOWNS])
{
    for (int k = 0; k < UNKNOWNS; k++) {
        for (int i = k + 1; i < UNKNOWNS; i++) {
            double factor = a[i][k] / a[k][k];
            for (int j = k; j < UNKNOWNS; j++) {
                a[i][j] -= factor * a[k][j];
            }
            b[i] -= factor * b[k];
        }
    }
    for (int k = UNKNOWNS - 1; k >= 0; k--) {
        w[k] = b[k];
        for (int j = k + 1; j < UNKNOWNS; j++) {
            w[k] -= a[k][j] * w[j];
        }
        w[k] /= a[k][k];
    }
}

/* What the number at `at` is explained by: 1 and the ORDER numbers before it. */
static double regressor(const double *at, int i)
{
    return i == 0 ? 1 : at[-i];
}

autoregression autoregression_fit(const series *s, int known)
{
    autoregression r;
    double a[UNKNOWNS][UNKNOWNS] = { { 0 } }, b[UNKNOWNS] = { 0 };
    for (int t = ORDER; t < known; t++) {
        const double *at = s->spots + t;
        for (int i = 0; i < UNKNOWNS; i++) {
            for (int j = 0; j < UNKNOWNS; j++) {
                a[i][j] += regressor(at, i) * regressor(at, j);
            }
            b[i] += regressor(at, i) * *at;
        }
    }
    solve(a, b, r.w);
    return r;
}

void autoregression_forecast(const autoregression *r, const series *s, int known,
                             double forecast[AHEAD])
{
    double x[ORDER + AHEAD];
    memcpy(x, s->spots + known - ORDER, ORDER * sizeof *x);
    for (int h = 0; h < AHEAD; h++) {
        double *at = x + ORDER + h;
        *at = 0;
        for (int i = 0; i < UNKNOWNS; i++) {
            *at += r->w[i] * regressor(at, i);
        }
        forecast[h] = fmax(*at, 0);
    }
}

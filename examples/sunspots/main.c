/* sunspots: a time series. LSTMs read the yearly sunspot numbers since 1700 year by year, and say what
 * the next eleven years will bring, a whole cycle of the sun.
 *
 *     sunspots [--short] [FILE [PICTURE]]
 *
 * They learn from the years before 1950. From then on they forecast every year, and then learn from
 * it. Beside them are judged the last cycle and linear autoregression. FILE is build/data/sunspots.csv,
 * which ./dev data fetches; PICTURE, build/sunspots.png, shows the last forecast, where gnuplot is
 * installed. Exit status 1: the errors are larger than was to be expected.
 */
#include <reel.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "forecaster.h"

enum { SPLIT = 1950, AGAIN = 3 /* times through all years, after each new one */ };

#define RATE 5e-3 /* of learning at first; then RATE_ON */
#define RATE_ON 1e-2

typedef struct {
    int members, epochs;
    double share; /* of the last cycle's error that is allowed */
} goal;

static const goal full = { 8, 200, 0.9 }, quick = { 2, 100, 0.95 };

/* Adds one network's share to the forecasts after each year. */
static bool add_member(const series *s, const goal *g, int seed, double (*forecasts)[AHEAD])
{
    forecaster f = forecaster_new(seed);
    int known = SPLIT - s->first;
    double loss = 0, forecast[AHEAD];
    for (int epoch = 0; epoch < g->epochs; epoch++) {
        reel_optimizer_set_lr(f.adam, RATE * (1 - 0.9 * epoch / g->epochs));
        loss = forecaster_learn(&f, s, known, epoch % AHEAD);
    }
    printf("network %d: root mean square error %.1f before %d\n", seed, 100 * sqrt(loss), SPLIT);
    reel_optimizer_set_lr(f.adam, RATE_ON);
    for (; known <= s->count - AHEAD; known++) {
        for (int again = 0; again < AGAIN; again++) {
            forecaster_learn(&f, s, known, (known - AHEAD) % WINDOW);
        }
        forecaster_forecast(&f, s, known, forecast);
        for (int h = 0; h < AHEAD; h++) {
            forecasts[known][h] += forecast[h] / g->members;
        }
    }
    bool fine = reel_tape_status(f.tape) == REEL_OK;
    if (!fine) {
        fprintf(stderr, "sunspots: %s\n", reel_tape_error(f.tape));
    }
    forecaster_free(&f);
    return fine;
}

/* ---- judging ------------------------------------------------------------------------------- */

static double square_error(const series *s, int known, const double forecast[AHEAD])
{
    double sum = 0;
    for (int h = 0; h < AHEAD; h++) {
        double apart = forecast[h] - s->spots[known + h];
        sum += apart * apart / AHEAD;
    }
    return sum;
}

/* Root mean square errors of all forecasts since SPLIT whose years have come; returns the networks' as
 * a share of the last cycle's. Autoregression, too, learns from every year that has passed. */
static double compare(const series *s, double (*forecasts)[AHEAD])
{
    double networks = 0, cycle = 0, linear = 0, forecast[AHEAD];
    int from = SPLIT - s->first, count = s->count - AHEAD - from + 1;
    for (int known = from; known < from + count; known++) {
        networks += square_error(s, known, forecasts[known]) / count;
        last_cycle(s, known, forecast);
        cycle += square_error(s, known, forecast) / count;
        autoregression ar = autoregression_fit(s, known);
        autoregression_forecast(&ar, s, known, forecast);
        linear += square_error(s, known, forecast) / count;
    }
    printf("Root mean square error of %d forecasts of %d years each, from %d on:\n"
           "    LSTM %.1f   last cycle %.1f   autoregression of order %d %.1f\n",
           count, AHEAD, SPLIT, sqrt(networks), sqrt(cycle), ORDER, sqrt(linear));
    return sqrt(networks / cycle);
}

static void draw(const series *s, double (*forecasts)[AHEAD], const char *path)
{
    enum { SHOWN = 60 };
    int known = s->count - AHEAD;
    reel_tape *t = reel_tape_new((reel_tape_options){ 0 });
    reel_forecast f = { .past = SHOWN,
                        .values = s->spots + known - SHOWN,
                        .steps = AHEAD,
                        .forecast = forecasts[known],
                        .actual = s->spots + known };
    reel_plot_options o = { .title = "Sunspots", .x_label = "year", .y_label = "number" };
    if (reel_plot_forecast(t, f, path, o) == REEL_OK) {
        printf("%s shows the last of them\n", path);
    } else {
        printf("no picture: %s\n", reel_tape_error(t));
    }
    reel_tape_free(t);
}

int main(int count, char **argument)
{
    static series s;
    static double forecasts[MOST_YEARS][AHEAD];
    bool is_short = count > 1 && strcmp(argument[1], "--short") == 0, fine = true;
    const char *path = count > 1 + is_short ? argument[1 + is_short] : "build/data/sunspots.csv";
    const char *picture = count > 2 + is_short ? argument[2 + is_short] : "build/sunspots.png";
    const goal *g = is_short ? &quick : &full;
    if (!series_read(path, &s) || s.first > SPLIT - 200 || s.first + s.count < SPLIT + AHEAD) {
        fprintf(stderr, "sunspots: %s is not the file of sunspots: ./dev data fetches it\n", path);
        return 2;
    }
    for (int member = 1; fine && member <= g->members; member++) {
        fine = add_member(&s, g, member, forecasts);
    }
    double share = compare(&s, forecasts);
    draw(&s, forecasts, picture);
    return !fine || share > g->share;
}

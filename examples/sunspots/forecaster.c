/* forecaster.c: the network. */
#include "forecaster.h"

#include <math.h>
#include <string.h>

#define SCALE 100.0 /* of the numbers, for the network */

forecaster forecaster_new(int seed)
{
    reel_tape *t = reel_tape_new((reel_tape_options){ .seed = (uint64_t)seed, .threads = 1 });
    return (forecaster){
        .tape = t,
        .lstm = reel_lstm(t, "lstm", 1, HIDDEN, (reel_lstm_options){ 0 }),
        .out = reel_dense(t, "out", HIDDEN, AHEAD, (reel_dense_options){ 0 }),
        .cycle = reel_dense(t, "cycle", AHEAD, AHEAD, (reel_dense_options){ 0 }),
        .adam = reel_adamw(t, (reel_adam_options){ .weight_decay = 0.01 }),
    };
}

void forecaster_free(forecaster *f)
{
    reel_tape_free(f->tape);
}

static float scaled(const series *s, int year)
{
    return year < 0 ? 0.5F : (float)(s->spots[year] / SCALE);
}

/* Reads `years` years from `begin` on, from the state where the last ones ended, and forecasts after
 * each of them: [years, 1, AHEAD]. The linear part knows sizes that the LSTM, whose output is bounded,
 * has never met. */
static reel_var read_on(forecaster *f, const series *s, int begin, int years, reel_var state[2])
{
    float x[MOST_YEARS], cycle[MOST_YEARS][AHEAD];
    for (int i = 0; i < years; i++) {
        x[i] = scaled(s, begin + i);
        for (int h = 0; h < AHEAD; h++) {
            cycle[i][h] = scaled(s, begin + i - h);
        }
    }
    reel_tape *t = f->tape;
    reel_rewind(t);
    reel_unroll_options before = { 0 };
    for (int k = 0; k < 2; k++) {
        before.initial[k] = reel_input(t, REEL_SHAPE(1, HIDDEN), f->state[k]);
    }
    reel_rollout r = reel_unroll(f->lstm, reel_input(t, REEL_SHAPE(years, 1, 1), x), before);
    for (int k = 0; k < 2; k++) {
        state[k] = reel_keep(r.state[k]);
    }
    reel_var last = reel_input(t, REEL_SHAPE(years, 1, AHEAD), &cycle[0][0]);
    return reel_add(reel_apply(f->out, reel_dropout(r.outputs, 0.2)), reel_apply(f->cycle, last));
}

/* The state becomes numbers: gradients end where a window begins (Williams & Peng 1990). */
static void keep_state(forecaster *f, const reel_var state[2])
{
    for (int k = 0; k < 2; k++) {
        reel_read(state[k], f->state[k], HIDDEN);
    }
}

/* A window's forecasts go beyond its end, but never beyond what is known. */
static double learn_window(forecaster *f, const series *s, int begin)
{
    float right[WINDOW][AHEAD];
    for (int i = 0; i < WINDOW; i++) {
        for (int h = 0; h < AHEAD; h++) {
            right[i][h] = scaled(s, begin + i + 1 + h);
        }
    }
    reel_var state[2], said = read_on(f, s, begin, WINDOW, state);
    reel_var loss = reel_mse(said, reel_input(f->tape, REEL_SHAPE(WINDOW, 1, AHEAD), &right[0][0]));
    reel_backward(loss);
    reel_clip_norm(f->tape, 1);
    reel_optimizer_step(f->adam);
    keep_state(f, state);
    return reel_item(loss);
}

double forecaster_learn(forecaster *f, const series *s, int known, int first)
{
    double loss = 0;
    int windows = (known - AHEAD - first) / WINDOW;
    memset(f->state, 0, sizeof f->state);
    for (int i = 0; i < windows; i++) {
        loss += learn_window(f, s, first + i * WINDOW) / windows;
    }
    return loss;
}

void forecaster_forecast(forecaster *f, const series *s, int known, double forecast[AHEAD])
{
    float said[AHEAD];
    reel_var state[2];
    memset(f->state, 0, sizeof f->state);
    reel_set_training(f->tape, false);
    reel_var all = read_on(f, s, 0, known, state);
    reel_read(reel_at(all, known - 1), said, AHEAD);
    reel_set_training(f->tape, true);
    for (int h = 0; h < AHEAD; h++) {
        forecast[h] = SCALE * fmax(said[h], 0);
    }
}

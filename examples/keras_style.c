/* keras_style: the Keras way. A noisy wave is forecast one step ahead from its last fifty values: data,
 * windows, normaliser, model, fit with callbacks, forecast.
 *
 *     keras_style            trains, prints the table of layers and a line per epoch
 *     keras_style PICTURE    also draws the learning curves (needs gnuplot)
 */
#include <reel.h>

#include <math.h>

enum { LENGTH = 600, STEPS = 50 };

static void make_series(double series[LENGTH])
{
    uint32_t state = 11;
    for (int i = 0; i < LENGTH; i++) {
        state = state * 1664525u + 1013904223u;
        double noise = (double)(state >> 8) / 16777216.0 - 0.5;
        series[i] = 20 + 5 * sin(0.15 * i) + 2 * sin(0.41 * i) + 0.5 * noise;
    }
}

static reel_model *make_model(reel_tape *t)
{
    reel_model *m = reel_sequential(t, REEL_LSTM(64, .input = REEL_SHAPE(STEPS, 1)),
                                    REEL_DENSE(32, .activation = REEL_RELU), REEL_DENSE(1));
    reel_compile(m, (reel_compile_options){
                        .optimizer = "adam", .lr = 3e-3, .loss = "mse", .metrics = { "mae" } });
    reel_summary(m, stdout);
    return m;
}

static reel_history *train(reel_model *m, reel_dataset d)
{
    reel_early_stopping_options stop = { .patience = 8, .restore_best = true };
    reel_fit_options options = { .epochs = 40,
                                 .batch_size = 32,
                                 .validation_split = 0.2,
                                 .verbose = 1,
                                 .callbacks = { reel_early_stopping(m, stop),
                                                reel_terminate_on_nan(m) } };
    return reel_fit(m, d.x, d.y, options);
}

int main(int argc, char **argv)
{
    static double series[LENGTH];
    make_series(series);
    reel_tape *t = reel_tape_new((reel_tape_options){ .seed = 1 });
    reel_data whole = REEL_DATA(series, LENGTH, 1);
    reel_normalizer n = reel_normalizer_fit(t, REEL_STANDARD, reel_data_slice(whole, 0, 400));
    reel_dataset d = reel_forecast_dataset(t, reel_normalize(t, n, whole), STEPS, 1, 0);

    reel_model *m = make_model(t);
    reel_history *h = train(m, d);
    double best = h ? reel_evaluate(m, reel_data_slice(d.x, 440, 550),
                                    reel_data_slice(d.y, 440, 550), (reel_evaluate_options){ 0 })
                          .metric[0]
                    : NAN;
    printf("mean absolute error on the last 110 steps: %.3f\n", best * n.scale[0]);
    if (h && argc > 1) {
        reel_plot_history(t, h, argv[1], (reel_plot_options){ .log_y = true });
    }
    if (reel_tape_status(t) != REEL_OK) {
        fprintf(stderr, "keras_style: %s\n", reel_tape_error(t));
    }
    reel_tape_free(t);
    return !(best < 0.3);
}

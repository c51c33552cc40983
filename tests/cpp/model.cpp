// Models from C++20: the layer macros with their options in the order of the struct.
#include <reel.h>

#include <cmath>

int main()
{
    float x[40][2], y[40][1];
    for (int i = 0; i < 40; i++) {
        x[i][0] = static_cast<float>(i % 5) / 5;
        x[i][1] = static_cast<float>(i % 7) / 7;
        y[i][0] = x[i][0] * x[i][1];
    }
    reel_tape *t = reel_tape_new(reel_tape_options{});
    reel_model *m = reel_sequential(t, REEL_DENSE(8, .activation = REEL_TANH), REEL_DROPOUT(0.1),
                                    REEL_LAYER_NORM(), REEL_DENSE(1));
    reel_compile_options compile = {};
    compile.optimizer = "adam";
    compile.loss = "mse";
    compile.metrics[0] = "mae";
    reel_compile(m, compile);
    reel_fit_options fit = {};
    fit.epochs = 20;
    reel_data X = REEL_DATA(&x[0][0], 40, 2), Y = REEL_DATA(&y[0][0], 40, 1);
    reel_history *h = reel_fit(m, X, Y, fit);
    bool fine = h && h->loss[19] < h->loss[0] && std::isfinite(reel_history_at(h, "mae", -1));
    reel_tape_free(t);
    return fine ? 0 : 1;
}

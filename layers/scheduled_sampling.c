/* scheduled_sampling.c: how the share of gold tokens falls (Bengio et al. 2015). */
#include <math.h>

#include "layer.h"

static double linear(double rate, double i)
{
    return 1 - rate * i;
}

static double exponential(double rate, double i)
{
    return pow(rate, i);
}

static double inverse_sigmoid(double rate, double i)
{
    return rate / (rate + exp(i / rate));
}

static const struct {
    double (*ratio)(double rate, double i);
    double lo, hi; /* of the rate */
} decays[REEL_DECAY_COUNT] = {
    [REEL_LINEAR_DECAY] = { linear, 0, INFINITY },
    [REEL_EXPONENTIAL_DECAY] = { exponential, 0, 1 },
    [REEL_INVERSE_SIGMOID_DECAY] = { inverse_sigmoid, 1, INFINITY },
};

double reel_sampling_ratio(reel_sampling_options options, int64_t update)
{
    if ((unsigned)options.decay >= REEL_DECAY_COUNT || update < 0 ||
        !(options.least >= 0 && options.least <= 1) ||
        !(options.rate >= decays[options.decay].lo && options.rate <= decays[options.decay].hi)) {
        return NAN;
    }
    double ratio = decays[options.decay].ratio(options.rate, (double)update);
    ratio = ratio > options.least ? ratio : options.least;
    return ratio > 0 ? ratio : REEL_ZERO;
}

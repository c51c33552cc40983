/* layer_norm.c: layer normalisation over the last axis. */
#include "layer.h"

reel_var reel_layer_norm(reel_var x, reel_var gain, reel_var bias, double epsilon)
{
    if (!(epsilon >= 0)) {
        return reel_fail(x.tape, REEL_BAD_ARGUMENT, "layer_norm",
                         "epsilon is %g, must be at least 0", epsilon);
    }
    reel_var centred = reel_sub(x, reel_mean_keep(x, -1));
    reel_var variance = reel_mean_keep(reel_square(centred), -1);
    reel_var y = reel_mul(centred, reel_rsqrt(reel_shift(variance, epsilon > 0 ? epsilon : 1e-5)));
    y = reel__is_absent(gain) ? y : reel_mul(y, gain);
    return reel__is_absent(bias) ? y : reel_add(y, bias);
}

/* rms_norm.c: normalisation by the root mean square of the last axis. */
#include "layer.h"

reel_var reel_rms_norm(reel_var x, reel_var gain, double epsilon)
{
    if (!(epsilon >= 0)) {
        return reel_fail(x.tape, REEL_BAD_ARGUMENT, "rms_norm", "epsilon is %g, must be at least 0",
                         epsilon);
    }
    reel_var power = reel_mean_keep(reel_square(x), -1);
    reel_var y = reel_mul(x, reel_rsqrt(reel_shift(power, epsilon > 0 ? epsilon : 1e-5)));
    return reel__is_absent(gain) ? y : reel_mul(y, gain);
}

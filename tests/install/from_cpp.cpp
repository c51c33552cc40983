// reel from C++: the header compiles, the library links, tanh(0.5) and its slope are right.
#include <cmath>
#include <cstdio>

#include <reel.h>

int main()
{
    reel_tape_options options = {};
    options.dtype = REEL_F64;
    reel_tape *tape = reel_tape_new(options);
    reel_var x = reel_scalar(tape, 0.5);
    reel_var y = reel_tanh(x);
    double value = reel_item(y);
    double slope = reel_item(reel_gradient(y, x));
    bool ok = std::fabs(value - std::tanh(0.5)) < 1e-12 &&
              std::fabs(slope - (1 - value * value)) < 1e-12;
    if (!ok)
        std::printf("tanh %g, slope %g, %s\n", value, slope, reel_tape_error(tape));
    reel_tape_free(tape);
    return !ok;
}

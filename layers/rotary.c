/* rotary.c: positions as rotations of pairs of features. */
#include "positional.h"

static const char name_of_layer[] = "rotary";

/* The two halves of each pair, [steps, ..., pairs]. */
static void take_apart(reel_var x, bool halves, int64_t pairs, reel_var half[2])
{
    if (halves) {
        reel_split(x, -1, 2, half);
        return;
    }
    reel_shape shape = reel_shape_of(x);
    shape.dim[shape.rank - 1] = pairs;
    shape.dim[shape.rank++] = 2;
    reel_split(reel_reshape(x, shape), -1, 2, half);
    half[0] = reel_squeeze(half[0], -1);
    half[1] = reel_squeeze(half[1], -1);
}

static reel_var put_together(reel_var first, reel_var second, bool halves, reel_shape shape)
{
    return halves ? reel_concat(-1, first, second)
                  : reel_reshape(reel_stack(-1, first, second), shape);
}

static bool check(reel_var x, const reel_rotary_options *options)
{
    if (!reel__check_handle(x.tape, name_of_layer, x)) {
        return false;
    }
    reel_shape shape = reel_shape_of(x);
    if (shape.rank < 2 || shape.rank >= REEL_MAX_RANK || shape.dim[shape.rank - 1] % 2 != 0) {
        reel_fail(x.tape, REEL_BAD_SHAPE, name_of_layer,
                  "x is %s, expected [steps, …, an even width]", REEL_SHAPE_TEXT(shape));
        return false;
    }
    return reel__check_positions(x.tape, name_of_layer, options->first, options->base);
}

reel_var reel_rotary(reel_var x, reel_rotary_options options)
{
    if (!check(x, &options)) {
        return reel__poisoned(x.tape);
    }
    reel_shape shape = reel_shape_of(x), around = { .rank = shape.rank };
    int64_t width = shape.dim[shape.rank - 1], pairs = width / 2;
    for (int k = 1; k < shape.rank; k++) {
        around.dim[k] = 1;
    }
    around.dim[0] = shape.dim[0];
    around.dim[shape.rank - 1] = pairs;
    reel_var angle = reel_reshape(
        reel__angles(x.tape, shape.dim[0], pairs, width, options.first, options.base), around);
    reel_var cosine = reel_cos(angle), sine = reel_sin(angle), half[2];
    take_apart(x, options.halves, pairs, half);
    reel_var first = reel_sub(reel_mul(half[0], cosine), reel_mul(half[1], sine));
    reel_var second = reel_add(reel_mul(half[0], sine), reel_mul(half[1], cosine));
    return put_together(first, second, options.halves, shape);
}

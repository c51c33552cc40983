/* layer.c: what every layer does when it is made and applied. */
#include <string.h>

#include "layer.h"

enum { LONGEST_NAME = 255 };

reel_var reel__layer_param(reel_tape *tape, const char *name, const char *part, reel_shape shape,
                           reel_init init)
{
    char full[LONGEST_NAME + 1];
    int length = snprintf(full, sizeof full, "%s.%s", name ? name : "", part);
    if (!name || !name[0]) {
        return reel_fail(tape, REEL_BAD_ARGUMENT, "layer", "a layer needs a name");
    }
    if (length > LONGEST_NAME) {
        return reel_fail(tape, REEL_BAD_ARGUMENT, "layer",
                         "the name \"%.16s…\" is longer than %d bytes", name,
                         LONGEST_NAME - 1 - (int)strlen(part));
    }
    tape->nested++; /* an error is at the line that makes the layer */
    reel_var param = reel_param(tape, full, shape, init);
    tape->nested--;
    return param;
}

void *reel__layer_self(reel_tape *tape, size_t bytes)
{
    return tape ? reel__tape_store(tape, bytes) : NULL;
}

bool reel__check_size(reel_tape *tape, const char *layer, const char *what, int64_t size)
{
    if (size < 1) {
        reel_fail(tape, REEL_BAD_ARGUMENT, layer, "%s is %lld, must be at least 1", what,
                  (long long)size);
        return false;
    }
    return true;
}

reel_var reel_apply(reel_layer layer, reel_var x)
{
    if (!layer.apply) {
        return reel_fail(x.tape, REEL_BAD_ARGUMENT, "apply", "the layer has no apply function");
    }
    return layer.apply(layer.self, x);
}

bool reel__check_shape(reel_tape *tape, const char *layer, const char *what, reel_var v,
                       reel_shape expected)
{
    if (!reel__check_handle(tape, layer, v)) {
        return false;
    }
    reel_shape shape = reel_shape_of(v);
    if (!reel_shape_equal(shape, expected)) {
        reel_fail(tape, REEL_BAD_SHAPE, layer, "%s is %s, expected %s", what,
                  REEL_SHAPE_TEXT(shape), REEL_SHAPE_TEXT(expected));
        return false;
    }
    return true;
}

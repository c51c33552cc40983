/* model.c: files of models; what is loaded predicts. */
#include <reel.h>
#include <stdlib.h>

#include "support/fuzz.h"

/* Rows of the model's own shape, unless that is large. */
static void predict(reel_tape *t, reel_model *m)
{
    enum { MOST = 64, ROOM = 1 << 12 };
    static const float x[MOST];
    static float y[ROOM];
    reel_data data = { .shape = REEL_SHAPE(1, 5, 3), .f32 = x };
    reel_status status = reel_predict(m, data, y, ROOM);
    fuzz_expect_message(t, status != REEL_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    reel_tape *t = reel_tape_new((reel_tape_options){ .threads = 1, .memory_limit = 1 << 26 });
    reel_model_extras with;
    reel_model *m = reel_model_load(t, fuzz_file(bytes, size), &with);
    fuzz_expect_message(t, !m);
    if (m) {
        predict(t, m);
    }
    reel_tape_free(t);
    return 0;
}

/* onnx.c: ONNX models, loaded and then run on inputs of ones. */
#include <reel.h>

#include "support/fuzz.h"

enum { PORTS = 8, MOST = 24 };

static void run(reel_tape *t, reel_onnx *model)
{
    float ones[MOST];
    int inputs = reel_onnx_input_count(model), outputs = reel_onnx_output_count(model);
    for (int i = 0; i < MOST; i++) {
        ones[i] = 1;
    }
    for (int columns = 2; columns <= 4 && inputs <= PORTS && outputs <= PORTS; columns++) {
        reel_var x[PORTS], y[PORTS];
        reel_rewind(t);
        reel_tape_clear(t);
        for (int i = 0; i < inputs; i++) {
            x[i] = columns == 3 ? reel_input(t, REEL_SHAPE(3), ones)
                                : reel_input(t, REEL_SHAPE(2, 3, columns), ones);
        }
        reel_onnx_run(model, inputs, x, outputs, y);
    }
}

/* Small models only: what one bit makes huge is refused by the limit. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    reel_tape *t = reel_tape_new((reel_tape_options){ .threads = 1, .memory_limit = 1 << 26 });
    reel_onnx *model =
        reel_onnx_parse(t, bytes, size, (reel_onnx_load_options){ .constant = true });
    fuzz_expect_message(t, !model);
    if (model) {
        run(t, model);
    }
    reel_onnx_free(model);
    reel_tape_free(t);
    return 0;
}

/* onnx.c: ONNX models, loaded and then run on inputs of ones. */
#include <reel.h>

#include "support/fuzz.h"

enum { PORTS = 8, MOST = 12 };

static void run(reel_tape *t, reel_onnx *model)
{
    static const float ones[MOST] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 };
    int inputs = reel_onnx_input_count(model), outputs = reel_onnx_output_count(model);
    reel_var x[PORTS], y[PORTS];
    if (inputs <= PORTS && outputs <= PORTS) {
        for (int i = 0; i < inputs; i++) {
            x[i] = reel_input(t, REEL_SHAPE(2, 3, 2), ones);
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

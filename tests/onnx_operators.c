/* onnx_operators.c: the operators and the types of numbers that exporters use, one by one, against
 * ONNX Runtime (golden/onnx_operators.py). bench/onnx_torch.py runs whole models of PyTorch. */
#include <criterion/criterion.h>
#include <string.h>

#include "io/onnx.h"
#include "support/onnx_golden.h"

#ifdef REEL_HAVE_PROTOBUF_C

static void run_case(const golden_model *g)
{
    reel_tape *t = reel_tape_new((reel_tape_options){ .threads = 1 });
    double off = golden_model_distance(t, g);
    if (g->refuses[0]) {
        cr_expect(reel_tape_status(t) != REEL_OK, "%s", g->name);
        cr_expect(strstr(reel_tape_error(t), g->refuses), "%s: %s", g->name, reel_tape_error(t));
    } else {
        cr_expect(off <= 1e-5, "%s is off by %g: %s", g->name, off, reel_tape_error(t));
    }
    reel_tape_free(t);
}

Test(onnx_operators, each_gives_the_numbers_of_onnx_runtime_or_says_why_it_cannot)
{
    cr_assert(golden_models_for_each("onnx_operators.txt", run_case) > 120);
}

#endif

/* onnx_layers.c: every layer, exported, comes back as it was, and gives ONNX Runtime's numbers.
 * golden/onnx_layers.py ran the exports there; bench/onnx_check.py compares number by number. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/onnx.h"
#include "support/files.h"
#include "support/golden.h"
#include "support/recordings.h"

#ifdef REEL_HAVE_PROTOBUF_C

typedef struct {
    size_t n;
    double *of;
} numbers;

static numbers read_numbers(reel_var v)
{
    numbers all = { .n = (size_t)reel_shape_size(reel_shape_of(v)) };
    all.of = calloc(all.n + 1, sizeof *all.of);
    cr_assert_eq(reel_read_f64(v, all.of, all.n), REEL_OK, "%s", reel_tape_error(v.tape));
    return all;
}

/* One number that depends on all, and on their order: Σ cos(k)·y[k]. */
static void compare_with_digest(const recording_row *row, int output, const numbers *y)
{
    char label[8];
    double digest = 0, size = 1;
    golden_row expected;
    snprintf(label, sizeof label, "y%d", output);
    for (size_t k = 0; k < y->n; k++) {
        digest += cos((double)k) * y->of[k];
        size += fabs(y->of[k]);
    }
    cr_assert(golden_find("onnx_layers.txt", row->name, label, &expected), "%s %s", row->name,
              label);
    cr_expect(fabs(digest - expected.values[0]) <= 1e-5 * size, "%s %s: %.9g, not %.9g", row->name,
              label, digest, expected.values[0]);
    golden_free(&expected);
}

typedef struct {
    char path[FILES_PATH];
    reel_onnx_options options;
} destination;

static void there_and_back(const recording_row *row, void *self)
{
    const destination *to = self;
    static char names[RECORDED_MOST][8];
    const char *name[RECORDED_MOST];
    recording r = recording_begin(row);
    for (int i = 0; i < RECORDED_MOST; i++) {
        snprintf(names[i], sizeof names[i], "x%d", i);
        name[i] = names[i];
    }
    cr_assert_eq(reel_onnx_export(r.t, r.inputs, r.x, name, r.outputs, r.y, to->path, to->options),
                 REEL_OK, "%s: %s", row->name, reel_tape_error(r.t));
    reel_onnx *model =
        reel_onnx_load(r.t, to->path, (reel_onnx_load_options){ .prefix = "again/" });
    reel_var again[RECORDED_MOST];
    cr_assert_eq(reel_onnx_run(model, r.inputs, r.x, r.outputs, again), REEL_OK, "%s: %s",
                 row->name, reel_tape_error(r.t));
    for (int i = 0; i < r.outputs; i++) {
        numbers y = read_numbers(r.y[i]), z = read_numbers(again[i]);
        cr_assert_eq(y.n, z.n);
        for (size_t k = 0; k < y.n; k++) {
            cr_expect(fabs(y.of[k] - z.of[k]) <= 1e-5 * fmax(1, fabs(y.of[k])),
                      "%s output %d [%zu]: %g, not %g", row->name, i, k, z.of[k], y.of[k]);
        }
        compare_with_digest(row, i, &y);
        free(y.of);
        free(z.of);
    }
    reel_onnx_free(model);
    recording_end(&r);
}

static void each_there_and_back(reel_onnx_options options)
{
    destination to = { .options = options };
    files_begin(to.path, "layer.onnx");
    recordings_for_each(there_and_back, &to);
    files_end(to.path);
}

Test(onnx_layers, every_layer_comes_back_the_same_and_gives_the_numbers_of_onnx_runtime)
{
    each_there_and_back((reel_onnx_options){ 0 });
}

Test(onnx_layers, every_layer_comes_back_the_same_with_its_loops_as_scan)
{
    each_there_and_back((reel_onnx_options){ .loops = REEL_ONNX_SCAN });
}

#endif

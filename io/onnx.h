/* onnx.h: ONNX files, out of any recorded tape and into one.
 *
 *     reel_var x = reel_input(t, REEL_SHAPE(steps, 1, 8), zeros);
 *     reel_var y = reel_apply(out, reel_unroll(lstm, x, (reel_unroll_options){ 0 }).outputs);
 *     reel_onnx_export(t, 1, &x, (const char *[]){ "x" }, 1, &y, "model.onnx",
 *                      (reel_onnx_options){ 0 });
 *
 *     reel_onnx *model = reel_onnx_load(t, "other.onnx", (reel_onnx_load_options){ 0 });
 *     reel_var y;
 *     reel_onnx_run(model, 1, &x, 1, &y);       // records: differentiate it, train it, export it
 *     reel_onnx_free(model);
 *
 * Needs libprotobuf-c; without it every function here is an error that says so. Errors stand on the
 * tape; what a file says is checked before it is believed, and a bad one leaves the tape as it was.
 */
#ifndef REEL_ONNX_H
#define REEL_ONNX_H

#include "../graph/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- export ---------------------------------------------------------------------------------- */

typedef struct {
    const char *graph_name;          /* NULL: "reel" */
    const char *const *output_names; /* NULL: "output_0", "output_1", … */
} reel_onnx_options;

/* Writes what the outputs depend on, down to the inputs, as a model of operator set 20: one or a
 * few ONNX operators for each recorded op, loops as they were unrolled. Gradients recorded by
 * reel_gradients are exported like everything else. Inputs are variables that were recorded
 * (leaves, most of the time, but any will do) and become inputs of the model under their names;
 * parameters become initialisers under theirs, other leaves constants. Floating tensors have the
 * tape's type, indices are int32. Shapes are those that were recorded.
 * An op without a counterpart in ONNX is an error that names it (REEL_UNSUPPORTED). */
REEL_API reel_status reel_onnx_export(reel_tape *, int n_inputs, const reel_var inputs[],
                                      const char *const names[], int n_outputs,
                                      const reel_var outputs[], const char *path,
                                      reel_onnx_options);

#ifdef __cplusplus
}
#endif

#endif

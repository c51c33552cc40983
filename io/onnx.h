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

typedef enum {
    REEL_ONNX_UNROLLED, /* as recorded, step after step */
    REEL_ONNX_SCAN      /* a loop of at least four steps that are alike becomes one Scan */
} reel_onnx_loops;

typedef struct {
    const char *graph_name;          /* NULL: "reel" */
    const char *const *output_names; /* NULL: "output_0", "output_1", … */
    /* Loops are found as the planner finds them: by reel_unroll's steps, or in a plain C loop by
     * its period. What differs from step to step, as in a loop that writes parts of a tensor one
     * by one, and steps at the ends that lack something, stay unrolled. */
    reel_onnx_loops loops;
} reel_onnx_options;

/* Writes what the outputs depend on, down to the inputs, as a model of operator set 20: one or a
 * few ONNX operators for each recorded op. Gradients recorded by
 * reel_gradients are exported like everything else. Inputs are variables that were recorded
 * (leaves, most of the time, but any will do) and become inputs of the model under their names;
 * parameters become initialisers under theirs, other leaves constants. Floating tensors have the
 * tape's type, indices are int32. Shapes are those that were recorded.
 * An op without a counterpart in ONNX is an error that names it (REEL_UNSUPPORTED). */
REEL_API reel_status reel_onnx_export(reel_tape *, int n_inputs, const reel_var inputs[],
                                      const char *const names[], int n_outputs,
                                      const reel_var outputs[], const char *path,
                                      reel_onnx_options);

/* A layer of reel_rnn, reel_lstm or reel_gru cells, known by their names on the tape. */
typedef struct {
    const char *type;    /* "RNN", "LSTM", "GRU" */
    const char *forward; /* "lstm" for lstm.W_x, lstm.W_h, lstm.b */
    const char *reverse; /* of the other direction of a bidirectional layer; NULL: one direction */
    const char *activation; /* of an RNN: "Relu"; NULL: ONNX's own */
} reel_onnx_layer;

/* Writes a stack of them as the operators RNN, LSTM and GRU, and `dense` (NULL: none) behind: the
 * layer of parameters DENSE.W and DENSE.b. The model has the inputs x [steps, batch, in], of any
 * number of steps and rows, and lengths [batch] int32, and the outputs y [steps, batch, width] and,
 * for each layer k, h_k and c_k [directions, batch, hidden]. Peepholes go along; an LSTM with layer
 * norm or projection is REEL_UNSUPPORTED, names that are not on the tape are REEL_NOT_FOUND. */
REEL_API reel_status reel_onnx_export_layers(reel_tape *, int n, const reel_onnx_layer layers[],
                                             const char *dense, const char *path);

/* ---- import ---------------------------------------------------------------------------------- */

typedef struct {
    /* goes before the name of every parameter: needed where the file's names exist already */
    const char *prefix;
    /* initialisers are recorded as data at each run, rather than being parameters of the tape */
    bool constant;
} reel_onnx_load_options;

typedef struct reel_onnx reel_onnx;

/* Reads a model. Floating initialisers with axes become parameters under their names; integers, and
 * what shapes are computed from, stay outside the tape. Refused with NULL and an error: a damaged
 * file, a name used twice, an input that nothing produces, a cycle, dimensions whose product
 * overflows or that the data do not fill, data outside the model's folder, an operator that reel
 * has no form of (named with its node). Numbers may be stored as float, double, float16, bfloat16,
 * bool or integers up to int64, raw or typed; floating ones take the tape's type.
 *
 * Known operators: element-wise ones and activations, MatMul, Gemm, Einsum of one or two tensors,
 * reductions, Softmax, the normalisations, convolution and pooling over one axis, what changes
 * shapes, repeats, gathers or scatters, sequences, RNN, LSTM, GRU, Scan, If; io/onnx_nodes.c has
 * the table. What torch.onnx makes of recurrent networks, attention and transformers is among it.
 * reel_onnx_parse reads the same from memory; it has no folder, so external data are refused. */
REEL_API reel_onnx *reel_onnx_load(reel_tape *, const char *path, reel_onnx_load_options);
REEL_API reel_onnx *reel_onnx_parse(reel_tape *, const void *bytes, size_t size,
                                    reel_onnx_load_options);
REEL_API void reel_onnx_free(reel_onnx *);

/* The inputs a caller gives: those of the graph without an initialiser. NULL outside the range. */
REEL_API int reel_onnx_input_count(const reel_onnx *);
REEL_API const char *reel_onnx_input_name(const reel_onnx *, int);
REEL_API int reel_onnx_output_count(const reel_onnx *);
REEL_API const char *reel_onnx_output_name(const reel_onnx *, int);

/* Records the model's operators on the tape, on inputs of any shapes that fit; integer inputs are
 * index tensors. Works again after each rewind. What comes out is differentiable, as all that is
 * recorded. Booleans are 1 and 0. Where whole numbers are computed with, decide, or say where to
 * put something, index tensors are read at the call, as lengths are in reel_unroll. A form of an
 * operator that reel does not have is REEL_UNSUPPORTED, with its node's name. */
REEL_API reel_status reel_onnx_run(reel_onnx *, int n_inputs, const reel_var inputs[],
                                   int n_outputs, reel_var outputs[]);

#ifdef __cplusplus
}
#endif

#endif

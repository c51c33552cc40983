/* onnx_layers.c: writes stacks of reel's own cells as ONNX's RNN, LSTM and GRU, which runtimes have
 * kernels for. The order of gates and the place of biases change; the numbers do not. */
#include "onnx.h"

#include "../graph/op.h"

static const char who[] = "onnx_export_layers";

#ifdef REEL_HAVE_PROTOBUF_C
#include <string.h>

#include "onnx_graph.h"

/* block[k]: which of reel's gates is ONNX's gate k. */
typedef struct {
    const char *type;
    int gates, states;
    int block[4];
    int peephole[3];
} kind;

static const kind kinds[] = {
    { "RNN", 1, 1, { 0 }, { 0 } },
    { "LSTM", 4, 2, { 0, 3, 1, 2 }, { 0, 2, 1 } }, /* i f g o → i o f c; i f o → i o f */
    { "GRU", 3, 1, { 1, 0, 2 }, { 0 } },           /* r z n → z r h */
};

typedef struct {
    reel_tape *t;
    reel__onnx_graph g;
    const kind *kind;
    const reel_onnx_layer *layer;
    int directions;
    int64_t in, hidden;
} writer;

/* ---- parameters ------------------------------------------------------------------------------ */

static bool find(reel_tape *t, const char *cell, const char *part, reel_var *found)
{
    char name[512];
    snprintf(name, sizeof name, "%s.%s", cell, part);
    for (size_t i = 0; i < reel_param_count(t); i++) {
        *found = reel_param_at(t, i);
        if (strcmp(reel_param_name(*found), name) == 0) {
            return true;
        }
    }
    *found = (reel_var){ 0 };
    return false;
}

static double *take(writer *w, int64_t n)
{
    double *block = reel__arena_take(w->t, &w->g.arena, (size_t)n * sizeof *block + sizeof *block);
    w->g.failed = w->g.failed || block == NULL;
    return block;
}

static double *read(writer *w, reel_var v)
{
    int64_t n = reel_shape_size(reel_shape_of(v));
    double *values = take(w, n);
    if (values && reel_read_f64(v, values, (size_t)n) != REEL_OK) {
        w->g.failed = true;
    }
    return w->g.failed ? NULL : values;
}

static const char *write_tensor(writer *w, const char *name, const reel_shape *shape,
                                double *values)
{
    int64_t n = reel_shape_size(*shape);
    float *single = (float *)(void *)values;
    for (int64_t i = 0; values && w->t->options.dtype == REEL_F32 && i < n; i++) {
        double value = values[i]; /* each lies in front of the next one to be read */
        single[i] = (float)value;
    }
    return values ? reel__onnx_tensor(&w->g, name, reel__onnx_real_type(w->t), shape, values) : "";
}

static const char *direction(const writer *w, int d)
{
    return d == 0 ? w->layer->forward : w->layer->reverse;
}

/* [rows, gates·hidden] of each direction becomes [directions, gates·hidden, rows]. */
static const char *write_matrix(writer *w, const char *part, int64_t rows, const char *name)
{
    int64_t wide = w->kind->gates * w->hidden;
    double *all = take(w, w->directions * wide * rows);
    for (int d = 0; all && d < w->directions; d++) {
        reel_var v;
        find(w->t, direction(w, d), part, &v);
        const double *from = read(w, v);
        for (int64_t j = 0; from && j < wide; j++) {
            int64_t source = w->kind->block[j / w->hidden] * w->hidden + j % w->hidden;
            for (int64_t i = 0; i < rows; i++) {
                all[(d * wide + j) * rows + i] = from[i * wide + source];
            }
        }
    }
    return write_tensor(w, name, &(reel_shape){ 3, { w->directions, wide, rows } }, all);
}

/* b goes with x; only the GRU's b_h, inside the reset, goes with h. */
static const char *write_bias(writer *w, const char *name)
{
    int64_t wide = w->kind->gates * w->hidden;
    double *all = take(w, w->directions * 2 * wide);
    for (int d = 0; all && d < w->directions; d++) {
        reel_var b, b_h;
        find(w->t, direction(w, d), "b", &b);
        const double *from = read(w, b);
        const double *inside = find(w->t, direction(w, d), "b_h", &b_h) ? read(w, b_h) : NULL;
        for (int64_t j = 0; from && j < wide; j++) {
            int64_t gate = j / w->hidden, unit = j % w->hidden;
            double *to = all + d * 2 * wide + j;
            to[0] = from[w->kind->block[gate] * w->hidden + unit];
            to[wide] = inside && gate == 2 ? inside[unit] : 0;
        }
    }
    return write_tensor(w, name, &(reel_shape){ 2, { w->directions, 2 * wide } }, all);
}

static const char *write_peepholes(writer *w, const char *name)
{
    reel_var W_c;
    if (!find(w->t, w->layer->forward, "W_c", &W_c)) {
        return "";
    }
    double *all = take(w, w->directions * 3 * w->hidden);
    for (int d = 0; all && d < w->directions; d++) {
        find(w->t, direction(w, d), "W_c", &W_c);
        const double *from = read(w, W_c);
        for (int64_t j = 0; from && j < 3 * w->hidden; j++) {
            int64_t source = w->kind->peephole[j / w->hidden] * w->hidden + j % w->hidden;
            all[d * 3 * w->hidden + j] = from[source];
        }
    }
    return write_tensor(w, name, &(reel_shape){ 2, { w->directions, 3 * w->hidden } }, all);
}

/* ---- checking -------------------------------------------------------------------------------- */

static bool refuse(const writer *w, reel_status status, const char *cell, const char *why)
{
    reel_fail(w->t, status, who, "%s: %s", cell ? cell : "a layer", why);
    return false;
}

static bool check_cell(const writer *w, const char *cell)
{
    reel_var W_x, W_h, b, other;
    int64_t wide = w->kind->gates * w->hidden;
    if (!find(w->t, cell, "W_x", &W_x) || !find(w->t, cell, "W_h", &W_h) ||
        !find(w->t, cell, "b", &b)) {
        return refuse(w, REEL_NOT_FOUND, cell, "no parameters W_x, W_h and b of this name");
    }
    if (find(w->t, cell, "gain_x", &other) || find(w->t, cell, "W_p", &other)) {
        return refuse(w, REEL_UNSUPPORTED, cell,
                      "ONNX's LSTM has neither layer norm nor projection; reel_onnx_export writes "
                      "what was recorded");
    }
    if (!reel_shape_equal(reel_shape_of(W_x), REEL_SHAPE(w->in, wide)) ||
        !reel_shape_equal(reel_shape_of(W_h), REEL_SHAPE(w->hidden, wide)) ||
        !reel_shape_equal(reel_shape_of(b), REEL_SHAPE(wide))) {
        return refuse(w, REEL_BAD_SHAPE, cell, "its parameters are not those of such a cell here");
    }
    return true;
}

static bool same_parts(const writer *w, const char *part)
{
    reel_var v;
    return w->directions == 1 ||
           find(w->t, w->layer->forward, part, &v) == find(w->t, w->layer->reverse, part, &v);
}

/* Finds the kind and the sizes; in[0] < 0: the first layer decides what the input is. */
static bool begin_layer(writer *w, const reel_onnx_layer *layer, int64_t in)
{
    reel_var W_x, W_h;
    w->layer = layer;
    w->kind = NULL;
    for (size_t i = 0; layer->type && i < sizeof kinds / sizeof *kinds; i++) {
        w->kind = strcmp(kinds[i].type, layer->type) == 0 ? &kinds[i] : w->kind;
    }
    if (w->kind == NULL || layer->forward == NULL) {
        return refuse(w, REEL_BAD_ARGUMENT, layer->forward, "its type is none of RNN, LSTM, GRU");
    }
    w->directions = layer->reverse ? 2 : 1;
    if (!find(w->t, layer->forward, "W_x", &W_x) || !find(w->t, layer->forward, "W_h", &W_h)) {
        return refuse(w, REEL_NOT_FOUND, layer->forward, "no parameters W_x and W_h of this name");
    }
    w->in = in < 0 ? reel_shape_of(W_x).dim[0] : in;
    w->hidden = reel_shape_of(W_h).dim[0];
    return check_cell(w, layer->forward) && (!layer->reverse || check_cell(w, layer->reverse)) &&
           ((same_parts(w, "b_h") && same_parts(w, "W_c")) ||
            refuse(w, REEL_BAD_ARGUMENT, layer->forward, "the two directions differ in kind"));
}

/* ---- writing --------------------------------------------------------------------------------- */

static void set_attributes(writer *w)
{
    reel_var b_h;
    reel__onnx_set_int(&w->g, "hidden_size", w->hidden);
    reel__onnx_set_text(&w->g, "direction", w->directions == 2 ? "bidirectional" : "forward");
    if (find(w->t, w->layer->forward, "b_h", &b_h)) {
        reel__onnx_set_int(&w->g, "linear_before_reset", 1);
    }
    if (w->layer->activation) {
        const char *both[] = { w->layer->activation, w->layer->activation };
        reel__onnx_set_texts(&w->g, "activations", w->directions, both);
    }
}

/* Returns what the next layer reads: [steps, batch, directions·hidden]. */
static const char *write_layer(writer *w, int number, const char *x)
{
    reel__onnx_graph *g = &w->g;
    const char *name = w->layer->forward;
    const char *read_by[8] = { x,
                               write_matrix(w, "W_x", w->in, reel__onnx_text(g, "%s.W", name)),
                               write_matrix(w, "W_h", w->hidden, reel__onnx_text(g, "%s.R", name)),
                               write_bias(w, reel__onnx_text(g, "%s.B", name)),
                               "lengths",
                               "",
                               "",
                               write_peepholes(w, reel__onnx_text(g, "%s.P", name)) };
    const char *made[3] = { reel__onnx_text(g, "all_%d", number),
                            reel__onnx_text(g, "h_%d", number),
                            reel__onnx_text(g, "c_%d", number) };
    reel__onnx_node(g, w->kind->type, w->kind->states == 2 ? 8 : 5, read_by, w->kind->states + 1,
                    made);
    if (g->failed) {
        return "";
    }
    set_attributes(w);
    for (int k = 0; k < w->kind->states; k++) {
        reel__onnx_output(g, made[k + 1], reel__onnx_real_type(w->t),
                          &(reel_shape){ 3, { w->directions, REEL__ONNX_BATCH, w->hidden } });
    }
    const char *y = reel__onnx_call(g, "Transpose", 1, made);
    reel__onnx_set_ints(g, "perm", 4, (const int64_t[]){ 0, 2, 1, 3 });
    const char *flat[] = { y, reel__onnx_ints(g, 3, (const int64_t[]){ 0, 0, -1 }) };
    return reel__onnx_call(g, "Reshape", 2, flat);
}

static bool write_dense(writer *w, const char *dense, const char **x, int64_t *width)
{
    reel_var W, b;
    if (!find(w->t, dense, "W", &W) || reel_shape_of(W).dim[0] != *width) {
        return refuse(w, REEL_NOT_FOUND, dense, "no parameter W of this name that fits");
    }
    reel_shape shape = reel_shape_of(W);
    const char *product[] = { *x, write_tensor(w, reel__onnx_text(&w->g, "%s.W", dense), &shape,
                                               read(w, W)) };
    *x = reel__onnx_call(&w->g, "MatMul", 2, product);
    *width = shape.dim[1];
    if (find(w->t, dense, "b", &b)) {
        reel_shape row = reel_shape_of(b);
        const char *sum[] = { *x, write_tensor(w, reel__onnx_text(&w->g, "%s.b", dense), &row,
                                               read(w, b)) };
        *x = reel__onnx_call(&w->g, "Add", 2, sum);
    }
    return !w->g.failed;
}

static bool write_stack(writer *w, int n, const reel_onnx_layer layers[], const char *dense)
{
    const char *x = "x", *y = "y";
    int64_t width = -1;
    reel__onnx_graph *g = &w->g;
    for (int i = 0; i < n; i++) {
        if (!begin_layer(w, &layers[i], width)) {
            return false;
        }
        if (i == 0) {
            reel__onnx_input(g, "x", reel__onnx_real_type(w->t),
                             &(reel_shape){ 3, { REEL__ONNX_STEPS, REEL__ONNX_BATCH, w->in } });
            reel__onnx_input(g, "lengths", REEL__ONNX_INT32,
                             &(reel_shape){ 1, { REEL__ONNX_BATCH } });
        }
        x = write_layer(w, i, x);
        width = w->directions * w->hidden;
    }
    if (dense && !write_dense(w, dense, &x, &width)) {
        return false;
    }
    reel__onnx_node(g, "Identity", 1, &x, 1, &y);
    reel__onnx_output(g, "y", reel__onnx_real_type(w->t),
                      &(reel_shape){ 3, { REEL__ONNX_STEPS, REEL__ONNX_BATCH, width } });
    return !g->failed;
}

reel_status reel_onnx_export_layers(reel_tape *t, int n, const reel_onnx_layer layers[],
                                    const char *dense, const char *path)
{
    if (t == NULL || n < 1 || layers == NULL || path == NULL) {
        reel_fail(t, REEL_BAD_ARGUMENT, who, "no layers or no path");
        return REEL_BAD_ARGUMENT;
    }
    writer w = { .t = t };
    reel__onnx_begin(&w.g, t, "reel");
    reel_status status = REEL_OUT_OF_MEMORY;
    if (write_stack(&w, n, layers, dense)) {
        status = reel__onnx_write(&w.g, who, path);
    } else if (t->error.status != REEL_OK) {
        status = t->error.status;
    }
    reel__onnx_end(&w.g);
    return status;
}
#else
reel_status reel_onnx_export_layers(reel_tape *t, int n, const reel_onnx_layer layers[],
                                    const char *dense, const char *path)
{
    (void)n, (void)layers, (void)dense, (void)path;
    reel_fail(t, REEL_UNSUPPORTED, who, "this build of reel is without libprotobuf-c");
    return REEL_UNSUPPORTED;
}
#endif

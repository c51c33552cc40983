/* onnx_export.c: writes a recorded tape as an ONNX model. */
#include "onnx.h"

#include "listing.h"

static const char who[] = "onnx_export";

#ifdef REEL_HAVE_PROTOBUF_C
#include <string.h>

#include "onnx_operators.h"

typedef struct {
    reel__onnx_graph g;
    reel__listing list;
    const char *const *input_names;
    const char **name; /* of each item */
} writer;

static int32_t type_of(const reel__listing *l, const reel__listed *y)
{
    return y->index ? REEL__ONNX_INT32 : reel__onnx_real_type(l->tape);
}

static bool fail_op(const writer *w, const reel__listed *y)
{
    reel_fail(w->list.tape, REEL_UNSUPPORTED, who, "ONNX has no form of %s (node %u)", y->op->name,
              y->node);
    return false;
}

static bool write_call(writer *w, uint32_t position)
{
    const reel__listed *y = &w->list.item[position];
    const char **x =
        reel__arena_take(w->list.tape, &w->g.arena, (size_t)y->inputs * sizeof *x + sizeof *x);
    if (x == NULL) {
        return false;
    }
    for (int i = 0; i < y->inputs; i++) {
        x[i] = w->name[y->input[i]];
    }
    w->name[position] = reel__onnx_op(&w->g, &w->list, y, x);
    return w->name[position] != NULL || fail_op(w, y);
}

static bool write_item(writer *w, uint32_t position)
{
    const reel__listed *y = &w->list.item[position];
    reel__onnx_graph *g = &w->g;
    switch (y->kind) {
    case REEL__LISTED_INPUT:
        w->name[position] = w->input_names[y->number];
        return true;
    case REEL__LISTED_PARAMETER:
        w->name[position] = reel__onnx_tensor(g, y->name, type_of(&w->list, y), &y->shape, y->data);
        return true;
    case REEL__LISTED_CONSTANT:
        w->name[position] = reel__onnx_tensor(g, reel__onnx_text(g, "constant_%u", g->names++),
                                              type_of(&w->list, y), &y->shape, y->data);
        return true;
    case REEL__LISTED_CALL:
        break;
    }
    return write_call(w, position);
}

/* In the order in which the program names them. */
static void declare_inputs(writer *w, int n)
{
    for (int i = 0; i < n; i++) {
        for (uint32_t k = 0; k < w->list.count; k++) {
            const reel__listed *x = &w->list.item[k];
            if (x->kind == REEL__LISTED_INPUT && x->number == i) {
                reel__onnx_input(&w->g, w->input_names[i], type_of(&w->list, x), &x->shape);
            }
        }
    }
}

static void write_outputs(writer *w, const char *const names[])
{
    for (int i = 0; i < w->list.outputs; i++) {
        const reel__listed *y = &w->list.item[w->list.output[i]];
        const char *name = names ? names[i] : reel__onnx_text(&w->g, "output_%d", i);
        reel__onnx_node(&w->g, "Identity", 1, &w->name[w->list.output[i]], 1, &name);
        reel__onnx_output(&w->g, name, type_of(&w->list, y), &y->shape);
    }
}

static bool write_all(writer *w, int inputs, const char *const output_names[])
{
    w->name = reel__arena_take(w->list.tape, &w->g.arena, (w->list.count + 1u) * sizeof *w->name);
    if (w->name == NULL) {
        return false;
    }
    declare_inputs(w, inputs);
    for (uint32_t i = 0; i < w->list.count; i++) {
        if (!write_item(w, i)) {
            return false;
        }
    }
    write_outputs(w, output_names);
    return !w->g.failed;
}

static bool names_are_good(reel_tape *t, int n, const char *const names[])
{
    for (int i = 0; i < n; i++) {
        if (names == NULL || names[i] == NULL || names[i][0] == '\0') {
            reel_fail(t, REEL_BAD_ARGUMENT, who, "input %d has no name", i);
            return false;
        }
        for (int k = 0; k < i; k++) {
            if (strcmp(names[i], names[k]) == 0) {
                reel_fail(t, REEL_BAD_ARGUMENT, who, "two inputs are named %s", names[i]);
                return false;
            }
        }
    }
    return true;
}

reel_status reel_onnx_export(reel_tape *t, int n_inputs, const reel_var inputs[],
                             const char *const names[], int n_outputs, const reel_var outputs[],
                             const char *path, reel_onnx_options options)
{
    if (t == NULL || path == NULL) {
        reel_fail(t, REEL_BAD_ARGUMENT, who, "no path");
        return REEL_BAD_ARGUMENT;
    }
    if (!names_are_good(t, n_inputs, names)) {
        return REEL_BAD_ARGUMENT;
    }
    writer w = { .input_names = names };
    reel_status status = REEL_BAD_ARGUMENT;
    if (reel__list_nodes(t, who, n_inputs, inputs, n_outputs, outputs, &w.list)) {
        reel__onnx_begin(&w.g, t, options.graph_name);
        status = write_all(&w, n_inputs, options.output_names) ? reel__onnx_write(&w.g, who, path)
                                                               : t->error.status;
        reel__onnx_end(&w.g);
    }
    reel__listing_free(&w.list);
    return status;
}
#else
reel_status reel_onnx_export(reel_tape *t, int n_inputs, const reel_var inputs[],
                             const char *const names[], int n_outputs, const reel_var outputs[],
                             const char *path, reel_onnx_options options)
{
    (void)n_inputs, (void)inputs, (void)names, (void)n_outputs, (void)outputs, (void)path;
    (void)options;
    reel_fail(t, REEL_UNSUPPORTED, who, "this build of reel is without libprotobuf-c");
    return REEL_UNSUPPORTED;
}
#endif

/* onnx_export.c: writes a recorded tape as an ONNX model. */
#include "onnx.h"

#include "listing.h"

static const char who[] = "onnx_export";

#ifdef REEL_HAVE_PROTOBUF_C
#include <string.h>

#include "onnx_writer.h"

typedef reel__onnx_writer writer;

const char *reel__onnx_write_op(writer *w, const reel__listed *y, const char *const x[])
{
    const char *name = reel__onnx_op(&w->g, &w->list, y, x);
    if (name == NULL) {
        reel_fail(w->list.tape, REEL_UNSUPPORTED, who, "ONNX has no form of %s (node %u)",
                  y->op->name, y->node);
    }
    return name;
}

static bool write_call(writer *w, uint32_t position)
{
    const reel__listed *y = &w->list.item[position];
    if ((w->name[position] = reel__onnx_stack_of(w, y))) {
        return true;
    }
    const char **x =
        reel__arena_take(w->list.tape, &w->g.arena, (size_t)y->inputs * sizeof *x + sizeof *x);
    if (x == NULL) {
        return false;
    }
    for (int i = 0; i < y->inputs; i++) {
        x[i] = reel__onnx_name_of(w, y->input[i]);
    }
    w->name[position] = reel__onnx_write_op(w, y, x);
    return w->name[position] != NULL;
}

static bool write_item(writer *w, uint32_t position)
{
    const reel__listed *y = &w->list.item[position];
    reel__onnx_graph *g = &w->g;
    int32_t type = reel__onnx_type_of(&w->list, y);
    switch (y->kind) {
    case REEL__LISTED_INPUT:
        w->name[position] = w->input_names[y->number];
        return true;
    case REEL__LISTED_PARAMETER:
        w->name[position] = reel__onnx_tensor(g, y->name, type, &y->shape, y->data);
        return true;
    case REEL__LISTED_CONSTANT:
        w->name[position] = reel__onnx_tensor(g, reel__onnx_text(g, "constant_%u", g->names++),
                                              type, &y->shape, y->data);
        return true;
    case REEL__LISTED_CALL:
        break;
    }
    return write_call(w, position);
}

/* ---- in which order -------------------------------------------------------------------------- */

/* Depth first over what is needed; a vertex is a position in the list, or count + a loop. */
typedef struct {
    writer *w;
    uint8_t *state;  /* 1: on the way, 2: written */
    reel__list todo; /* uint32_t; the second visit writes */
} order;

static bool come_first(void *self, uint32_t position)
{
    order *o = self;
    uint32_t item;
    int64_t copy;
    uint32_t loop = reel__onnx_loop_of(&o->w->loops, position, &item, &copy);
    uint32_t vertex = loop == REEL__NONE ? position : o->w->list.count + loop;
    return o->state[vertex] || reel__list_add(o->w->list.tape, &o->todo, vertex);
}

static bool put_inputs_first(order *o, uint32_t vertex)
{
    uint32_t count = o->w->list.count;
    if (vertex >= count) {
        return reel__onnx_each_read(&o->w->loops, vertex - count, come_first, o);
    }
    const reel__listed *y = &o->w->list.item[vertex];
    bool fine = true;
    for (int i = y->inputs; fine && i-- > 0;) {
        fine = come_first(o, y->input[i]);
    }
    return fine;
}

static bool write_waiting(order *o)
{
    uint32_t count = o->w->list.count;
    bool fine = true;
    while (fine && o->todo.count) {
        uint32_t vertex = ((const uint32_t *)o->todo.data)[o->todo.count - 1];
        uint8_t state = o->state[vertex]++;
        if (state == 0) {
            fine = put_inputs_first(o, vertex);
            continue;
        }
        o->todo.count--;
        o->state[vertex] = 2;
        if (state == 1) {
            fine = vertex < count ? write_item(o->w, vertex)
                                  : reel__onnx_write_scan(o->w, vertex - count);
        }
    }
    return fine;
}

static bool write_in_order(writer *w)
{
    size_t vertices = w->list.count + w->loops.plan.loop_count;
    order o = { .w = w, .state = reel__arena_take(w->g.tape, &w->g.arena, vertices + 1) };
    bool fine = o.state != NULL;
    if (fine) {
        memset(o.state, 0, vertices);
    }
    for (uint32_t i = 0; fine && i < w->list.count; i++) {
        bool first = w->loops.needed[i] || w->list.item[i].kind == REEL__LISTED_INPUT;
        fine = !first || (come_first(&o, i) && write_waiting(&o));
    }
    for (int i = 0; fine && i < w->list.outputs; i++) { /* those that only a loop makes */
        fine = come_first(&o, w->list.output[i]) && write_waiting(&o);
    }
    reel__list_free(w->g.tape, &o.todo, sizeof(uint32_t));
    return fine;
}

/* ---- inputs and outputs ---------------------------------------------------------------------- */

/* In the order in which the program names them. */
static void declare_inputs(writer *w, int n)
{
    for (int i = 0; i < n; i++) {
        for (uint32_t k = 0; k < w->list.count; k++) {
            const reel__listed *x = &w->list.item[k];
            if (x->kind == REEL__LISTED_INPUT && x->number == i) {
                reel__onnx_input(&w->g, w->input_names[i], reel__onnx_type_of(&w->list, x),
                                 &x->shape);
            }
        }
    }
}

static void write_outputs(writer *w, const char *const names[])
{
    for (int i = 0; i < w->list.outputs; i++) {
        const reel__listed *y = &w->list.item[w->list.output[i]];
        const char *name = names ? names[i] : reel__onnx_text(&w->g, "output_%d", i);
        const char *value = reel__onnx_name_of(w, w->list.output[i]);
        reel__onnx_node(&w->g, "Identity", 1, &value, 1, &name);
        reel__onnx_output(&w->g, name, reel__onnx_type_of(&w->list, y), &y->shape);
    }
}

static bool write_all(writer *w, int inputs, reel_onnx_options options)
{
    size_t bytes = (w->list.count + 1u) * sizeof *w->name;
    w->name = reel__arena_take(w->list.tape, &w->g.arena, bytes);
    if (w->name == NULL) {
        return false;
    }
    memset(w->name, 0, bytes);
    bool fine = reel__onnx_find_loops(&w->loops, &w->list, options.loops == REEL_ONNX_SCAN);
    if (fine) {
        declare_inputs(w, inputs);
        fine = write_in_order(w);
    }
    if (fine) {
        write_outputs(w, options.output_names);
    }
    reel__onnx_free_loops(&w->loops);
    return fine && !w->g.failed;
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
    if ((unsigned)options.loops > REEL_ONNX_SCAN) {
        reel_fail(t, REEL_BAD_ARGUMENT, who, "loops is %d", (int)options.loops);
        return REEL_BAD_ARGUMENT;
    }
    if (!names_are_good(t, n_inputs, names)) {
        return REEL_BAD_ARGUMENT;
    }
    writer w = { .input_names = names };
    bool fine = reel__list_nodes(t, who, n_inputs, inputs, n_outputs, outputs, &w.list);
    reel_status status = REEL_OK;
    if (fine) {
        reel__onnx_begin(&w.g, t, options.graph_name);
        fine = write_all(&w, n_inputs, options);
        status = fine ? reel__onnx_write(&w.g, who, path) : REEL_OK;
        reel__onnx_end(&w.g);
    }
    reel__listing_free(&w.list);
    return fine ? status : t->error.status;
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

/* flow.c: norms of gradients, saturation of gates, spectral radii. A flow is one arena: nothing of
 * it is freed before the whole. */
#include <math.h>
#include <string.h>

#include "layer.h"

typedef struct {
    reel_flow flow; /* first: what the program holds is the address of this */
    reel__arena arena;
} measured;

static void *take(measured *m, size_t count, size_t size)
{
    void *block = reel__arena_take(m->flow.tape, &m->arena, count * size + 1);
    return block ? memset(block, 0, count * size) : NULL;
}

static const char *text(measured *m, const char *name, int number)
{
    char full[128];
    int length = number < 0 ? snprintf(full, sizeof full, "%s", name)
                            : snprintf(full, sizeof full, "%s.%d", name, number);
    size_t size = (size_t)(length < (int)sizeof full ? length : (int)sizeof full - 1) + 1;
    char *copy = take(m, size, 1);
    return copy ? memcpy(copy, full, size) : NULL;
}

/* ---- gradients ------------------------------------------------------------------------------ */

/* A state after every step; `states` is a stack of them. */
static bool steps_of(reel_tape *tape, const reel_flow_layer *layer, int k, const uint32_t **steps,
                     int64_t *count)
{
    uint32_t index;
    if (reel__is_absent(layer->rollout.states[k]) ||
        !reel__resolve(tape, layer->rollout.states[k], "flow", &index)) {
        return false;
    }
    const reel__node *node = reel__node_at(tape, index);
    *steps = reel__inputs_of(tape, node);
    *count = node->inputs;
    return node->op == reel_op_named("stack");
}

static int states_of(const reel_flow_layer *layer)
{
    int n = 0;
    while (n < REEL_MAX_STATES && !reel__is_absent(layer->rollout.states[n])) {
        n++;
    }
    return n;
}

/* norm[t] of one state, from the gradients in all steps. */
static bool read_norms(measured *m, reel_flow_row *row, const reel_var gradient[])
{
    double *norm = take(m, (size_t)row->steps, sizeof *norm);
    reel_var *norms = take(m, (size_t)row->steps, sizeof *norms);
    if (!norm || !norms) {
        return false;
    }
    for (int64_t t = 0; t < row->steps; t++) {
        norms[t] = reel_norm_all(gradient[t]);
    }
    row->norm = norm;
    reel_var all = reel_stack_n(0, (int)row->steps, norms);
    return reel_read_f64(all, norm, (size_t)row->steps) == REEL_OK;
}

/* In one sweep for all steps of all states. */
static bool measure_rows(measured *m, reel_var loss, int64_t total, const reel_var state[])
{
    reel_var *gradient = take(m, (size_t)total, sizeof *gradient);
    if (!gradient || reel_gradients(loss, (int)total, state, gradient) != REEL_OK) {
        return false;
    }
    for (int i = 0; i < m->flow.rows; i++) {
        if (!read_norms(m, &m->flow.row[i], gradient)) {
            return false;
        }
        gradient += m->flow.row[i].steps;
    }
    return true;
}

static bool add_row(measured *m, const reel_flow_layer *layer, int k, reel_var **next)
{
    const uint32_t *steps;
    int64_t count;
    if (!steps_of(m->flow.tape, layer, k, &steps, &count)) {
        reel_fail(m->flow.tape, REEL_BAD_ARGUMENT, "flow",
                  "layer \"%s\" was not unrolled over a step with .all_states", layer->name);
        return false;
    }
    for (int64_t t = 0; t < count; t++) {
        *(*next)++ = reel__handle(m->flow.tape, steps[t]);
    }
    m->flow.row[m->flow.rows++] =
        (reel_flow_row){ .name = text(m, layer->name, k), .steps = count };
    return true;
}

static bool measure_gradients(measured *m, reel_var loss, int n, const reel_flow_layer layers[])
{
    int64_t total = 0, rows = 0;
    for (int i = 0; i < n; i++) {
        int states = states_of(&layers[i]);
        if (states == 0) {
            reel_fail(m->flow.tape, REEL_BAD_ARGUMENT, "flow",
                      "layer \"%s\" was not unrolled over a step with .all_states",
                      layers[i].name ? layers[i].name : "");
            return false;
        }
        rows += states;
        int64_t steps = reel_shape_of(layers[i].rollout.states[0]).dim[0];
        total += states * (steps > 0 ? steps : 0);
    }
    reel_var *state = take(m, (size_t)total + 1, sizeof *state), *next = state;
    m->flow.row = take(m, (size_t)rows, sizeof *m->flow.row);
    if (!state || !m->flow.row) {
        return false;
    }
    for (int i = 0; i < n; i++) {
        for (int k = 0; k < states_of(&layers[i]); k++) {
            if (!add_row(m, &layers[i], k, &next)) {
                return false;
            }
        }
    }
    return measure_rows(m, loss, total, state);
}

/* ---- gates ---------------------------------------------------------------------------------- */

static double share_outside(const double *v, size_t n, double lo, double hi)
{
    size_t outside = 0;
    for (size_t i = 0; i < n; i++) {
        outside += v[i] < lo || v[i] > hi;
    }
    return n ? (double)outside / (double)n : 0;
}

static bool measure_gate(measured *m, reel_flow_gate *gate, const char *name)
{
    gate->name = text(m, name, -1);
    reel_var all = reel_watched(m->flow.tape, name);
    reel_shape shape = reel_shape_of(all);
    size_t count = all.id ? (size_t)reel_shape_size(shape) : 0;
    double *values = take(m, count, sizeof *values);
    if (!gate->name || !values || reel_read_f64(all, values, count) != REEL_OK) {
        return false;
    }
    gate->steps = shape.dim[0];
    double *saturated = take(m, (size_t)gate->steps, sizeof *saturated);
    if (!saturated) {
        return false;
    }
    double lo = share_outside(values, count, 0, INFINITY) > 0 ? -0.9 : 0.1;
    size_t each = gate->steps ? count / (size_t)gate->steps : 0;
    for (int64_t t = 0; t < gate->steps; t++) {
        saturated[t] = share_outside(values + (size_t)t * each, each, lo, 0.9);
    }
    gate->saturated = saturated;
    gate->share = share_outside(values, count, lo, 0.9);
    return true;
}

static bool measure_gates(measured *m)
{
    int n = 0;
    while (reel_watched_name(m->flow.tape, n)) {
        n++;
    }
    m->flow.gate = take(m, (size_t)n, sizeof *m->flow.gate);
    for (int i = 0; m->flow.gate && i < n; i++) {
        reel_flow_gate *gate = &m->flow.gate[m->flow.gates++];
        if (!measure_gate(m, gate, reel_watched_name(m->flow.tape, i))) {
            return false;
        }
    }
    return m->flow.gate != NULL;
}

/* ---- matrices ------------------------------------------------------------------------------- */

static bool measure_matrix(measured *m, const reel_flow_layer *layer)
{
    reel_shape shape = reel_shape_of(layer->W_h);
    int64_t n = shape.rank == 2 ? shape.dim[0] : 0;
    int blocks = n > 0 && shape.dim[1] % n == 0 ? (int)(shape.dim[1] / n) : 1;
    double *radius = take(m, (size_t)blocks, sizeof *radius);
    if (!radius || reel_spectral_radius(layer->W_h, blocks, radius) != REEL_OK) {
        return false;
    }
    m->flow.matrix[m->flow.matrices++] =
        (reel_flow_matrix){ .name = text(m, layer->name, -1), .blocks = blocks, .radius = radius };
    return true;
}

static bool measure_matrices(measured *m, int n, const reel_flow_layer layers[])
{
    m->flow.matrix = take(m, (size_t)n, sizeof *m->flow.matrix);
    for (int i = 0; m->flow.matrix && i < n; i++) {
        if (!reel__is_absent(layers[i].W_h) && !measure_matrix(m, &layers[i])) {
            return false;
        }
    }
    return m->flow.matrix != NULL;
}

/* ---- the whole ------------------------------------------------------------------------------ */

static bool check_layers(reel_var loss, int n, const reel_flow_layer layers[])
{
    if (loss.id == 0 || n < 1 || !layers) {
        reel_fail(loss.tape, REEL_BAD_ARGUMENT, "flow", "%d layers, must be at least 1", n);
        return false;
    }
    for (int i = 0; i < n; i++) {
        if (!layers[i].name) {
            reel_fail(loss.tape, REEL_BAD_ARGUMENT, "flow", "layer %d has no name", i);
            return false;
        }
    }
    return true;
}

reel_flow *reel_flow_new(reel_var loss, int n, const reel_flow_layer layers[])
{
    if (!check_layers(loss, n, layers)) {
        return NULL;
    }
    measured *m = reel__resize(loss.tape, NULL, 0, sizeof *m);
    if (!m) {
        return NULL;
    }
    *m = (measured){ .flow = { .tape = loss.tape } };
    if (!measure_gradients(m, loss, n, layers) || !measure_gates(m) ||
        !measure_matrices(m, n, layers)) {
        reel_flow_free(&m->flow);
        return NULL;
    }
    return &m->flow;
}

void reel_flow_free(reel_flow *flow)
{
    if (flow) {
        measured *m = (measured *)flow;
        reel_tape *tape = flow->tape;
        reel__arena_free(tape, &m->arena);
        reel__resize(tape, m, sizeof *m, 0);
    }
}

/* onnx_scan.c: ONNX's Scan, a body run over the first axis of its inputs, unrolled as a loop in C
 * would be. */
#ifdef REEL_HAVE_PROTOBUF_C
#include "../ops/ops.h"
#include "onnx_nodes.h"

typedef reel__onnx_run run;

typedef struct {
    run *c;
    reel__onnx_scope *body;
    int states, scans, outputs; /* outputs: those that are stacked */
    int64_t steps;
    reel_var *state, *input, *collected; /* collected: [outputs, steps] */
} scan;

static int64_t listed(const run *c, const char *name, int i)
{
    const Onnx__AttributeProto *a = reel__onnx_attribute(c->node, name);
    return a && (size_t)i < a->n_ints ? a->ints[i] : 0;
}

static bool read_scan(run *c, scan *s)
{
    const Onnx__AttributeProto *body = reel__onnx_attribute(c->node, "body");
    int64_t scans = reel__onnx_get_int(c, "num_scan_inputs", 0);
    s->c = c;
    s->body = body ? reel__onnx_body(c->model, body->g) : NULL;
    if (s->body == NULL || scans < 1 || scans > c->inputs || c->model->opset < 9) {
        return reel__onnx_refuse(c, "without a body and inputs to scan");
    }
    s->scans = (int)scans;
    s->states = c->inputs - s->scans;
    s->outputs = c->outputs - s->states;
    if (s->outputs < 0 || s->body->graph->n_input != (size_t)c->inputs ||
        s->body->graph->n_output != (size_t)c->outputs) {
        return reel__onnx_refuse(c, "the body has other inputs or outputs than the node");
    }
    for (int i = 0; i < c->inputs; i++) {
        if (listed(c, "scan_input_axes", i) != 0 || listed(c, "scan_output_axes", i) != 0) {
            return reel__onnx_refuse(c, "along another axis than the first");
        }
    }
    return true;
}

static bool read_inputs(scan *s)
{
    run *c = s->c;
    s->state = reel__onnx_room(c, (size_t)s->states * sizeof(reel_var));
    s->input = reel__onnx_room(c, (size_t)s->scans * sizeof(reel_var));
    for (int i = 0; s->state && i < s->states; i++) {
        s->state[i] = reel__onnx_var(c, i);
    }
    for (int i = 0; s->input && i < s->scans; i++) {
        s->input[i] = reel__onnx_var(c, s->states + i);
        reel_shape shape = reel_shape_of(s->input[i]);
        if (shape.rank < 1 || (i > 0 && shape.dim[0] != s->steps)) {
            return reel__onnx_refuse(c, "inputs of different lengths");
        }
        s->steps = shape.dim[0];
    }
    s->collected = reel__onnx_room(c, (size_t)(s->steps * s->outputs) * sizeof(reel_var));
    return s->state && s->input && s->collected && !c->failed &&
           (s->steps > 0 || reel__onnx_refuse(c, "no steps"));
}

static void give(scan *s, int i, reel_var v)
{
    reel__onnx_set(s->body, s->body->graph->input[i]->name,
                   (reel__onnx_value){ .kind = REEL__ONNX_VAR, .var = v });
}

static bool run_step(scan *s, int64_t step)
{
    run *c = s->c;
    for (int i = 0; i < s->states; i++) {
        give(s, i, s->state[i]);
    }
    for (int i = 0; i < s->scans; i++) {
        bool backwards = listed(c, "scan_input_directions", i);
        give(s, s->states + i, reel_at(s->input[i], backwards ? s->steps - 1 - step : step));
    }
    if (!reel__onnx_run_scope(c->model, s->body)) {
        return false;
    }
    for (int i = 0; i < c->outputs; i++) {
        const reel__onnx_value *y = reel__onnx_find(s->body, s->body->graph->output[i]->name);
        if (y == NULL || y->kind != REEL__ONNX_VAR) {
            return reel__onnx_refuse(c, "an output of the body that is no variable");
        }
        if (i < s->states) {
            s->state[i] = y->var;
            continue;
        }
        bool backwards = listed(c, "scan_output_directions", i - s->states);
        int64_t at = backwards ? s->steps - 1 - step : step;
        s->collected[(i - s->states) * s->steps + at] = y->var;
    }
    return true;
}

bool reel__onnx_scan(run *c)
{
    scan s = { 0 };
    if (!read_scan(c, &s) || !read_inputs(&s)) {
        return false;
    }
    bool fine = true;
    for (int64_t step = 0; fine && step < s.steps; step++) {
        reel_step_begin(c->model->tape, step);
        fine = run_step(&s, step);
        reel_step_end(c->model->tape);
    }
    for (int i = 0; fine && i < s.states; i++) {
        fine = reel__onnx_put(c, i, s.state[i]);
    }
    for (int i = 0; fine && i < s.outputs; i++) {
        fine = reel__onnx_put(c, s.states + i,
                              reel_stack_n(0, (int)s.steps, s.collected + i * s.steps));
    }
    return fine;
}
#else
typedef int reel__no_onnx_scan; /* a translation unit is never empty */
#endif

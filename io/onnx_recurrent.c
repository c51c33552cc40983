/* onnx_recurrent.c: ONNX's RNN, LSTM and GRU as cells that reel_unroll runs.
 *
 * ONNX keeps W [directions, gates·hidden, in] and R [directions, gates·hidden, hidden], gates in
 * the order i, o, f, c of an LSTM and z, r, h of a GRU, and two biases one after another. */
#ifdef REEL_HAVE_PROTOBUF_C
#include <string.h>

#include "../layers/layers.h"
#include "../ops/ops.h"
#include "onnx_nodes.h"

typedef reel__onnx_run run;
typedef reel_var (*activation)(reel_var);

enum { X, W, R, B, LENGTHS, INITIAL_H, INITIAL_C, PEEPHOLES, MOST_INPUTS };
enum { FORWARD, REVERSE, BIDIRECTIONAL };

typedef struct {
    reel_var W, R;      /* [in, gates·hidden], [hidden, gates·hidden] */
    reel_var W_b, R_b;  /* [gates·hidden], or absent */
    reel_var peepholes; /* [3·hidden] of i, o, f, or absent */
    activation act[3];
    double clip; /* of what goes into an activation; 0: none */
    bool linear_before_reset, input_forget;
} cell;

/* ---- activations ----------------------------------------------------------------------------- */

static reel_var hard_sigmoid(reel_var x)
{
    return reel_clamp(reel_shift(reel_scale(x, 0.2), 0.5), 0, 1);
}

static reel_var linear(reel_var x)
{
    return x;
}

static const struct {
    const char *name;
    activation apply;
} activations[] = {
    { "Sigmoid", reel_sigmoid },
    { "Tanh", reel_tanh },
    { "Relu", reel_relu },
    { "Softplus", reel_softplus },
    { "Softsign", reel__onnx_softsign },
    { "HardSigmoid", hard_sigmoid },
    { "Affine", linear },
};

static activation activation_of(const ProtobufCBinaryData *name)
{
    for (size_t i = 0; i < sizeof activations / sizeof *activations; i++) {
        if (name->len == strlen(activations[i].name) &&
            memcmp(name->data, activations[i].name, name->len) == 0) {
            return activations[i].apply;
        }
    }
    return NULL;
}

/* ---- steps ----------------------------------------------------------------------------------- */

static reel_var act(const cell *c, int which, reel_var x)
{
    return c->act[which](c->clip > 0 ? reel_clamp(x, -c->clip, c->clip) : x);
}

static reel_var plus(reel_var x, reel_var b)
{
    return b.tape ? reel_add(x, b) : x;
}

static reel_var gates(const cell *c, reel_var x, reel_var h)
{
    return reel_add(plus(reel_matmul(x, c->W), c->W_b), plus(reel_matmul(h, c->R), c->R_b));
}

static reel_var rnn_step(void *self, reel_var x, reel_var state[])
{
    return state[0] = act(self, 0, gates(self, x, state[0]));
}

static reel_var peep(const cell *c, reel_var gate, reel_var memory, int64_t which)
{
    if (!c->peepholes.tape) {
        return gate;
    }
    int64_t hidden = reel_shape_of(c->peepholes).dim[0] / 3;
    reel_var p = reel_slice(c->peepholes, 0, which * hidden, (which + 1) * hidden);
    return reel_add(gate, reel_mul(memory, p));
}

static reel_var lstm_step(void *self, reel_var x, reel_var state[])
{
    const cell *c = self;
    reel_var z[4], old = state[1];
    reel_split(gates(c, x, state[0]), -1, 4, z); /* i o f c */
    reel_var i = act(c, 0, peep(c, z[0], old, 0));
    reel_var f = c->input_forget ? reel_shift(reel_neg(i), 1) : act(c, 0, peep(c, z[2], old, 2));
    state[1] = reel_add(reel_mul(f, old), reel_mul(i, act(c, 1, z[3])));
    reel_var o = act(c, 0, peep(c, z[1], state[1], 1));
    return state[0] = reel_mul(o, c->act[2](state[1]));
}

static reel_var third(reel_var v, int which)
{
    int64_t hidden = reel_shape_of(v).dim[reel_shape_of(v).rank - 1] / 3;
    return reel_slice(v, -1, which * hidden, (which + 1) * hidden);
}

static reel_var third_or_none(reel_var v, int which)
{
    return v.tape ? third(v, which) : v;
}

static reel_var gru_step(void *self, reel_var x, reel_var state[])
{
    const cell *c = self;
    reel_var h = state[0], from_x = plus(reel_matmul(x, c->W), c->W_b);
    reel_var from_h = plus(reel_matmul(h, c->R), c->R_b);
    reel_var z = act(c, 0, reel_add(third(from_x, 0), third(from_h, 0)));
    reel_var r = act(c, 0, reel_add(third(from_x, 1), third(from_h, 1)));
    reel_var through_r = c->linear_before_reset ? reel_mul(r, third(from_h, 2))
                                                : plus(reel_matmul(reel_mul(r, h), third(c->R, 2)),
                                                       third_or_none(c->R_b, 2));
    reel_var n = act(c, 1, reel_add(third(from_x, 2), through_r));
    return state[0] = reel_add(reel_mul(reel_shift(reel_neg(z), 1), n), reel_mul(z, h));
}

/* ---- the three kinds ------------------------------------------------------------------------- */

typedef struct {
    const char *type;
    reel_var (*step)(void *, reel_var, reel_var[]);
    int gates, states, activations;
    activation usual[3];
} kind;

static const kind kinds[] = {
    { "RNN", rnn_step, 1, 1, 1, { reel_tanh } },
    { "LSTM", lstm_step, 4, 2, 3, { reel_sigmoid, reel_tanh, reel_tanh } },
    { "GRU", gru_step, 3, 1, 2, { reel_sigmoid, reel_tanh } },
};

typedef struct {
    run *c;
    const kind *kind;
    reel_var x; /* [steps, batch, in] */
    int64_t steps, batch, hidden;
    int directions, first; /* first: FORWARD or REVERSE */
    bool batch_first;
    const int32_t *lengths;
} layer;

static bool choose_activations(const layer *l, int direction, cell *made)
{
    const Onnx__AttributeProto *a = reel__onnx_attribute(l->c->node, "activations");
    int n = l->kind->activations;
    if (a && a->n_strings && a->n_strings != (size_t)(n * l->directions)) {
        return reel__onnx_refuse(l->c, "another number of activations");
    }
    for (int i = 0; i < n; i++) {
        made->act[i] =
            a && a->n_strings ? activation_of(&a->strings[direction * n + i]) : l->kind->usual[i];
        if (made->act[i] == NULL) {
            return reel__onnx_refuse(l->c, "an activation that reel has no form of");
        }
    }
    const Onnx__AttributeProto *alpha = reel__onnx_attribute(l->c->node, "activation_alpha");
    return (alpha == NULL || alpha->n_floats == 0) || reel__onnx_refuse(l->c, "activation_alpha");
}

/* Input `input` of one direction: [directions, ...] → [...] */
static reel_var of_direction(const layer *l, int input, int direction, reel_shape shape)
{
    if (!reel__onnx_has(l->c, input)) {
        return (reel_var){ 0 };
    }
    reel_var v = reel__onnx_var(l->c, input);
    reel_shape found = reel_shape_of(v);
    if (found.rank < 1 || found.dim[0] != l->directions) {
        reel__onnx_refuse(l->c, "an input without an entry for each direction");
        return (reel_var){ l->c->model->tape, 0 };
    }
    v = reel_at(v, direction);
    if (!reel_shape_equal(reel_shape_of(v), shape)) {
        reel__onnx_fail(l->c, REEL_BAD_SHAPE, "input %d is %s in each direction, not %s", input,
                        REEL_SHAPE_TEXT(reel_shape_of(v)), REEL_SHAPE_TEXT(shape));
    }
    return v;
}

static bool make_cell(const layer *l, int direction, cell *made)
{
    run *c = l->c;
    int64_t wide = l->kind->gates * l->hidden, in = reel_shape_of(l->x).dim[2];
    *made = (cell){ .clip = reel__onnx_get_real(c, "clip", 0),
                    .linear_before_reset = reel__onnx_get_int(c, "linear_before_reset", 0),
                    .input_forget = reel__onnx_get_int(c, "input_forget", 0) };
    made->W = of_direction(l, W, direction, REEL_SHAPE(wide, in));
    made->R = of_direction(l, R, direction, REEL_SHAPE(wide, l->hidden));
    reel_var b = of_direction(l, B, direction, REEL_SHAPE(2 * wide));
    made->peepholes = of_direction(l, PEEPHOLES, direction, REEL_SHAPE(3 * l->hidden));
    if (c->failed) {
        return false;
    }
    made->W = reel_transpose(made->W, 0, 1);
    made->R = reel_transpose(made->R, 0, 1);
    if (b.tape) {
        made->W_b = reel_slice(b, 0, 0, wide);
        made->R_b = reel_slice(b, 0, wide, 2 * wide);
    }
    return choose_activations(l, direction, made);
}

static reel_var initial_state(const layer *l, int input, int direction)
{
    if (!reel__onnx_has(l->c, input)) {
        return (reel_var){ 0 };
    }
    reel_var v = reel__onnx_var(l->c, input);
    v = l->batch_first ? reel_transpose(v, 0, 1) : v;
    return reel_at(v, direction);
}

static bool run_direction(const layer *l, int direction, reel_rollout *out)
{
    cell made;
    if (!make_cell(l, direction, &made)) {
        return false;
    }
    reel_cell as_cell = { .self = &made,
                          .step = l->kind->step,
                          .states = l->kind->states,
                          .width = { l->hidden, l->hidden } };
    reel_unroll_options options = { .lengths = l->lengths,
                                    .reverse = (direction + l->first) % 2 == REVERSE };
    for (int i = 0; i < l->kind->states; i++) {
        options.initial[i] = initial_state(l, INITIAL_H + i, direction);
    }
    *out = (reel_unroll)(as_cell, l->x, options);
    return out->outputs.id != 0;
}

/* ---- what the node says ---------------------------------------------------------------------- */

static bool read_direction(layer *l)
{
    static const char *const names[] = { "forward", "reverse", "bidirectional" };
    const Onnx__AttributeProto *a = reel__onnx_attribute(l->c->node, "direction");
    int which = a ? -1 : FORWARD;
    for (int i = 0; a && i < 3; i++) {
        if (a->s.len == strlen(names[i]) && memcmp(a->s.data, names[i], a->s.len) == 0) {
            which = i;
        }
    }
    l->directions = which == BIDIRECTIONAL ? 2 : 1;
    l->first = which == REVERSE ? REVERSE : FORWARD;
    return which >= 0 || reel__onnx_refuse(l->c, "a direction that is none");
}

static bool read_lengths(layer *l)
{
    run *c = l->c;
    if (!reel__onnx_has(c, LENGTHS)) {
        return true;
    }
    reel_var v = reel__onnx_index(c, LENGTHS);
    int32_t *lengths = reel__arena_take(c->model->tape, &c->model->running,
                                        (size_t)l->batch * sizeof *lengths + 8);
    if (lengths == NULL || !reel_shape_equal(reel_shape_of(v), REEL_SHAPE(l->batch)) ||
        reel_read_indices(v, lengths, (size_t)l->batch) != REEL_OK) {
        return reel__onnx_refuse(l->c, "lengths that are not one whole number a row");
    }
    for (int64_t i = 0; i < l->batch; i++) {
        if (lengths[i] < 0 || lengths[i] > l->steps) {
            return reel__onnx_fail(c, REEL_BAD_INDEX, "length %d of %lld steps", (int)lengths[i],
                                   (long long)l->steps);
        }
    }
    l->lengths = lengths;
    return true;
}

static bool read_layer(run *c, layer *l)
{
    *l = (layer){ .c = c, .kind = kinds };
    while (strcmp(l->kind->type, c->node->op_type) != 0) {
        l->kind++;
    }
    l->batch_first = reel__onnx_get_int(c, "layout", 0);
    l->x = reel__onnx_var(c, X);
    l->x = l->batch_first ? reel_transpose(l->x, 0, 1) : l->x;
    reel_shape x = reel_shape_of(l->x);
    reel_shape r = reel_shape_of(reel__onnx_var(c, R));
    if (x.rank != 3 || r.rank != 3) {
        return reel__onnx_refuse(l->c, "an input without three axes");
    }
    l->steps = x.dim[0];
    l->batch = x.dim[1];
    l->hidden = reel__onnx_get_int(c, "hidden_size", r.dim[2]);
    if (l->hidden < 1 || l->hidden != r.dim[2]) {
        return reel__onnx_refuse(l->c, "hidden_size is not R's");
    }
    return read_direction(l) && read_lengths(l);
}

static reel_var state_of(const layer *l, const reel_rollout out[], int which)
{
    reel_var both[2] = { out[0].state[which], out[l->directions - 1].state[which] };
    return reel_stack_n(l->batch_first ? 1 : 0, l->directions, both);
}

bool reel__onnx_recurrent(run *c)
{
    layer l;
    reel_rollout out[2];
    if (!read_layer(c, &l)) {
        return false;
    }
    for (int d = 0; d < l.directions; d++) {
        if (!run_direction(&l, d, &out[d])) {
            return false;
        }
    }
    reel_var all[2] = { out[0].outputs, out[l.directions - 1].outputs };
    reel_var y = reel_stack_n(1, l.directions, all); /* [steps, directions, batch, hidden] */
    y = l.batch_first ? reel_permute_n(y, 4, (const int[]){ 2, 0, 1, 3 }) : y;
    bool fine = reel__onnx_put(c, 0, y);
    for (int i = 0; i < l.kind->states; i++) {
        fine = fine && reel__onnx_put(c, i + 1, state_of(&l, out, i));
    }
    return fine;
}
#else
typedef int reel__no_onnx_recurrent; /* a translation unit is never empty */
#endif

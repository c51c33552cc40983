/* hierarchical_softmax.c: a class as a way through a binary tree. */
#include <string.h>

#include "class_output.h"
#include "huffman.h"

typedef struct {
    reel__code code;
    reel_var W, b;
} hierarchical;

static const char name_of_layer[] = "hierarchical_softmax";

/* ---- the loss ------------------------------------------------------------------------------- */

static void look_up(const reel__code *code, const int32_t target[], int64_t n, int32_t node[],
                    float turn[])
{
    size_t depth = (size_t)code->depth;
    for (int64_t i = 0; i < n; i++) {
        size_t from = (size_t)target[i] * depth, to = (size_t)i * depth;
        memcpy(node + to, code->node + from, depth * sizeof *node);
        for (size_t d = 0; d < depth; d++) {
            turn[to + d] = code->turn[from + d];
        }
    }
}

/* -Σ log σ(±z) along the way: [n] */
static reel_var along(const hierarchical *h, reel_var x, reel_var nodes, reel_var turns)
{
    reel_var rows = reel_gather(h->W, nodes);
    reel_var z = reel_squeeze(reel_matmul(rows, reel_unsqueeze(x, -1)), -1);
    z = reel_add(z, reel_gather(h->b, nodes));
    reel_var each = reel_softplus(reel_neg(reel_mul(turns, z)));
    return reel_sum(reel_where(turns, each, reel_scalar(x.tape, 0)), -1);
}

static reel_var loss(void *self, reel_var x, reel_var targets)
{
    const hierarchical *h = self;
    reel_tape *tape = x.tape;
    int64_t n = reel_shape_of(x).dim[0];
    reel_shape ways = REEL_SHAPE(n, h->code.depth);
    size_t places = (size_t)reel_shape_size(ways), bytes;
    size_t way_bytes = places * (sizeof(int32_t) + sizeof(float));
    int32_t *target = reel__read_targets(targets, name_of_layer, h->code.classes, &bytes);
    int32_t *node = target ? reel__resize(tape, NULL, 0, way_bytes) : NULL;
    reel_var result = reel__poisoned(tape);
    if (node) {
        float *turn = (float *)(node + places);
        look_up(&h->code, target, n, node, turn);
        result = along(h, x, reel_indices(tape, ways, node), reel_input(tape, ways, turn));
    }
    reel__resize(tape, node, node ? way_bytes : 0, 0);
    reel__resize(tape, target, target ? bytes : 0, 0);
    return result;
}

/* ---- all classes ---------------------------------------------------------------------------- */

/* Row 0 … classes - 2: left at that node, then right, then nothing at all. */
static reel_var steps_of(const reel__code *code, reel_tape *tape)
{
    size_t places = (size_t)(code->classes * code->depth), bytes = places * sizeof(int32_t);
    int32_t *row = reel__resize(tape, NULL, 0, bytes), nodes = (int32_t)code->classes - 1;
    if (!row) {
        return reel__poisoned(tape);
    }
    for (size_t i = 0; i < places; i++) {
        row[i] = code->turn[i] == 0 ? 2 * nodes : code->node[i] + (code->turn[i] < 0 ? nodes : 0);
    }
    reel_var steps = reel_indices(tape, REEL_SHAPE(code->classes, code->depth), row);
    reel__resize(tape, row, bytes, 0);
    return steps;
}

static reel_var log_probabilities(void *self, reel_var x)
{
    const hierarchical *h = self;
    reel_matmul_options by_row = { .transpose_b = true };
    reel_var z = reel_transpose(reel_add(reel_matmul_ex(x, h->W, by_row), h->b), 0, 1);
    reel_var nothing = reel_fill(x.tape, REEL_SHAPE(1, reel_shape_of(x).dim[0]), 0);
    reel_var left = reel_neg(reel_softplus(reel_neg(z))), right = reel_neg(reel_softplus(z));
    reel_var turns = reel_concat(0, left, right, nothing);
    reel_var ways = reel_gather(turns, steps_of(&h->code, x.tape));
    return reel_transpose(reel_sum(ways, 1), 0, 1);
}

/* ---- making one ----------------------------------------------------------------------------- */

static bool check(reel_tape *tape, int64_t in, int64_t classes, const double *counts)
{
    if (!reel__check_size(tape, name_of_layer, "in", in)) {
        return false;
    }
    if (classes < 2 || classes > INT32_MAX / 2) {
        reel_fail(tape, REEL_BAD_ARGUMENT, name_of_layer, "classes is %lld, must be at least 2",
                  (long long)classes);
        return false;
    }
    for (int64_t k = 0; counts && k < classes; k++) {
        if (!(counts[k] >= 0)) {
            reel_fail(tape, REEL_BAD_ARGUMENT, name_of_layer,
                      "counts[%lld] is %g, must be at least 0", (long long)k, counts[k]);
            return false;
        }
    }
    return true;
}

reel_class_output reel_hierarchical_softmax(reel_tape *tape, const char *name, int64_t in,
                                            int64_t classes, const double *counts)
{
    bool good = check(tape, in, classes, counts);
    hierarchical *h = good ? reel__layer_self(tape, sizeof *h) : NULL;
    if (!h || !reel__huffman(tape, classes, counts, &h->code)) {
        return (reel_class_output){ 0 };
    }
    h->W = reel__layer_param(tape, name, "W", REEL_SHAPE(classes - 1, in), reel_glorot());
    h->b = reel__layer_param(tape, name, "b", REEL_SHAPE(classes - 1), reel_zeros());
    return (reel_class_output){ .self = h,
                                .loss = loss,
                                .log_probabilities = log_probabilities,
                                .in = in,
                                .classes = classes };
}

/* attention_additive.c: additive attention, with coverage and filters over the last weights. */
#include <math.h>

#include "attention_additive.h"

typedef struct {
    reel__additive additive;
    reel_var w_c;    /* coverage, or absent */
    reel_var F, W_f; /* filters, or absent */
    int64_t kernel;
    bool cumulative, smooth;
} additive;

/* ---- the energy ----------------------------------------------------------------------------- */

bool reel__additive_make(reel__additive *a, reel_tape *tape, const char *name, int64_t query,
                         int64_t memory, int64_t width)
{
    double bound = 1 / sqrt((double)width);
    a->W_q = reel__layer_param(tape, name, "W_q", REEL_SHAPE(query, width), reel_glorot());
    a->W_m = reel__layer_param(tape, name, "W_m", REEL_SHAPE(memory, width), reel_glorot());
    a->b = reel__layer_param(tape, name, "b", REEL_SHAPE(width), reel_zeros());
    a->v = reel__layer_param(tape, name, "v", REEL_SHAPE(width), reel_uniform(-bound, bound));
    return a->W_q.id && a->W_m.id && a->b.id && a->v.id;
}

bool reel__additive_check(reel_tape *tape, const char *kind, int64_t query, int64_t memory,
                          int64_t width)
{
    return reel__check_size(tape, kind, "query", query) &&
           reel__check_size(tape, kind, "memory", memory) &&
           reel__check_size(tape, kind, "width", width);
}

reel_var reel__additive_keys(const reel__additive *a, reel_var values)
{
    return reel_affine(values, a->W_m, a->b);
}

reel_var reel__additive_inside(const reel__additive *a, reel_var keys, reel_var query)
{
    return reel_add(keys, reel_unsqueeze(reel_matmul(query, a->W_q), 1));
}

/* ---- what a step remembers of the steps before ---------------------------------------------- */

/* [batch, steps, kernel]: the weights around each step, zeros beyond the ends. The window is one
 * index for all rows, so the batch stands last while it is looked up. */
static reel_var around(reel_var weights, int64_t kernel)
{
    reel_tape *tape = weights.tape;
    int64_t steps = reel_shape_of(weights).dim[1];
    size_t bytes = (size_t)(steps * kernel) * sizeof(int32_t);
    int32_t *index = bytes ? reel__resize(tape, NULL, 0, bytes) : NULL;
    if (bytes && !index) {
        return reel__poisoned(tape);
    }
    for (int64_t i = 0; i < steps * kernel; i++) {
        index[i] = (int32_t)(i / kernel + i % kernel);
    }
    reel_var windows = reel_indices(tape, REEL_SHAPE(steps, kernel), index);
    reel__resize(tape, index, bytes, 0);
    reel_var padded = reel_pad(weights, 1, kernel / 2, kernel / 2);
    return reel_permute(reel_gather(reel_transpose(padded, 0, 1), windows), 2, 0, 1);
}

static reel_var normalised(const additive *a, reel_var energy, const reel_memory *m)
{
    if (!a->smooth) {
        return reel_attention_softmax(energy, m);
    }
    reel_var p = reel_sigmoid(energy), zero = reel_scalar(energy.tape, 0);
    p = reel__is_absent(m->valid) ? p : reel_where(m->valid, p, zero);
    reel_var total = reel_sum_keep(p, -1);
    return reel_div(p, reel_where(total, total, reel_scalar(energy.tape, 1)));
}

static reel_var weigh(void *self, const reel_memory *m, reel_var query, reel_var state[])
{
    const additive *a = self;
    reel_var inside = reel__additive_inside(&a->additive, m->keys, query);
    reel_var *coverage = state, *last = reel__is_absent(a->w_c) ? state : state + 1;
    if (!reel__is_absent(a->w_c)) {
        inside = reel_add(inside, reel_mul(reel_unsqueeze(*coverage, -1), a->w_c));
    }
    if (!reel__is_absent(a->F)) {
        reel_var filtered = reel_matmul(around(*last, a->kernel), a->F);
        inside = reel_add(inside, reel_matmul(filtered, a->W_f));
    }
    reel_var weights = normalised(a, reel_matmul(reel_tanh(inside), a->additive.v), m);
    if (!reel__is_absent(a->w_c)) {
        *coverage = reel_add(*coverage, weights);
    }
    if (!reel__is_absent(a->F)) {
        *last = a->cumulative ? reel_add(*last, weights) : weights;
    }
    return weights;
}

static reel_var keys(void *self, reel_var values)
{
    return reel__additive_keys(&((const additive *)self)->additive, values);
}

/* ---- making one ----------------------------------------------------------------------------- */

static bool check(reel_tape *tape, const char *kind, const reel_additive_options *options)
{
    if (options->filters < 0) {
        reel_fail(tape, REEL_BAD_ARGUMENT, kind, "filters is %lld, must be at least 0",
                  (long long)options->filters);
        return false;
    }
    if (options->kernel < 0 || (options->kernel && options->kernel % 2 == 0)) {
        reel_fail(tape, REEL_BAD_ARGUMENT, kind, "kernel is %lld, must be odd",
                  (long long)options->kernel);
        return false;
    }
    return true;
}

static bool add_parameters(additive *a, reel_tape *tape, const char *name, int64_t width,
                           const reel_additive_options *options)
{
    int64_t filters = options->filters;
    reel_init start = reel_glorot();
    a->kernel = options->kernel ? options->kernel : 31;
    if (options->coverage) {
        double bound = 1 / sqrt((double)width);
        start = reel_uniform(-bound, bound);
        a->w_c = reel__layer_param(tape, name, "w_c", REEL_SHAPE(width), start);
    }
    if (filters) {
        start = reel_glorot();
        a->F = reel__layer_param(tape, name, "F", REEL_SHAPE(a->kernel, filters), start);
        a->W_f = reel__layer_param(tape, name, "W_f", REEL_SHAPE(filters, width), start);
    }
    return (!options->coverage || a->w_c.id) && (!filters || (a->F.id && a->W_f.id));
}

static reel_attention make(reel_tape *tape, const char *kind, const char *name, int64_t query,
                           int64_t memory, int64_t width, const reel_additive_options *options)
{
    bool good =
        reel__additive_check(tape, kind, query, memory, width) && check(tape, kind, options);
    additive *a = good ? reel__layer_self(tape, sizeof *a) : NULL;
    if (!a || !reel__additive_make(&a->additive, tape, name, query, memory, width) ||
        !add_parameters(a, tape, name, width, options)) {
        return (reel_attention){ 0 };
    }
    a->cumulative = options->cumulative;
    a->smooth = options->smooth;
    int states = options->coverage + (options->filters > 0);
    return (reel_attention){ .self = a, .keys = keys, .weigh = weigh, .states = states };
}

reel_attention reel_additive_attention(reel_tape *tape, const char *name, int64_t query,
                                       int64_t memory, int64_t width, reel_additive_options options)
{
    return make(tape, "additive_attention", name, query, memory, width, &options);
}

reel_attention reel_location_attention(reel_tape *tape, const char *name, int64_t query,
                                       int64_t memory, int64_t width, reel_additive_options options)
{
    options.filters = options.filters ? options.filters : 32;
    return make(tape, "location_attention", name, query, memory, width, &options);
}

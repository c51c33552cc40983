/* attention_luong.c: multiplicative attention, global and in windows. */
#include <math.h>

#include "layer.h"

typedef struct {
    reel_luong_options options;
    int64_t query, memory;
    reel_var W, v;     /* of the score, or absent */
    reel_var W_p, v_p; /* of the window's place, or absent */
} luong;

/* ---- scores --------------------------------------------------------------------------------- */

static reel_var keys(void *self, reel_var values)
{
    const luong *a = self;
    switch (a->options.score) {
    case REEL_GENERAL:
        return reel_matmul_ex(values, a->W, (reel_matmul_options){ .transpose_b = true });
    case REEL_CONCAT:
        return reel_matmul(values, reel_slice(a->W, 0, a->query, a->query + a->memory));
    default:
        return values;
    }
}

static reel_var score(const luong *a, const reel_memory *m, reel_var query)
{
    if (a->options.score == REEL_CONCAT) {
        reel_var from_query = reel_matmul(query, reel_slice(a->W, 0, 0, a->query));
        return reel_matmul(reel_tanh(reel_add(m->keys, reel_unsqueeze(from_query, 1))), a->v);
    }
    reel_var e = reel_squeeze(reel_matmul(m->keys, reel_unsqueeze(query, -1)), -1);
    return a->options.scaled ? reel_scale(e, 1 / sqrt((double)a->memory)) : e;
}

/* ---- windows -------------------------------------------------------------------------------- */

static reel_var softmax_around(const luong *a, const reel_memory *m, reel_var e, reel_var distance)
{
    reel_var D = reel_scalar(e.tape, (double)a->options.half_width);
    reel_var inside = reel_less_equal(reel_abs(distance), D);
    e = reel_where(inside, e, reel_scalar(e.tape, -INFINITY));
    return reel_attention_softmax(e, m);
}

/* [batch, 1] the centre p */
static reel_var predicted(const luong *a, const reel_memory *m, reel_var query)
{
    reel_var place = reel_matmul(reel_tanh(reel_matmul(query, a->W_p)), a->v_p);
    return reel_mul(m->length, reel_unsqueeze(reel_sigmoid(place), -1));
}

static reel_var weigh(void *self, const reel_memory *m, reel_var query, reel_var state[])
{
    const luong *a = self;
    reel_var e = score(a, m, query);
    if (a->options.window == REEL_GLOBAL) {
        return reel_attention_softmax(e, m);
    }
    if (a->options.window == REEL_LOCAL_M) {
        reel_var distance = reel_sub(m->position, state[0]);
        state[0] = reel_shift(state[0], 1);
        return softmax_around(a, m, e, distance);
    }
    reel_var distance = reel_sub(m->position, predicted(a, m, query));
    double sigma = 0.5 * (double)a->options.half_width;
    reel_var bell = reel_exp(reel_scale(reel_square(distance), -0.5 / (sigma * sigma)));
    return reel_mul(softmax_around(a, m, e, distance), bell);
}

/* ---- making one ----------------------------------------------------------------------------- */

#define FAIL(...) (reel_fail(tape, REEL_BAD_ARGUMENT, "luong_attention", __VA_ARGS__), false)

static bool check(reel_tape *tape, int64_t query, int64_t memory, const reel_luong_options *options)
{
    if (!reel__check_size(tape, "luong_attention", "query", query) ||
        !reel__check_size(tape, "luong_attention", "memory", memory)) {
        return false;
    }
    if ((unsigned)options->score >= REEL_LUONG_SCORE_COUNT) {
        return FAIL("there is no score %d", (int)options->score);
    }
    if ((unsigned)options->window >= REEL_LUONG_WINDOW_COUNT) {
        return FAIL("there is no window %d", (int)options->window);
    }
    if (options->score == REEL_DOT && query != memory) {
        return FAIL("query is %lld and memory %lld, REEL_DOT needs one width", (long long)query,
                    (long long)memory);
    }
    if (options->width < 0 || options->half_width < 0) {
        return FAIL("width is %lld and half_width %lld, must be at least 0",
                    (long long)options->width, (long long)options->half_width);
    }
    return true;
}

static bool add_parameters(luong *a, reel_tape *tape, const char *name)
{
    int64_t query = a->query, memory = a->memory, width = a->options.width;
    bool general = a->options.score == REEL_GENERAL, concat = a->options.score == REEL_CONCAT;
    bool placed = a->options.window == REEL_LOCAL_P;
    if (general || concat) {
        reel_shape shape = general ? REEL_SHAPE(query, memory) : REEL_SHAPE(query + memory, width);
        a->W = reel__layer_param(tape, name, "W", shape, reel_glorot());
    }
    if (concat) {
        double bound = 1 / sqrt((double)width);
        reel_init start = reel_uniform(-bound, bound);
        a->v = reel__layer_param(tape, name, "v", REEL_SHAPE(width), start);
    }
    if (placed) {
        double bound = 1 / sqrt((double)query);
        reel_init start = reel_uniform(-bound, bound);
        a->W_p = reel__layer_param(tape, name, "W_p", REEL_SHAPE(query, query), reel_glorot());
        a->v_p = reel__layer_param(tape, name, "v_p", REEL_SHAPE(query), start);
    }
    return (a->W.id || !(general || concat)) && (a->v.id || !concat) &&
           ((a->W_p.id && a->v_p.id) || !placed);
}

reel_attention reel_luong_attention(reel_tape *tape, const char *name, int64_t query,
                                    int64_t memory, reel_luong_options options)
{
    luong *a = check(tape, query, memory, &options) ? reel__layer_self(tape, sizeof *a) : NULL;
    if (!a) {
        return (reel_attention){ 0 };
    }
    options.width = options.width ? options.width : query;
    options.half_width = options.half_width ? options.half_width : 10;
    *a = (luong){ .options = options, .query = query, .memory = memory };
    if (!add_parameters(a, tape, name)) {
        return (reel_attention){ 0 };
    }
    bool counts = options.window == REEL_LOCAL_M;
    return (reel_attention){
        .self = a, .keys = keys, .weigh = weigh, .states = counts, .width = { counts }
    };
}

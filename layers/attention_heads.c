/* attention_heads.c: multi-head attention. */
#include "attention_dot.h"
#include "lengths.h"
#include "transforms.h"

enum { QUERY, KEY, VALUE, OUT, PARTS };

typedef struct {
    int64_t width, heads, in[PARTS];
    reel_var W[PARTS], b[PARTS]; /* b absent without bias */
    double dropout;
    bool rotary;
} heads;

static const char *const part_name[PARTS] = { "query", "key", "value", "out" };

#define FAIL(status, ...) (reel_fail(tape, status, "multi_head_attention", __VA_ARGS__), false)

/* ---- one call ------------------------------------------------------------------------------- */

static bool check_input(const heads *h, int part, reel_var v, reel_tape *tape)
{
    if (!reel__check_handle(tape, "multi_head_attention", v)) {
        return false;
    }
    reel_shape shape = reel_shape_of(v);
    if (shape.rank != 3 || shape.dim[2] != h->in[part] || reel_is_index(v)) {
        return FAIL(REEL_BAD_SHAPE, "%s is %s, expected [steps, batch, %lld]", part_name[part],
                    REEL_SHAPE_TEXT(shape), (long long)h->in[part]);
    }
    return true;
}

static bool check_inputs(const heads *h, reel_tape *tape, const reel_var in[])
{
    for (int part = QUERY; part <= VALUE; part++) {
        if (!check_input(h, part, in[part], tape)) {
            return false;
        }
    }
    reel_shape q = reel_shape_of(in[QUERY]), k = reel_shape_of(in[KEY]),
               v = reel_shape_of(in[VALUE]);
    if (q.dim[1] != k.dim[1] || k.dim[1] != v.dim[1] || k.dim[0] != v.dim[0]) {
        return FAIL(REEL_BAD_SHAPE, "query %s, key %s and value %s differ in batch or steps",
                    REEL_SHAPE_TEXT(q), REEL_SHAPE_TEXT(k), REEL_SHAPE_TEXT(v));
    }
    return true;
}

static reel_var project(const heads *h, int part, reel_var x)
{
    bool biased = !reel__is_absent(h->b[part]);
    return biased ? reel_affine(x, h->W[part], h->b[part]) : reel_matmul(x, h->W[part]);
}

/* [steps, batch, any] → [batch, heads, steps, width/heads] */
static reel_var apart(const heads *h, int part, reel_var x)
{
    reel_shape shape = reel_shape_of(x);
    reel_var y = reel_reshape(
        project(h, part, x), REEL_SHAPE(shape.dim[0], shape.dim[1], h->heads, h->width / h->heads));
    if (h->rotary && part != VALUE) {
        y = reel_rotary(y, (reel_rotary_options){ 0 });
    }
    return reel_permute(y, 1, 2, 0, 3);
}

/* [batch, heads, steps, width/heads] → [steps, batch, width] */
static reel_var together(const heads *h, reel_var x)
{
    reel_shape shape = reel_shape_of(x);
    return reel_reshape(reel_permute(x, 2, 0, 1, 3),
                        REEL_SHAPE(shape.dim[2], shape.dim[0], h->width));
}

/* Padding is blanked before the projections, whose gradients would see it, too; in self
 * attention the queries are the keys. */
static reel_var take_lengths(const int32_t *lengths, reel_var in[])
{
    reel_tape *tape = in[KEY].tape;
    reel_shape shape = reel_shape_of(in[KEY]);
    reel_var by_step =
        reel__length_mask(tape, "multi_head_attention", shape.dim[0], shape.dim[1], lengths, 3);
    bool self_attention = in[QUERY].id == in[KEY].id;
    in[KEY] = reel_where(by_step, in[KEY], reel_scalar(tape, 0));
    in[QUERY] = self_attention ? in[KEY] : in[QUERY];
    in[VALUE] = reel_where(by_step, in[VALUE], reel_scalar(tape, 0));
    reel_var by_row = reel_transpose(by_step, 0, 1);
    return reel_reshape(by_row, REEL_SHAPE(shape.dim[1], 1, 1, shape.dim[0]));
}

static reel_attended attend(const heads *h, reel_var in[], reel_attention_mask mask)
{
    reel_tape *tape = in[QUERY].tape;
    reel_attended out = { reel__poisoned(tape), reel__poisoned(tape) };
    if (!check_inputs(h, tape, in)) {
        return out;
    }
    reel__dot_product c = { .name = "multi_head_attention", .mask = mask, .dropout = h->dropout };
    if (mask.lengths) {
        c.valid = take_lengths(mask.lengths, in);
    }
    c.q = apart(h, QUERY, in[QUERY]);
    c.k = apart(h, KEY, in[KEY]);
    c.v = apart(h, VALUE, in[VALUE]);
    out = reel__dot_product_attention(&c);
    out.context = out.context.id ? project(h, OUT, together(h, out.context)) : out.context;
    return out;
}

reel_attended reel_attend_heads(reel_var query, reel_var key, reel_var value,
                                reel_multi_head attention, reel_attention_mask mask)
{
    reel_tape *tape = query.tape;
    if (!tape) {
        return (reel_attended){ 0 };
    }
    if (!attention.self) {
        reel_var bad = reel_fail(tape, REEL_BAD_ARGUMENT, "attend_heads", "there is no attention");
        return (reel_attended){ bad, bad };
    }
    tape->nested++;
    reel_attended out = attend(attention.self, (reel_var[]){ query, key, value }, mask);
    tape->nested--;
    return out;
}

/* ---- making one ----------------------------------------------------------------------------- */

static bool check(reel_tape *tape, int64_t width, int64_t count,
                  const reel_multi_head_options *options)
{
    if (!reel__check_size(tape, "multi_head_attention", "width", width) ||
        !reel__check_size(tape, "multi_head_attention", "heads", count)) {
        return false;
    }
    if (width % count != 0) {
        return FAIL(REEL_BAD_ARGUMENT, "width %lld is not a multiple of %lld heads",
                    (long long)width, (long long)count);
    }
    if (options->rotary && width / count % 2 != 0) {
        return FAIL(REEL_BAD_ARGUMENT, "rotary needs heads of an even width, this is %lld",
                    (long long)(width / count));
    }
    if (options->key < 0 || options->value < 0) {
        return FAIL(REEL_BAD_ARGUMENT, "key is %lld and value %lld, must be at least 0",
                    (long long)options->key, (long long)options->value);
    }
    if (!(options->dropout >= 0 && options->dropout < 1)) {
        return FAIL(REEL_BAD_ARGUMENT, "dropout is %g, must be in [0, 1)", options->dropout);
    }
    return true;
}

static bool add_parameters(heads *h, reel_tape *tape, const char *name, bool biased)
{
    static const char *const W[PARTS] = { "W_q", "W_k", "W_v", "W_o" };
    static const char *const b[PARTS] = { "b_q", "b_k", "b_v", "b_o" };
    bool good = true;
    for (int part = 0; part < PARTS; part++) {
        reel_shape shape = REEL_SHAPE(h->in[part], h->width);
        h->W[part] = reel__layer_param(tape, name, W[part], shape, reel_glorot());
        good = good && h->W[part].id;
    }
    for (int part = 0; biased && part < PARTS; part++) {
        h->b[part] = reel__layer_param(tape, name, b[part], REEL_SHAPE(h->width), reel_zeros());
        good = good && h->b[part].id;
    }
    return good;
}

reel_multi_head reel_multi_head_attention(reel_tape *tape, const char *name, int64_t width,
                                          int64_t count, reel_multi_head_options options)
{
    heads *h = check(tape, width, count, &options) ? reel__layer_self(tape, sizeof *h) : NULL;
    if (!h) {
        return (reel_multi_head){ 0 };
    }
    int64_t key = options.key ? options.key : width, value = options.value ? options.value : width;
    *h = (heads){ .width = width,
                  .heads = count,
                  .in = { width, key, value, width },
                  .dropout = options.dropout,
                  .rotary = options.rotary };
    bool good = add_parameters(h, tape, name, !options.no_bias);
    return good ? (reel_multi_head){ h } : (reel_multi_head){ 0 };
}

/* attention_dot.c: scaled dot-product attention and its masks. */
#include <math.h>

#include "attention_dot.h"
#include "lengths.h"

#define FAIL(status, ...) (reel_fail(tape, status, c->name, __VA_ARGS__), false)

/* ---- masks ---------------------------------------------------------------------------------- */

static bool check_mask(const reel__dot_product *c, const char *what, reel_var mask)
{
    reel_tape *tape = c->q.tape;
    reel_shape joined;
    if (reel__is_absent(mask)) {
        return true;
    }
    if (!reel__check_handle(tape, c->name, mask)) {
        return false;
    }
    if (reel_is_index(mask) || !reel_broadcast(reel_shape_of(mask), c->scores, &joined) ||
        !reel_shape_equal(joined, c->scores)) {
        return FAIL(REEL_BAD_SHAPE, "%s is %s%s, which does not broadcast to the scores %s", what,
                    reel_is_index(mask) ? "indices " : "", REEL_SHAPE_TEXT(reel_shape_of(mask)),
                    REEL_SHAPE_TEXT(c->scores));
    }
    return true;
}

/* A mask that says the same to all queries tells padding: it is blanked, so that it cannot get
 * out as 0·NaN. */
static void blank_keys(reel__dot_product *c, reel_var mask)
{
    int rank = reel_shape_of(mask).rank;
    if (rank == 1) {
        mask = reel_unsqueeze(mask, 0);
    } else if (rank < 2 || reel_shape_of(mask).dim[rank - 2] != 1) {
        return;
    }
    reel_var column = reel_transpose(mask, -1, -2), zero = reel_scalar(c->q.tape, 0);
    c->k = reel_where(column, c->k, zero);
    c->v = reel_where(column, c->v, zero);
}

static reel_var hide(reel_var scores, reel_var shown)
{
    return reel_where(shown, scores, reel_scalar(scores.tape, -INFINITY));
}

static reel_var causal(reel_tape *tape, reel_shape scores)
{
    reel_var keys = reel__positions(tape, REEL_SHAPE(1, scores.dim[scores.rank - 1]));
    reel_var queries = reel__positions(tape, REEL_SHAPE(scores.dim[scores.rank - 2], 1));
    return reel_less_equal(keys, queries);
}

static reel_var masked(const reel__dot_product *c, reel_var scores)
{
    if (!reel__is_absent(c->mask.bias)) {
        scores = reel_add(scores, c->mask.bias);
    }
    if (!reel__is_absent(c->mask.mask)) {
        scores = hide(scores, c->mask.mask);
    }
    if (!reel__is_absent(c->valid)) {
        scores = hide(scores, c->valid);
    }
    return c->mask.causal ? hide(scores, causal(scores.tape, c->scores)) : scores;
}

/* ---- attention ------------------------------------------------------------------------------ */

static bool same_axes(reel_shape a, reel_shape b, int count)
{
    a.rank = b.rank = count;
    return reel_shape_equal(a, b);
}

static bool check_shapes(reel__dot_product *c)
{
    reel_tape *tape = c->q.tape;
    if (!reel__check_handle(tape, c->name, c->q) || !reel__check_handle(tape, c->name, c->k) ||
        !reel__check_handle(tape, c->name, c->v)) {
        return false;
    }
    reel_shape q = reel_shape_of(c->q), k = reel_shape_of(c->k), v = reel_shape_of(c->v);
    int rank = q.rank;
    if (rank < 2 || k.rank != rank || v.rank != rank || !same_axes(q, k, rank - 2) ||
        !same_axes(k, v, rank - 1) || q.dim[rank - 1] != k.dim[rank - 1]) {
        return FAIL(REEL_BAD_SHAPE,
                    "queries %s, keys %s and values %s are not [..., queries, d], [..., keys, d] "
                    "and [..., keys, any]",
                    REEL_SHAPE_TEXT(q), REEL_SHAPE_TEXT(k), REEL_SHAPE_TEXT(v));
    }
    c->scores = q;
    c->scores.dim[rank - 1] = k.dim[rank - 2];
    return true;
}

static bool check(reel__dot_product *c)
{
    reel_tape *tape = c->q.tape;
    if (!check_shapes(c) || !check_mask(c, "mask", c->mask.mask) ||
        !check_mask(c, "bias", c->mask.bias)) {
        return false;
    }
    if (!(c->dropout >= 0 && c->dropout < 1)) {
        return FAIL(REEL_BAD_ARGUMENT, "dropout is %g, must be in [0, 1)", c->dropout);
    }
    return true;
}

reel_attended reel__dot_product_attention(reel__dot_product *c)
{
    reel_attended out = { reel__poisoned(c->q.tape), reel__poisoned(c->q.tape) };
    if (!check(c)) {
        return out;
    }
    if (!reel__is_absent(c->mask.mask)) {
        blank_keys(c, c->mask.mask);
    }
    reel_shape q = reel_shape_of(c->q);
    double scale = c->scale != 0 ? c->scale : 1 / sqrt((double)q.dim[q.rank - 1]);
    reel_var scores =
        reel_matmul_ex(reel_scale(c->q, scale), c->k, (reel_matmul_options){ .transpose_b = true });
    out.weights = reel_softmax(masked(c, scores), -1);
    out.context = reel_matmul(reel_dropout(out.weights, c->dropout), c->v);
    return out;
}

reel_attended reel_dot_product_attention(reel_var q, reel_var k, reel_var v,
                                         reel_dot_product_options options)
{
    reel_tape *tape = q.tape;
    reel__dot_product c = { .name = "dot_product_attention",
                            .q = q,
                            .k = k,
                            .v = v,
                            .mask = options.mask,
                            .scale = options.scale,
                            .dropout = options.dropout };
    if (!tape) {
        return (reel_attended){ 0 };
    }
    if (options.mask.lengths) {
        reel_fail(tape, REEL_BAD_ARGUMENT, c.name, "lengths are of multi-head attention; use mask");
        return (reel_attended){ reel__poisoned(tape), reel__poisoned(tape) };
    }
    tape->nested++;
    reel_attended out = reel__dot_product_attention(&c);
    tape->nested--;
    return out;
}

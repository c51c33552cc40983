/* pick.c: one element of each row, by an index tensor, and its transposes: pick_transpose puts
 * numbers at such places, one_hot puts ones.
 */
#ifndef REAL
#include <string.h>

#include "indices.h"
#include "kernel.h"
#include "ops.h"

typedef struct {
    int64_t length;
} pick_transpose_attributes;

typedef struct {
    int64_t depth;
} one_hot_attributes;

#define KERNELS_OF "pick.c"
#include "both_types.h"

static reel_var pick_transpose(reel_var v, reel_var indices, int64_t length);

/* [i...] → [i..., length] */
static bool append_axis(reel_shape_call *c, const reel_shape *shape, const char *name,
                        int64_t length)
{
    if (shape->rank == REEL_MAX_RANK) {
        return reel_shape_fail(c, "%s already has %d axes", REEL_SHAPE_TEXT(*shape), REEL_MAX_RANK);
    }
    c->y = *shape;
    c->y.dim[c->y.rank++] = length;
    return reel__length_fits(c, name, length);
}

/* ---- pick ---------------------------------------------------------------------------------- */

static bool pick_shape(reel_shape_call *c)
{
    const reel_shape *v = c->x[0], *indices = c->x[1];
    reel_shape rows = *v;
    rows.rank--;
    if (v->rank == 0 || !reel_shape_equal(rows, *indices)) {
        return reel_shape_fail(c, "indices %s are not one for each row of %s",
                               REEL_SHAPE_TEXT(*indices), REEL_SHAPE_TEXT(*v));
    }
    c->y = *indices;
    return reel__indices_fit(c, 1, "the row's", v->dim[v->rank - 1], "elements");
}

static void pick_vjp(reel_vjp_call *c)
{
    reel_shape v = reel_shape_of(c->x[0]);
    c->dx[0] = pick_transpose(c->dy, c->x[1], v.dim[v.rank - 1]);
}

static const reel_sample pick_samples[] = {
    { "one of each row", 2,
      .x = { { .shape = REEL_AXES(4, 3) },
             { .shape = REEL_AXES(4), .values = (const double[]){ 2, 0, 2, 1 } } } },
    { "of a sequence's rows", 2,
      .x = { { .shape = REEL_AXES(3, 2, 5) }, { .shape = REEL_AXES(3, 2), .hi = 5 } } },
    { "of a vector", 2, .x = { { .shape = REEL_AXES(5) }, { .shape = REEL_NO_AXES, .hi = 5 } } },
    { "no rows", 2, .x = { { .shape = REEL_AXES(0, 3) }, { .shape = REEL_AXES(0) } } },
    { "behind the last element", 2,
      .x = { { .shape = REEL_AXES(3, 4) },
             { .shape = REEL_AXES(3), .values = (const double[]){ 0, 4, 9 } } },
      .fails = "index 4 at position 1 is outside the row's 4 elements" },
    { "other rows", 2, .x = { { .shape = REEL_AXES(4, 5) }, { .shape = REEL_AXES(3), .hi = 5 } },
      .fails = "indices [3] are not one for each row of [4,5]" },
    { "of a scalar", 2, .x = { { .shape = REEL_NO_AXES }, { .shape = REEL_NO_AXES, .hi = 1 } },
      .fails = "indices [] are not one for each row of []" },
    { 0 },
};

REEL_OP(pick) = {
    .name = "pick",
    .kind = REEL_GATHER,
    .inputs = 2,
    .doc =
        "One element of each row: v [i..., n], indices [i...] → [i...], v[i..., indices[i...]]; as "
        "NumPy's take_along_axis on the last axis.",
    .shape = pick_shape,
    .kernel = TYPED_PAIR(pick),
    .vjp = pick_vjp,
    .index_inputs = 1u << 1,
    .samples = pick_samples,
};

reel_var reel_pick(reel_var v, reel_var indices)
{
    return reel_record(&reel__op_pick, 2, (const reel_var[]){ v, indices }, NULL);
}

/* ---- pick_transpose ------------------------------------------------------------------------ */

static const reel_attribute pick_transpose_fields[] = {
    { "length", REEL_ATTRIBUTE_INT, offsetof(pick_transpose_attributes, length) },
    { 0 },
};

static bool pick_transpose_shape(reel_shape_call *c)
{
    int64_t length = ((const pick_transpose_attributes *)c->attributes)->length;
    if (!reel_shape_equal(*c->x[0], *c->x[1])) {
        return reel_shape_fail(c, "numbers %s and indices %s differ", REEL_SHAPE_TEXT(*c->x[0]),
                               REEL_SHAPE_TEXT(*c->x[1]));
    }
    return append_axis(c, c->x[0], "length", length) &&
           reel__indices_fit(c, 1, "the row's", length, "elements");
}

static void pick_transpose_vjp(reel_vjp_call *c)
{
    c->dx[0] = reel_pick(c->dy, c->x[1]);
}

static const reel_sample pick_transpose_samples[] = {
    { "one in each row", 2,
      .x = { { .shape = REEL_AXES(4) },
             { .shape = REEL_AXES(4), .values = (const double[]){ 2, 0, 2, 1 } } },
      .attributes = &(const pick_transpose_attributes){ 3 } },
    { "a batch of sequences", 2,
      .x = { { .shape = REEL_AXES(3, 2) }, { .shape = REEL_AXES(3, 2), .hi = 4 } },
      .attributes = &(const pick_transpose_attributes){ 4 } },
    { "one number", 2, .x = { { .shape = REEL_NO_AXES }, { .shape = REEL_NO_AXES, .hi = 2 } },
      .attributes = &(const pick_transpose_attributes){ 2 } },
    { "other shapes", 2, .x = { { .shape = REEL_AXES(3, 1) }, { .shape = REEL_AXES(3), .hi = 2 } },
      .attributes = &(const pick_transpose_attributes){ 2 },
      .fails = "numbers [3,1] and indices [3] differ" },
    { "behind the last element", 2,
      .x = { { .shape = REEL_AXES(1) },
             { .shape = REEL_AXES(1), .values = (const double[]){ 2 } } },
      .attributes = &(const pick_transpose_attributes){ 2 },
      .fails = "index 2 at position 0 is outside the row's 2 elements" },
    { 0 },
};

REEL_OP(pick_transpose) = {
    .name = "pick_transpose",
    .kind = REEL_GATHER,
    .inputs = 2,
    .doc = "Rows of zeros, `length` long, with one number each: v [i...], indices [i...] → [i..., "
           "length]. "
           "The gradient of pick.",
    .attributes = pick_transpose_fields,
    .attribute_size = sizeof(pick_transpose_attributes),
    .shape = pick_transpose_shape,
    .kernel = TYPED_PAIR(pick_transpose),
    .vjp = pick_transpose_vjp,
    .index_inputs = 1u << 1,
    .accumulates = true,
    .samples = pick_transpose_samples,
};

static reel_var pick_transpose(reel_var v, reel_var indices, int64_t length)
{
    return reel_record(&reel__op_pick_transpose, 2, (const reel_var[]){ v, indices },
                       &(pick_transpose_attributes){ length });
}

/* ---- one_hot ------------------------------------------------------------------------------- */

static const reel_attribute one_hot_fields[] = {
    { "depth", REEL_ATTRIBUTE_INT, offsetof(one_hot_attributes, depth) },
    { 0 },
};

static bool one_hot_shape(reel_shape_call *c)
{
    int64_t depth = ((const one_hot_attributes *)c->attributes)->depth;
    return append_axis(c, c->x[0], "depth", depth) &&
           reel__indices_fit(c, 0, "the vector's", depth, "places");
}

static const reel_sample one_hot_samples[] = {
    { "a vector of indices", 1,
      .x = { { .shape = REEL_AXES(4), .values = (const double[]){ 2, 0, 2, 1 } } },
      .attributes = &(const one_hot_attributes){ 3 } },
    { "a matrix of indices", 1, .x = { { .shape = REEL_AXES(2, 3), .hi = 5 } },
      .attributes = &(const one_hot_attributes){ 5 } },
    { "one index", 1, .x = { { .shape = REEL_NO_AXES, .hi = 2 } },
      .attributes = &(const one_hot_attributes){ 2 } },
    { "no indices, no places", 1, .x = { { .shape = REEL_AXES(0) } },
      .attributes = &(const one_hot_attributes){ 0 } },
    { "behind the last place", 1,
      .x = { { .shape = REEL_AXES(2), .values = (const double[]){ 0, 3 } } },
      .attributes = &(const one_hot_attributes){ 3 },
      .fails = "index 3 at position 1 is outside the vector's 3 places" },
    { "a negative depth", 1, .x = { { .shape = REEL_AXES(2), .hi = 1 } },
      .attributes = &(const one_hot_attributes){ -1 }, .fails = "depth -1 is negative" },
    { 0 },
};

REEL_OP(one_hot) = {
    .name = "one_hot",
    .kind = REEL_GATHER,
    .inputs = 1,
    .doc = "A 1 at each index, 0 elsewhere: indices [i...] → [i..., depth].",
    .attributes = one_hot_fields,
    .attribute_size = sizeof(one_hot_attributes),
    .shape = one_hot_shape,
    .kernel = TYPED_PAIR(one_hot),
    .flat = true,
    .index_inputs = 1u << 0,
    .samples = one_hot_samples,
};

reel_var reel_one_hot(reel_var indices, int64_t depth)
{
    return reel_record(&reel__op_one_hot, 1, &indices, &(one_hot_attributes){ depth });
}

#else /* ---- kernels --------------------------------------------------------------------------- */

static void TYPED(pick)(const reel_kernel_call *c)
{
    const REAL *x = c->x[0].data;
    const int32_t *index = c->x[1].data;
    REAL *y = c->y.data;
    int64_t rows = reel_shape_size(*c->y.shape), n = c->x[0].shape->dim[c->y.shape->rank];
    if (!reel__indices_hold(c, 1, "the row's", n, "elements")) {
        return;
    }
    for (int64_t i = 0; i < rows; i++) {
        y[i] = x[i * n + index[i]];
    }
}

static void TYPED(clear)(const reel_tensor *y)
{
    memset(y->data, 0, (size_t)reel_shape_size(*y->shape) * sizeof(REAL));
}

static void TYPED(pick_transpose)(const reel_kernel_call *c)
{
    const REAL *x = c->x[0].data;
    const int32_t *index = c->x[1].data;
    REAL *y = c->y.data;
    int64_t rows = reel_shape_size(*c->x[0].shape), n = c->y.shape->dim[c->y.shape->rank - 1];
    if (!reel__indices_hold(c, 1, "the row's", n, "elements")) {
        return;
    }
    if (!c->accumulate) {
        TYPED(clear)(&c->y);
    }
    for (int64_t i = 0; i < rows; i++) {
        y[i * n + index[i]] += x[i];
    }
}

static void TYPED(one_hot)(const reel_kernel_call *c)
{
    const int32_t *index = c->x[0].data;
    REAL *y = c->y.data;
    int64_t rows = reel_shape_size(*c->x[0].shape), n = c->y.shape->dim[c->y.shape->rank - 1];
    if (!reel__indices_hold(c, 0, "the vector's", n, "places")) {
        return;
    }
    TYPED(clear)(&c->y);
    for (int64_t i = 0; i < rows; i++) {
        y[i * n + index[i]] = 1;
    }
}

#endif

/* product.c: prod, the product along an axis. */
#ifndef REAL
#include <math.h>

#include "kernel.h"
#include "ops.h"
#include "reduce.h"

#include "../graph/run/lanes.h"

#define KERNELS_OF "product.c"
#include "both_types.h"

/* One level of a tree of products: `first` and `second` half of its elements, and the odd one. */
typedef struct {
    reel_var first, second, odd;
    int64_t half;
    bool has_odd;
} tree_level;

static tree_level halve(reel_var v, int axis, int64_t n)
{
    tree_level level = { .half = n / 2, .has_odd = n % 2 != 0 };
    level.first = reel_slice(v, axis, 0, n / 2);
    level.second = reel_slice(v, axis, n / 2, n / 2 * 2);
    if (level.has_odd) {
        level.odd = reel_slice(v, axis, n - 1, n);
    }
    return level;
}

/* From the gradient of the level above, in which halves are multiplied, to that of this one. */
static reel_var descend(const tree_level *level, int axis, reel_var above)
{
    reel_var products = level->has_odd ? reel_slice(above, axis, 0, level->half) : above;
    reel_var parts[3] = { reel_xmul(products, level->second), reel_xmul(products, level->first) };
    if (level->has_odd) {
        parts[2] = reel_slice(above, axis, level->half, level->half + 1);
    }
    return reel_concat_n(axis, level->has_odd ? 3 : 2, parts);
}

/* Dividing the product by x would fail at zeros. Up a tree of products of halves, and down it
 * with each half's gradient times the other half: no division, and differentiable as often as
 * one likes. */
static void prod_vjp(reel_vjp_call *c)
{
    int axis = (int)((const reduction_attributes *)c->attributes)->axis, depth = 0;
    int64_t n = reel_shape_of(c->x[0]).dim[axis];
    tree_level level[64];
    if (n == 0) {
        return;
    }
    for (reel_var v = c->x[0]; n > 1; n = (n + 1) / 2) {
        level[depth] = halve(v, axis, n);
        v = reel_mul(level[depth].first, level[depth].second);
        if (level[depth].has_odd) {
            v = reel_concat_n(axis, 2, (reel_var[]){ v, level[depth].odd });
        }
        depth++;
    }
    c->dx[0] = reel__kept(c, c->dy);
    while (depth-- > 0) {
        c->dx[0] = descend(&level[depth], axis, c->dx[0]);
    }
}

static const reel_sample prod_samples[] = {
    REDUCTION_SAMPLES,
    { "one zero in a row, two in another",
      1,
      { { .shape = REEL_AXES(2, 4), .values = (const double[]){ 2, 0, 3, 4, 0, 5, 0, 7 } } },
      ALONG(1, 0) },
    { "nothing but zeros",
      1,
      { { .shape = REEL_AXES(3), .values = (const double[]){ 0, 0, 0 } } },
      ALONG(0, 0) },
    { "an empty axis has the product 1", 1, { { .shape = REEL_AXES(0, 3) } }, ALONG(0, 0) },
    { "infinity",
      1,
      { { .shape = REEL_AXES(2, 2), .values = (const double[]){ INFINITY, -1, INFINITY, 0 } } },
      ALONG(1, 0),
      .no_gradcheck = "differences of infinities" },
    { 0 },
};

REEL_OP(prod) = {
    .name = "prod",
    .by_rows = reel__rows_beside_axis,
    .kind = REEL_REDUCTION,
    .inputs = 1,
    .doc = "The product along `axis`, which goes, or stays as 1 with `keep`. The gradient of an "
           "element is "
           "the product of the others, by multiplying and never by dividing, so that it is right "
           "where "
           "there are zeros. 1 for an empty axis.",
    .attributes = reel__reduction_fields,
    .attribute_size = sizeof(reduction_attributes),
    .shape = reel__reduction_shape,
    .kernel = TYPED_PAIR(prod),
    .vjp = prod_vjp,
    .flops = reel__input_size,
    .samples = prod_samples,
};

reel_var reel_prod(reel_var v, int axis)
{
    return reel__reduce(&reel__op_prod, v, axis, false);
}

reel_var reel_prod_keep(reel_var v, int axis)
{
    return reel__reduce(&reel__op_prod, v, axis, true);
}

reel_var reel_prod_all(reel_var v)
{
    return reel__reduce_all(&reel__op_prod, v);
}

#else /* read once for each type */

ALWAYS_INLINE REAL TYPED(row_product)(const REAL *x, int64_t n)
{
    REAL lane[LANES], product = 1;
    int64_t i = 0;
    for (int l = 0; l < LANES; l++) {
        lane[l] = 1;
    }
    for (; i + LANES <= n; i += LANES) {
        for (int l = 0; l < LANES; l++) {
            lane[l] *= x[i + l];
        }
    }
    for (int l = 0; i > 0 && l < LANES; l++) {
        product *= lane[l];
    }
    for (; i < n; i++) {
        product *= x[i];
    }
    return product;
}

CLONED(TYPED(prod_rows), (const void *in, void *out, int64_t rows, int64_t n), (in, out, rows, n))
{
    const REAL *x = in;
    REAL *y = out;
    for (int64_t r = 0; r < rows; r++) {
        y[r] = TYPED(row_product)(x + r * n, n);
    }
}

CLONED(TYPED(prod_columns), (const void *in, void *out, int64_t n, int64_t stride, int64_t width),
       (in, out, n, stride, width))
{
    const REAL *x = in;
    REAL *y = out, product[COLUMNS];
    for (int64_t c = 0; c < width; c++) {
        product[c] = 1;
    }
    for (int64_t i = 0; i < n; i++) {
        LOOP_WITHOUT_OVERLAP
        for (int64_t c = 0; c < width; c++) {
            product[c] *= x[i * stride + c];
        }
    }
    for (int64_t c = 0; c < width; c++) {
        y[c] = product[c];
    }
}

static void TYPED(prod)(const reel_kernel_call *c)
{
    static const reel__axis_kernel kernel = { TYPED(prod_rows), TYPED(prod_columns), sizeof(REAL),
                                              sizeof(REAL), false };
    reel__run_along_axis(c, ((const reduction_attributes *)c->attributes)->axis, &kernel);
}

#endif

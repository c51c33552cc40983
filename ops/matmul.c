/* matmul.c: products of matrices, of batches of them, and with vectors, as NumPy's matmul. */
#include <inttypes.h>
#include <limits.h>
#include <math.h>

#include "../graph/run/gemm.h"
#include "../graph/run/packed.h"
#include "../graph/run/strides.h"
#include "../graph/run/subnormal.h"
#include "../graph/tape.h"
#include "ops.h"

typedef struct {
    int64_t transpose_a, transpose_b;
} matmul_attributes;

static const reel_attribute matmul_fields[] = {
    { "transpose_a", REEL_ATTRIBUTE_INT, offsetof(matmul_attributes, transpose_a) },
    { "transpose_b", REEL_ATTRIBUTE_INT, offsetof(matmul_attributes, transpose_b) },
    { 0 },
};

/* ---- shapes -------------------------------------------------------------------------------- */

/* An input as the product sees it: the axes in front, and a matrix of rows and columns. A vector
 * is a row on the left and a column on the right. */
typedef struct {
    reel_shape lead;
    int64_t rows, columns;
} factor_shape;

static factor_shape shape_of_factor(const reel_shape *x, bool transpose, bool left)
{
    factor_shape f = { .lead.rank = 0 };
    if (x->rank == 1) {
        f.rows = left ? 1 : x->dim[0];
        f.columns = left ? x->dim[0] : 1;
        return f;
    }
    f.lead.rank = x->rank - 2;
    for (int i = 0; i < f.lead.rank; i++) {
        f.lead.dim[i] = x->dim[i];
    }
    f.rows = x->dim[x->rank - (transpose ? 1 : 2)];
    f.columns = x->dim[x->rank - (transpose ? 2 : 1)];
    return f;
}

/* "what: [4,5] x [6,3]", with ^T behind what is transposed. */
static bool fail_with_shapes(reel_shape_call *c, const char *what)
{
    const matmul_attributes *a = c->attributes;
    return reel_shape_fail(c, "%s: %s%s x %s%s", what, REEL_SHAPE_TEXT(*c->x[0]),
                           a->transpose_a ? "^T" : "", REEL_SHAPE_TEXT(*c->x[1]),
                           a->transpose_b ? "^T" : "");
}

static bool check_ranks(reel_shape_call *c)
{
    const matmul_attributes *a = c->attributes;
    int rank_a = c->x[0]->rank, rank_b = c->x[1]->rank;
    if (rank_a == 0 || rank_b == 0) {
        return fail_with_shapes(c, "a scalar has no matrix product");
    }
    if ((rank_a == 1 && a->transpose_a) || (rank_b == 1 && a->transpose_b)) {
        return fail_with_shapes(c, "a vector has no transpose");
    }
    return true;
}

static bool matmul_shape(reel_shape_call *c)
{
    if (!check_ranks(c)) {
        return false;
    }
    const matmul_attributes *attributes = c->attributes;
    factor_shape a = shape_of_factor(c->x[0], attributes->transpose_a != 0, true);
    factor_shape b = shape_of_factor(c->x[1], attributes->transpose_b != 0, false);
    if (a.columns != b.rows) {
        return fail_with_shapes(c, "inner dimensions differ");
    }
    if (a.rows > INT_MAX || a.columns > INT_MAX || b.columns > INT_MAX) {
        return fail_with_shapes(c, "a dimension exceeds what BLAS counts");
    }
    if (!reel_broadcast(a.lead, b.lead, &c->y)) {
        return fail_with_shapes(c, "leading axes do not broadcast");
    }
    if (c->x[0]->rank > 1) {
        c->y.dim[c->y.rank++] = a.rows;
    }
    if (c->x[1]->rank > 1) {
        c->y.dim[c->y.rank++] = b.columns;
    }
    return true;
}

/* Twice the size of y times the inner dimension, which is the axis of a that y has not got. */
static double matmul_flops(int inputs, const reel_shape *const x[], const reel_shape *y)
{
    (void)inputs;
    const reel_shape *a = x[0], *b = x[1];
    int64_t inner = b->rank == 1 ? b->dim[0] : a->dim[a->rank - 1];
    if (a->rank > 1 && b->rank > 1 && a->dim[a->rank - 2] != y->dim[y->rank - 2]) {
        inner = a->dim[a->rank - 2];
    }
    return 2.0 * (double)inner * (double)reel_shape_size(*y);
}

/* ---- the kernel ---------------------------------------------------------------------------- */

/* An input's memory. */
typedef struct {
    factor_shape shape;
    const char *data;
    int64_t row_stride, column_stride;
    int64_t lead_stride[REEL_MAX_RANK];
} factor;

static factor look_at(const reel_tensor *x, bool transpose, bool left)
{
    factor f = { .shape = shape_of_factor(x->shape, transpose, left), .data = x->data };
    int rank = x->shape->rank;
    if (rank == 1) {
        f.row_stride = left ? f.shape.columns : x->stride[0];
        f.column_stride = left ? x->stride[0] : 1;
        return f;
    }
    f.row_stride = x->stride[rank - (transpose ? 1 : 2)];
    f.column_stride = x->stride[rank - (transpose ? 2 : 1)];
    for (int i = 0; i < f.shape.lead.rank; i++) {
        f.lead_stride[i] = x->stride[i];
    }
    return f;
}

/* BLAS wants the elements of a row side by side and its rows ld ≥ the row's length apart; or,
 * transposed, the same of columns. False where neither holds. */
static bool rows_suit(int64_t rows, int64_t columns, int64_t row_stride, int64_t column_stride,
                      int64_t *ld)
{
    int64_t least = columns > 1 ? columns : 1;
    *ld = rows > 1 ? row_stride : least;
    return (columns <= 1 || column_stride == 1) && *ld >= least && *ld <= INT_MAX;
}

static bool suits_blas(const factor *f, bool *transpose, int64_t *ld)
{
    *transpose = false;
    if (rows_suit(f->shape.rows, f->shape.columns, f->row_stride, f->column_stride, ld)) {
        return true;
    }
    *transpose = true;
    return rows_suit(f->shape.columns, f->shape.rows, f->column_stride, f->row_stride, ld);
}

static bool needs_copy(const reel_kernel_call *c, int input)
{
    const matmul_attributes *a = c->attributes;
    factor f =
        look_at(&c->x[input], (input == 0 ? a->transpose_a : a->transpose_b) != 0, input == 0);
    bool transpose;
    int64_t ld;
    return !suits_blas(&f, &transpose, &ld);
}

static size_t copy_size(const reel_kernel_call *c, int input, size_t element)
{
    size_t bytes = (size_t)reel_shape_size(*c->x[input].shape) * element;
    return needs_copy(c, input) ? reel__aligned(bytes) : 0;
}

/* As it lies, or as its copy in the scratch will lie. */
static factor get_factor(const reel_kernel_call *c, int input, size_t element)
{
    const matmul_attributes *a = c->attributes;
    bool transpose = (input == 0 ? a->transpose_a : a->transpose_b) != 0;
    if (!needs_copy(c, input)) {
        return look_at(&c->x[input], transpose, input == 0);
    }
    reel_tensor copy = { .shape = c->x[input].shape };
    copy.data = (char *)c->scratch + (input == 1 ? copy_size(c, 0, element) : 0);
    int64_t stride[REEL_MAX_RANK];
    reel__dense_strides(copy.shape, stride);
    copy.stride = stride;
    return look_at(&copy, transpose, input == 0);
}

static void make_copies(const reel_kernel_call *c, size_t element)
{
    for (int input = 0; input < 2; input++) {
        if (needs_copy(c, input)) {
            char *copy = (char *)c->scratch + (input == 1 ? copy_size(c, 0, element) : 0);
            reel__pack(&c->x[input], element, copy, c->threads);
        }
    }
}

/* Whether the axes in front run on from the rows, so that all of them together are the rows of
 * one matrix. */
static bool lead_continues_rows(const factor *f)
{
    int64_t next = f->shape.rows == 1 && f->shape.lead.rank > 0
                       ? f->lead_stride[f->shape.lead.rank - 1]
                       : f->row_stride * f->shape.rows;
    for (int i = f->shape.lead.rank - 1; i >= 0; i--) {
        if (f->shape.lead.dim[i] == 1) {
            continue;
        }
        if (f->lead_stride[i] != next) {
            return false;
        }
        next *= f->shape.lead.dim[i];
    }
    return true;
}

/* x [..., k] by one matrix [k, n] is one product, with all the axes in front as rows. */
static void join_lead(factor *a, const factor *b, reel_shape *lead)
{
    int64_t batch = reel_shape_size(a->shape.lead);
    if (reel_shape_size(b->shape.lead) != 1 || batch < 2) {
        return;
    }
    factor joined = *a;
    joined.shape.rows *= batch;
    joined.row_stride = a->shape.rows > 1 ? a->row_stride : a->lead_stride[a->shape.lead.rank - 1];
    joined.shape.lead.rank = 0;
    bool transpose;
    int64_t ld;
    if (lead_continues_rows(a) && suits_blas(&joined, &transpose, &ld)) {
        *a = joined;
        lead->rank = 0;
    }
}

/* Where the matrix of number `batch` starts, in elements. */
static int64_t offset_of(const factor *f, const reel_shape *lead, int64_t batch)
{
    int64_t offset = 0;
    for (int i = lead->rank - 1, j = f->shape.lead.rank - 1; i >= 0 && j >= 0; i--, j--) {
        offset += f->shape.lead.dim[j] == 1 ? 0 : batch % lead->dim[i] * f->lead_stride[j];
        batch /= lead->dim[i];
    }
    return offset;
}

typedef struct {
    reel_dtype dtype;
    size_t element;
    factor a, b;
    reel_shape lead; /* of y */
    reel__gemm_call first;
} product;

static void multiply(const product *p, int64_t batch, int threads, char *workspace)
{
    reel__gemm_call g = p->first;
    g.a = p->a.data + offset_of(&p->a, &p->lead, batch) * (int64_t)p->element;
    g.b = p->b.data + offset_of(&p->b, &p->lead, batch) * (int64_t)p->element;
    g.c = (char *)g.c + (size_t)(batch * g.m * g.n) * p->element;
    reel__gemm(p->dtype, g, threads, workspace);
}

/* Products below the second number are too small to be split; a batch below the first, as well. */
#define WORTH_THREADS 262144.0
#define SMALL_PRODUCT 4194304.0

static bool split_batch(const reel__gemm_call *g, int64_t batch)
{
    double work = (double)g->m * (double)g->n * (double)g->k;
    return batch > 1 && work < SMALL_PRODUCT && work * (double)batch > WORTH_THREADS &&
           (reel__blas_parallel() == 0 || reel__blas_parallel() == 2);
}

static void multiply_all(const product *p, int64_t batch, int threads, char *workspace)
{
    if (threads < 2 || !split_batch(&p->first, batch)) {
        for (int64_t i = 0; i < batch; i++) {
            multiply(p, i, threads, workspace);
        }
        return;
    }
    size_t bytes = reel__gemm_workspace(p->dtype, &p->first, 1);
    reel__float_mode mode = reel__float_mode_now();
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int part = 0; part < threads; part++) {
        reel__float_mode own = reel__float_mode_use(mode);
        for (int64_t i = batch * part / threads; i < batch * (part + 1) / threads; i++) {
            multiply(p, i, 1, workspace + (size_t)part * bytes);
        }
        reel__float_mode_use(own);
    }
}

/* A few rows by a weight, as in the steps of a loop: packing the weight is worth it once for all
 * of them. */
static bool multiply_prepared(const reel_kernel_call *c, const product *p)
{
    reel__gemm_call g = p->first;
    if (!(c->constant & 2u) || g.transpose_a || g.m == 0 || g.k == 0 || g.n < 4) {
        return false;
    }
    g.a = p->a.data;
    g.b = reel__prepared_factor(c->tape, p->b.data, g.k, g.n, p->b.row_stride, p->b.column_stride);
    if (g.b == NULL) {
        return false;
    }
    reel__gemm_packed(p->dtype, &g, c->threads);
    return true;
}

static product look_at_product(const reel_kernel_call *c, reel_dtype dtype, size_t element)
{
    product p = { .dtype = dtype, .element = element };
    p.a = get_factor(c, 0, element);
    p.b = get_factor(c, 1, element);
    reel_broadcast(p.a.shape.lead, p.b.shape.lead, &p.lead);
    join_lead(&p.a, &p.b, &p.lead);

    reel__gemm_call *g = &p.first;
    *g = (reel__gemm_call){ .m = p.a.shape.rows, .n = p.b.shape.columns, .k = p.a.shape.columns };
    g->c = c->y.data;
    g->ldc = g->n;
    g->accumulate = c->accumulate;
    suits_blas(&p.a, &g->transpose_a, &g->lda);
    suits_blas(&p.b, &g->transpose_b, &g->ldb);
    return p;
}

static size_t matmul_scratch(const reel_kernel_call *c, size_t element)
{
    reel_dtype dtype = element == sizeof(float) ? REEL_F32 : REEL_F64;
    product p = look_at_product(c, dtype, element);
    return copy_size(c, 0, element) + copy_size(c, 1, element) +
           reel__gemm_workspace(dtype, &p.first, c->threads);
}

static void matmul(const reel_kernel_call *c, reel_dtype dtype, size_t element)
{
    product p = look_at_product(c, dtype, element);
    make_copies(c, element);
    char *workspace = (char *)c->scratch + copy_size(c, 0, element) + copy_size(c, 1, element);
    if (p.lead.rank > 0 || !multiply_prepared(c, &p)) {
        multiply_all(&p, reel_shape_size(p.lead), c->threads, workspace);
    }
}

static void matmul_f32(const reel_kernel_call *c)
{
    matmul(c, REEL_F32, sizeof(float));
}

static void matmul_f64(const reel_kernel_call *c)
{
    matmul(c, REEL_F64, sizeof(double));
}

/* ---- the derivative ------------------------------------------------------------------------ */

static reel_var product_of(reel_var a, bool transpose_a, reel_var b, bool transpose_b)
{
    return reel_matmul_ex(a, b, (reel_matmul_options){ transpose_a, transpose_b });
}

/* With the row or the column that a vector lacks. */
static reel_var as_matrix(reel_var v, bool left)
{
    return reel_shape_of(v).rank == 1 ? reel_unsqueeze(v, left ? 0 : 1) : v;
}

static reel_var rows_of_all(reel_var v)
{
    reel_shape shape = reel_shape_of(v);
    int64_t columns = shape.dim[shape.rank - 1];
    return reel_reshape(v,
                        REEL_SHAPE(reel_shape_size(shape) / (columns > 0 ? columns : 1), columns));
}

static reel_var in_shape(reel_var v, reel_shape shape)
{
    return reel_shape_equal(reel_shape_of(v), shape) ? v : reel_reshape(v, shape);
}

static bool is_one_matrix(reel_shape shape)
{
    shape.rank -= 2;
    return reel_shape_size(shape) == 1;
}

/* y = A·B: dB = Aᵀ·dy. For one B under many A that is a single product over all their rows. */
static reel_var gradient_of_b(reel_var a, bool transpose_a, reel_var b, bool transpose_b,
                              reel_var dy)
{
    reel_shape shape = reel_shape_of(b);
    if (!transpose_a && reel_shape_of(a).rank > 2 && is_one_matrix(shape) &&
        reel_shape_size(reel_shape_of(a)) > 0 && reel_shape_size(reel_shape_of(dy)) > 0) {
        a = rows_of_all(a);
        dy = rows_of_all(dy);
    }
    reel_var db =
        transpose_b ? product_of(dy, true, a, transpose_a) : product_of(a, !transpose_a, dy, false);
    return reel_shape_of(db).rank < shape.rank ? in_shape(db, shape) : reel_sum_to(db, shape);
}

/* dA = dy·Bᵀ. */
static reel_var gradient_of_a(reel_var a, bool transpose_a, reel_var b, bool transpose_b,
                              reel_var dy)
{
    reel_var da =
        transpose_a ? product_of(b, transpose_b, dy, true) : product_of(dy, false, b, !transpose_b);
    return reel_sum_to(da, reel_shape_of(a));
}

static void matmul_vjp(reel_vjp_call *c)
{
    const matmul_attributes *attributes = c->attributes;
    bool transpose_a = attributes->transpose_a != 0, transpose_b = attributes->transpose_b != 0;
    reel_var a = as_matrix(c->x[0], true), b = as_matrix(c->x[1], false), dy = c->dy;
    if (reel_shape_of(c->x[1]).rank == 1) {
        dy = reel_unsqueeze(dy, -1);
    }
    if (reel_shape_of(c->x[0]).rank == 1) {
        dy = reel_unsqueeze(dy, reel_shape_of(dy).rank - 1);
    }
    if (c->needs[0]) {
        c->dx[0] =
            in_shape(gradient_of_a(a, transpose_a, b, transpose_b, dy), reel_shape_of(c->x[0]));
    }
    if (c->needs[1]) {
        c->dx[1] =
            in_shape(gradient_of_b(a, transpose_a, b, transpose_b, dy), reel_shape_of(c->x[1]));
    }
}

/* ---- for the planner ----------------------------------------------------------------------- */

static int contracted_axis(const void *attributes, int input, int rank)
{
    const matmul_attributes *a = attributes;
    if (rank == 1) {
        return 0;
    }
    bool last = input == 0 ? !a->transpose_a : a->transpose_b != 0;
    return last ? rank - 1 : rank - 2;
}

static bool are_matrices(const reel_lift_call *c)
{
    return reel_shape_of(c->x[0]).rank == (c->stacked[0] ? 3 : 2) &&
           reel_shape_of(c->x[1]).rank == (c->stacked[1] ? 3 : 2);
}

/* Rows with any axes in front by one matrix: the steps are another axis in front. */
static bool are_rows_by_matrix(const reel_lift_call *c)
{
    return c->stacked[0] && !c->stacked[1] && reel_shape_of(c->x[0]).rank > 2 &&
           reel_shape_of(c->x[1]).rank == 2;
}

/* Matrices by matrices broadcast over the steps. */
static reel_var matmul_lift(const reel_lift_call *c)
{
    return are_matrices(c) || are_rows_by_matrix(c) ? reel_record(c->op, 2, c->x, c->attributes)
                                                    : (reel_var){ c->x[0].tape, 0 };
}

/* Σ AᵀB over the steps is one product, contracted over steps and rows. */
static reel_var matmul_sum_over(const reel_lift_call *c)
{
    const matmul_attributes *a = c->attributes;
    if (!are_matrices(c) || !c->stacked[0] || !c->stacked[1] || !a->transpose_a || a->transpose_b ||
        reel_shape_size(reel_shape_of(c->x[0])) == 0 ||
        reel_shape_size(reel_shape_of(c->x[1])) == 0) {
        return (reel_var){ c->x[0].tape, 0 };
    }
    return product_of(rows_of_all(c->x[0]), true, rows_of_all(c->x[1]), false);
}

/* ---- the entry ----------------------------------------------------------------------------- */

#define FLAGS(a, b)                                                                                \
    .attributes = &(const matmul_attributes)                                                       \
    {                                                                                              \
        a, b                                                                                       \
    }
#define TWO(shape_a, shape_b) 2, .x = { { .shape = shape_a }, { .shape = shape_b } }

static const reel_sample matmul_samples[] = {
    { "two matrices", TWO(REEL_AXES(4, 5), REEL_AXES(5, 3)) },
    { "the first transposed", TWO(REEL_AXES(5, 4), REEL_AXES(5, 3)), FLAGS(1, 0) },
    { "the second transposed", TWO(REEL_AXES(4, 5), REEL_AXES(3, 5)), FLAGS(0, 1) },
    { "both transposed", TWO(REEL_AXES(5, 4), REEL_AXES(3, 5)), FLAGS(1, 1) },
    { "one row", TWO(REEL_AXES(1, 4), REEL_AXES(4, 3)) },
    { "one column", TWO(REEL_AXES(4, 3), REEL_AXES(3, 1)) },
    { "one row, transposed", TWO(REEL_AXES(4, 1), REEL_AXES(3, 4)), FLAGS(1, 1) },
    { "an outer product", TWO(REEL_AXES(3, 1), REEL_AXES(1, 4)) },
    { "a vector by a matrix", TWO(REEL_AXES(4), REEL_AXES(4, 3)) },
    { "a vector by a transposed matrix", TWO(REEL_AXES(4), REEL_AXES(3, 4)), FLAGS(0, 1) },
    { "a matrix by a vector", TWO(REEL_AXES(3, 4), REEL_AXES(4)) },
    { "a transposed matrix by a vector", TWO(REEL_AXES(4, 3), REEL_AXES(4)), FLAGS(1, 0) },
    { "two vectors", TWO(REEL_AXES(5), REEL_AXES(5)) },
    { "a vector by a batch", TWO(REEL_AXES(4), REEL_AXES(2, 4, 3)) },
    { "a batch by a vector", TWO(REEL_AXES(2, 3, 4), REEL_AXES(4)) },
    { "many matrices by one", TWO(REEL_AXES(2, 3, 4), REEL_AXES(4, 5)) },
    { "many matrices by one, transposed", TWO(REEL_AXES(2, 3, 4), REEL_AXES(5, 4)), FLAGS(0, 1) },
    { "many transposed matrices by one", TWO(REEL_AXES(2, 4, 3), REEL_AXES(4, 5)), FLAGS(1, 0) },
    { "many transposed by one transposed", TWO(REEL_AXES(2, 4, 3), REEL_AXES(5, 4)), FLAGS(1, 1) },
    { "one matrix by many", TWO(REEL_AXES(3, 4), REEL_AXES(2, 4, 5)) },
    { "many by many", TWO(REEL_AXES(3, 2, 4), REEL_AXES(3, 4, 2)) },
    { "many by many, both transposed", TWO(REEL_AXES(2, 4, 3), REEL_AXES(2, 5, 4)), FLAGS(1, 1) },
    { "leading axes broadcast both ways", TWO(REEL_AXES(2, 1, 3, 2), REEL_AXES(3, 2, 2)) },
    { "one matrix with leading ones", TWO(REEL_AXES(3, 2, 4), REEL_AXES(1, 1, 4, 2)) },
    { "an empty inner dimension gives zeros", TWO(REEL_AXES(3, 0), REEL_AXES(0, 2)) },
    { "no rows", TWO(REEL_AXES(0, 3), REEL_AXES(3, 2)) },
    { "no columns", TWO(REEL_AXES(2, 3), REEL_AXES(3, 0)) },
    { "no batch", TWO(REEL_AXES(0, 2, 3), REEL_AXES(3, 2)) },
    { "inner dimensions", TWO(REEL_AXES(4, 5), REEL_AXES(6, 3)),
      .fails = "inner dimensions differ: [4,5] x [6,3]" },
    { "inner dimensions after transposing", TWO(REEL_AXES(4, 5), REEL_AXES(5, 3)), FLAGS(1, 0),
      .fails = "inner dimensions differ: [4,5]^T x [5,3]" },
    { "leading axes", TWO(REEL_AXES(2, 4, 5), REEL_AXES(3, 5, 6)),
      .fails = "leading axes do not broadcast: [2,4,5] x [3,5,6]" },
    { "a scalar", TWO(REEL_NO_AXES, REEL_AXES(6, 3)),
      .fails = "a scalar has no matrix product: [] x [6,3]" },
    { "a transposed vector", TWO(REEL_AXES(5), REEL_AXES(5, 3)), FLAGS(1, 0),
      .fails = "a vector has no transpose: [5]^T x [5,3]" },
    { "more rows than an int counts", TWO(REEL_AXES(3000000000, 0), REEL_AXES(0, 2)),
      .fails = "a dimension exceeds what BLAS counts: [3000000000,0] x [0,2]" },
    { 0 },
};

REEL_OP(matmul) = {
    .name = "matmul",
    .kind = REEL_CONTRACTION,
    .inputs = 2,
    .doc =
        "a·b as NumPy's matmul: of the last two axes, each of which may be transposed; the axes in "
        "front broadcast. A vector on the left is a row, on the right a column, and that axis is "
        "missing in the result. x [..., k] by one matrix [k, n] is a single product, and so is "
        "the gradient of that matrix. An empty inner dimension gives zeros.",
    .attributes = matmul_fields,
    .attribute_size = sizeof(matmul_attributes),
    .lift = matmul_lift,
    .sum_over = matmul_sum_over,
    .contracted_axis = contracted_axis,
    .shape = matmul_shape,
    .kernel = { matmul_f32, matmul_f64 },
    .scratch = matmul_scratch,
    .vjp = matmul_vjp,
    .strided = true,
    .accumulates = true,
    .flops = matmul_flops,
    .linear = 3,
    .samples = matmul_samples,
};

reel_var reel_matmul(reel_var a, reel_var b)
{
    return reel_record(&reel__op_matmul, 2, (reel_var[]){ a, b }, NULL);
}

reel_var reel_matmul_ex(reel_var a, reel_var b, reel_matmul_options options)
{
    return reel_record(&reel__op_matmul, 2, (reel_var[]){ a, b },
                       &(matmul_attributes){ options.transpose_a, options.transpose_b });
}

/* ---- affine -------------------------------------------------------------------------------- */

static bool affine_fits(reel_shape x, reel_shape W, reel_shape b)
{
    return x.rank > 0 && W.rank == 2 && b.rank == 1 && x.dim[x.rank - 1] == W.dim[0] &&
           b.dim[0] == W.dim[1];
}

/* A product and a sum, so that a planner sees both. */
reel_var reel_affine(reel_var x, reel_var W, reel_var b)
{
    reel_shape shape[3] = { reel_shape_of(x), reel_shape_of(W), reel_shape_of(b) };
    bool valid = shape[0].rank >= 0 && shape[1].rank >= 0 && shape[2].rank >= 0;
    if (valid && !affine_fits(shape[0], shape[1], shape[2])) {
        return reel_fail(x.tape, REEL_BAD_SHAPE, "affine",
                         "x [..., in], W [in, out], b [out] wanted: %s x %s + %s",
                         REEL_SHAPE_TEXT(shape[0]), REEL_SHAPE_TEXT(shape[1]),
                         REEL_SHAPE_TEXT(shape[2]));
    }
    return reel_add(reel_matmul(x, W), b);
}

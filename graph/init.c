/* init.c: how parameters start. Element i of a parameter draws from block i of its own stream,
 * named by the hash of its name, so neither the order of creation nor the tape's type changes a
 * number.
 *
 * Axes: a matrix is [in, out], as x·W has it; a vector has in = out = its length; further leading
 * axes are a receptive field and multiply both, as in Keras. With blocks the last axis is cut into
 * equal parts, each initialised as a parameter of its own: out, and what is orthogonal, are then a
 * block's.
 */
#include <limits.h>
#include <math.h>

#include "philox.h"
#include "tape.h"

/* ---- what a shape says --------------------------------------------------------------------- */

static int blocks_of(const reel_init *init)
{
    return init->blocks > 0 ? init->blocks : 1;
}

static bool blocks_fit(const reel_init *init, reel_shape shape)
{
    return (shape.rank > 0 ? shape.dim[shape.rank - 1] : 1) % blocks_of(init) == 0;
}

static double fan_in(reel_shape shape)
{
    double size = 1;
    for (int k = 0; k < (shape.rank > 1 ? shape.rank - 1 : shape.rank); k++) {
        size *= (double)shape.dim[k];
    }
    return size;
}

static double fan_out(reel_shape shape, int blocks)
{
    double size = 1;
    for (int k = 0; k < shape.rank; k++) {
        size *= k == shape.rank - 2 ? 1 : (double)shape.dim[k];
    }
    return size / blocks;
}

/* ---- element by element -------------------------------------------------------------------- */

double reel_draw_uniform(reel_init_key key, int64_t i)
{
    return reel__philox_uniform(reel__philox(key.seed, key.name_hash, (uint64_t)i), 0);
}

double reel_draw_normal(reel_init_key key, int64_t i)
{
    double normal[2];
    reel__philox_normal(reel__philox(key.seed, key.name_hash, (uint64_t)i), normal);
    return normal[0];
}

static bool fill_constant(const reel_init *init, reel_init_key key, reel_shape shape, double *out)
{
    (void)key;
    for (int64_t i = 0, n = reel_shape_size(shape); i < n; i++) {
        out[i] = init->a;
    }
    return true;
}

static bool fill_uniform(const reel_init *init, reel_init_key key, reel_shape shape, double *out)
{
    for (int64_t i = 0, n = reel_shape_size(shape); i < n; i++) {
        out[i] = init->a + (init->b - init->a) * reel_draw_uniform(key, i);
    }
    return true;
}

static bool fill_normal(const reel_init *init, reel_init_key key, reel_shape shape, double *out)
{
    for (int64_t i = 0, n = reel_shape_size(shape); i < n; i++) {
        out[i] = init->a + init->b * reel_draw_normal(key, i);
    }
    return true;
}

static bool fill_glorot(const reel_init *init, reel_init_key key, reel_shape shape, double *out)
{
    if (!blocks_fit(init, shape)) {
        return false;
    }
    double limit = sqrt(6 / (fan_in(shape) + fan_out(shape, blocks_of(init))));
    return fill_uniform(&(reel_init){ .a = -limit, .b = limit }, key, shape, out);
}

static bool fill_he(const reel_init *init, reel_init_key key, reel_shape shape, double *out)
{
    (void)init;
    return fill_normal(&(reel_init){ .b = sqrt(2 / fan_in(shape)) }, key, shape, out);
}

/* ---- orthogonal ---------------------------------------------------------------------------- */

/* LAPACK's Fortran symbols: every BLAS that brings LAPACK has them, LAPACKE only some. */
extern void dgeqrf_(const int *m, const int *n, double *a, const int *lda, double *tau,
                    double *work, const int *work_size, int *info);
extern void dorgqr_(const int *m, const int *n, const int *k, double *a, const int *lda,
                    const double *tau, double *work, const int *work_size, int *info);

enum { LAPACK_BLOCK = 64 }; /* columns that LAPACK takes at a time, at most */

/* a [columns][rows], columns ≤ rows; tau and sign are one number a column, work LAPACK_BLOCK. */
typedef struct {
    int rows, columns;
    double *a, *tau, *sign, *work;
} factorisation;

static size_t factorisation_size(const factorisation *f)
{
    return ((size_t)f->rows + 2 + LAPACK_BLOCK) * (size_t)f->columns;
}

/* Columns of `a` become orthonormal: Q of a = Q·R with R's diagonal positive, which makes Q unique
 * and, for a normal `a`, uniformly distributed (Mezzadri 2007). */
static bool orthonormalise(factorisation *f)
{
    int work_size = LAPACK_BLOCK * f->columns, failed = 0;
    dgeqrf_(&f->rows, &f->columns, f->a, &f->rows, f->tau, f->work, &work_size, &failed);
    for (int j = 0; j < f->columns; j++) {
        f->sign[j] = f->a[(size_t)j * (size_t)f->rows + (size_t)j] < 0 ? -1 : 1;
    }
    int failed_too = 0;
    dorgqr_(&f->rows, &f->columns, &f->columns, f->a, &f->rows, f->tau, f->work, &work_size,
            &failed_too);
    return failed == 0 && failed_too == 0;
}

/* A block of a matrix [rows][stride] that begins at `out`; its first element is number `first`. */
typedef struct {
    int64_t rows, columns, stride, first;
    double *out;
} block;

/* LAPACK's matrix is tall and column-major: a wide block as it lies in memory, a tall one
 * transposed. */
static void copy_block(const block *b, factorisation *f, reel_init_key key)
{
    bool wide = b->columns > b->rows;
    for (int64_t r = 0; r < b->rows; r++) {
        for (int64_t k = 0; k < b->columns; k++) {
            int64_t place = wide ? r * f->rows + k : k * f->rows + r;
            f->a[place] = reel_draw_normal(key, b->first + r * b->stride + k);
        }
    }
}

static void copy_back(const factorisation *f, double gain, const block *b)
{
    bool wide = b->columns > b->rows;
    for (int64_t r = 0; r < b->rows; r++) {
        for (int64_t k = 0; k < b->columns; k++) {
            int64_t column = wide ? r : k, row = wide ? k : r;
            b->out[r * b->stride + k] = gain * f->sign[column] * f->a[column * f->rows + row];
        }
    }
}

static bool fill_orthogonal(const reel_init *init, reel_init_key key, reel_shape shape, double *out)
{
    int blocks = blocks_of(init);
    int64_t stride = shape.rank > 0 ? shape.dim[shape.rank - 1] : 1;
    int64_t rows = reel_shape_size(shape) / (stride > 0 ? stride : 1), columns = stride / blocks;
    if (reel_shape_size(shape) == 0) {
        return true;
    }
    if (!blocks_fit(init, shape) || rows > INT_MAX / LAPACK_BLOCK ||
        columns > INT_MAX / LAPACK_BLOCK) {
        return false;
    }
    factorisation f = { .rows = (int)(rows > columns ? rows : columns),
                        .columns = (int)(rows > columns ? columns : rows) };
    size_t bytes = factorisation_size(&f) * sizeof(double);
    f.a = key.allocator.resize(key.allocator.self, NULL, 0, bytes);
    if (f.a == NULL) {
        return false;
    }
    f.tau = f.a + (size_t)f.rows * (size_t)f.columns;
    f.sign = f.tau + f.columns;
    f.work = f.sign + f.columns;
    bool done = true;
    for (int k = 0; k < blocks && done; k++) {
        block b = { rows, columns, stride, k * columns, out + k * columns };
        copy_block(&b, &f, key);
        done = orthonormalise(&f);
        copy_back(&f, init->a, &b);
    }
    key.allocator.resize(key.allocator.self, f.a, bytes, 0);
    return done;
}

/* ---- the initialisers ---------------------------------------------------------------------- */

reel_init reel_zeros(void)
{
    return reel_constant(0);
}

reel_init reel_constant(double value)
{
    return (reel_init){ .fill = fill_constant, .a = value };
}

reel_init reel_uniform(double lo, double hi)
{
    return (reel_init){ .fill = fill_uniform, .a = lo, .b = hi };
}

reel_init reel_normal(double mean, double std)
{
    return (reel_init){ .fill = fill_normal, .a = mean, .b = std };
}

reel_init reel_glorot(void)
{
    return (reel_init){ .fill = fill_glorot };
}

reel_init reel_he(void)
{
    return (reel_init){ .fill = fill_he };
}

reel_init reel_orthogonal(double gain)
{
    return (reel_init){ .fill = fill_orthogonal, .a = gain };
}

reel_init reel_init_blocks(reel_init init, int blocks)
{
    init.blocks = blocks;
    return init;
}

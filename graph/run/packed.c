/* packed.c: C [m,n] = A [m,k]·B [k,n] for packed B (after Goto & van de Geijn 2008, without the
 * packing of A).
 *
 * B lies in panels of as many columns as a few vector registers hold, cut into blocks of DEPTH
 * rows so that a panel's block stays in the first-level cache while all rows of A pass it:
 *
 *     block 0: panel 0 [DEPTH][width], panel 1 [DEPTH][width], …   block 1: …
 *
 * The last panel is filled up with zeros. A tile of C, a few rows by one panel, stays in
 * registers through the block. Vectors are the compiler's own type, so the text is the same for
 * every instruction set; the number of rows and registers suits each set's register file. / */
#include "packed.h"

#include <string.h>

#include "clones.h"
#include "strides.h"

#define DEPTH 256

/* ---- the tile ------------------------------------------------------------------------------- */

/* Tile of `rows` by `registers` vectors; both are constants where this is expanded. `columns` of
 * them are C's. */
#define DEFINE_TILE(name, attribute, real, lanes, registers)                                       \
    typedef real name##_vector __attribute__((vector_size(lanes * sizeof(real))));                 \
    typedef real name##_loose                                                                      \
        __attribute__((vector_size(lanes * sizeof(real)), aligned(sizeof(real))));                 \
    attribute static inline __attribute__((always_inline)) void name##_rows(                       \
        const int rows, int64_t k, const real *a, int64_t lda, const real *b, real *c,             \
        int64_t ldc, bool add)                                                                     \
    {                                                                                              \
        name##_vector sum[8][registers];                                                           \
        for (int i = 0; i < rows; i++) {                                                           \
            for (int j = 0; j < registers; j++) {                                                  \
                sum[i][j] =                                                                        \
                    add ? (name##_vector) * (const name##_loose *)(c + i * ldc + j * lanes)        \
                        : (name##_vector){ 0 };                                                    \
            }                                                                                      \
        }                                                                                          \
        for (int64_t p = 0; p < k; p++) {                                                          \
            const name##_vector *row = (const name##_vector *)(b + p * lanes * registers);         \
            for (int i = 0; i < rows; i++) {                                                       \
                real x = a[i * lda + p];                                                           \
                for (int j = 0; j < registers; j++) {                                              \
                    sum[i][j] += row[j] * x;                                                       \
                }                                                                                  \
            }                                                                                      \
        }                                                                                          \
        for (int i = 0; i < rows; i++) {                                                           \
            for (int j = 0; j < registers; j++) {                                                  \
                *(name##_loose *)(c + i * ldc + j * lanes) = (name##_loose)sum[i][j];              \
            }                                                                                      \
        }                                                                                          \
    }                                                                                              \
    attribute static void name(int rows, int64_t k, const void *a, int64_t lda, const void *b,     \
                               void *c, int64_t ldc, bool add)                                     \
    {                                                                                              \
        switch (rows) {                                                                            \
        case 1:                                                                                    \
            name##_rows(1, k, a, lda, b, c, ldc, add);                                             \
            break;                                                                                 \
        case 2:                                                                                    \
            name##_rows(2, k, a, lda, b, c, ldc, add);                                             \
            break;                                                                                 \
        case 3:                                                                                    \
            name##_rows(3, k, a, lda, b, c, ldc, add);                                             \
            break;                                                                                 \
        case 4:                                                                                    \
            name##_rows(4, k, a, lda, b, c, ldc, add);                                             \
            break;                                                                                 \
        default:                                                                                   \
            name##_rows(8, k, a, lda, b, c, ldc, add);                                             \
            break;                                                                                 \
        }                                                                                          \
    }

typedef void (*tile_function)(int rows, int64_t k, const void *a, int64_t lda, const void *b,
                              void *c, int64_t ldc, bool add);

typedef struct {
    tile_function tile;
    int rows, width; /* of a full tile, in elements */
    size_t element;
} tile_kind;

#define NO_ATTRIBUTE
DEFINE_TILE(tile_f32, NO_ATTRIBUTE, float, 4, 3)
DEFINE_TILE(tile_f64, NO_ATTRIBUTE, double, 2, 3)
#if defined(__x86_64__) && defined(__GNUC__)
DEFINE_TILE(tile_f32_avx2, FOR_AVX2, float, 8, 3)
DEFINE_TILE(tile_f64_avx2, FOR_AVX2, double, 4, 3)
DEFINE_TILE(tile_f32_avx512, FOR_AVX512, float, 16, 3)
DEFINE_TILE(tile_f64_avx512, FOR_AVX512, double, 8, 3)
#endif

static tile_kind kind_of(reel_dtype dtype)
{
    bool single = dtype == REEL_F32;
    size_t element = single ? sizeof(float) : sizeof(double);
#if defined(__x86_64__) && defined(__GNUC__)
    if (HAS_AVX512) {
        return single ? (tile_kind){ tile_f32_avx512, 8, 48, element }
                      : (tile_kind){ tile_f64_avx512, 8, 24, element };
    }
    if (HAS_AVX2) {
        return single ? (tile_kind){ tile_f32_avx2, 4, 24, element }
                      : (tile_kind){ tile_f64_avx2, 4, 12, element };
    }
#endif
    return single ? (tile_kind){ tile_f32, 4, 12, element }
                  : (tile_kind){ tile_f64, 4, 6, element };
}

/* ---- packing -------------------------------------------------------------------------------- */

static int64_t panels_of(int64_t n, const tile_kind *kind)
{
    return (n + kind->width - 1) / kind->width;
}

size_t reel__packed_size(reel_dtype dtype, int64_t k, int64_t n)
{
    tile_kind kind = kind_of(dtype);
    return (size_t)(panels_of(n, &kind) * kind.width * k) * kind.element;
}

static char *panel_at(const tile_kind *kind, const void *packed, int64_t k, int64_t panels,
                      int64_t block, int64_t panel)
{
    int64_t depth = k - block < DEPTH ? k - block : DEPTH;
    int64_t offset = (block * panels + panel * depth) * kind->width;
    return (char *)packed + offset * (int64_t)kind->element;
}

static void pack_panel(const tile_kind *kind, int64_t depth, int64_t columns, const char *b,
                       int64_t row_stride, int64_t column_stride, char *out)
{
    for (int64_t p = 0; p < depth; p++) {
        char *row = out + p * kind->width * (int64_t)kind->element;
        reel__gather_run(b + p * row_stride * (int64_t)kind->element, column_stride, columns,
                         kind->element, row);
        memset(row + columns * (int64_t)kind->element, 0,
               (size_t)(kind->width - columns) * kind->element);
    }
}

void reel__pack_factor(reel_dtype dtype, int64_t k, int64_t n, const void *b, int64_t row_stride,
                       int64_t column_stride, void *packed)
{
    tile_kind kind = kind_of(dtype);
    int64_t panels = panels_of(n, &kind);
    for (int64_t block = 0; block < k; block += DEPTH) {
        for (int64_t panel = 0; panel < panels; panel++) {
            int64_t first = panel * kind.width,
                    columns = n - first < kind.width ? n - first : kind.width;
            int64_t offset = block * row_stride + first * column_stride;
            pack_panel(&kind, k - block < DEPTH ? k - block : DEPTH, columns,
                       (const char *)b + offset * (int64_t)kind.element, row_stride, column_stride,
                       panel_at(&kind, packed, k, panels, block, panel));
        }
    }
}

/* ---- the product ---------------------------------------------------------------------------- */

/* The last panel may be wider than what is left of C: its tile is computed beside and copied. */
static void ragged_tile(const tile_kind *kind, int rows, int64_t k, const char *a, int64_t lda,
                        const char *b, char *c, int64_t ldc, bool add, int64_t columns)
{
    _Alignas(64) char beside[8 * 48 * sizeof(float)];
    size_t bytes = (size_t)columns * kind->element, step = (size_t)kind->width * kind->element;
    for (int i = 0; add && i < rows; i++) {
        memcpy(beside + (size_t)i * step, c + (size_t)i * (size_t)ldc * kind->element, bytes);
    }
    kind->tile(rows, k, a, lda, b, beside, kind->width, add);
    for (int i = 0; i < rows; i++) {
        memcpy(c + (size_t)i * (size_t)ldc * kind->element, beside + (size_t)i * step, bytes);
    }
}

/* A block of one panel with all rows of A. */
static void run_panel(const tile_kind *kind, const reel__gemm_call *g, int64_t block, int64_t panel,
                      const char *b)
{
    int64_t depth = g->k - block < DEPTH ? g->k - block : DEPTH, first = panel * kind->width;
    int64_t columns = g->n - first, element = (int64_t)kind->element;
    bool add = g->accumulate || block > 0;
    for (int64_t i = 0; i < g->m;) {
        int64_t left = g->m - i;
        int rows = left >= kind->rows ? kind->rows : left >= 4 ? 4 : (int)left;
        const char *a = (const char *)g->a + (i * g->lda + block) * element;
        char *c = (char *)g->c + (i * g->ldc + first) * element;
        if (columns >= kind->width) {
            kind->tile(rows, depth, a, g->lda, b, c, g->ldc, add);
        } else {
            ragged_tile(kind, rows, depth, a, g->lda, b, c, g->ldc, add, columns);
        }
        i += rows;
    }
}

static void run_panels(const tile_kind *kind, const reel__gemm_call *g, int64_t from, int64_t to)
{
    int64_t panels = panels_of(g->n, kind);
    for (int64_t block = 0; block < g->k; block += DEPTH) {
        for (int64_t panel = from; panel < to; panel++) {
            run_panel(kind, g, block, panel, panel_at(kind, g->b, g->k, panels, block, panel));
        }
    }
}

/* A thread costs a few microseconds: each gets at least so many multiplications. */
#define WORK_A_THREAD 500000.0

void reel__gemm_packed(reel_dtype dtype, const reel__gemm_call *g, int threads)
{
    tile_kind kind = kind_of(dtype);
    int64_t panels = panels_of(g->n, &kind);
    double work = (double)g->m * (double)g->n * (double)g->k / WORK_A_THREAD;
    int parts = work < threads ? (int)work : threads;
    parts = panels < parts ? (int)panels : parts;
    if (parts < 2) {
        run_panels(&kind, g, 0, panels);
        return;
    }
#pragma omp parallel for num_threads(parts) schedule(static)
    for (int p = 0; p < parts; p++) {
        run_panels(&kind, g, panels * p / parts, panels * (p + 1) / parts);
    }
}

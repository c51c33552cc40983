/* packed.c: C [m,n] = A [m,k]·B [k,n] for packed B (after Goto & van de Geijn 2008; the nearest
 * cache holds rows of A instead of a panel of B, since there are so few rows in a recurrent step).
 *
 * B lies in panels, as wide as a tile, cut into blocks of the inner dimension:
 *
 *     block 0: panel 0 [depth][width], panel 1 [depth][width], …   block 1: …
 *
 * The last panel is filled up with zeros.
 */
#include "packed.h"

#include <string.h>

#include "strides.h"
#include "subnormal.h"
#include "tile.h"

/* ---- layout --------------------------------------------------------------------------------- */

size_t reel__packed_size(reel_dtype dtype, int64_t k, int64_t n)
{
    const reel__tile_kind *kind = reel__tile_kind_of(dtype);
    return (size_t)(reel__pieces(n, kind->width) * kind->width * k) * kind->element;
}

/* Rows of B that lie as columns are turned a few at a time: both sides stay in the nearest cache. */
#define TURNED 16

#define DEFINE_TURN(name, word)                                                                    \
    static void name(int64_t depth, int64_t columns, int64_t column_stride, int64_t width,         \
                     const void *from, void *to)                                                   \
    {                                                                                              \
        const word *b = from;                                                                      \
        word *out = to;                                                                            \
        for (int64_t p = 0; p < depth; p += TURNED) {                                              \
            int64_t rows = reel__smaller(TURNED, depth - p);                                       \
            for (int64_t j = 0; j < columns; j++) {                                                \
                for (int64_t i = 0; i < rows; i++) {                                               \
                    out[(p + i) * width + j] = b[j * column_stride + p + i];                       \
                }                                                                                  \
            }                                                                                      \
        }                                                                                          \
    }
DEFINE_TURN(turn_f32, float)
DEFINE_TURN(turn_f64, double)

/* Whole rows of a panel, for which a call of memcpy each takes longer than the copy. */
#define CHUNK 32

static void copy_rows(int64_t depth, int64_t bytes, int64_t apart, const char *b, char *out)
{
    for (int64_t p = 0; p < depth; p++) {
        for (int64_t i = 0; i < bytes; i += CHUNK) {
            memcpy(out + i, b + i, CHUNK);
        }
        b += apart;
        out += bytes;
    }
}

void reel__pack_panel(const reel__tile_kind *kind, int64_t depth, int64_t columns, const char *b,
                      int64_t row_stride, int64_t column_stride, char *out)
{
    int64_t element = (int64_t)kind->element, width = kind->width;
    bool turned = row_stride == 1 && column_stride != 1;
    if (column_stride == 1 && columns == width) {
        copy_rows(depth, width * element, row_stride * element, b, out);
        return;
    }
    if (turned) {
        (kind->element == sizeof(float) ? turn_f32 : turn_f64)(depth, columns, column_stride, width,
                                                               b, out);
    }
    for (int64_t p = 0; p < depth; p++) {
        char *row = out + p * width * element;
        if (!turned) {
            reel__gather_run(b + p * row_stride * element, column_stride, columns, kind->element,
                             row);
        }
        if (columns < width) {
            memset(row + columns * element, 0, (size_t)((width - columns) * element));
        }
    }
}

void reel__pack_factor(reel_dtype dtype, int64_t k, int64_t n, const void *b, int64_t row_stride,
                       int64_t column_stride, void *packed)
{
    const reel__tile_kind *kind = reel__tile_kind_of(dtype);
    int64_t element = (int64_t)kind->element, blocks = reel__pieces(k, kind->depth);
    char *out = packed;
    for (int64_t block = 0; block < blocks; block++) {
        reel__span s = reel__block_at(k, blocks, block);
        for (int64_t first = 0; first < n; first += kind->width) {
            int64_t offset = s.start * row_stride + first * column_stride;
            reel__pack_panel(kind, s.depth, reel__smaller(n - first, kind->width),
                             (const char *)b + offset * element, row_stride, column_stride, out);
            out += s.depth * kind->width * element;
        }
    }
}

/* ---- the product ---------------------------------------------------------------------------- */

/* One block by one group of panels. */
static void run_group(const reel__tile_kind *kind, const reel__gemm_call *g, reel__span s,
                      const char *b, reel__area r)
{
    int64_t element = (int64_t)kind->element, parts = reel__pieces(r.rows, kind->rows);
    reel__tile t = { .depth = s.depth,
                     .a_step = g->lda,
                     .b = b,
                     .b_step = kind->width,
                     .b_panel = s.depth * kind->width,
                     .c_step = g->ldc,
                     .add = g->accumulate || s.start > 0 };
    for (int64_t i = 0; i < parts; i++) {
        int64_t from = r.row + r.rows * i / parts, to = r.row + r.rows * (i + 1) / parts;
        t.a = (const char *)g->a + (from * g->lda + s.start) * element;
        t.c = (char *)g->c + (from * g->ldc + r.column) * element;
        reel__run_tiles(kind, (int)(to - from), t, r.columns, false);
    }
}

static void run_area(const reel__tile_kind *kind, const reel__gemm_call *g, reel__area r)
{
    int64_t padded = reel__pieces(g->n, kind->width) * kind->width,
            blocks = reel__pieces(g->k, kind->depth);
    for (int64_t block = 0; block < blocks; block++) {
        reel__span s = reel__block_at(g->k, blocks, block);
        int64_t panel_bytes = s.depth * kind->width * (int64_t)kind->element;
        int64_t group = REEL__GROUP_BYTES / panel_bytes * kind->width;
        group = group < kind->width ? kind->width : group;
        for (int64_t at = 0; at < r.columns; at += group) {
            int64_t offset = s.start * padded + (r.column + at) * s.depth;
            reel__area part = { r.row, r.rows, r.column + at,
                                reel__smaller(group, r.columns - at) };
            run_group(kind, g, s, (const char *)g->b + offset * (int64_t)kind->element, part);
        }
    }
}

void reel__gemm_packed(reel_dtype dtype, const reel__gemm_call *g, int threads)
{
    const reel__tile_kind *kind = reel__tile_kind_of(dtype);
    int parts = reel__areas_of(kind, g, threads);
    if (parts < 2) {
        run_area(kind, g, (reel__area){ 0, g->m, 0, g->n });
        return;
    }
    reel__float_mode mode = reel__float_mode_now();
#pragma omp parallel for num_threads(parts) schedule(static)
    for (int p = 0; p < parts; p++) {
        reel__float_mode own = reel__float_mode_use(mode);
        run_area(kind, g, reel__area_at(kind, g, p, parts));
        reel__float_mode_use(own);
    }
}

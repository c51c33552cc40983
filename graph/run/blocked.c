/* blocked.c: large products by our own tiles (after Goto & van de Geijn 2008): for each block of the
 * inner dimension a group of B's columns is packed into panels that stay in the second-level cache
 * while all rows of A pass. A that is stored transposed is packed tile by tile; B is left where it
 * lies when only a few rows would read what was packed. Each thread works on rows, or columns, of
 * its own, with its own part of the workspace.
 */
#include "blocked.h"

#include <string.h>

#include "strides.h"
#include "tile.h"

typedef struct {
    const reel__tile_kind *kind;
    const reel__gemm_call *g;
    int64_t element;
    int64_t b_row, b_column; /* strides of op(B) */
    bool in_place;           /* B is read where it lies */
    int64_t group;           /* columns that are packed together */
} product;

static product plan(reel_dtype dtype, const reel__gemm_call *g)
{
    const reel__tile_kind *kind = reel__tile_kind_of(dtype);
    product p = { .kind = kind, .g = g, .element = (int64_t)kind->element };
    p.b_row = g->transpose_b ? 1 : g->ldb;
    p.b_column = g->transpose_b ? g->ldb : 1;
    p.in_place = !g->transpose_b && g->m <= kind->rows;
    int64_t deepest = reel__smaller(g->k, kind->depth);
    int64_t panels = REEL__GROUP_BYTES / (deepest * kind->width * p.element + 1);
    panels = reel__smaller(panels, reel__pieces(g->n, kind->width));
    p.group = (panels < 1 ? 1 : panels) * kind->width;
    return p;
}

static int64_t bytes_of_group(const product *p)
{
    return (int64_t)reel__aligned(
        (size_t)(reel__smaller(p->g->k, p->kind->depth) * p->group * p->element));
}

static int64_t bytes_of_tile(const product *p)
{
    return (int64_t)reel__aligned((size_t)(p->kind->depth * p->kind->rows * p->element));
}

/* So many tiles' rows of a transposed A are packed together, for one tile's are less than a cache
 * line. */
#define BUNCH 8

static int64_t bytes_of_thread(const product *p)
{
    return bytes_of_group(p) + (p->g->transpose_a ? BUNCH * bytes_of_tile(p) : 0);
}

size_t reel__blocked_workspace(reel_dtype dtype, const reel__gemm_call *g, int threads)
{
    if (g->m == 0 || g->n == 0 || g->k == 0) {
        return 0;
    }
    product p = plan(dtype, g);
    return (size_t)bytes_of_thread(&p) * (size_t)(threads < 1 ? 1 : threads);
}

/* ---- packing -------------------------------------------------------------------------------- */

static void pack_group(const product *p, reel__span s, int64_t column, int64_t columns, char *out)
{
    for (int64_t at = 0; at < columns; at += p->kind->width) {
        const char *b =
            (const char *)p->g->b + (s.start * p->b_row + (column + at) * p->b_column) * p->element;
        reel__pack_panel(p->kind, s.depth, reel__smaller(columns - at, p->kind->width), b, p->b_row,
                         p->b_column, out);
        out += s.depth * p->kind->width * p->element;
    }
}

/* Few bytes, for which a call of memcpy takes longer than the copy. */
static inline void copy_words(char *to, const char *from, size_t bytes)
{
    size_t i = 0;
    for (; i + 8 <= bytes; i += 8) {
        memcpy(to + i, from + i, 8);
    }
    if (i < bytes) {
        memcpy(to + i, from + i, 4);
    }
}

/* Where tile i of `tiles` begins. */
static int64_t first_of(reel__area r, int64_t tiles, int64_t i)
{
    return r.row + r.rows * i / tiles;
}

/* Tiles [first, last) of op(A), stored [k,m], each as [depth][rows], bytes_of_tile apart. */
static void pack_bunch(const product *p, reel__span s, reel__area r, int64_t tiles, int64_t first,
                       int64_t last, char *out)
{
    int64_t apart = bytes_of_tile(p), row = first_of(r, tiles, first), n = last - first;
    size_t bytes[BUNCH];
    for (int64_t t = 0; t < n; t++) {
        bytes[t] = (size_t)(first_of(r, tiles, first + t + 1) - first_of(r, tiles, first + t)) *
                   (size_t)p->element;
    }
    const char *a = (const char *)p->g->a + (s.start * p->g->lda + row) * p->element;
    for (int64_t i = 0; i < s.depth; i++) {
        const char *from = a;
        for (int64_t t = 0; t < n; t++) {
            copy_words(out + t * apart + i * (int64_t)bytes[t], from, bytes[t]);
            from += bytes[t];
        }
        a += p->g->lda * p->element;
    }
}

/* ---- the product ---------------------------------------------------------------------------- */

static void run_group(const product *p, reel__span s, reel__area r, char *workspace)
{
    const reel__gemm_call *g = p->g;
    char *a_packed = workspace + bytes_of_group(p);
    reel__tile t = { .depth = s.depth, .c_step = g->ldc, .add = g->accumulate || s.start > 0 };
    if (p->in_place) {
        t.b = (const char *)g->b + (s.start * g->ldb + r.column) * p->element;
        t.b_step = g->ldb;
        t.b_panel = p->kind->width;
    } else {
        pack_group(p, s, r.column, r.columns, workspace);
        t.b = workspace;
        t.b_step = p->kind->width;
        t.b_panel = s.depth * p->kind->width;
    }
    int64_t tiles = reel__pieces(r.rows, p->kind->rows);
    for (int64_t i = 0; i < tiles; i++) {
        int64_t from = first_of(r, tiles, i), to = first_of(r, tiles, i + 1);
        t.a = (const char *)g->a + (from * g->lda + s.start) * p->element;
        t.a_step = g->lda;
        if (g->transpose_a) {
            if (i % BUNCH == 0) {
                pack_bunch(p, s, r, tiles, i, reel__smaller(i + BUNCH, tiles), a_packed);
            }
            t.a = a_packed + i % BUNCH * bytes_of_tile(p);
            t.a_step = to - from;
        }
        t.c = (char *)g->c + (from * g->ldc + r.column) * p->element;
        reel__run_tiles(p->kind, (int)(to - from), t, r.columns, g->transpose_a);
    }
}

/* What the last panel lacks of B cannot be read in place. */
static void run_last_panel(const product *p, reel__span s, reel__area r, char *workspace)
{
    product packed = *p;
    packed.in_place = false;
    run_group(&packed, s, r, workspace);
}

static void run_area(const product *p, reel__area r, char *workspace)
{
    int64_t blocks = reel__pieces(p->g->k, p->kind->depth), width = p->kind->width;
    for (int64_t block = 0; block < blocks; block++) {
        reel__span s = reel__block_at(p->g->k, blocks, block);
        int64_t whole = p->in_place ? r.columns / width * width : r.columns;
        int64_t group = p->in_place ? whole : p->group;
        for (int64_t at = 0; at < whole; at += group) {
            reel__area part = { r.row, r.rows, r.column + at, reel__smaller(group, whole - at) };
            run_group(p, s, part, workspace);
        }
        if (whole < r.columns) {
            reel__area part = { r.row, r.rows, r.column + whole, r.columns - whole };
            run_last_panel(p, s, part, workspace);
        }
    }
}

void reel__gemm_blocked(reel_dtype dtype, const reel__gemm_call *g, int threads, void *workspace)
{
    product p = plan(dtype, g);
    int parts = reel__areas_of(p.kind, g, threads);
    if (parts < 2) {
        run_area(&p, (reel__area){ 0, g->m, 0, g->n }, workspace);
        return;
    }
    int64_t bytes = bytes_of_thread(&p);
#pragma omp parallel for num_threads(parts) schedule(static)
    for (int i = 0; i < parts; i++) {
        run_area(&p, reel__area_at(p.kind, g, i, parts), (char *)workspace + i * bytes);
    }
}

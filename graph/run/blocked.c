/* blocked.c: large products by our own tiles (after Goto & van de Geijn 2008): for each block of the
 * inner dimension a group of B's columns is packed into panels that stay in the second-level cache
 * while all rows of A pass. A that is stored transposed is packed tile by tile; B is left where it
 * lies when only a few rows would read what was packed. Each thread works on rows, or columns, of
 * its own, with its own part of the workspace.
 */
#include "blocked.h"

#include <string.h>

#include "strides.h"
#include "subnormal.h"
#include "tile.h"

typedef struct {
    const reel__tile_kind *kind;
    const reel__gemm_call *g;
    int64_t element;
    int64_t b_row, b_column; /* strides of op(B) */
    bool in_place;           /* B is read where it lies */
    int64_t group;           /* columns that stay in the second-level cache */
    int64_t strip;           /* columns that are packed together: some groups */
} product;

/* So many tiles of rows cost less to read B in place than to pack it. */
#define FEW_TILES 4

/* A that is transposed is packed anew for each strip, so that strips are wider then. */
#define STRIP_GROUPS 4

static product plan(reel_dtype dtype, const reel__gemm_call *g)
{
    const reel__tile_kind *kind = reel__tile_kind_of(dtype);
    product p = { .kind = kind, .g = g, .element = (int64_t)kind->element };
    p.b_row = g->transpose_b ? 1 : g->ldb;
    p.b_column = g->transpose_b ? g->ldb : 1;
    p.in_place = !g->transpose_b && g->m <= FEW_TILES * kind->rows;
    int64_t deepest = reel__smaller(g->k, kind->depth);
    int64_t panels = REEL__GROUP_BYTES / (deepest * kind->width * p.element + 1);
    panels = reel__smaller(panels, reel__pieces(g->n, kind->width));
    p.group = (panels < 1 ? 1 : panels) * kind->width;
    p.strip = p.group;
    if (g->transpose_a && !p.in_place) {
        p.strip = reel__smaller(STRIP_GROUPS * p.group, reel__pieces(g->n, p.group) * p.group);
    }
    return p;
}

static int64_t bytes_of_strip(const product *p)
{
    return (int64_t)reel__aligned(
        (size_t)(reel__smaller(p->g->k, p->kind->depth) * p->strip * p->element));
}

/* A tile's rows of a transposed A, one step of the inner dimension: with room for whole chunks, in
 * which they are copied faster than by their number. */
#define CHUNK 16

static int64_t bytes_of_step(const product *p)
{
    return (p->kind->rows * p->element + CHUNK - 1) / CHUNK * CHUNK;
}

static int64_t bytes_of_tile(const product *p)
{
    return (int64_t)reel__aligned((size_t)(p->kind->depth * bytes_of_step(p)));
}

/* So many tiles' rows of a transposed A are packed together, for one tile's are less than a cache
 * line. */
#define BUNCH 8

static int64_t bytes_of_thread(const product *p)
{
    return bytes_of_strip(p) + (p->g->transpose_a ? BUNCH * bytes_of_tile(p) : 0);
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

static void pack_strip(const product *p, reel__span s, int64_t column, int64_t columns, char *out)
{
    for (int64_t at = 0; at < columns; at += p->kind->width) {
        const char *b =
            (const char *)p->g->b + (s.start * p->b_row + (column + at) * p->b_column) * p->element;
        reel__pack_panel(p->kind, s.depth, reel__smaller(columns - at, p->kind->width), b, p->b_row,
                         p->b_column, out);
        out += s.depth * p->kind->width * p->element;
    }
}

/* Where tile i of `tiles` begins. */
static int64_t first_of(reel__area r, int64_t tiles, int64_t i)
{
    return r.row + r.rows * i / tiles;
}

/* One tile's rows of op(A), stored [k,m], as [depth][step]. What is copied beyond them is never
 * read, but must be A's: `beyond` says that whole chunks are. */
static inline void copy_step(char *to, const char *from, int64_t bytes, bool beyond)
{
    if (!beyond) {
        memcpy(to, from, (size_t)bytes);
        return;
    }
    for (int64_t i = 0; i < bytes; i += CHUNK) {
        memcpy(to + i, from + i, CHUNK);
    }
}

/* Tiles [first, last) of op(A), bytes_of_tile apart. */
static void pack_bunch(const product *p, reel__span s, reel__area r, int64_t tiles, int64_t first,
                       int64_t last, char *out)
{
    int64_t apart = bytes_of_tile(p), step = bytes_of_step(p), n = last - first;
    int64_t offset[BUNCH + 1];
    for (int64_t t = 0; t <= n; t++) {
        offset[t] = first_of(r, tiles, first + t) * p->element;
    }
    const char *a = (const char *)p->g->a + s.start * p->g->lda * p->element;
    for (int64_t i = 0; i < s.depth; i++) {
        for (int64_t t = 0; t < n; t++) {
            copy_step(out + t * apart, a + offset[t], offset[t + 1] - offset[t],
                      offset[t] + step <= p->g->m * p->element);
        }
        a += p->g->lda * p->element;
        out += step;
    }
}

/* ---- the product ---------------------------------------------------------------------------- */

/* Tiles [first, last) by r's columns, where t.b points. */
static void run_group(const product *p, reel__span s, reel__area r, reel__tile t, int64_t first,
                      int64_t last, const char *a_packed)
{
    const reel__gemm_call *g = p->g;
    int64_t tiles = reel__pieces(r.rows, p->kind->rows);
    for (int64_t i = first; i < last; i++) {
        int64_t from = first_of(r, tiles, i), to = first_of(r, tiles, i + 1);
        if (g->transpose_a) {
            t.a = a_packed + i % BUNCH * bytes_of_tile(p);
            t.a_step = bytes_of_step(p) / p->element;
        } else {
            t.a = (const char *)g->a + (from * g->lda + s.start) * p->element;
            t.a_step = g->lda;
        }
        t.c = (char *)g->c + (from * g->ldc + r.column) * p->element;
        reel__run_tiles(p->kind, (int)(to - from), t, r.columns, g->transpose_a);
    }
}

static reel__tile place_b(const product *p, reel__span s, reel__area r, char *workspace)
{
    const reel__gemm_call *g = p->g;
    reel__tile t = { .depth = s.depth, .c_step = g->ldc, .add = g->accumulate || s.start > 0 };
    if (p->in_place) {
        t.b = (const char *)g->b + (s.start * g->ldb + r.column) * p->element;
        t.b_step = g->ldb;
        t.b_panel = p->kind->width;
    } else {
        pack_strip(p, s, r.column, r.columns, workspace);
        t.b = workspace;
        t.b_step = p->kind->width;
        t.b_panel = s.depth * p->kind->width;
    }
    return t;
}

/* `packed_before`: all tiles of a transposed A lie in the workspace, since the strip before. */
static void run_strip(const product *p, reel__span s, reel__area r, bool packed_before,
                      char *workspace)
{
    reel__tile t = place_b(p, s, r, workspace);
    char *a_packed = workspace + bytes_of_strip(p);
    int64_t tiles = reel__pieces(r.rows, p->kind->rows), bunch = p->g->transpose_a ? BUNCH : tiles;
    for (int64_t first = 0; first < tiles; first += bunch) {
        int64_t last = reel__smaller(first + bunch, tiles);
        if (p->g->transpose_a && !packed_before) {
            pack_bunch(p, s, r, tiles, first, last, a_packed);
        }
        for (int64_t at = 0; at < r.columns; at += p->group) {
            reel__area part = { r.row, r.rows, r.column + at,
                                reel__smaller(p->group, r.columns - at) };
            reel__tile moved = t;
            moved.b = (const char *)t.b + at / p->kind->width * t.b_panel * p->element;
            run_group(p, s, part, moved, first, last, a_packed);
        }
    }
}

/* What the last panel lacks of B cannot be read in place. */
static void run_last_panel(const product *p, reel__span s, reel__area r, bool packed_before,
                           char *workspace)
{
    product packed = *p;
    packed.in_place = false;
    run_strip(&packed, s, r, packed_before, workspace);
}

static void run_area(const product *p, reel__area r, char *workspace)
{
    int64_t blocks = reel__pieces(p->g->k, p->kind->depth), width = p->kind->width;
    int64_t whole = p->in_place ? r.columns / width * width : r.columns;
    int64_t strip = p->in_place ? r.columns : p->strip;
    bool once = reel__pieces(r.rows, p->kind->rows) <= BUNCH; /* all of a block of A fits */
    for (int64_t block = 0; block < blocks; block++) {
        reel__span s = reel__block_at(p->g->k, blocks, block);
        for (int64_t at = 0; at < whole; at += strip) {
            reel__area part = { r.row, r.rows, r.column + at, reel__smaller(strip, whole - at) };
            run_strip(p, s, part, once && at > 0, workspace);
        }
        if (whole < r.columns) {
            reel__area part = { r.row, r.rows, r.column + whole, r.columns - whole };
            run_last_panel(p, s, part, once && whole > 0, workspace);
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
    reel__float_mode mode = reel__float_mode_now();
#pragma omp parallel for num_threads(parts) schedule(static)
    for (int i = 0; i < parts; i++) {
        reel__float_mode own = reel__float_mode_use(mode);
        run_area(&p, reel__area_at(p.kind, g, i, parts), (char *)workspace + i * bytes);
        reel__float_mode_use(own);
    }
}

/* tile.c: the tiles for each instruction set, and which one the processor has. */
#include "tile.h"

#include <string.h>

#include "clones.h"

/* A panel is two vectors wide: 32 floats with AVX-512, so that the widths of most layers are whole
 * panels, and the rows take up the registers that are left. */
#define PANEL_VECTORS 2

#if defined(__clang__)
#define UNROLLED _Pragma("clang loop unroll(full)")
#elif defined(__GNUC__)
#define UNROLLED _Pragma("GCC unroll 16")
#else
#define UNROLLED
#endif

/* gcc would read a row of B from memory once for each row of A: more loads than a cycle has. */
#if defined(__x86_64__) && defined(__GNUC__)
#define IN_REGISTER(vector) __asm__("" : "+v"(vector))
#else
#define IN_REGISTER(vector) (void)0
#endif

/* Rows of B, so that what is still in the second-level cache or behind it arrives in time. Where
 * panels are read four at a time the processor's own prefetching is faster. */
#define AHEAD 32
#define CACHE_LINE 64

#if defined(__aarch64__)
#define REGISTERS 32
#else
#define REGISTERS 16
#endif
#define TARGET
#define EACH_ROW_COUNT X(1) X(2) X(3) X(4)
#define REAL float
#define LANES 4
#define DEPTH 512
#define NAME(x) f32_##x
#include "tile_body.h"
#define REAL double
#define LANES 2
#define DEPTH 256
#define NAME(x) f64_##x
#include "tile_body.h"
#undef EACH_ROW_COUNT
#undef TARGET

#if defined(__x86_64__) && defined(__GNUC__)
#define TARGET FOR_AVX2
#define EACH_ROW_COUNT X(1) X(2) X(3) X(4) X(5) X(6)
#define REAL float
#define LANES 8
#define DEPTH 512
#define NAME(x) f32_avx2_##x
#include "tile_body.h"
#define REAL double
#define LANES 4
#define DEPTH 256
#define NAME(x) f64_avx2_##x
#include "tile_body.h"
#undef EACH_ROW_COUNT
#undef TARGET

#undef REGISTERS
#define REGISTERS 32
#define TARGET FOR_AVX512
#define EACH_ROW_COUNT X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14)
#define REAL float
#define LANES 16
#define DEPTH 384
#define NAME(x) f32_avx512_##x
#include "tile_body.h"
#define REAL double
#define LANES 8
#define DEPTH 192
#define NAME(x) f64_avx512_##x
#include "tile_body.h"
#undef EACH_ROW_COUNT
#undef TARGET
#endif

const reel__tile_kind *reel__tile_kind_of(reel_dtype dtype)
{
    bool single = dtype == REEL_F32;
#if defined(__x86_64__) && defined(__GNUC__)
    if (HAS_AVX512) {
        return single ? &f32_avx512_kind : &f64_avx512_kind;
    }
    if (HAS_AVX2) {
        return single ? &f32_avx2_kind : &f64_avx2_kind;
    }
#endif
    return single ? &f32_kind : &f64_kind;
}

/* ---- a row of tiles --------------------------------------------------------------------------- */

/* The last panel may be wider than what is left of C: its tile is computed beside and copied. */
static void ragged_tile(const reel__tile_kind *kind, reel__tile_function run, int rows,
                        reel__tile t, int64_t columns)
{
    _Alignas(64) char beside[REEL__TILE_ROWS * REEL__TILE_BYTES];
    size_t bytes = (size_t)columns * kind->element, step = (size_t)kind->width * kind->element;
    size_t c_step = (size_t)t.c_step * kind->element;
    char *c = t.c;
    for (int i = 0; t.add && i < rows; i++) {
        memcpy(beside + (size_t)i * step, c + (size_t)i * c_step, bytes);
    }
    t.c = beside;
    t.c_step = kind->width;
    run(&t);
    for (int i = 0; i < rows; i++) {
        memcpy(c + (size_t)i * c_step, beside + (size_t)i * step, bytes);
    }
}

void reel__run_tiles(const reel__tile_kind *kind, int rows, reel__tile t, int64_t columns,
                     bool interleaved)
{
    int64_t element = (int64_t)kind->element, width = kind->width;
    reel__tile_function one = interleaved ? kind->interleaved[rows] : kind->plain[rows];
    bool few = rows < 4 && !interleaved;
    while (columns >= width) {
        int64_t panels = 1;
        if (few && kind->four[rows] && columns >= 4 * width) {
            kind->four[rows](&t);
            panels = 4;
        } else if (few && columns >= 2 * width) {
            kind->two[rows](&t);
            panels = 2;
        } else {
            one(&t);
        }
        t.b = (const char *)t.b + panels * t.b_panel * element;
        t.c = (char *)t.c + panels * width * element;
        columns -= panels * width;
    }
    if (columns > 0) {
        ragged_tile(kind, one, rows, t, columns);
    }
}

/* ---- a thread's share ------------------------------------------------------------------------- */

int reel__areas_of(const reel__tile_kind *kind, const reel__gemm_call *g, int threads)
{
    if (threads < 2) {
        return 1;
    }
    double work = (double)g->m * (double)g->n * (double)g->k / REEL__WORK_A_THREAD;
    int64_t tiles = reel__pieces(g->m, kind->rows), panels = reel__pieces(g->n, kind->width);
    int64_t most = reel__smaller(threads, tiles > panels ? tiles : panels);
    return work < (double)most ? (int)work : (int)most;
}

reel__area reel__area_at(const reel__tile_kind *kind, const reel__gemm_call *g, int part, int parts)
{
    int64_t tiles = reel__pieces(g->m, kind->rows), panels = reel__pieces(g->n, kind->width);
    if (tiles > panels) {
        int64_t from = g->m * part / parts;
        return (reel__area){ from, g->m * (part + 1) / parts - from, 0, g->n };
    }
    int64_t from = panels * part / parts * kind->width;
    int64_t to = reel__smaller(g->n, panels * (part + 1) / parts * kind->width);
    return (reel__area){ 0, g->m, from, to - from };
}

/* tile.c: the tiles for each instruction set, and which one the processor has. */
#include "tile.h"

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

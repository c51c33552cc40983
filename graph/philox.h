/* philox.h: reel's one door to Random123's Philox 4x32-10 (Salmon et al. 2011). Not installed.
 *
 * A counter-based generator: block number `block` of stream `stream` under `seed` is four words,
 * always the same ones, whatever was drawn before. Hence a dropout mask can be recomputed, threads
 * can share the work without sharing a state, and a parameter's start does not depend on the order
 * of creation.
 */
#ifndef REEL_PHILOX_H
#define REEL_PHILOX_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include <Random123/philox.h>

typedef struct {
    uint32_t word[4];
} reel__philox_block;

static inline reel__philox_block reel__philox(uint64_t seed, uint64_t stream, uint64_t block)
{
    philox4x32_key_t key = { { (uint32_t)seed, (uint32_t)(seed >> 32) } };
    philox4x32_ctr_t counter = { { (uint32_t)block, (uint32_t)(block >> 32), (uint32_t)stream,
                                   (uint32_t)(stream >> 32) } };
    philox4x32_ctr_t drawn = philox4x32(counter, key);
    return (reel__philox_block){ { drawn.v[0], drawn.v[1], drawn.v[2], drawn.v[3] } };
}

/* The block's first or second half (0, 1) as a number in [0, 1), a multiple of 2⁻⁵³. */
static inline double reel__philox_uniform(reel__philox_block block, int half)
{
    uint64_t bits = (uint64_t)block.word[2 * half + 1] << 32 | block.word[2 * half];
    return (double)(bits >> 11) * 0x1p-53;
}

/* Two independent standard normal numbers out of a block (Box & Muller 1958). */
static inline void reel__philox_normal(reel__philox_block block, double normal[2])
{
    double radius = sqrt(-2 * log(1 - reel__philox_uniform(block, 0)));
    double angle = 6.283185307179586 * reel__philox_uniform(block, 1);
    normal[0] = radius * cos(angle);
    normal[1] = radius * sin(angle);
}

#endif

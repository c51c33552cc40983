/* kernel.h: how the files of ops/ write a kernel once and get it for f32 and f64, for every
 * instruction set. Not installed.
 *
 * An element-wise op is one line. `x`, `x2`, `x3` are the inputs' elements, `real` is their type,
 * and `a` holds the attributes where there are some:
 *
 *     TILE1(square, x * x)
 *     TILE2(maximum, x > x2 ? x : x2)
 *     TILE1_WITH(scale, scale_attributes, (real)a.factor * x)
 *     REEL_OP(square) = { .name = "square", .kind = REEL_ELEMENTWISE, .inputs = 1,
 *                         .tile = TYPED_PAIR(square), … };
 *
 * y may be the memory of an input, since element i is read before element i is written.
 *
 * Any other kernel, or the loop at the heart of one, is CLONED (graph/run/clones.h); to write it
 * for both types as well, see both_types.h.
 */
#ifndef REEL_KERNEL_H
#define REEL_KERNEL_H

#include "../graph/op.h"
#include "../graph/run/clones.h"

/* Every tile loop asks for SIMD code; clang warns of those that call libm and cannot have it. */
#if defined(__clang__)
#pragma clang diagnostic ignored "-Wpass-failed"
#endif

/* { name_f32, name_f64 }: both kernels of an entry. */
/* clang-format off */
#define TYPED_PAIR(name) { name##_f32, name##_f64 }
/* clang-format on */

/* ---- element-wise ops ---------------------------------------------------------------------- */

#define TILE1(name, expression) TILE(name, NO_ATTRIBUTES, INPUT(x, 0), expression)
#define TILE2(name, expression) TILE(name, NO_ATTRIBUTES, INPUT(x, 0) INPUT(x2, 1), expression)
#define TILE3(name, expression)                                                                    \
    TILE(name, NO_ATTRIBUTES, INPUT(x, 0) INPUT(x2, 1) INPUT(x3, 2), expression)
#define TILE1_WITH(name, attributes_type, expression)                                              \
    TILE(name, ATTRIBUTES(attributes_type), INPUT(x, 0), expression)

/* The attributes are copied: in memory, y might overlap them for all that the compiler knows. */
#define NO_ATTRIBUTES (void)attributes;
#define ATTRIBUTES(type) const type a = *(const type *)attributes;
#define INPUT(x, k) const real x = ((const real *)in[k])[i];

#define TILE(name, declare_attributes, declare_inputs, expression)                                 \
    TILE_OF(float, name##_f32, declare_attributes, declare_inputs, expression)                     \
    TILE_OF(double, name##_f64, declare_attributes, declare_inputs, expression)

#define TILE_OF(type, name, declare_attributes, declare_inputs, expression)                        \
    CLONED(name, (size_t n, const void *const in[], void *out, const void *attributes),            \
           (n, in, out, attributes))                                                               \
    {                                                                                              \
        typedef type real;                                                                         \
        declare_attributes                                                                         \
        real *y = out;                                                                             \
        LOOP_WITHOUT_OVERLAP                                                                       \
        for (size_t i = 0; i < n; i++) {                                                           \
            declare_inputs                                                                         \
            y[i] = (real)(expression);                                                             \
        }                                                                                          \
    }

#endif

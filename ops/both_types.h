/* both_types.h: compiles the kernels of a file twice, for float and for double. Not installed.
 *
 * A file that writes kernels this way has two parts and includes itself by way of this header:
 *
 *     #ifndef REAL                                 // the file as the compiler is given it
 *     #include "kernel.h"
 *     #define KERNELS_OF "cumsum.c"                // its own name
 *     #include "both_types.h"                      // defines cumsum_f32 and cumsum_f64
 *     … shape rule, VJP, REEL_OP(cumsum) = { …, .kernel = TYPED_PAIR(cumsum) };
 *     #else                                        // the kernels, read once for each type
 *     static void TYPED(cumsum)(const reel_kernel_call *c) { const REAL *x = c->x[0].data; … }
 *     #endif
 *
 * The loops that take the time may be CLONED(TYPED(name), …) (kernel.h); in them, vector_math.h's
 * functions and the ones of <tgmath.h> follow the type.
 */
#define REAL float
#define TYPED(name) name##_f32
#include KERNELS_OF
#undef TYPED
#undef REAL

#define REAL double
#define TYPED(name) name##_f64
#include KERNELS_OF
#undef TYPED
#undef REAL

#undef KERNELS_OF

/* sample.h: short forms for the samples in the entries of ops/. Not installed.
 *
 *     static const double tails[] = { -1e4, -40, 0, 40, 1e4 };
 *     static const reel_sample tanh_samples[] = {
 *         UNARY_SAMPLES(-2, 2),
 *         { .label = "far out", .inputs = 1, .x = { GIVEN(tails, 5) } },
 *         { 0 }
 *     };
 */
#ifndef REEL_SAMPLE_H
#define REEL_SAMPLE_H

#include "../graph/op.h"

/* clang-format would take the braces for those of functions. */
/* clang-format off */

/* An input: what is drawn from an interval, or the values of an array; then its shape. */
#define DRAWN(low, high, ...) { .shape = REEL_AXES(__VA_ARGS__), .lo = (low), .hi = (high) }
#define GIVEN(array, ...) { .shape = REEL_AXES(__VA_ARGS__), .values = (array) }
#define DRAWN_SCALAR(low, high) { .shape = REEL_NO_AXES, .lo = (low), .hi = (high) }

/* A sample, in macros that list several. */
#define SAMPLE(...) { __VA_ARGS__ }

/* What every op of one input is asked: all ranks from 0 up, and nothing at all. */
#define UNARY_SAMPLES(low, high) UNARY_SAMPLES_WITH(low, high, NULL)
#define UNARY_SAMPLES_WITH(low, high, its_attributes)                                              \
    { .label = "a vector",                                                                         \
      .inputs = 1,                                                                                 \
      .x = { DRAWN(low, high, 17) },                                                               \
      .attributes = (its_attributes) },                                                            \
    { .label = "rank 4",                                                                           \
      .inputs = 1,                                                                                 \
      .x = { DRAWN(low, high, 2, 1, 3, 2) },                                                       \
      .attributes = (its_attributes) },                                                            \
    { .label = "a scalar",                                                                         \
      .inputs = 1,                                                                                 \
      .x = { DRAWN_SCALAR(low, high) },                                                            \
      .attributes = (its_attributes) },                                                            \
    { .label = "an empty axis",                                                                    \
      .inputs = 1,                                                                                 \
      .x = { DRAWN(low, high, 2, 0) },                                                             \
      .attributes = (its_attributes) }

/* What every op of two inputs is asked: broadcasting on either side and on both. */
#define BINARY_SAMPLES(a_low, a_high, b_low, b_high)                                               \
    { .label = "one shape",                                                                        \
      .inputs = 2,                                                                                 \
      .x = { DRAWN(a_low, a_high, 3, 5), DRAWN(b_low, b_high, 3, 5) } },                           \
    { .label = "a column against a row",                                                           \
      .inputs = 2,                                                                                 \
      .x = { DRAWN(a_low, a_high, 3, 1), DRAWN(b_low, b_high, 4) } },                              \
    { .label = "a scalar against a matrix",                                                        \
      .inputs = 2,                                                                                 \
      .x = { DRAWN_SCALAR(a_low, a_high), DRAWN(b_low, b_high, 2, 3) } },                          \
    { .label = "rank 4 against a scalar",                                                          \
      .inputs = 2,                                                                                 \
      .x = { DRAWN(a_low, a_high, 2, 1, 3, 2), DRAWN_SCALAR(b_low, b_high) } },                    \
    { .label = "axes of length 1 in the middle",                                                   \
      .inputs = 2,                                                                                 \
      .x = { DRAWN(a_low, a_high, 2, 1, 3, 2), DRAWN(b_low, b_high, 4, 1, 2) } },                  \
    { .label = "an empty axis against one of length 1",                                            \
      .inputs = 2,                                                                                 \
      .x = { DRAWN(a_low, a_high, 0, 3), DRAWN(b_low, b_high, 1, 3) } },                           \
    { .label = "shapes that do not broadcast",                                                     \
      .inputs = 2,                                                                                 \
      .x = { DRAWN(a_low, a_high, 2, 3), DRAWN(b_low, b_high, 4) },                                \
      .fails = "shapes do not broadcast: [2,3] and [4]" }

/* Pairs for what infinities, NaN and signed zeros do. */
#define SPECIAL_PAIRS 16
#define SPECIAL_LEFT                                                                               \
    { 0.0, -0.0, 0.0,  1.0, INFINITY, INFINITY, -INFINITY, INFINITY,                               \
      NAN, 1.0,  NAN, -1.0, 0.0,      INFINITY, 3.0,       -INFINITY }
#define SPECIAL_RIGHT                                                                              \
    { 0.0,  0.0, -0.0, 0.0, INFINITY, -INFINITY, -INFINITY, 0.0,                                   \
      1.0, NAN,  NAN,  0.0, INFINITY, 2.0,       -INFINITY, 2.0 }

/* clang-format on */

#endif

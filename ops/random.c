/* random.c: tensors of random numbers, and dropout.
 *
 * Element i depends on the tape's seed, the node's stream and i alone (graph/philox.h), so a number
 * that was dropped can be drawn again, by any number of threads. A node that draws is one of its
 * own: dropout's backward pass reads the mask of its forward pass because it is the same value.
 */
#ifndef REAL
#include <math.h>

#include "../graph/philox.h"
#include "kernel.h"
#include "ops.h"

/* How many elements are drawn at a time; each time is one iteration of a loop shared among threads.
 */
enum { CHUNK = 256, WORTH_THREADS = 1 << 14 };

typedef struct {
    reel_shape shape;
    double lo, hi;
} uniform_attributes;

typedef struct {
    reel_shape shape;
    double mean, std;
} normal_attributes;

typedef struct {
    reel_shape shape;
    double p;
} bernoulli_attributes;

typedef struct {
    reel_shape shape;
    double value;
} fill_attributes;

CLONED(draw_words, (uint64_t seed, uint64_t stream, uint64_t block, uint32_t word[CHUNK]),
       (seed, stream, block, word))
{
    for (size_t i = 0; i < CHUNK / 4; i++) {
        reel__philox_block drawn = reel__philox(seed, stream, block + i);
        for (size_t k = 0; k < 4; k++) {
            word[4 * i + k] = drawn.word[k];
        }
    }
}

static size_t elements_in_chunk(int64_t size, int64_t chunk)
{
    int64_t left = size - chunk * CHUNK;
    return (size_t)(left < CHUNK ? left : CHUNK);
}

/* The type's next number after x on the way to `to`. */
static float next_towards_f32(float x, float to)
{
    return nextafterf(x, to);
}
static double next_towards_f64(double x, double to)
{
    return nextafter(x, to);
}

#define KERNELS_OF "random.c"
#include "both_types.h"

static bool probability_fails(reel_shape_call *c, double p, const char *interval)
{
    return reel_argument_fail(c, REEL_BAD_ARGUMENT, "probability %g is outside %s", p, interval);
}

/* ---- random_uniform ------------------------------------------------------------------------ */

static const reel_attribute uniform_fields[] = {
    { "shape", REEL_ATTRIBUTE_SHAPE, offsetof(uniform_attributes, shape) },
    { "lo", REEL_ATTRIBUTE_REAL, offsetof(uniform_attributes, lo) },
    { "hi", REEL_ATTRIBUTE_REAL, offsetof(uniform_attributes, hi) },
    { 0 },
};

static bool uniform_shape(reel_shape_call *c)
{
    const uniform_attributes *a = c->attributes;
    c->y = a->shape;
    return (a->lo <= a->hi && isfinite(a->hi - a->lo)) ||
           reel_argument_fail(c, REEL_BAD_ARGUMENT, "there are no numbers from %g to %g", a->lo,
                              a->hi);
}

static const reel_sample uniform_samples[] = {
    { "a matrix", .attributes = &(const uniform_attributes){ REEL_AXES(3, 4), -1, 2 },
      .no_golden = "random" },
    { "a scalar", .attributes = &(const uniform_attributes){ REEL_NO_AXES, 0, 1 },
      .no_golden = "random" },
    { "no elements", .attributes = &(const uniform_attributes){ REEL_AXES(0, 2), 0, 1 },
      .no_golden = "random" },
    { "longer than a chunk", .attributes = &(const uniform_attributes){ REEL_AXES(3, 100), 0, 1 },
      .no_golden = "random" },
    { "no room", .attributes = &(const uniform_attributes){ REEL_AXES(3), 5, 5 },
      .no_golden = "random" },
    { "backwards", .attributes = &(const uniform_attributes){ REEL_AXES(3), 2, 1 },
      .fails = "there are no numbers from 2 to 1" },
    { "endless", .attributes = &(const uniform_attributes){ REEL_AXES(3), 0, INFINITY },
      .fails = "there are no numbers from 0 to inf" },
    { 0 },
};

REEL_OP(random_uniform) = {
    .name = "random_uniform",
    .kind = REEL_OTHER,
    .inputs = 0,
    .doc = "Numbers spread evenly over [lo, hi), 53 random bits each, drawn from Philox 4x32-10 "
           "(Salmon et al. 2011) "
           "and rounded to the tape's type, below hi.",
    .attributes = uniform_fields,
    .attribute_size = sizeof(uniform_attributes),
    .shape = uniform_shape,
    .kernel = TYPED_PAIR(uniform),
    .flat = true,
    .random = true,
    .samples = uniform_samples,
};

reel_var reel_random_uniform(reel_tape *tape, reel_shape shape, double lo, double hi)
{
    return reel_record_on(tape, &reel__op_random_uniform, &(uniform_attributes){ shape, lo, hi });
}

/* ---- random_normal ------------------------------------------------------------------------- */

static const reel_attribute normal_fields[] = {
    { "shape", REEL_ATTRIBUTE_SHAPE, offsetof(normal_attributes, shape) },
    { "mean", REEL_ATTRIBUTE_REAL, offsetof(normal_attributes, mean) },
    { "std", REEL_ATTRIBUTE_REAL, offsetof(normal_attributes, std) },
    { 0 },
};

static bool normal_shape(reel_shape_call *c)
{
    const normal_attributes *a = c->attributes;
    c->y = a->shape;
    return a->std >= 0 || reel_argument_fail(c, REEL_BAD_ARGUMENT,
                                             "standard deviation %g is not 0 or more", a->std);
}

static const reel_sample normal_samples[] = {
    { "a matrix", .attributes = &(const normal_attributes){ REEL_AXES(3, 4), 1, 2 },
      .no_golden = "random" },
    { "a scalar", .attributes = &(const normal_attributes){ REEL_NO_AXES, 0, 1 },
      .no_golden = "random" },
    { "longer than a chunk", .attributes = &(const normal_attributes){ REEL_AXES(257), 0, 1 },
      .no_golden = "random" },
    { "without spread", .attributes = &(const normal_attributes){ REEL_AXES(3), 5, 0 },
      .no_golden = "random" },
    { "negative spread", .attributes = &(const normal_attributes){ REEL_AXES(3), 0, -1 },
      .fails = "standard deviation -1 is not 0 or more" },
    { 0 },
};

REEL_OP(random_normal) = {
    .name = "random_normal",
    .kind = REEL_OTHER,
    .inputs = 0,
    .doc = "Normal numbers by the transform of Box & Muller (1958), in double, out of Philox "
           "4x32-10, then rounded to the "
           "tape's type.",
    .attributes = normal_fields,
    .attribute_size = sizeof(normal_attributes),
    .shape = normal_shape,
    .kernel = TYPED_PAIR(normal),
    .flat = true,
    .random = true,
    .samples = normal_samples,
};

reel_var reel_random_normal(reel_tape *tape, reel_shape shape, double mean, double std)
{
    return reel_record_on(tape, &reel__op_random_normal, &(normal_attributes){ shape, mean, std });
}

/* ---- random_bernoulli, dropout ------------------------------------------------------------- */

static const reel_attribute bernoulli_fields[] = {
    { "shape", REEL_ATTRIBUTE_SHAPE, offsetof(bernoulli_attributes, shape) },
    { "p", REEL_ATTRIBUTE_REAL, offsetof(bernoulli_attributes, p) },
    { 0 },
};

static bool bernoulli_shape(reel_shape_call *c)
{
    const bernoulli_attributes *a = c->attributes;
    c->y = a->shape;
    return (a->p >= 0 && a->p <= 1) || probability_fails(c, a->p, "[0, 1]");
}

static const reel_sample bernoulli_samples[] = {
    { "a matrix", .attributes = &(const bernoulli_attributes){ REEL_AXES(3, 4), 0.3 },
      .no_golden = "random" },
    { "longer than a chunk", .attributes = &(const bernoulli_attributes){ REEL_AXES(257), 0.5 },
      .no_golden = "random" },
    { "never", .attributes = &(const bernoulli_attributes){ REEL_AXES(300), 0 },
      .no_golden = "random" },
    { "always", .attributes = &(const bernoulli_attributes){ REEL_AXES(300), 1 },
      .no_golden = "random" },
    { "more than always", .attributes = &(const bernoulli_attributes){ REEL_AXES(3), 1.5 },
      .fails = "probability 1.5 is outside [0, 1]" },
    { 0 },
};

REEL_OP(random_bernoulli) = {
    .name = "random_bernoulli",
    .kind = REEL_OTHER,
    .inputs = 0,
    .doc = "1 with probability p, otherwise 0; p counts in steps of 2⁻³².",
    .attributes = bernoulli_fields,
    .attribute_size = sizeof(bernoulli_attributes),
    .shape = bernoulli_shape,
    .kernel = TYPED_PAIR(bernoulli),
    .flat = true,
    .random = true,
    .samples = bernoulli_samples,
};

reel_var reel_random_bernoulli(reel_tape *tape, reel_shape shape, double p)
{
    return reel_record_on(tape, &reel__op_random_bernoulli, &(bernoulli_attributes){ shape, p });
}

static bool dropout_mask_shape(reel_shape_call *c)
{
    const bernoulli_attributes *a = c->attributes;
    c->y = a->shape;
    return (a->p >= 0 && a->p < 1) || probability_fails(c, a->p, "[0, 1)");
}

static const reel_sample dropout_mask_samples[] = {
    { "a matrix", .attributes = &(const bernoulli_attributes){ REEL_AXES(3, 4), 0.3 },
      .no_golden = "random" },
    { "longer than a chunk", .attributes = &(const bernoulli_attributes){ REEL_AXES(2, 129), 0.5 },
      .no_golden = "random" },
    { "nothing drops", .attributes = &(const bernoulli_attributes){ REEL_AXES(5), 0 },
      .no_golden = "random" },
    { "everything drops", .attributes = &(const bernoulli_attributes){ REEL_AXES(3), 1 },
      .fails = "probability 1 is outside [0, 1)" },
    { "not a number", .attributes = &(const bernoulli_attributes){ REEL_AXES(3), NAN },
      .fails = "probability nan is outside [0, 1)" },
    { 0 },
};

REEL_OP(dropout_mask) = {
    .name = "dropout_mask",
    .kind = REEL_OTHER,
    .inputs = 0,
    .doc = "0 with probability p, otherwise 1/(1-p). reel_dropout multiplies by it (Srivastava et "
           "al. 2014), so that "
           "the expected value stays; p = 0, or a tape that is not training, leaves the input as "
           "it is. What is "
           "dropped is 0 even where the input is not finite.",
    .attributes = bernoulli_fields,
    .attribute_size = sizeof(bernoulli_attributes),
    .shape = dropout_mask_shape,
    .kernel = TYPED_PAIR(dropout_mask),
    .flat = true,
    .random = true,
    .samples = dropout_mask_samples,
};

reel_var reel_dropout(reel_var v, double p)
{
    reel_shape shape = reel_shape_of(v);
    if (shape.rank < 0) {
        return (reel_var){ v.tape, 0 }; /* reel_shape_of has said why */
    }
    if (!(p >= 0 && p < 1)) {
        return reel_fail(v.tape, REEL_BAD_ARGUMENT, "dropout", "probability %g is outside [0, 1)",
                         p);
    }
    if (p == 0 || !reel_is_training(v.tape)) {
        return v;
    }
    return reel_xmul(
        reel_record_on(v.tape, &reel__op_dropout_mask, &(bernoulli_attributes){ shape, p }), v);
}

/* ---- fill ---------------------------------------------------------------------------------- */

static const reel_attribute fill_fields[] = {
    { "shape", REEL_ATTRIBUTE_SHAPE, offsetof(fill_attributes, shape) },
    { "value", REEL_ATTRIBUTE_REAL, offsetof(fill_attributes, value) },
    { 0 },
};

static bool fill_shape(reel_shape_call *c)
{
    c->y = ((const fill_attributes *)c->attributes)->shape;
    return true;
}

static const reel_sample fill_samples[] = {
    { "a matrix", .attributes = &(const fill_attributes){ REEL_AXES(2, 3), -1.5 } },
    { "a scalar", .attributes = &(const fill_attributes){ REEL_NO_AXES, 7 } },
    { "no elements", .attributes = &(const fill_attributes){ REEL_AXES(0), 1 } },
    { "infinity", .attributes = &(const fill_attributes){ REEL_AXES(2), -INFINITY } },
    { "a negative axis", .attributes = &(const fill_attributes){ REEL_AXES(2, -1), 1 },
      .fails = "the result's shape [2,-1] is out of range" },
    { 0 },
};

REEL_OP(fill) = {
    .name = "fill",
    .kind = REEL_OTHER,
    .inputs = 0,
    .doc = "A tensor of one value everywhere.",
    .attributes = fill_fields,
    .attribute_size = sizeof(fill_attributes),
    .shape = fill_shape,
    .kernel = TYPED_PAIR(fill),
    .flat = true,
    .samples = fill_samples,
};

reel_var reel_fill(reel_tape *tape, reel_shape shape, double value)
{
    return reel_record_on(tape, &reel__op_fill, &(fill_attributes){ shape, value });
}

#else /* ---- kernels --------------------------------------------------------------------------- */

static void TYPED(uniform)(const reel_kernel_call *c)
{
    const uniform_attributes *a = c->attributes;
    const REAL last = TYPED(next_towards)((REAL)a->hi, (REAL)a->lo);
    int64_t size = reel_shape_size(*c->y.shape);
    REAL *y = c->y.data;
#pragma omp parallel for num_threads(c->threads) if (size > WORTH_THREADS)
    for (int64_t pair = 0; pair < (size + 1) / 2; pair++) {
        reel__philox_block block = reel__philox(c->seed, c->stream, (uint64_t)pair);
        for (int half = 0; half < 2 && 2 * pair + half < size; half++) {
            REAL drawn = (REAL)(a->lo + (a->hi - a->lo) * reel__philox_uniform(block, half));
            y[2 * pair + half] = drawn < last ? drawn : last;
        }
    }
}

static void TYPED(normal)(const reel_kernel_call *c)
{
    const normal_attributes *a = c->attributes;
    int64_t size = reel_shape_size(*c->y.shape);
    REAL *y = c->y.data;
#pragma omp parallel for num_threads(c->threads) if (size > WORTH_THREADS)
    for (int64_t pair = 0; pair < (size + 1) / 2; pair++) {
        double drawn[2];
        reel__philox_normal(reel__philox(c->seed, c->stream, (uint64_t)pair), drawn);
        for (int half = 0; half < 2 && 2 * pair + half < size; half++) {
            y[2 * pair + half] = (REAL)(a->mean + a->std * drawn[half]);
        }
    }
}

/* One value with probability p, another otherwise: the loop of every layer that drops. */
CLONED(TYPED(choose), (size_t n, const uint32_t *word, double p, REAL below, REAL above, REAL *y),
       (n, word, p, below, above, y))
{
    const uint64_t limit = (uint64_t)ceil(p * 0x1p32);
    LOOP_WITHOUT_OVERLAP
    for (size_t i = 0; i < n; i++) {
        y[i] = word[i] < limit ? below : above;
    }
}

static void TYPED(choose_all)(const reel_kernel_call *c, double p, double below, double above)
{
    int64_t size = reel_shape_size(*c->y.shape);
    REAL *y = c->y.data;
#pragma omp parallel for num_threads(c->threads) if (size > WORTH_THREADS)
    for (int64_t chunk = 0; chunk < (size + CHUNK - 1) / CHUNK; chunk++) {
        uint32_t word[CHUNK];
        draw_words(c->seed, c->stream, (uint64_t)chunk * (CHUNK / 4), word);
        TYPED(choose)
        (elements_in_chunk(size, chunk), word, p, (REAL)below, (REAL)above, y + chunk * CHUNK);
    }
}

static void TYPED(bernoulli)(const reel_kernel_call *c)
{
    TYPED(choose_all)(c, ((const bernoulli_attributes *)c->attributes)->p, 1, 0);
}

static void TYPED(dropout_mask)(const reel_kernel_call *c)
{
    double p = ((const bernoulli_attributes *)c->attributes)->p;
    TYPED(choose_all)(c, p, 0, 1 / (1 - p));
}

static void TYPED(fill)(const reel_kernel_call *c)
{
    const fill_attributes *a = c->attributes;
    int64_t size = reel_shape_size(*c->y.shape);
    REAL *y = c->y.data;
    for (int64_t i = 0; i < size; i++) {
        y[i] = (REAL)a->value;
    }
}

#endif

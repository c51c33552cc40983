/* linear_scan.c: the linear recurrence y[t] = a[t]∘y[t-1] + b[t] along axis 0, real or complex. */
#ifndef REAL
#include <string.h>

#include "../graph/run/subnormal.h"
#include "kernel.h"
#include "ops.h"
#include "reduce.h"
#include "sample.h"

typedef struct {
    int64_t reverse, complex_values;
} linear_scan_attributes;

static const reel_attribute linear_scan_fields[] = {
    { "reverse", REEL_ATTRIBUTE_INT, offsetof(linear_scan_attributes, reverse) },
    { "complex_values", REEL_ATTRIBUTE_INT, offsetof(linear_scan_attributes, complex_values) },
    { 0 },
};

/* ---- how the work is dealt out --------------------------------------------------------------- */

/* Steps follow each other, columns do not: threads share the columns. Where there are too few of
 * them the steps are cut into chunks as well, whatever the number of threads, as sums in chunks
 * round differently and a seed must give the same bits on every machine. Of every chunk the
 * product P of its a and its end E from a start of zero are found side by side; the chunks' true
 * starts follow from these, one S' = P∘S + E a chunk; then all chunks run side by side from their
 * true starts. */
enum { WIDEST_TILE = 1024, NARROWEST_TILE = 16, CHUNK = 512 };

typedef struct {
    const void *a, *b, *start;
    void *y, *product, *end, *zeros; /* where chunks > 1: P and E [chunks, row], zeros [row] */
    int64_t steps, columns;          /* a complex column is counted once */
    int64_t row, imaginary;          /* elements of a row; from a real to its imaginary part */
    int64_t chunks, tile, tiles;
    bool reverse;
} scan;

/* Columns [first, last) of the steps [begin, end) in processing order. */
typedef struct {
    int64_t begin, end, first, last;
} piece;

static scan scan_of(const reel_kernel_call *c)
{
    const linear_scan_attributes *a = c->attributes;
    const reel_shape *shape = c->x[1].shape;
    int64_t row = 1, inner = shape->dim[shape->rank - 1];
    for (int k = 1; k < shape->rank; k++) {
        row *= shape->dim[k];
    }
    scan s = { .a = c->x[0].data, .b = c->x[1].data, .start = c->x[2].data, .y = c->y.data };
    s.steps = shape->dim[0];
    s.row = row;
    s.columns = a->complex_values ? row / 2 : row;
    s.imaginary = a->complex_values ? inner / 2 : 0;
    s.reverse = a->reverse != 0;
    bool alone = c->threads < 2 || s.steps * row < REEL__PARALLEL_ELEMENTS;
    int64_t share = alone ? s.columns : (s.columns + c->threads - 1) / c->threads;
    s.tile = share < NARROWEST_TILE ? NARROWEST_TILE : share > WIDEST_TILE ? WIDEST_TILE : share;
    s.tiles = (s.columns + s.tile - 1) / s.tile;
    bool few = s.columns <= NARROWEST_TILE && s.steps * row >= REEL__PARALLEL_ELEMENTS;
    s.chunks = few && s.steps >= 2 * CHUNK ? (s.steps + CHUNK - 1) / CHUNK : 1;
    return s;
}

static size_t linear_scan_scratch(const reel_kernel_call *c, size_t element)
{
    scan s = scan_of(c);
    return s.chunks > 1 ? (size_t)((2 * s.chunks + 1) * s.row) * element : 0;
}

static piece piece_of(const scan *s, int64_t task)
{
    int64_t chunk = task / s->tiles, first = task % s->tiles * s->tile;
    piece p = { chunk * CHUNK, (chunk + 1) * CHUNK, first, first + s->tile };
    p.end = s->chunks == 1 || p.end > s->steps ? s->steps : p.end;
    p.last = p.last > s->columns ? s->columns : p.last;
    return p;
}

static int64_t row_at(const scan *s, int64_t i)
{
    return (s->reverse ? s->steps - 1 - i : i) * s->row;
}

/* The real part's place in a row: complex columns lie in blocks of `imaginary`, each followed by
 * its imaginary parts. */
static inline int64_t real_part(const scan *s, int64_t column)
{
    return column / s->imaginary * 2 * s->imaginary + column % s->imaginary;
}

#define KERNELS_OF "linear_scan.c"
#include "both_types.h"

/* ---- shape ----------------------------------------------------------------------------------- */

static bool linear_scan_shape(reel_shape_call *c)
{
    const linear_scan_attributes *attributes = c->attributes;
    const reel_shape *a = c->x[0], *b = c->x[1], *start = c->x[2];
    c->y = *b;
    if (b->rank < 1 || !reel_shape_equal(*a, *b)) {
        return reel_shape_fail(c, "a is %s and b is %s, expected one shape [steps, …]",
                               REEL_SHAPE_TEXT(*a), REEL_SHAPE_TEXT(*b));
    }
    if (!reel_shape_equal(*start, reel_shape_from(b->rank - 1, b->dim + 1))) {
        return reel_shape_fail(c, "initial is %s, expected a step of %s", REEL_SHAPE_TEXT(*start),
                               REEL_SHAPE_TEXT(*b));
    }
    if (attributes->complex_values && (b->rank < 2 || b->dim[b->rank - 1] % 2 != 0)) {
        return reel_shape_fail(c, "complex_values: the last axis of %s does not halve",
                               REEL_SHAPE_TEXT(*b));
    }
    return true;
}

/* ---- derivative ------------------------------------------------------------------------------ */

/* conj(a)∘b, halves of the last axis being real and imaginary parts */
static reel_var conjugate_product(const linear_scan_attributes *attributes, reel_var a, reel_var b)
{
    if (!attributes->complex_values) {
        return reel_mul(b, a);
    }
    reel_var p[2], q[2];
    reel_split(a, -1, 2, p);
    reel_split(b, -1, 2, q);
    return reel_concat(-1, reel_add(reel_mul(p[0], q[0]), reel_mul(p[1], q[1])),
                       reel_sub(reel_mul(p[0], q[1]), reel_mul(p[1], q[0])));
}

static reel_var conjugate(const linear_scan_attributes *attributes, reel_var a)
{
    if (!attributes->complex_values) {
        return a;
    }
    reel_var p[2];
    reel_split(a, -1, 2, p);
    return reel_concat(-1, p[0], reel_neg(p[1]));
}

/* The same scan the other way: s[t] = dy[t] + conj(a[t+1])∘s[t+1]. */
static void linear_scan_vjp(reel_vjp_call *c)
{
    const linear_scan_attributes *attributes = c->attributes;
    int64_t steps = reel_shape_of(c->y).dim[0];
    if (steps == 0) {
        c->dx[2] = c->dy.tape ? reel_sum(c->dy, 0) : c->dy; /* zeros */
        return;
    }
    bool reverse = attributes->reverse != 0;
    reel_var a = c->x[0], before = reel_unsqueeze(c->x[2], 0), next, rest;
    if (reverse) {
        next = reel_pad(reel_slice(a, 0, 0, steps - 1), 0, 1, 0);
        rest = reel_slice(c->y, 0, 1, steps);
    } else {
        next = reel_pad(reel_slice(a, 0, 1, steps), 0, 0, 1);
        rest = reel_slice(c->y, 0, 0, steps - 1);
    }
    reel_linear_scan_options back = { .reverse = !reverse,
                                      .complex_values = attributes->complex_values != 0 };
    reel_var s = reel_linear_scan(conjugate(attributes, next), c->dy, back);
    if (c->needs[0]) {
        reel_var previous = reverse ? reel_concat(0, rest, before) : reel_concat(0, before, rest);
        c->dx[0] = conjugate_product(attributes, previous, s);
    }
    c->dx[1] = s;
    if (c->needs[2]) {
        int64_t first = reverse ? steps - 1 : 0;
        c->dx[2] = conjugate_product(attributes, reel_at(a, first), reel_at(s, first));
    }
}

/* ---- entry ----------------------------------------------------------------------------------- */

#define SCAN(...)                                                                                  \
    .attributes = &(const linear_scan_attributes)                                                  \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }
#define THREE(steps, ...)                                                                          \
    3,                                                                                             \
    {                                                                                              \
        { .shape = REEL_AXES(steps, __VA_ARGS__) }, { .shape = REEL_AXES(steps, __VA_ARGS__) },    \
        {                                                                                          \
            .shape = REEL_AXES(__VA_ARGS__)                                                        \
        }                                                                                          \
    }

static const reel_sample linear_scan_samples[] = {
    { "rows of a batch", THREE(4, 2, 3), SCAN(0, 0) },
    { "from the last step to the first", THREE(4, 2, 3), SCAN(1, 0) },
    { "one step", THREE(1, 3), SCAN(0, 0) },
    { "a vector",
      3,
      { { .shape = REEL_AXES(5) }, { .shape = REEL_AXES(5) }, { .shape = REEL_NO_AXES } },
      SCAN(0, 0) },
    { "more columns than a vector register", THREE(3, 37), SCAN(0, 0) },
    { "no steps", THREE(0, 3), SCAN(0, 0) },
    { "no columns", THREE(3, 0), SCAN(0, 0) },
    { "complex numbers", THREE(4, 2, 6), SCAN(0, 1) },
    { "complex numbers in reverse", THREE(3, 4), SCAN(1, 1) },
    { "a and b of two shapes",
      3,
      { { .shape = REEL_AXES(4, 3) }, { .shape = REEL_AXES(4, 2) }, { .shape = REEL_AXES(2) } },
      SCAN(0, 0),
      .fails = "a is [4,3] and b is [4,2], expected one shape [steps, …]" },
    { "an initial value of another shape",
      3,
      { { .shape = REEL_AXES(4, 3) }, { .shape = REEL_AXES(4, 3) }, { .shape = REEL_AXES(2) } },
      SCAN(0, 0),
      .fails = "initial is [2], expected a step of [4,3]" },
    { "complex numbers without a half", THREE(4, 3), SCAN(0, 1),
      .fails = "complex_values: the last axis of [4,3] does not halve" },
    { 0 },
};

static double linear_scan_flops(int inputs, const reel_shape *const x[], const reel_shape *y)
{
    (void)inputs, (void)y;
    return 2 * (double)reel_shape_size(*x[1]);
}

REEL_OP(linear_scan) = {
    .name = "linear_scan",
    .kind = REEL_OTHER,
    .inputs = 3,
    .doc =
        "y[t] = a[t]∘y[t-1] + b[t] along axis 0, y[-1] being the third input; with `reverse` from "
        "the last step to the first. With `complex_values` the first half of the last axis holds "
        "real "
        "parts and the second imaginary ones. Threads share the columns and, where these are few, "
        "chunks of steps. The gradient is the same scan reversed (Martin & Cundy 2018).",
    .attributes = linear_scan_fields,
    .attribute_size = sizeof(linear_scan_attributes),
    .shape = linear_scan_shape,
    .kernel = TYPED_PAIR(linear_scan),
    .scratch = linear_scan_scratch,
    .vjp = linear_scan_vjp,
    .in_place = true,
    .flops = linear_scan_flops,
    .samples = linear_scan_samples,
};

/* `a` as wide as b, so that one decay may serve all steps or rows. */
static reel_var fitted(reel_var a, reel_var b)
{
    reel_shape from = reel_shape_of(a), to = reel_shape_of(b), both;
    bool fits = from.rank >= 0 && to.rank >= 0 && !reel_shape_equal(from, to) &&
                reel_broadcast(from, to, &both) && reel_shape_equal(both, to);
    return fits ? reel_expand(a, to) : a;
}

reel_var reel_linear_scan(reel_var a, reel_var b, reel_linear_scan_options options)
{
    reel_var start = options.initial;
    reel_shape shape = reel_shape_of(b);
    if (!start.tape && shape.rank > 0) {
        start = reel_fill(b.tape, reel_shape_from(shape.rank - 1, shape.dim + 1), 0);
    } else if (!start.tape) {
        start = b; /* the shape rule says what is wrong */
    }
    const reel_var x[] = { fitted(a, b), b, start };
    return reel_record(&reel__op_linear_scan, 3, x,
                       &(linear_scan_attributes){ options.reverse, options.complex_values });
}

#else /* read once for each type */

/* One step of a piece of real columns; `before` is where the state lies, `y` where it goes. */
CLONED(TYPED(real_step), (const REAL *a, const REAL *b, const REAL *before, REAL *y, int64_t n),
       (a, b, before, y, n))
{
    LOOP_WITHOUT_OVERLAP
    for (int64_t k = 0; k < n; k++) {
        y[k] = a[k] * before[k] + b[k];
    }
}

/* The same for n complex columns side by side; `i` leads from a real to its imaginary part. */
CLONED(TYPED(complex_step),
       (const REAL *a, const REAL *b, const REAL *before, REAL *y, int64_t n, int64_t i),
       (a, b, before, y, n, i))
{
    LOOP_WITHOUT_OVERLAP
    for (int64_t k = 0; k < n; k++) {
        REAL re = before[k], im = before[k + i];
        REAL a_re = a[k], a_im = a[k + i];
        y[k] = a_re * re - a_im * im + b[k];
        y[k + i] = a_re * im + a_im * re + b[k + i];
    }
}

static void TYPED(step)(const scan *s, const REAL *a, const REAL *b, const REAL *before, REAL *y,
                        const piece *p)
{
    if (s->imaginary == 0) {
        int64_t at = p->first;
        TYPED(real_step)(a + at, b + at, before + at, y + at, p->last - at);
        return;
    }
    for (int64_t column = p->first, end; column < p->last; column = end) {
        int64_t block = (column / s->imaginary + 1) * s->imaginary, at = real_part(s, column);
        end = block < p->last ? block : p->last;
        TYPED(complex_step)(a + at, b + at, before + at, y + at, end - column, s->imaginary);
    }
}

static void TYPED(run_piece)(const scan *s, int64_t task)
{
    piece p = piece_of(s, task);
    const REAL *a = s->a, *b = s->b, *before = s->start;
    REAL *y = s->y;
    if (p.begin > 0) {
        before = (const REAL *)s->end + (p.begin / CHUNK - 1) * s->row;
    }
    for (int64_t i = p.begin; i < p.end; i++) {
        int64_t row = row_at(s, i);
        TYPED(step)(s, a + row, b + row, before, y + row, &p);
        before = y + row;
    }
}

/* P and E of one piece. */
static void TYPED(summarise_piece)(const scan *s, int64_t task)
{
    piece p = piece_of(s, task);
    const REAL *a = s->a, *b = s->b;
    REAL *product = (REAL *)s->product + p.begin / CHUNK * s->row;
    REAL *end = (REAL *)s->end + p.begin / CHUNK * s->row;
    for (int64_t k = p.first; k < p.last; k++) {
        int64_t at = s->imaginary ? real_part(s, k) : k;
        product[at] = 1;
        end[at] = 0;
        product[at + s->imaginary] = s->imaginary ? 0 : 1;
        end[at + s->imaginary] = 0;
    }
    for (int64_t i = p.begin; i < p.end; i++) {
        int64_t row = row_at(s, i);
        TYPED(step)(s, a + row, s->zeros, product, product, &p);
        TYPED(step)(s, a + row, b + row, end, end, &p);
    }
}

/* E of a chunk becomes the state after it, from which the next one starts. */
static void TYPED(chain_chunks)(const scan *s)
{
    piece all = { .last = s->columns };
    REAL *product = s->product, *end = s->end;
    const REAL *before = s->start;
    for (int64_t k = 0; k < s->chunks - 1; k++) {
        TYPED(step)(s, product + k * s->row, end + k * s->row, before, end + k * s->row, &all);
        before = end + k * s->row;
    }
}

static void TYPED(run_chunks)(const reel_kernel_call *c, scan *s)
{
    REAL *scratch = c->scratch;
    s->zeros = scratch;
    s->product = scratch + s->row;
    s->end = scratch + (1 + s->chunks) * s->row;
    memset(scratch, 0, (size_t)s->row * sizeof *scratch);
    reel__float_mode mode = reel__float_mode_now();
#pragma omp parallel for num_threads(c->threads) schedule(static)
    for (int64_t task = 0; task < (s->chunks - 1) * s->tiles; task++) {
        reel__float_mode own = reel__float_mode_use(mode);
        TYPED(summarise_piece)(s, task);
        reel__float_mode_use(own);
    }
    TYPED(chain_chunks)(s);
}

static void TYPED(linear_scan)(const reel_kernel_call *c)
{
    scan s = scan_of(c);
    int64_t tasks = s.chunks * s.tiles;
    if (s.chunks > 1) {
        TYPED(run_chunks)(c, &s);
    }
    reel__float_mode mode = reel__float_mode_now();
#pragma omp parallel for num_threads(c->threads) schedule(static) if (tasks > 1 && c->threads > 1)
    for (int64_t task = 0; task < tasks; task++) {
        reel__float_mode own = reel__float_mode_use(mode);
        TYPED(run_piece)(&s, task);
        reel__float_mode_use(own);
    }
}

#endif

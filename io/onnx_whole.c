/* onnx_whole.c: whole numbers and truths that never get onto the tape: what shapes, axes and masks
 * are computed from. Index tensors that are computed with, or compared, are read for that. */
#ifdef REEL_HAVE_PROTOBUF_C
#include <math.h>
#include <string.h>

#include "../ops/ops.h"
#include "onnx_nodes.h"

typedef reel__onnx_run run;
typedef reel__onnx_value value;

enum { MOST_NUMBERS = 1 << 24 };

/* ---- reading --------------------------------------------------------------------------------- */

bool reel__onnx_is_whole(const run *c, int input)
{
    return reel__onnx_has(c, input) &&
           (c->x[input].kind == REEL__ONNX_WHOLE || reel_is_index(c->x[input].var));
}

static bool read_index(run *c, reel_var v, size_t n, int64_t *out)
{
    int32_t *narrow = reel__onnx_room(c, n * sizeof *narrow);
    if (narrow == NULL || reel_read_indices(v, narrow, n) != REEL_OK) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        out[i] = narrow[i];
    }
    return true;
}

/* Towards 0, as a cast does. */
static bool read_real(run *c, reel_var v, size_t n, int64_t *out)
{
    double *wide = reel__onnx_room(c, n * sizeof *wide);
    if (wide == NULL || reel_read_f64(v, wide, n) != REEL_OK) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (!(wide[i] > -9e15 && wide[i] < 9e15)) {
            return reel__onnx_fail(c, REEL_BAD_INDEX, "%g is no whole number", wide[i]);
        }
        out[i] = (int64_t)wide[i];
    }
    return true;
}

bool reel__onnx_read_whole(run *c, int input, value *out)
{
    if (!reel__onnx_has(c, input)) {
        return reel__onnx_fail(c, REEL_BAD_FILE, "input %d is missing", input);
    }
    *out = c->x[input];
    if (out->kind == REEL__ONNX_WHOLE) {
        return true;
    }
    out->shape = reel_shape_of(out->var);
    size_t n = out->shape.rank < 0 ? 0 : (size_t)reel_shape_size(out->shape);
    int64_t *numbers = reel__onnx_room(c, n * sizeof *numbers);
    if (numbers == NULL || out->shape.rank < 0) {
        return false;
    }
    bool fine = (reel_is_index(out->var) ? read_index : read_real)(c, out->var, n, numbers);
    out->kind = REEL__ONNX_WHOLE;
    out->whole = numbers;
    return fine;
}

reel_var reel__onnx_any(run *c, int input)
{
    bool whole = reel__onnx_has(c, input) && c->x[input].kind == REEL__ONNX_WHOLE;
    return whole && !c->x[input].truth ? reel__onnx_index(c, input) : reel__onnx_var(c, input);
}

/* ---- element by element ---------------------------------------------------------------------- */

static int64_t add(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a + (uint64_t)b);
}
static int64_t sub(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a - (uint64_t)b);
}
static int64_t mul(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a * (uint64_t)b);
}
static int64_t quotient(int64_t a, int64_t b)
{
    return b == 0 ? 0 : b == -1 ? sub(0, a) : a / b;
}
static int64_t modulo(int64_t a, int64_t b) /* with the sign of b */
{
    int64_t rest = b == 0 || b == -1 ? 0 : a % b;
    return rest && (rest < 0) != (b < 0) ? rest + b : rest;
}
static int64_t power(int64_t a, int64_t b)
{
    int64_t y = 1;
    for (; b > 0; b /= 2, a = mul(a, a)) {
        y = b % 2 ? mul(y, a) : y;
    }
    return y;
}
static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}
static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}
static int64_t equal(int64_t a, int64_t b)
{
    return a == b;
}
static int64_t less(int64_t a, int64_t b)
{
    return a < b;
}
static int64_t less_equal(int64_t a, int64_t b)
{
    return a <= b;
}
static int64_t greater(int64_t a, int64_t b)
{
    return a > b;
}
static int64_t greater_equal(int64_t a, int64_t b)
{
    return a >= b;
}
static int64_t both(int64_t a, int64_t b)
{
    return a && b;
}
static int64_t either(int64_t a, int64_t b)
{
    return a || b;
}
static int64_t one_of_both(int64_t a, int64_t b)
{
    return !a != !b;
}
static int64_t negation(int64_t a, int64_t b)
{
    (void)b;
    return !a;
}
static int64_t minus(int64_t a, int64_t b)
{
    (void)b;
    return sub(0, a);
}
static int64_t magnitude(int64_t a, int64_t b)
{
    (void)b;
    return a < 0 ? sub(0, a) : a;
}

typedef struct {
    const char *type;
    int64_t (*of)(int64_t a, int64_t b);
    bool truth, one;
} row;

static const row rows[] = {
    { "Abs", magnitude, .one = true },
    { "Add", add },
    { "And", both, .truth = true },
    { "Div", quotient },
    { "Equal", equal, .truth = true },
    { "Greater", greater, .truth = true },
    { "GreaterOrEqual", greater_equal, .truth = true },
    { "Less", less, .truth = true },
    { "LessOrEqual", less_equal, .truth = true },
    { "Max", larger },
    { "Min", smaller },
    { "Mod", modulo },
    { "Mul", mul },
    { "Neg", minus, .one = true },
    { "Not", negation, .truth = true, .one = true },
    { "Or", either, .truth = true },
    { "Pow", power },
    { "Sub", sub },
    { "Sum", add },
    { "Xor", one_of_both, .truth = true },
};

static const row *row_of(const char *type)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (strcmp(rows[i].type, type) == 0) {
            return &rows[i];
        }
    }
    return NULL;
}

/* Where element i of y reads x, which broadcasts to it. */
static int64_t place(const reel_shape *x, const reel_shape *y, int64_t i)
{
    int64_t at = 0, stride = 1;
    for (int k = y->rank - 1, a = x->rank - 1; k >= 0; k--, a--) {
        if (a >= 0 && x->dim[a] != 1) {
            at += i % y->dim[k] * stride;
        }
        stride *= a >= 0 ? x->dim[a] : 1;
        i /= y->dim[k];
    }
    return at;
}

static bool broadcast(run *c, reel_shape a, reel_shape b, reel_shape *y)
{
    if (!reel_broadcast(a, b, y) || reel_shape_size(*y) > MOST_NUMBERS) {
        return reel__onnx_fail(c, REEL_BAD_SHAPE, "%s and %s do not broadcast", REEL_SHAPE_TEXT(a),
                               REEL_SHAPE_TEXT(b));
    }
    return true;
}

static bool combine(run *c, const row *r, const value *a, const value *b, value *y)
{
    reel_shape shape;
    if (!broadcast(c, a->shape, b->shape, &shape)) {
        return false;
    }
    int64_t n = reel_shape_size(shape), *numbers = reel__onnx_room(c, (size_t)n * sizeof *numbers);
    for (int64_t i = 0; numbers && i < n; i++) {
        numbers[i] =
            r->of(a->whole[place(&a->shape, &shape, i)], b->whole[place(&b->shape, &shape, i)]);
    }
    *y = (value){ .kind = REEL__ONNX_WHOLE, .shape = shape, .whole = numbers, .truth = r->truth };
    return numbers != NULL;
}

bool reel__onnx_whole_elements(run *c, bool *done)
{
    const row *r = row_of(c->node->op_type);
    *done = r && c->inputs > (r->one ? 0 : 1);
    for (int i = 0; *done && i < c->inputs; i++) {
        *done = reel__onnx_is_whole(c, i);
    }
    value y, x;
    if (!*done || !reel__onnx_read_whole(c, 0, &y)) {
        return !*done;
    }
    bool fine = !r->one || combine(c, r, &y, &y, &y);
    for (int i = 1; fine && i < c->inputs; i++) {
        fine = reel__onnx_read_whole(c, i, &x) && combine(c, r, &y, &x, &y);
    }
    c->y[0] = y;
    return fine;
}

bool reel__onnx_whole_where(run *c)
{
    value when, a, b;
    reel_shape shape;
    if (!reel__onnx_read_whole(c, 0, &when) || !reel__onnx_read_whole(c, 1, &a) ||
        !reel__onnx_read_whole(c, 2, &b) || !broadcast(c, a.shape, b.shape, &shape) ||
        !broadcast(c, shape, when.shape, &shape)) {
        return false;
    }
    int64_t n = reel_shape_size(shape), *y = reel__onnx_room(c, (size_t)n * sizeof *y);
    for (int64_t i = 0; y && i < n; i++) {
        const value *from = when.whole[place(&when.shape, &shape, i)] ? &a : &b;
        y[i] = from->whole[place(&from->shape, &shape, i)];
    }
    bool fine = reel__onnx_put_whole(c, shape, y);
    c->y[0].truth = a.truth && b.truth;
    return fine;
}

/* ---- casts ----------------------------------------------------------------------------------- */

static bool is_any_of(int64_t type, int n, const int32_t types[])
{
    for (int i = 0; i < n; i++) {
        if (type == types[i]) {
            return true;
        }
    }
    return false;
}

static bool to_truth(run *c)
{
    const value *x = &c->x[0];
    if (!reel__onnx_is_whole(c, 0)) {
        reel_var v = reel__onnx_var(c, 0);
        bool fine =
            reel__onnx_put(c, 0, x->truth ? v : reel_not_equal(v, reel_scalar(c->model->tape, 0)));
        c->y[0].truth = true;
        return fine;
    }
    value y, zero = { .shape = REEL_SHAPE(), .whole = &(int64_t){ 0 } };
    static const row differs = { "Cast", one_of_both, .truth = true };
    return reel__onnx_read_whole(c, 0, &y) && combine(c, &differs, &y, &zero, &c->y[0]);
}

static bool to_real(run *c)
{
    value x;
    if (!reel__onnx_is_whole(c, 0)) {
        return reel__onnx_put(c, 0, reel__onnx_var(c, 0));
    }
    run as_input = *c;
    as_input.x = &x;
    as_input.inputs = 1;
    return reel__onnx_read_whole(c, 0, &x) && reel__onnx_put(c, 0, reel__onnx_var(&as_input, 0));
}

/* Ones and zeros that are computed stay what they are. */
static bool to_whole(run *c)
{
    const value *x = &c->x[0];
    if (x->kind == REEL__ONNX_VAR && (x->truth || reel_is_index(x->var))) {
        c->y[0] = *x;
        return true;
    }
    bool fine = reel__onnx_read_whole(c, 0, &c->y[0]);
    c->y[0].truth = false;
    return fine;
}

static bool cast_to(run *c, int64_t to)
{
    static const int32_t real[] = { ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT,
                                    ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE,
                                    ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16,
                                    ONNX__TENSOR_PROTO__DATA_TYPE__BFLOAT16 };
    static const int32_t whole[] = { ONNX__TENSOR_PROTO__DATA_TYPE__INT32,
                                     ONNX__TENSOR_PROTO__DATA_TYPE__INT64 };
    if (!reel__onnx_has(c, 0)) {
        return reel__onnx_fail(c, REEL_BAD_FILE, "input 0 is missing");
    }
    return is_any_of(to, 4, real)    ? to_real(c)
           : is_any_of(to, 2, whole) ? to_whole(c)
           : to == ONNX__TENSOR_PROTO__DATA_TYPE__BOOL
               ? to_truth(c)
               : reel__onnx_fail(c, REEL_UNSUPPORTED, "a cast to type %lld", (long long)to);
}

bool reel__onnx_cast(run *c)
{
    return cast_to(c, reel__onnx_get_int(c, "to", 0));
}

bool reel__onnx_cast_like(run *c)
{
    bool whole = reel__onnx_is_whole(c, 1), truth = reel__onnx_has(c, 1) && c->x[1].truth;
    return cast_to(c, truth   ? ONNX__TENSOR_PROTO__DATA_TYPE__BOOL
                      : whole ? ONNX__TENSOR_PROTO__DATA_TYPE__INT64
                              : ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT);
}

/* ---- made of nothing ------------------------------------------------------------------------- */

static bool whole_range(run *c)
{
    value begin, end, step;
    if (!reel__onnx_read_whole(c, 0, &begin) || !reel__onnx_read_whole(c, 1, &end) ||
        !reel__onnx_read_whole(c, 2, &step)) {
        return false;
    }
    double n = ((double)*end.whole - (double)*begin.whole) / (double)*step.whole;
    if (*step.whole == 0 || !(n < MOST_NUMBERS)) {
        return reel__onnx_refuse(c, "too many numbers");
    }
    int64_t count = n > 0 ? (int64_t)ceil(n) : 0,
            *y = reel__onnx_room(c, (size_t)count * sizeof *y);
    for (int64_t i = 0; y && i < count; i++) {
        y[i] = add(*begin.whole, mul(i, *step.whole));
    }
    return reel__onnx_put_whole(c, REEL_SHAPE(count), y);
}

bool reel__onnx_range(run *c)
{
    double of[3];
    for (int i = 0; i < 3; i++) {
        if (!reel__onnx_has(c, i) ||
            reel_shape_size(c->x[i].kind == REEL__ONNX_WHOLE ? c->x[i].shape
                                                             : reel_shape_of(c->x[i].var)) != 1) {
            return reel__onnx_refuse(c, "from, to or by what is no single number");
        }
    }
    if (reel__onnx_is_whole(c, 0) && reel__onnx_is_whole(c, 1) && reel__onnx_is_whole(c, 2)) {
        return whole_range(c);
    }
    for (int i = 0; i < 3; i++) {
        of[i] = reel_item(reel__onnx_var(c, i));
    }
    double n = (of[1] - of[0]) / of[2];
    if (!(n < MOST_NUMBERS) || !(n > -MOST_NUMBERS)) {
        return reel__onnx_refuse(c, "too many numbers");
    }
    int64_t count = 0;
    double *y = reel__onnx_room(c, ((size_t)(n > 0 ? n : 0) + 1) * sizeof *y);
    for (; y && (double)count < n; count++) {
        y[count] = of[0] + (double)count * of[2];
    }
    return y && reel__onnx_put(c, 0, reel_input_f64(c->model->tape, REEL_SHAPE(count), y));
}

bool reel__onnx_size(run *c)
{
    int64_t *n = reel__onnx_room(c, sizeof *n);
    if (n == NULL || !reel__onnx_has(c, 0)) {
        return false;
    }
    *n = reel_shape_size(c->x[0].kind == REEL__ONNX_WHOLE ? c->x[0].shape
                                                          : reel_shape_of(c->x[0].var));
    return reel__onnx_put_whole(c, REEL_SHAPE(), n);
}

/* ---- along axes ------------------------------------------------------------------------------ */

/* The operator over axes of whole numbers; `of` joins two. */
bool reel__onnx_whole_reduce(run *c, const char *type, unsigned axes, bool keep)
{
    const row *r = row_of(type);
    value x, y = { .kind = REEL__ONNX_WHOLE };
    if (r == NULL || !reel__onnx_read_whole(c, 0, &x)) {
        return r ? false : reel__onnx_refuse(c, "of whole numbers");
    }
    reel_shape kept = x.shape;
    for (int i = 0; i < kept.rank; i++) {
        kept.dim[i] = axes >> i & 1 ? 1 : kept.dim[i];
        if (keep || !(axes >> i & 1)) {
            y.shape.dim[y.shape.rank++] = kept.dim[i];
        }
    }
    int64_t n = reel_shape_size(kept), all = reel_shape_size(x.shape);
    int64_t *numbers = reel__onnx_room(c, (size_t)n * sizeof *numbers);
    uint8_t *begun = reel__onnx_room(c, (size_t)n);
    if (numbers == NULL || begun == NULL || all == 0) {
        return reel__onnx_refuse(c, "of no numbers");
    }
    memset(begun, 0, (size_t)n);
    for (int64_t i = 0; i < all; i++) {
        int64_t at = place(&kept, &x.shape, i);
        numbers[at] = begun[at] ? r->of(numbers[at], x.whole[i]) : x.whole[i];
        begun[at] = 1;
    }
    bool fine = reel__onnx_put_whole(c, y.shape, numbers);
    c->y[0].truth = x.truth && strcmp(type, "Add") != 0;
    return fine;
}
#else
typedef int reel__no_onnx_whole; /* a translation unit is never empty */
#endif

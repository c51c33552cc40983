/* emit_ops.c: each op as C: an expression, a function for a row, or a few loops. */
#include <inttypes.h>
#include <string.h>

#include "emit_ops.h"

typedef const reel__emitter emitter;

/* ---- element by element: an expression of a, b and c ----------------------------------------- */

typedef struct {
    const char *op, *text;
    const char *attribute[2]; /* stand as p and q */
} expression;

static const expression expressions[] = {
    { "abs", "F(fabs)(a)" },
    { "accumulate", "a + b" },
    { "add", "a + b" },
    { "checkpoint", "a" },
    { "clamp", "a < p ? p : a > q ? q : a", { "lo", "hi" } },
    { "cos", "F(cos)(a)" },
    { "div", "a / b" },
    { "elu", "a < 0 ? p * F(expm1)(a) : a", { "alpha" } },
    { "equal", "a == b" },
    { "erf", "F(erf)(a)" },
    { "exp", "F(exp)(a)" },
    { "expm1", "F(expm1)(a)" },
    { "floor", "F(floor)(a)" },
    { "gelu", "a < (REAL)-40 ? 0 : a * (REAL)0.5 * F(erfc)(a * (REAL)-0.70710678118654752)" },
    { "greater", "a > b" },
    { "greater_equal", "a >= b" },
    { "hard_sigmoid", "a <= -3 ? 0 : a >= 3 ? 1 : a / 6 + (REAL)0.5" },
    { "leaky_relu", "a < 0 ? p * a : a", { "slope" } },
    { "less", "a < b" },
    { "less_equal", "a <= b" },
    { "log", "F(log)(a)" },
    { "log1p", "F(log1p)(a)" },
    { "maximum", "a != a || a > b ? a : b" },
    { "minimum", "a != a || a < b ? a : b" },
    { "mul", "a * b" },
    { "neg", "-a" },
    { "normal_cdf", "(REAL)0.5 * F(erfc)(a * (REAL)-0.70710678118654752)" },
    { "not_equal", "a != b" },
    { "pow", "F(pow)(a, b)" },
    { "reciprocal", "1 / a" },
    { "relu", "a < 0 ? 0 : a" },
    { "rsqrt", "1 / F(sqrt)(a)" },
    { "scale", "p * a", { "factor" } },
    { "shift", "a + p", { "term" } },
    { "sigmoid", "1 / (1 + F(exp)(-a))" },
    { "sigmoid_gradient", "a == 0 ? 0 : a * b * (1 - b)" },
    { "sign", "a > 0 ? 1 : a < 0 ? -1 : a" },
    { "silu", "a < (REAL)-1e30 ? 0 : a / (1 + F(exp)(-a))" },
    { "sin", "F(sin)(a)" },
    { "softplus", "a > 0 ? a + F(log1p)(F(exp)(-a)) : F(log1p)(F(exp)(a))" },
    { "sqrt", "F(sqrt)(a)" },
    { "square", "a * a" },
    { "sub", "a - b" },
    { "tan", "F(tan)(a)" },
    { "tanh", "F(tanh)(a)" },
    { "tanh_gradient", "a == 0 ? 0 : a * (1 - b * b)" },
    { "where", "a != 0 ? b : c" },
    { "xmul", "a == 0 ? 0 : a * b" },
};

static const expression *expression_of(const reel_op *op)
{
    for (size_t i = 0; i < sizeof expressions / sizeof *expressions; i++) {
        if (strcmp(expressions[i].op, op->name) == 0) {
            return &expressions[i];
        }
    }
    return NULL;
}

static void print_own(emitter *e, const reel__listed *y)
{
    reel__emit_broadcast(e, y, y->shape.rank);
}

static void emit_expression(emitter *e, const reel__listed *y, const expression *x)
{
    reel__emit_loops(e, &y->shape, -1);
    fprintf(e->out, "{\n");
    for (int i = 0; i < y->inputs; i++) {
        fprintf(e->out, "        const REAL %c = ", "abc"[i]);
        reel__emit_broadcast(e, reel__listed_input(e->list, y, i), y->shape.rank);
        fprintf(e->out, ";\n");
    }
    for (int i = 0; i < 2 && x->attribute[i]; i++) {
        fprintf(e->out, "        const REAL %c = ", "pq"[i]);
        reel__emit_number(e->out, reel__listed_real(y, x->attribute[i]));
        fprintf(e->out, ";\n");
    }
    fprintf(e->out, "        ");
    print_own(e, y);
    fprintf(e->out, " = (REAL)(%s);\n    }\n", x->text);
}

/* ---- along an axis: a function for a row ----------------------------------------------------- */

/* x has n elements `step` apart; y's are `to` apart where it has as many. */
typedef struct {
    const char *op;
    bool index; /* y is int32 */
    const char *body;
} row_function;

static const row_function row_functions[] = {
    { "argmax", true,
      "    long best = 0;\n"
      "    for (long i = 1; i < n; i++) {\n"
      "        const REAL a = x[i * step], b = x[best * step];\n"
      "        best = b == b && (a > b || a != a) ? i : best;\n"
      "    }\n"
      "    y[0] = (int32_t)best;\n" },
    { "cumsum", false,
      "    double sum = 0;\n"
      "    for (long i = 0; i < n; i++) {\n"
      "        sum += (double)x[i * step];\n"
      "        y[i * to] = (REAL)sum;\n"
      "    }\n" },
    { "log_softmax", false,
      "    REAL most = -(REAL)INFINITY, sum = 0;\n"
      "    for (long i = 0; i < n; i++) {\n"
      "        most = x[i * step] > most ? x[i * step] : most;\n"
      "    }\n"
      "    for (long i = 0; i < n; i++) {\n"
      "        sum += F(exp)(x[i * step] - (most == -(REAL)INFINITY ? 0 : most));\n"
      "    }\n"
      "    for (long i = 0; i < n; i++) {\n"
      "        y[i * to] = sum == 0 ? -(REAL)INFINITY : x[i * step] - most - F(log)(sum);\n"
      "    }\n" },
    { "logsumexp", false,
      "    REAL most = -(REAL)INFINITY, sum = 0;\n"
      "    for (long i = 0; i < n; i++) {\n"
      "        most = x[i * step] > most ? x[i * step] : most;\n"
      "    }\n"
      "    const REAL from = F(fabs)(most) == (REAL)INFINITY ? 0 : most;\n"
      "    for (long i = 0; i < n; i++) {\n"
      "        sum += F(exp)(x[i * step] - from);\n"
      "    }\n"
      "    y[0] = F(log)(sum) + from;\n" },
    { "max", false,
      "    REAL most = x[0];\n"
      "    for (long i = 1; i < n; i++) {\n"
      "        most = most != most || most > x[i * step] ? most : x[i * step];\n"
      "    }\n"
      "    y[0] = most;\n" },
    { "min", false,
      "    REAL least = x[0];\n"
      "    for (long i = 1; i < n; i++) {\n"
      "        least = least != least || least < x[i * step] ? least : x[i * step];\n"
      "    }\n"
      "    y[0] = least;\n" },
    { "prod", false,
      "    REAL product = 1;\n"
      "    for (long i = 0; i < n; i++) {\n"
      "        product *= x[i * step];\n"
      "    }\n"
      "    y[0] = product;\n" },
    { "softmax", false,
      "    REAL most = -(REAL)INFINITY, sum = 0;\n"
      "    for (long i = 0; i < n; i++) {\n"
      "        most = most != most || most > x[i * step] ? most : x[i * step];\n"
      "    }\n"
      "    for (long i = 0; i < n; i++) {\n"
      "        y[i * to] = F(exp)(x[i * step] - (most == -(REAL)INFINITY ? 0 : most));\n"
      "        sum += y[i * to];\n"
      "    }\n"
      "    for (long i = 0; i < n; i++) {\n"
      "        y[i * to] = sum == 0 ? 0 : y[i * to] / sum;\n"
      "    }\n" },
    { "sum", false,
      "    double sum = 0;\n"
      "    for (long i = 0; i < n; i++) {\n"
      "        sum += (double)x[i * step];\n"
      "    }\n"
      "    y[0] = (REAL)sum;\n" },
};

static const row_function *row_function_of(const reel_op *op)
{
    for (size_t i = 0; i < sizeof row_functions / sizeof *row_functions; i++) {
        if (strcmp(row_functions[i].op, op->name) == 0) {
            return &row_functions[i];
        }
    }
    return NULL;
}

/* The loops run over x's axes but one; y lacks it, or has it as 1 or as long. */
static void emit_rows(emitter *e, const reel__listed *y)
{
    const reel__listed *x = reel__listed_input(e->list, y, 0);
    int axis = (int)reel__listed_int(y, "axis"), of_x[REEL_MAX_RANK], of_y[REEL_MAX_RANK];
    bool gone = y->shape.rank < x->shape.rank;
    for (int i = 0; i < x->shape.rank; i++) {
        of_x[i] = i == axis ? -1 : i;
    }
    for (int i = 0; i < y->shape.rank; i++) {
        of_y[i] = gone && i >= axis ? i + 1 : of_x[i];
    }
    reel__emit_loops(e, &x->shape, axis);
    fprintf(e->out, "%s_%s(&", e->name, y->op->name);
    reel__emit_element(e, x, of_x);
    fprintf(e->out, ", %" PRId64 ", %" PRId64 ", &", x->shape.dim[axis], x->stride[axis]);
    reel__emit_element(e, y, of_y);
    fprintf(e->out, ", %" PRId64 ");\n", gone ? 0 : y->stride[axis]);
}

/* ---- loops of their own ---------------------------------------------------------------------- */

static void emit_zeros(emitter *e, const reel__listed *y)
{
    fprintf(e->out, "    memset(s->v%u, 0, sizeof s->v%u);\n", (unsigned)(y - e->list->item),
            (unsigned)(y - e->list->item));
}

/* a's axes for a product whose result has loops i0 …; -2 stands for the sum's own k. */
static void emit_factor(emitter *e, const reel__listed *x, int rank, bool left, bool transposed,
                        const reel__listed *other)
{
    int rows = x->shape.rank - 2, columns = x->shape.rank - 1, vector = x->shape.rank == 1;
    int summed = vector ? 0 : left != transposed ? columns : rows;
    int lead = rank - (vector ? 0 : 1) - (other->shape.rank == 1 ? 0 : 1);
    int own = left ? lead : rank - 1;
    int axis[REEL_MAX_RANK];
    for (int i = 0; i < x->shape.rank; i++) {
        axis[i] = i == summed ? -1 : i >= rows ? own : i + lead - rows;
    }
    reel__emit_base(e, x);
    for (int i = 0; i < x->shape.rank; i++) {
        if (i == summed) {
            fprintf(e->out, " + k * %" PRId64, x->stride[i]);
        } else if (x->shape.dim[i] != 1) {
            fprintf(e->out, " + i%d * %" PRId64, axis[i], x->stride[i]);
        }
    }
    fprintf(e->out, "]");
}

/* The sum runs outside the last axis, along which memory lies. */
static void emit_matmul(emitter *e, const reel__listed *y)
{
    const reel__listed *a = reel__listed_input(e->list, y, 0);
    const reel__listed *b = reel__listed_input(e->list, y, 1);
    bool turn_a = reel__listed_int(y, "transpose_a"), turn_b = reel__listed_int(y, "transpose_b");
    int rank = y->shape.rank, last = rank - 1;
    int64_t depth = a->shape.dim[turn_a ? a->shape.rank - 2 : a->shape.rank - 1];
    emit_zeros(e, y);
    reel__emit_loops(e, &y->shape, last);
    fprintf(e->out, "for (long k = 0; k < %" PRId64 "; k++) ", depth);
    if (rank > 0 && y->shape.dim[last] != 1) {
        fprintf(e->out, "for (long i%d = 0; i%d < %" PRId64 "; i%d++) ", last, last,
                y->shape.dim[last], last);
    }
    fprintf(e->out, "\n        ");
    print_own(e, y);
    fprintf(e->out, " += ");
    emit_factor(e, a, rank, true, turn_a, b);
    fprintf(e->out, " * ");
    emit_factor(e, b, rank, false, turn_b, a);
    fprintf(e->out, ";\n");
}

/* y's element where x's is, moved along one axis; `added`: x lacks the axis. */
static void emit_moved(emitter *e, const reel__listed *y, const reel__listed *x, int axis,
                       int64_t by, bool added)
{
    if (x->size == 0) {
        return;
    }
    reel__emit_loops(e, &x->shape, -1);
    reel__emit_base(e, y);
    fprintf(e->out, " + %" PRId64, by * y->stride[axis]);
    for (int i = 0; i < x->shape.rank; i++) {
        if (x->shape.dim[i] != 1) {
            fprintf(e->out, " + i%d * %" PRId64, i, y->stride[added && i >= axis ? i + 1 : i]);
        }
    }
    fprintf(e->out, "] = ");
    print_own(e, x);
    fprintf(e->out, ";\n");
}

static void emit_concat(emitter *e, const reel__listed *y)
{
    int axis = (int)reel__listed_int(y, "axis");
    int64_t at = 0;
    for (int i = 0; i < y->inputs; i++) {
        const reel__listed *x = reel__listed_input(e->list, y, i);
        emit_moved(e, y, x, axis, at, false);
        at += x->shape.dim[axis];
    }
}

static void emit_stack(emitter *e, const reel__listed *y)
{
    for (int i = 0; i < y->inputs; i++) {
        emit_moved(e, y, reel__listed_input(e->list, y, i), (int)reel__listed_int(y, "axis"), i,
                   true);
    }
}

static void emit_pad(emitter *e, const reel__listed *y)
{
    emit_zeros(e, y);
    emit_moved(e, y, reel__listed_input(e->list, y, 0), (int)reel__listed_int(y, "axis"),
               reel__listed_int(y, "before"), false);
}

static void emit_sum_to(emitter *e, const reel__listed *y)
{
    const reel__listed *x = reel__listed_input(e->list, y, 0);
    emit_zeros(e, y);
    if (x->size == 0) {
        return;
    }
    reel__emit_loops(e, &x->shape, -1);
    reel__emit_broadcast(e, y, x->shape.rank);
    fprintf(e->out, " += ");
    print_own(e, x);
    fprintf(e->out, ";\n");
}

static void emit_fill(emitter *e, const reel__listed *y)
{
    reel__emit_loops(e, &y->shape, -1);
    print_own(e, y);
    fprintf(e->out, " = ");
    reel__emit_number(e->out, reel__listed_real(y, "value"));
    fprintf(e->out, ";\n");
}

/* Loops run over y; the indices' axes come first. An index out of range counts as 0. */
static void emit_index(emitter *e, const reel__listed *indices, int64_t length)
{
    int axis[REEL_MAX_RANK] = { 0, 1, 2, 3, 4, 5, 6, 7 };
    fprintf(e->out, "%s_within(", e->name);
    reel__emit_element(e, indices, axis);
    fprintf(e->out, ", %" PRId64 ")", length);
}

static void emit_gather(emitter *e, const reel__listed *y)
{
    const reel__listed *x = reel__listed_input(e->list, y, 0);
    const reel__listed *indices = reel__listed_input(e->list, y, 1);
    reel__emit_loops(e, &y->shape, -1);
    print_own(e, y);
    fprintf(e->out, " = ");
    reel__emit_base(e, x);
    fprintf(e->out, " + ");
    emit_index(e, indices, x->shape.dim[0]);
    fprintf(e->out, " * %" PRId64, x->stride[0]);
    for (int i = 1; i < x->shape.rank; i++) {
        if (x->shape.dim[i] != 1) {
            fprintf(e->out, " + i%d * %" PRId64, indices->shape.rank + i - 1, x->stride[i]);
        }
    }
    fprintf(e->out, "];\n");
}

static void emit_pick(emitter *e, const reel__listed *y)
{
    const reel__listed *x = reel__listed_input(e->list, y, 0);
    int last = x->shape.rank - 1;
    reel__emit_loops(e, &y->shape, -1);
    print_own(e, y);
    fprintf(e->out, " = ");
    reel__emit_base(e, x);
    for (int i = 0; i < last; i++) {
        if (x->shape.dim[i] != 1) {
            fprintf(e->out, " + i%d * %" PRId64, i, x->stride[i]);
        }
    }
    fprintf(e->out, " + ");
    emit_index(e, reel__listed_input(e->list, y, 1), x->shape.dim[last]);
    fprintf(e->out, " * %" PRId64 "];\n", x->stride[last]);
}

/* A number in its place of a row, zeros beside it. */
static void emit_hot(emitter *e, const reel__listed *y)
{
    int axis[REEL_MAX_RANK] = { 0, 1, 2, 3, 4, 5, 6, 7 }, last = y->shape.rank - 1;
    bool given = y->inputs == 2;
    reel__emit_loops(e, &y->shape, -1);
    print_own(e, y);
    fprintf(e->out, " = ");
    reel__emit_element(e, reel__listed_input(e->list, y, given ? 1 : 0), axis);
    if (y->shape.dim[last] != 1) {
        fprintf(e->out, " == i%d ? ", last);
    } else {
        fprintf(e->out, " == 0 ? ");
    }
    if (given) {
        reel__emit_element(e, reel__listed_input(e->list, y, 0), axis);
    } else {
        fprintf(e->out, "1");
    }
    fprintf(e->out, " : 0;\n");
}

/* y's rows at the indices grow by those of `rows`, in order. */
static void emit_added_rows(emitter *e, const reel__listed *y, const reel__listed *indices,
                            const reel__listed *rows)
{
    if (rows->size == 0) {
        return;
    }
    reel__emit_loops(e, &rows->shape, -1);
    reel__emit_base(e, y);
    fprintf(e->out, " + ");
    emit_index(e, indices, y->shape.dim[0]);
    fprintf(e->out, " * %" PRId64, y->stride[0]);
    for (int i = 1; i < y->shape.rank; i++) {
        if (y->shape.dim[i] != 1) {
            fprintf(e->out, " + i%d * %" PRId64, indices->shape.rank + i - 1, y->stride[i]);
        }
    }
    fprintf(e->out, "] += ");
    print_own(e, rows);
    fprintf(e->out, ";\n");
}

static void emit_scatter_rows(emitter *e, const reel__listed *y)
{
    emit_zeros(e, y);
    emit_added_rows(e, y, reel__listed_input(e->list, y, 1), reel__listed_input(e->list, y, 0));
}

static void emit_scatter_add(emitter *e, const reel__listed *y)
{
    emit_moved(e, y, reel__listed_input(e->list, y, 0), 0, 0, false);
    emit_added_rows(e, y, reel__listed_input(e->list, y, 1), reel__listed_input(e->list, y, 2));
}

/* An element of the loops, or of the second half of its last axis. */
static void emit_part(emitter *e, const reel__listed *x, int first_axis, bool imaginary)
{
    reel__listed part = *x;
    int axis[REEL_MAX_RANK], last = x->shape.rank - 1;
    for (int i = 0; i <= last; i++) {
        axis[i] = first_axis + i;
    }
    if (imaginary) {
        part.offset += x->shape.dim[last] / 2 * x->stride[last];
    }
    reel__emit_element(e, &part, axis);
}

/* One step of a scan: \1 to \4 stand for a, its imaginary part, b and its imaginary part. */
static void emit_scan_step(emitter *e, const reel__listed *y, bool complex_values)
{
    static const char *const real = "r = \1 * r + \3;";
    static const char *const both =
        "const double was = r; r = \1 * was - \2 * m + \3; m = \1 * m + \2 * was + \4;";
    fprintf(e->out, "            ");
    for (const char *c = complex_values ? both : real; *c; c++) {
        if (*c > 4) {
            fputc(*c, e->out);
        } else {
            emit_part(e, reel__listed_input(e->list, y, *c > 2), 0, *c % 2 == 0);
        }
    }
    fprintf(e->out, "\n            ");
    emit_part(e, y, 0, false);
    fprintf(e->out, " = (REAL)r;\n");
    if (complex_values) {
        fprintf(e->out, "            ");
        emit_part(e, y, 0, true);
        fprintf(e->out, " = (REAL)m;\n");
    }
}

/* Column by column; i0 is the step. */
static void emit_linear_scan(emitter *e, const reel__listed *y)
{
    const reel__listed *start = reel__listed_input(e->list, y, 2);
    bool complex_values = reel__listed_int(y, "complex_values") != 0;
    int64_t steps = y->shape.dim[0];
    int last = y->shape.rank - 1;
    reel_shape columns = y->shape;
    columns.dim[last] = complex_values ? 1 : columns.dim[last];
    reel__emit_loops(e, &columns, 0);
    if (complex_values) {
        fprintf(e->out, "for (long i%d = 0; i%d < %" PRId64 "; i%d++) ", last, last,
                y->shape.dim[last] / 2, last);
    }
    fprintf(e->out, "{\n        double r = ");
    emit_part(e, start, 1, false);
    if (complex_values) {
        fprintf(e->out, ", m = ");
        emit_part(e, start, 1, true);
    }
    fprintf(e->out, ";\n        for (long t = 0; t < %" PRId64 "; t++) {\n", steps);
    fprintf(e->out, "            const long i0 = ");
    fprintf(e->out, reel__listed_int(y, "reverse") ? "%" PRId64 " - t;\n" : "t;\n", steps - 1);
    emit_scan_step(e, y, complex_values);
    fprintf(e->out, "            (void)i0;\n        }\n    }\n");
}

static const struct {
    const char *op;
    void (*emit)(emitter *, const reel__listed *);
} others[] = {
    { "concat", emit_concat },
    { "fill", emit_fill },
    { "gather", emit_gather },
    { "linear_scan", emit_linear_scan },
    { "matmul", emit_matmul },
    { "one_hot", emit_hot },
    { "pad", emit_pad },
    { "pick", emit_pick },
    { "pick_transpose", emit_hot },
    { "scatter_add", emit_scatter_add },
    { "scatter_rows", emit_scatter_rows },
    { "stack", emit_stack },
    { "sum_to", emit_sum_to },
};

static int other_of(const reel_op *op)
{
    for (int i = 0; i < (int)(sizeof others / sizeof *others); i++) {
        if (strcmp(others[i].op, op->name) == 0) {
            return i;
        }
    }
    return -1;
}

/* ---- all of them ----------------------------------------------------------------------------- */

bool reel__emit_knows(const reel_op *op)
{
    return expression_of(op) || row_function_of(op) || other_of(op) >= 0;
}

void reel__emit_op(emitter *e, uint32_t position)
{
    const reel__listed *y = &e->list->item[position];
    const expression *x = expression_of(y->op);
    if (x) {
        emit_expression(e, y, x);
    } else if (row_function_of(y->op)) {
        emit_rows(e, y);
    } else {
        others[other_of(y->op)].emit(e, y);
    }
}

void reel__emit_copy(emitter *e, uint32_t position)
{
    const reel__listed *x = reel__listed_input(e->list, &e->list->item[position], 0);
    int64_t stride = x->size;
    reel__emit_loops(e, &x->shape, -1);
    fprintf(e->out, "s->v%u[0", position);
    for (int i = 0; i < x->shape.rank; i++) {
        stride /= x->shape.dim[i];
        if (x->shape.dim[i] != 1) {
            fprintf(e->out, " + i%d * %" PRId64, i, stride);
        }
    }
    fprintf(e->out, "] = ");
    print_own(e, x);
    fprintf(e->out, ";\n");
}

static bool uses(const reel__listing *l, const char *op)
{
    for (uint32_t i = 0; i < l->count; i++) {
        const reel__listed *y = &l->item[i];
        if (y->kind == REEL__LISTED_CALL && strcmp(y->op->name, op) == 0 && y->size > 0) {
            return true;
        }
    }
    return false;
}

void reel__emit_helpers(emitter *e)
{
    for (size_t i = 0; i < sizeof row_functions / sizeof *row_functions; i++) {
        const row_function *f = &row_functions[i];
        if (uses(e->list, f->op)) {
            fprintf(e->out,
                    "static void %s_%s(const REAL *x, long n, long step, %s *y, long to)\n"
                    "{\n%s    (void)to;\n}\n\n",
                    e->name, f->op, f->index ? "int32_t" : "REAL", f->body);
        }
    }
    static const char *const indexed[] = { "gather", "pick", "scatter_add", "scatter_rows" };
    size_t first = 0;
    while (first < 4 && !uses(e->list, indexed[first])) {
        first++;
    }
    if (first < 4) {
        fprintf(e->out,
                "static long %s_within(int32_t index, long n)\n"
                "{\n    return index >= 0 && index < n ? index : 0;\n}\n\n",
                e->name);
    }
}

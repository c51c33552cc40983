/* onnx_calls.h: how an op is written as ONNX operators: shorthand of the files onnx_operators*.c, whose
 * tables have a row and at most one small function for each op. Not installed. */
#ifndef REEL_ONNX_CALLS_H
#define REEL_ONNX_CALLS_H

#include "onnx_operators.h"

typedef const reel__onnx_op_call op_call;

/* Up to a row without an op. */
typedef struct {
    const char *op;
    const char *(*write)(op_call *);
    const char *type;
} reel__onnx_row;
extern const reel__onnx_row reel__onnx_element_rows[]; /* onnx_operators.c */
extern const reel__onnx_row reel__onnx_axis_rows[];    /* onnx_operators_axis.c */
extern const reel__onnx_row reel__onnx_shape_rows[];   /* onnx_operators_shape.c */

static inline const char *one(op_call *c, const char *type, const char *x)
{
    return reel__onnx_call(c->g, type, 1, &x);
}

static inline const char *two(op_call *c, const char *type, const char *a, const char *b)
{
    return reel__onnx_call(c->g, type, 2, (const char *[]){ a, b });
}

static inline const char *three(op_call *c, const char *type, const char *a, const char *b,
                                const char *d)
{
    return reel__onnx_call(c->g, type, 3, (const char *[]){ a, b, d });
}

static inline const char *number(op_call *c, double value)
{
    return reel__onnx_number(c->g, value);
}

static inline const char *cast(op_call *c, const char *x, int32_t type)
{
    const char *y = one(c, "Cast", x);
    reel__onnx_set_int(c->g, "to", type);
    return y;
}

static inline const char *to_real(op_call *c, const char *x)
{
    return cast(c, x, reel__onnx_real_type(c->list->tape));
}

static inline const char *ints(op_call *c, const char *type, const char *x, int n,
                               const int64_t values[])
{
    return two(c, type, x, reel__onnx_ints(c->g, n, values));
}

static inline const reel_shape *shape_of(op_call *c, int input)
{
    return &reel__listed_input(c->list, c->y, input)->shape;
}

static inline const char *part(op_call *c, const char *x, int64_t axis, int64_t begin, int64_t end,
                               int64_t step)
{
    return reel__onnx_call(
        c->g, "Slice", 5,
        (const char *[]){ x, reel__onnx_ints(c->g, 1, &begin), reel__onnx_ints(c->g, 1, &end),
                          reel__onnx_ints(c->g, 1, &axis), reel__onnx_ints(c->g, 1, &step) });
}

/* The operator of the row does the same. */
static inline const char *same(op_call *c)
{
    return reel__onnx_call(c->g, c->type, c->y->inputs, c->x);
}

static inline const char *identity(op_call *c)
{
    return one(c, "Identity", c->x[0]);
}

#endif

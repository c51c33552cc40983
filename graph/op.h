/* op.h: what a primitive operation is. The graph sees nothing else of it.
 *
 * An op is one constant: shape rule, kernel, derivative, samples. The library's own ops and a
 * program's are equal; this is a whole one, used as reel_record(&cube, 1, &x, NULL):
 *
 *     static void cube_f32(size_t n, const void *const x[], void *y, const void *attributes);
 *     static void cube_f64(size_t n, const void *const x[], void *y, const void *attributes);
 *     static void cube_vjp(reel_vjp_call *c)
 *     {
 *         c->dx[0] = reel_mul(c->dy, reel_scale(reel_square(c->x[0]), 3));
 *     }
 *     static const reel_op cube = { .name = "cube", .kind = REEL_ELEMENTWISE, .inputs = 1,
 *                                   .tile = { cube_f32, cube_f64 }, .vjp = cube_vjp };
 *
 * The library's entries begin with REEL_OP(name), from which the build makes the table of all
 * ops, the tests over it and docs/ops.md. / */
#ifndef REEL_OP_H
#define REEL_OP_H

#include "graph.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct reel_op reel_op;

typedef enum {
    REEL_ELEMENTWISE, /* output element i depends on element i of the (broadcast) inputs */
    REEL_REDUCTION,   /* along axes: sum, softmax, argmax */
    REEL_CONTRACTION, /* matmul */
    REEL_VIEW,        /* the same memory seen through another shape and strides */
    REEL_GATHER,      /* addressed by an index tensor */
    REEL_OTHER,
    REEL_LEAF /* data, parameter */
} reel_op_kind;

/* ---- attributes ---------------------------------------------------------------------------- */

/* An op's attributes are a plain struct that is copied into the tape; this table describes its
 * fields, for printing, hashing, golden files and exports. The struct is zeroed before it is
 * filled in. */
typedef enum { REEL_ATTRIBUTE_INT, REEL_ATTRIBUTE_REAL, REEL_ATTRIBUTE_SHAPE } reel_attribute_type;
typedef struct {
    const char *name;
    reel_attribute_type type; /* int64_t, double, reel_shape */
    size_t offset;
} reel_attribute;

/* ---- the shape rule ------------------------------------------------------------------------ */

typedef struct {
    const reel_op *op;
    int inputs;
    const reel_shape *const *x; /* [inputs] */
    /* [inputs]: the data of an index input that is a leaf, otherwise NULL */
    const int32_t *const *indices;
    /* the node's own copy: a rule may normalise (axis -1 → rank - 1) */
    void *attributes;
    reel_shape y; /* out */
    char *error;  /* private to reel_shape_fail */
    reel_status status;
} reel_shape_call;

/* Says why shapes do not fit, with the shapes in the message ("inner dimensions differ: [4,5] x
 * [6,3]"); returns false, to be returned by the rule. */
REEL_API bool reel_shape_fail(reel_shape_call *, const char *format, ...) REEL_PRINTF(2, 3);
/* The same for an index or another argument out of range: status is REEL_BAD_INDEX,
 * REEL_BAD_ARGUMENT. */
REEL_API bool reel_argument_fail(reel_shape_call *, reel_status, const char *format, ...)
    REEL_PRINTF(3, 4);
/* Makes *axis non-negative; fails with "axis 3 is outside [4,5]". */
REEL_API bool reel_normalise_axis(reel_shape_call *, int64_t *axis, reel_shape);
/* NumPy broadcasting of two shapes; false when they do not fit. */
REEL_API bool reel_broadcast(reel_shape a, reel_shape b, reel_shape *out);

/* ---- the kernel ---------------------------------------------------------------------------- */

typedef struct {
    void *data; /* float or double as the tape is; int32_t for index tensors */
    const reel_shape *shape;
    const int64_t *stride; /* in elements, one for each axis */
} reel_tensor;

typedef struct {
    int inputs;
    const reel_tensor *x; /* contiguous unless the op says .strided */
    reel_tensor y;        /* contiguous, not zeroed */
    const void *attributes;
    /* add to y instead of overwriting it; only where the op says .accumulates */
    bool accumulate;
    int threads;           /* how many the kernel may use */
    uint64_t seed, stream; /* for random ops: the tape's seed and the node's own stream */
    unsigned constant;     /* bit i: input i is (part of) a parameter, the same for many calls */
    reel_tape *tape;       /* for what the library's own kernels keep about constant inputs */
    void *scratch;         /* .scratch bytes, 64-byte aligned */
    char *error;           /* private to reel_kernel_fail */
} reel_kernel_call;
typedef void (*reel_kernel)(const reel_kernel_call *);
/* For an index found out of range only while running. */
REEL_API void reel_kernel_fail(const reel_kernel_call *, const char *format, ...) REEL_PRINTF(2, 3);

/* An element-wise op works on tiles: n contiguous elements of each input, already broadcast. y
 * may be the same memory as an x. */
typedef void (*reel_tile_kernel)(size_t n, const void *const x[], void *y, const void *attributes);

/* A view gives y's offset (in elements, from x's first) and strides; y_shape is what the shape
 * rule made. False when these strides cannot express it: the executor then copies x to a
 * contiguous block and asks again. */
typedef bool (*reel_view_rule)(const void *attributes, const reel_shape *x_shape,
                               const int64_t x_stride[], const reel_shape *y_shape, int64_t *offset,
                               int64_t y_stride[]);

/* ---- the derivative ------------------------------------------------------------------------ */

/* Written in tape ops, so that it can be differentiated again. dx[i] is preset to the absent
 * handle, which means zero; fill it in where needs[i]. An element-wise op may leave dx[i] in the
 * broadcast shape: the sweep sums it down to x[i]'s. Use reel_xmul(dy, d) for dy·d, which is 0
 * where dy is 0 even if d is not finite: what a `where` masked out must not come back as NaN. */
typedef struct {
    const reel_op *op;
    reel_tape *tape;
    int inputs;
    const reel_var *x;
    reel_var y, dy;
    const void *attributes;
    const bool *needs;
    reel_var *dx;
} reel_vjp_call;
typedef void (*reel_vjp_rule)(reel_vjp_call *);

/* ---- what the planner asks ----------------------------------------------------------------- */

/* Indices [begin, end) of one axis. */
typedef struct {
    int axis;
    int64_t begin, end;
} reel_axis_part;

/* The same call with the steps of a loop in front of some inputs: x[i] has one more leading axis
 * where stacked[i]. Written in tape ops; a zero handle when it cannot be said that way. */
typedef struct {
    const reel_op *op;
    int inputs;
    const reel_var *x;
    const bool *stacked;
    const void *attributes;
} reel_lift_call;
typedef reel_var (*reel_lift_rule)(const reel_lift_call *);

/* ---- samples ------------------------------------------------------------------------------- */

#define REEL_SAMPLE_INPUTS 4
typedef struct {
    reel_shape shape;
    const double *values; /* NULL: uniform in [lo, hi], drawn from the sample's label */
    double lo, hi;        /* both 0: [-2, 2]; whole numbers in [lo, hi) for index inputs */
} reel_sample_input;

/* One call of the op. From the samples alone the tests make a value check against the golden
 * file, gradient checks of order 1 and 2, f32 against f64, eager against lazy; `fails` makes it
 * a bad sample. The list ends with a sample without a label. Inputs are REEL_AXES(4, 5) shapes,
 * a constant expression. */
typedef struct {
    const char *label; /* "rows against a column" */
    int inputs;
    reel_sample_input x[REEL_SAMPLE_INPUTS];
    const void *attributes;   /* a pointer to a static const of the op's struct */
    const char *fails;        /* the message expected, after "NAME: "; NULL for a good sample */
    const char *no_gradcheck; /* why finite differences do not apply (a kink or a tie under test) */
    const char *no_golden;    /* why no independent number exists (random) */
    double rtol, f32_rtol;    /* 0: 1e-12 against the golden file, 2e-5 for f32 against f64 */
} reel_sample;
#define REEL_AXES(...)                                                                             \
    {                                                                                              \
        (int)(sizeof((int64_t[]){ 0, __VA_ARGS__ }) / sizeof(int64_t)) - 1,                        \
        {                                                                                          \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }
#define REEL_NO_AXES                                                                               \
    {                                                                                              \
        0,                                                                                         \
        {                                                                                          \
            0                                                                                      \
        }                                                                                          \
    }

/* ---- the entry ----------------------------------------------------------------------------- */

#define REEL_VARIADIC (-1)

struct reel_op {
    const char *name;
    reel_op_kind kind;
    int inputs;      /* or REEL_VARIADIC */
    const char *doc; /* formula, shapes, conventions, source */

    const reel_attribute *attributes; /* ends with a NULL name; NULL when there are none */
    size_t attribute_size;

    bool (*shape)(reel_shape_call *); /* NULL for element-wise ops: broadcasting is the rule */
    reel_tile_kernel tile[2];         /* element-wise: f32, f64 */
    reel_kernel kernel[2];            /* all others but views */
    reel_view_rule view;              /* views */
    size_t (*scratch)(const reel_kernel_call *, size_t element); /* bytes; NULL: none */

    reel_vjp_rule vjp;
    /* why there is no vjp: asking for one is an error that says so */
    const char *nondifferentiable;
    /* constant almost everywhere (sign, less): gradient zero, no vjp */
    bool flat;
    /* not smooth somewhere (relu, max): gradcheck looks for kinks */
    bool kinked;

    unsigned index_inputs; /* bit i: input i is int32 */
    bool index_output;     /* (a view of indices is of indices by itself) */
    /* draws from call->seed, call->stream; each node has its own stream */
    bool random;
    bool strided;     /* the kernel reads inputs through their strides */
    bool accumulates; /* the kernel can add to y */
    /* y may be x[0]'s memory when nobody reads x[0] afterwards */
    bool in_place;

    /* Hooks of the planner; each may be NULL. */
    reel_lift_rule lift;     /* all steps at once: result with the steps in front */
    reel_lift_rule sum_over; /* the sum over the steps, all at once */
    /* a view of one index of axis 0, which goes: the index */
    int64_t (*at_index)(const void *attributes);
    /* inputs are laid side by side along this axis */
    int (*joined_axis)(const void *attributes);
    int (*contracted_axis)(const void *attributes, int input, int rank); /* the axis summed over */
    /* a view of a part of one axis; of x's shape */
    reel_axis_part (*takes_part)(const void *attributes);
    /* y is x as a part of one axis, and zeros beside it */
    reel_axis_part (*puts_part)(const void *attributes, const reel_shape *x);
    bool sums; /* y = x[0] + x[1] */
    /* y is the sum of x, seen as layout [outer, length, inner], along `length` */
    bool (*sums_along)(const void *attributes, const reel_shape *x, int64_t layout[3]);
    /* bit i: y is linear in x[i], the other inputs staying as they are; views are by themselves */
    unsigned linear;
    /* row i of y, along axis 0, depends on row i of the inputs alone, of those with as many axes as
     * y; NULL: where the op is element-wise */
    bool (*by_rows)(const void *attributes, int inputs, const reel_shape *const x[]);

    /* NULL: one an output element */
    double (*flops)(int inputs, const reel_shape *const x[], const reel_shape *y);
    const reel_sample *samples;
};

#define REEL_OP(op_name) const reel_op reel__op_##op_name

/* Records a call: checks handles, indices' type and shapes, and appends the node. `attributes`
 * points to op->attribute_size bytes, or is NULL for zeros. */
REEL_API reel_var reel_record(const reel_op *, int inputs, const reel_var x[],
                              const void *attributes);
/* The same for an op without inputs. */
REEL_API reel_var reel_record_on(reel_tape *, const reel_op *, const void *attributes);
/* Reports a misuse found before recording (a bad option of a layer); the handle returned is
 * poisoned. */
REEL_API reel_var reel_fail(reel_tape *, reel_status, const char *op, const char *format, ...)
    REEL_PRINTF(4, 5);

/* ---- the graph's own three ------------------------------------------------------------------ */

/* Reverse mode needs them whatever the ops are: fan-out's adjoint is a sum, broadcasting's a sum
 * over axes, and that one's a broadcast. (graph/broadcast.c) */
/* a + b of one shape; the executor adds in place */
REEL_API reel_var reel_accumulate(reel_var a, reel_var b);
/* sums the axes along which shape broadcasts to v's */
REEL_API reel_var reel_sum_to(reel_var v, reel_shape shape);
REEL_API reel_var reel_expand(reel_var v, reel_shape shape); /* broadcasts; a view */

/* All ops of the library, by name, ending with NULL; and one of them, or NULL. */
REEL_API const reel_op *const *reel_ops(void);
REEL_API const reel_op *reel_op_named(const char *name);

#ifdef __cplusplus
}
#endif

#endif

/* graph.h: the tape, its values, its derivatives.
 *
 *     reel_tape *t = reel_tape_new((reel_tape_options){ .dtype = REEL_F64, .seed = 7 });
 *     reel_var W = reel_param(t, "W", REEL_SHAPE(3, 2), reel_glorot());
 *     reel_var x = reel_input(t, REEL_SHAPE(4, 3), data);
 *     reel_var loss = reel_mean_all(reel_square(reel_tanh(reel_matmul(x, W))));
 *     reel_backward(loss);                         // records the gradient; nothing has run yet
 *     printf("%g\n", reel_item(loss));             // runs forward and backward
 *     reel_rewind(t);                              // drops everything but the parameters
 *
 * Recording a call checks its shapes at once and appends one small node; reading a value runs
 * what it needs. No function prints, exits or aborts: a wrong call returns a poisoned handle,
 * the tape keeps the first error, and calls on poisoned handles do nothing, so one check at the
 * end of a step is enough. One tape belongs to one thread at a time; different tapes may run
 * side by side. / */
#ifndef REEL_GRAPH_H
#define REEL_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "export.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- status -------------------------------------------------------------------------------- */

/* code, name in messages */
#define REEL_STATUS_TABLE(X)                                                                       \
    X(REEL_OK, "ok")                                                                               \
    X(REEL_BAD_SHAPE, "shapes do not fit")                                                         \
    X(REEL_BAD_ARGUMENT, "argument out of range")                                                  \
    X(REEL_BAD_INDEX, "index out of range")                                                        \
    X(REEL_BAD_HANDLE, "handle is absent, from another tape or from before a rewind")              \
    X(REEL_STALE_VALUE, "a parameter changed after the value was recorded")                        \
    X(REEL_NOT_FOUND, "no such parameter")                                                         \
    X(REEL_NOT_DIFFERENTIABLE, "no derivative")                                                    \
    X(REEL_NOT_FINITE, "NaN or infinity out of finite numbers")                                    \
    X(REEL_OUT_OF_MEMORY, "out of memory")                                                         \
    X(REEL_MEMORY_LIMIT, "memory limit exceeded")                                                  \
    X(REEL_FILE_ERROR, "the system refused to read or write the file")                             \
    X(REEL_BAD_FILE, "the file is damaged or not what it should be")                               \
    X(REEL_UNSUPPORTED, "of a kind that this build does not know")                                 \
    X(REEL_INTERNAL, "a check of the library's own failed")

typedef enum {
#define REEL_STATUS_ENUM(code, text) code,
    REEL_STATUS_TABLE(REEL_STATUS_ENUM)
#undef REEL_STATUS_ENUM
        REEL_STATUS_COUNT
} reel_status;

/* The text of the table above; "unknown status" for anything else. */
REEL_API const char *reel_status_text(reel_status);

/* ---- shapes -------------------------------------------------------------------------------- */

#define REEL_MAX_RANK 8
#define REEL_MAX_STATES 8

/* Row-major; rank 0 is a scalar; an axis of length 0 is allowed and makes an empty tensor. */
typedef struct {
    int rank;
    int64_t dim[REEL_MAX_RANK];
} reel_shape;

/* REEL_SHAPE(4, 5); REEL_SHAPE() is a scalar. Too many axes or a negative one make a shape that
 * every function refuses. */
#ifdef __cplusplus
#define REEL_SHAPE(...) reel_shape_in_cpp({ 0, ##__VA_ARGS__ })
#else
#define REEL_SHAPE(...)                                                                            \
    reel_shape_from((int)(sizeof((int64_t[]){ 0, __VA_ARGS__ }) / sizeof(int64_t)) - 1,            \
                    (const int64_t[]){ 0, __VA_ARGS__ } + 1)
#endif
REEL_API reel_shape reel_shape_from(int rank, const int64_t *dim);

/* the product of the axes; 1 for a scalar */
REEL_API int64_t reel_shape_size(reel_shape);
REEL_API bool reel_shape_equal(reel_shape, reel_shape);

/* Writes "[4,5]" and returns `out`; for messages: REEL_SHAPE_TEXT(shape). */
#define REEL_SHAPE_TEXT_SIZE 176
REEL_API const char *reel_shape_text(char out[REEL_SHAPE_TEXT_SIZE], reel_shape);
#define REEL_SHAPE_TEXT(shape) reel_shape_text((char[REEL_SHAPE_TEXT_SIZE]){ 0 }, (shape))

/* ---- the tape ------------------------------------------------------------------------------ */

typedef struct reel_tape reel_tape;

/* A handle by value. It owns nothing and dies at reel_rewind; parameters' handles live as long
 * as the tape. { NULL, 0 } is the absent handle; id 0 with a tape is a poisoned one. */
typedef struct {
    reel_tape *tape;
    uint32_t id;
} reel_var;

/* In f32 results below the smallest normal number, 1.2e-38, become 0 while values are computed: what
 * follows from them would take a hundred times as long. */
typedef enum { REEL_F32, REEL_F64 } reel_dtype;

/* All memory of a tape goes through one function, in the manner of realloc with sizes: `old` is
 * NULL for a new block, new_size 0 frees and returns NULL. It may return NULL: the tape reports
 * REEL_OUT_OF_MEMORY. Called only from the thread that uses the tape. */
typedef struct {
    void *(*resize)(void *self, void *old, size_t old_size, size_t new_size);
    void *self;
} reel_allocator;

typedef void (*reel_log_fn)(void *self, const char *message);

typedef struct {
    reel_dtype dtype; /* one floating type per tape; indices are int32 */
    uint64_t seed;    /* of initial parameters, dropout and random ops */
    int threads;      /* 0: all cores */
    /* evaluate at once and stop at the first op that makes a NaN or infinity */
    bool eager;
    /* planner passes to leave out: "-hoist,-sink", "-all"; NULL: what the environment variable
     * REEL_PLAN says, in the same words. An unknown name is an error that lists them all. */
    const char *plan;
    /* bytes of values at one time; 0: none. reel_unroll then keeps fewer states and computes steps
     * twice; what does not fit even so is an error with both figures. */
    size_t memory_limit;
    reel_allocator allocator; /* zero: malloc */
    /* zero: silence. Told about set-ups that will be slow, when the tape is made. */
    reel_log_fn log;
    void *log_self;
} reel_tape_options;

/* NULL when memory is short, or when an option is out of range. */
REEL_API reel_tape *reel_tape_new(reel_tape_options);
REEL_API void reel_tape_free(reel_tape *);

/* Drops every node but the parameters; their values and gradients stay. Gradients asked for by
 * reel_backward and not yet computed are computed first. */
REEL_API void reel_rewind(reel_tape *);

/* REEL_OK, or the first error since the last reel_tape_clear. */
REEL_API reel_status reel_tape_status(const reel_tape *);
/* "matmul at cell.c:41: inner dimensions differ: [4,5] x [6,3]"; "" without an error. Lives
 * until the next error or reel_tape_clear. */
REEL_API const char *reel_tape_error(const reel_tape *);
/* Forgets the error. When it came up while running, the gradients asked for by reel_backward and
 * not yet computed are forgotten with it. */
REEL_API void reel_tape_clear(reel_tape *);

REEL_API reel_tape_options reel_tape_options_of(const reel_tape *);
/* nodes recorded since the rewind, parameters included */
REEL_API size_t reel_node_count(const reel_tape *);
/* equal for tapes of equal structure, whatever the data */
REEL_API uint64_t reel_structure_hash(const reel_tape *);

typedef struct {
    /* of values: what the pool has handed out, now and at most since reel_tape_new */
    size_t bytes_now, bytes_peak;
    size_t bytes_reserved; /* everything taken from the allocator */
    size_t parameters;     /* how many numbers the parameters hold */
    uint64_t evaluations;  /* how often a read started the executor */
    uint64_t kernels;      /* nodes run since reel_tape_new */
    uint64_t pairs;        /* loops that ran beside another one, on a thread each */
} reel_tape_statistics;
REEL_API reel_tape_statistics reel_tape_statistics_of(const reel_tape *);

/* Zero itself, in an option whose 0 means the default. */
#define REEL_ZERO 4.9406564584124654e-324

/* Layers that behave differently while training (dropout) ask this; true at the start. */
REEL_API void reel_set_training(reel_tape *, bool);
REEL_API bool reel_is_training(const reel_tape *);

/* Used by the macros that note the caller's file and line; not for programs. */
REEL_API reel_var reel_located(reel_var, const char *file, int line);
typedef struct {
    uint16_t file;
    bool unplaced;
    int32_t line;
} reel_site;
REEL_API reel_site reel_enter(reel_tape *, const char *file, int line); /* the site before */
REEL_API void reel_leave(reel_tape *, reel_site before);

/* ---- leaves -------------------------------------------------------------------------------- */

/* Data is copied and converted to the tape's type. A NULL pointer with a non-empty shape is an
 * error. */
REEL_API reel_var reel_input(reel_tape *, reel_shape, const float *);
REEL_API reel_var reel_input_f64(reel_tape *, reel_shape, const double *);
REEL_API reel_var reel_indices(reel_tape *, reel_shape, const int32_t *);
REEL_API reel_var reel_scalar(reel_tape *, double);

/* ---- parameters ---------------------------------------------------------------------------- */

/* How a parameter starts. Numbers are drawn in double from Philox 4x32-10 (Salmon et al. 2011)
 * keyed by the tape's seed and the parameter's name, then rounded: the order of creation does
 * not matter, and an f32 tape starts as an f64 one does. A program may write its own `fill`,
 * with reel_draw_uniform(key, i) and reel_draw_normal(key, i) for element i. */
typedef struct reel_init reel_init;
typedef struct {
    uint64_t seed, name_hash;
    reel_allocator allocator; /* for what `fill` needs beside `out` */
} reel_init_key;
struct reel_init {
    /* false: out of memory */
    bool (*fill)(const reel_init *, reel_init_key, reel_shape, double *out);
    double a, b;
    int blocks; /* equal column blocks initialised each for itself, such as gates; 0 means 1 */
};
REEL_API double reel_draw_uniform(reel_init_key, int64_t i); /* in [0, 1) */
REEL_API double reel_draw_normal(reel_init_key, int64_t i);  /* mean 0, standard deviation 1 */

REEL_API reel_init reel_zeros(void);
REEL_API reel_init reel_constant(double value);
REEL_API reel_init reel_uniform(double lo, double hi);
REEL_API reel_init reel_normal(double mean, double std);
/* uniform in ±sqrt(6 / (in + out)) (Glorot & Bengio 2010) */
REEL_API reel_init reel_glorot(void);
REEL_API reel_init reel_he(void);                /* normal, std sqrt(2 / in) (He et al. 2015) */
REEL_API reel_init reel_orthogonal(double gain); /* QR of a normal matrix (Saxe et al. 2014) */
REEL_API reel_init reel_init_blocks(reel_init, int blocks);

/* A name that exists is an error. The handle outlives rewinds. */
REEL_API reel_var reel_param(reel_tape *, const char *name, reel_shape, reel_init);
/* Poisoned, with an error, when no parameter has the name. */
REEL_API reel_var reel_find_param(reel_tape *, const char *name);
REEL_API size_t reel_param_count(const reel_tape *);
REEL_API reel_var reel_param_at(reel_tape *, size_t index); /* in order of creation */
REEL_API const char *reel_param_name(reel_var);             /* NULL for anything else */

/* n must be the number of elements. Writing evaluates first what was asked for (kept values,
 * losses given to reel_backward, their gradients); values recorded before and never evaluated
 * can no longer be read. */
REEL_API reel_status reel_write_param(reel_var, const float *, size_t n);
REEL_API reel_status reel_write_param_f64(reel_var, const double *, size_t n);
REEL_API reel_status reel_read_grad(reel_var, float *, size_t n);
REEL_API reel_status reel_read_grad_f64(reel_var, double *, size_t n);
REEL_API void reel_zero_grad(reel_tape *);

/* The flat buffers, in the tape's type: every parameter starts at a multiple of 64 bytes, gaps are
 * zero. For optimisers: `reel_flat_begin` evaluates what was asked for and hands both out for
 * reading and writing; `reel_flat_end` says whether values were changed. Pointers die at the next
 * reel_param. */
typedef struct {
    void *values, *gradients;
    size_t count; /* elements, gaps included */
} reel_flat;
REEL_API reel_status reel_flat_begin(reel_tape *, reel_flat *);
REEL_API void reel_flat_end(reel_tape *, bool values_changed);
/* in elements, into the flat buffers */
REEL_API size_t reel_param_offset(reel_var);

/* ---- values -------------------------------------------------------------------------------- */

REEL_API reel_shape reel_shape_of(reel_var); /* rank -1 for a bad handle */
/* of one element; NAN and an error otherwise */
REEL_API double reel_item(reel_var);
REEL_API reel_status reel_read(reel_var, float *out, size_t n); /* n: the number of elements */
REEL_API reel_status reel_read_f64(reel_var, double *out, size_t n);
REEL_API reel_status reel_read_indices(reel_var, int32_t *out, size_t n);
/* int32 rather than floating */
REEL_API bool reel_is_index(reel_var);
/* The value stays once computed, and is computed before a parameter under it changes. */
REEL_API reel_var reel_keep(reel_var);

/* ---- derivatives --------------------------------------------------------------------------- */

/* Records the gradient of the loss (one element) in every parameter it depends on; when it runs
 * it is added into the parameters' gradients. Calling it twice adds twice. (Where a recording of
 * the same structure was differentiated before, nothing is recorded: the plan made then is
 * restored.) */
REEL_API void reel_backward(reel_var loss);

/* dy_dx[i] = the gradient of the sum of y's elements in x[i], zeros where y does not depend on it.
 * x[i] may be any variable. The gradients are recorded like everything else: differentiate them
 * again. Only what lies between the x and y is differentiated. y must have one element. */
REEL_API reel_status reel_gradients(reel_var y, int n, const reel_var x[], reel_var dy_dx[]);
REEL_API reel_var reel_gradient(reel_var y, reel_var x);
/* The same for y of any shape, weighted by u of y's shape: out[i] = uᵀ·∂y/∂x[i]. */
REEL_API reel_status reel_vjp(reel_var y, reel_var u, int n, const reel_var x[], reel_var out[]);
/* Jacobian-vector product Σ ∂y/∂x[i]·v[i], of y's shape, v[i] of x[i]'s: two reverse sweeps. */
REEL_API reel_var reel_jvp(reel_var y, int n, const reel_var x[], const reel_var v[]);
/* Hessian-vector product of a loss: out[i] = Σ_j ∂²loss/∂x[i]∂x[j]·v[j] (Pearlmutter 1994). */
REEL_API reel_status reel_hvp(reel_var loss, int n, const reel_var x[], const reel_var v[],
                              reel_var out[]);

/* ---- steps of a loop ----------------------------------------------------------------------- */

/* reel_unroll marks its time steps, so that errors, NaN reports and the planner can name them; a
 * hand-written loop may do the same. Steps nest; -1 when outside. */
REEL_API void reel_step_begin(reel_tape *, int64_t step);
REEL_API void reel_step_end(reel_tape *);

/* ---- seeing -------------------------------------------------------------------------------- */

/* Evaluates v again in recording order, up to the first op that makes a NaN or infinity out of
 * finite inputs: REEL_NOT_FINITE, and the tape's error says "log at cell.c:12, step 3: -inf at
 * [0,2]; input 0 in [0, 1.5]". REEL_OK when there is none. */
REEL_API reel_status reel_find_nan(reel_var v);
/* Words a person reads: the loops found, what each pass did with them, what they run and on how
 * many threads, what prevented more; and how many nodes v needs, of which op, their flops and
 * bytes. */
REEL_API void reel_explain(reel_var v, FILE *);
/* Graphviz DOT of what v depends on; parameters are boxes, shapes stand on the edges. */
REEL_API void reel_draw(reel_var v, FILE *);
/* The same with the marked steps of a loop that repeat one body drawn once, under how many they
 * are; dashed edges come from the step before. Steps that differ, such as a first one, stay
 * apart. */
REEL_API void reel_draw_folded(reel_var v, FILE *);

/* ---- gradient check ------------------------------------------------------------------------ */

/* The loss is recorded anew after every change of a parameter, so it must depend on nothing but
 * them. */
typedef reel_var (*reel_loss_fn)(reel_tape *, void *self);

typedef struct {
    /* 0 and 1: the gradient; 2: also the gradient of (gradient · random direction) */
    int order;
    double eps, atol, rtol; /* 0: 1e-6, 1e-5, 1e-3 */
    /* 0: every element; n: n random directions over all parameters at once */
    int directions;
    const char *parameter; /* NULL: all; otherwise only those whose name begins with it */
    size_t max_failures;   /* rows kept in the report; 0: REEL_GRADCHECK_ROWS */
} reel_gradcheck_options;

typedef enum {
    REEL_GRADCHECK_PASSED,
    REEL_GRADCHECK_FAILED,
    REEL_GRADCHECK_NOT_DETERMINISTIC, /* the loss differs between two evaluations */
    /* every mismatch has a kink (relu, max, abs) inside the step */
    REEL_GRADCHECK_KINK,
    REEL_GRADCHECK_ERROR /* the tape reports an error; see `message` */
} reel_gradcheck_verdict;

#define REEL_GRADCHECK_ROWS 16
typedef struct {
    char parameter[64];
    int order;     /* 1 or 2 */
    int64_t index; /* flat; -1 in random-direction mode */
    int64_t step;  /* index on axis 0 of a parameter of rank 3, otherwise -1 */
    double analytic, numeric, relative_error;
    bool kink;
} reel_gradcheck_row;

typedef struct {
    reel_gradcheck_verdict verdict;
    size_t compared, failed, kinks;
    double worst_relative_error;
    reel_gradcheck_row worst; /* the largest relative error, passed or not */
    int rows;
    reel_gradcheck_row row[REEL_GRADCHECK_ROWS]; /* the first failures */
    char message[512];
} reel_gradcheck_report;

/* Central differences over every parameter of an f64 tape (an f32 tape is an error). True when
 * passed. The parameters are left as they were; the tape is rewound. */
REEL_API bool reel_gradcheck(reel_tape *, reel_loss_fn, void *self, reel_gradcheck_options,
                             reel_gradcheck_report *);
REEL_API void reel_gradcheck_print(const reel_gradcheck_report *, FILE *);

#ifdef __cplusplus
}
#include <initializer_list>
static inline reel_shape reel_shape_in_cpp(std::initializer_list<int64_t> dims)
{
    return reel_shape_from((int)dims.size() - 1, dims.begin() + 1);
}
#endif

#endif

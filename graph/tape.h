/* tape.h: what the files of graph/ share about a tape. Not installed.
 *
 * A tape is an array of nodes in recording order. A node refers to its inputs by index, always to
 * earlier ones, so every pass over the graph is a loop over the array and never a recursion.
 * Beside it lies an array of values: what has been computed so far and is still held.
 */
#ifndef REEL_TAPE_H
#define REEL_TAPE_H

#include "op.h"

/* ---- nodes --------------------------------------------------------------------------------- */

#define REEL__INLINE_INPUTS 3

enum {
    REEL__INDEX = 1,    /* holds int32 */
    REEL__KEEP = 2,     /* reel_keep: the value stays */
    REEL__ASKED = 4,    /* a loss given to reel_backward: is evaluated before a parameter changes */
    REEL__BACKWARD = 8, /* recorded by the reverse sweep */
    REEL__HIDDEN = 32,  /* recorded by the planner */
    REEL__DROPPED = 16  /* was computed once and not held; reading it again recomputes */
};

typedef struct {
    const reel_op *op;
    /* op->attribute_size bytes in the recorded arena; then the stream */
    const void *attributes;
    uint64_t hash; /* of op, shape, attributes and the distances to the inputs */
    /* indices of the inputs; with more of them in[0] is where … */
    uint32_t in[REEL__INLINE_INPUTS];
    uint32_t inputs; /* … these many stand in tape->links */
    uint32_t shape;  /* into tape->shapes */
    uint32_t mark;   /* into tape->marks: the time step */
    uint32_t number; /* how many of the program's nodes stand before it */
    int32_t line;    /* of the caller; 0: unknown */
    uint16_t file;   /* into tape->files */
    uint16_t flags;
} reel__node;
_Static_assert(sizeof(reel__node) <= 64, "a node is at most one cache line");

#define REEL__NONE UINT32_MAX
#define REEL__PARAM_BIT 0x80000000u
#define REEL__MAX_NODES 0x40000000u

/* ---- memory -------------------------------------------------------------------------------- */

typedef struct reel__chunk {
    struct reel__chunk *next;
    size_t size, used;
} reel__chunk;

/* Bump allocation that is dropped as a whole. Pointers stay valid until then. */
typedef struct {
    reel__chunk *first, *current;
} reel__arena;

/* One block of the value pool. Views of a value share its buffer. */
typedef struct reel__buffer {
    struct reel__buffer *next_free;
    size_t size; /* usable bytes */
    uint32_t size_class, references;
} reel__buffer;

#define REEL__SIZE_CLASSES 256
#define REEL__ALIGNMENT 64

typedef struct {
    char *data;           /* NULL: not computed or not held */
    reel__buffer *buffer; /* NULL for leaves and what looks into the parameters */
    int64_t *stride;      /* of a view; NULL: contiguous */
} reel__value;

typedef struct {
    reel_shape shape;
    int64_t stride[REEL_MAX_RANK];
    int64_t size;
    uint64_t hash;
} reel__shape_entry;

typedef struct {
    int64_t step;
    uint32_t parent;
} reel__mark;

typedef struct {
    char *name;
    uint64_t name_hash;
    uint32_t node;       /* its index; changes at a rewind */
    uint32_t written_at; /* nodes recorded before this one may not read it any more */
    reel_shape shape;
    size_t offset; /* elements, into the flat buffers */
    size_t count;
} reel__param;

typedef struct {
    uint32_t param, node;
    /* a gradient that reel_backward recorded and nobody has computed yet */
} reel__pending;

/* A constant factor in the order in which products read it; see run/prepared.c. */
typedef struct {
    const void *data;
    int64_t rows, columns, row_stride, column_stride;
    reel__buffer *packed;
} reel__prepared;

typedef struct reel__on_free {
    struct reel__on_free *next;
    void (*call)(void *self);
    void *self;
} reel__on_free;

/* A call seen before in this recording: the same op, attributes and input shapes give the same
 * shape, and the attributes in their normal form may be shared. */
#define REEL__MEMO_SIZE 128
#define REEL__MEMO_ATTRIBUTES 40
typedef struct {
    const reel_op *op;
    const void *attributes; /* normalised, in the recorded arena */
    uint32_t recording;     /* tape->recording when it was made; others are stale */
    uint32_t inputs, shape;
    uint32_t x_shape[REEL__INLINE_INPUTS];
    unsigned char given[REEL__MEMO_ATTRIBUTES]; /* as the caller gave them */
} reel__memo;

/* A growable array of `count` elements; element size is known to the user of it. */
typedef struct {
    void *data;
    size_t count, capacity;
} reel__list;

typedef struct {
    reel_status status;
    char op[64];
    char step[32]; /* ", step 3", or nothing */
    char text[1024];
    const char *file;
    int line;
    /* raised by the call in progress: its macro still has to say where it stands */
    bool fresh;
} reel__error;

typedef struct {
    uint32_t from, to;
} reel__redirection;

/* On how many threads a plan runs, and how long that takes (run/pace.c). */
typedef struct {
    uint64_t evaluations;
    double mean[2]; /* seconds on all threads, and on one */
    bool prefers_one, alone;
    int threads; /* the tape's, meanwhile */
} reel__pace;

/* Nodes to append behind the `first` ones of a recording, what they stand for, and the order in
 * which all that is needed runs. */
typedef struct {
    uint32_t first, node_count, link_count;
    reel__node *nodes;
    const void **data; /* of those that are leaves */
    uint32_t *links;
    reel__redirection *redirections;
    size_t redirection_count;
    uint32_t *order;
    size_t order_count;
    reel__pending *pending; /* of `deferred` */
    size_t pending_count;
    reel__pace pace;
} reel__layout;

typedef struct {
    uint32_t loops, copies, merged, split, hoisted, sunk, groups;
    uint32_t dissolved, banned; /* loops that were none after all, or that no program can run … */
    const char *banned_by;      /* … because of this op, the last time */
} reel__plan_counts;

/* A finished plan, kept for recordings of the same structure. */
typedef struct reel__stored {
    struct reel__stored *next;
    uint64_t key, deferred_key; /* of what it was made for; 0: of this recording alone */
    reel__arena arena;
    reel__list redirections; /* reel__redirection; while it is made */
    reel__layout full;       /* behind all that was recorded … */
    reel__layout deferred;   /* … behind the forward part, in place of the backward part */
    reel__plan_counts counts;
} reel__stored;

/* A backward pass that was recorded once: where it begins, its structure is known. */
typedef struct {
    uint64_t key;        /* of what stood there before, and of the loss */
    uint64_t hash_after; /* of the tape */
    uint32_t nodes;      /* how many it recorded */
    bool record;         /* deferring it did not pay */
} reel__sweep_memo;
#define REEL__SWEEP_MEMOS 64

struct reel_tape {
    reel_tape_options options;
    int threads;
    size_t element; /* 4 or 8 */
    bool training;

    reel__list nodes;       /* reel__node */
    reel__list values;      /* reel__value, as long as nodes */
    reel__list links;       /* uint32_t */
    reel__list shapes;      /* reel__shape_entry */
    reel__list shape_table; /* uint32_t, open addressing, a power of two */
    reel__list marks;       /* reel__mark; entry 0: outside every step */
    reel__list files;       /* const char * */
    reel__list params;      /* reel__param */
    reel__list pending;     /* reel__pending */
    reel__list kept;        /* uint32_t: nodes with REEL__KEEP or REEL__ASKED, not yet computed */
    reel__list aliases;     /* uint32_t: nodes whose held value looks into the parameters */
    reel__list prepared;    /* reel__prepared: until a parameter changes */
    /* uint32_t: the node whose value is this one's, or REEL__NONE; see plan/plan.h */
    reel__list redirect;
    reel__stored *plans; /* the latest first */
    reel__layout *plan;  /* of the latest evaluation; NULL: none */
    uint32_t plans_made; /* since the rewind */
    /* see plan/defer.c */
    reel__sweep_memo sweep_memo[REEL__SWEEP_MEMOS];
    reel__sweep_memo *deferred; /* a backward pass that is asked for and not recorded; or NULL */
    reel__sweep_memo *swept;    /* the one that was recorded last, … */
    uint32_t sweep_first;       /* … from here on; of either */
    uint32_t loss;              /* of either */
    uint32_t ghosts;            /* nodes that were never recorded, but count as if they were */
    /* the executor's own, see run/evaluate.c */
    reel__list order, uses, into, placed, joins, chained;
    reel__arena recorded; /* until the rewind: attributes, leaves' data, strides */
    reel__arena store;    /* until the end: names, cells */
    reel__buffer *free_buffers[REEL__SIZE_CLASSES];
    void *scratch;
    size_t scratch_size;

    uint32_t base;          /* id of node 0; ids of dropped nodes lie below */
    uint32_t mark, stamped; /* current step; nodes below `stamped` know their caller */
    uint16_t site_file;
    int32_t site_line; /* where the stamped call in progress stands; 0: none is */
    /* > 0 while a stamped call records: its line is that of all it records */
    bool unplaced; /* the call in progress is located after it returned, not stamped before */
    uint32_t nested;
    uint64_t hash, stream;
    uint32_t recording;        /* counts rewinds */
    reel__plan_counts planned; /* the latest plan's, for reel_explain */
    uint32_t passes_off;       /* bit i: pass i of plan/plan.c */
    uint32_t hidden;           /* how many nodes are the planner's */
    uint32_t written_at;       /* nodes below this were recorded before some parameter changed */
    reel__memo memo[REEL__MEMO_SIZE];
    /* a dropped value was needed again: hold on to values until the rewind */
    /* an evaluation did, with what was asked for; reel_tape_clear forgets that */
    bool run_failed;
    bool retain;
    bool evaluated; /* something was, since the rewind */

    char *flat_values, *flat_gradients; /* 64-byte aligned */
    void *flat_values_block, *flat_gradients_block;
    size_t flat_count, flat_capacity; /* elements */

    reel__error error;
    char error_text[1400];
    reel__on_free *on_free;
    reel_tape_statistics statistics;
};

/* ---- memory.c ------------------------------------------------------------------------------ */

void *reel__plain_resize(void *self, void *old, size_t old_size, size_t new_size);
/* Through the tape's allocator; on failure the tape has the error and `old` is still there. */
void *reel__resize(reel_tape *, void *old, size_t old_size, size_t new_size);
bool reel__list_reserve(reel_tape *, reel__list *, size_t count, size_t element);
/* The same, with zeros in what is new. */
bool reel__list_reserve_zeroed(reel_tape *, reel__list *, size_t count, size_t element);
bool reel__list_add(reel_tape *, reel__list *, uint32_t); /* to a list of these */
void reel__list_free(reel_tape *, reel__list *, size_t element);
/* 64-byte aligned from 64 bytes on, else 8 */
void *reel__arena_take(reel_tape *, reel__arena *, size_t bytes);
/* Makes room for one more of an array in an arena; NULL where there is none: `array` is still
 * good. */
void *reel__arena_grow(reel_tape *, reel__arena *, void *array, uint32_t count, uint32_t *capacity,
                       size_t element);
void reel__arena_reset(reel__arena *);
void reel__arena_free(reel_tape *, reel__arena *);
reel__buffer *reel__buffer_take(reel_tape *, size_t bytes); /* one reference */
void reel__buffer_release(reel_tape *, reel__buffer *);
char *reel__buffer_data(reel__buffer *);
void reel__pool_free(reel_tape *);
void *reel__scratch(reel_tape *, size_t bytes); /* 64-byte aligned; until the next call */
/* Zeroed, lives as long as the tape; NULL and an error when memory is short. */
void *reel__tape_store(reel_tape *, size_t bytes);
char *reel__tape_store_text(reel_tape *, const char *);
bool reel__tape_on_free(reel_tape *, void (*call)(void *self), void *self);

/* ---- shape.c ------------------------------------------------------------------------------- */

bool reel__shape_valid(reel_shape);
bool reel__shape_intern(reel_tape *, const reel_shape *, uint32_t *out);
bool reel__contiguous(const reel_shape *, const int64_t *stride);

/* ---- error.c ------------------------------------------------------------------------------- */

reel_var reel__fail_text(reel_tape *, reel_status, const char *op, const char *text);
uint16_t reel__file_index(reel_tape *, const char *file);
/* Nodes that no call has claimed yet were recorded by this one. */
void reel__stamp(reel_tape *, uint16_t file, int32_t line);
/* An error in running a node: it is at the line that recorded the node, not at the one that
 * reads its value. */
void reel__fail_node(reel_tape *, uint32_t index, reel_status, const char *text);
/* Node `index` means a parameter as it was before a write. */
void reel__fail_stale(reel_tape *, uint32_t index, uint32_t param);

/* ---- record.c ------------------------------------------------------------------------------ */

/* Index of a handle's node; false, with an error naming `op`, for absent, foreign and dead handles,
 * and silently for poisoned ones. */
bool reel__resolve(reel_tape *, reel_var, const char *op, uint32_t *index);
reel_var reel__handle(reel_tape *, uint32_t index);
bool reel__append(reel_tape *, reel__node *node, uint32_t *index);
/* Where to write a new node's inputs. More than three stand in tape->links, whose count grows by
 * them when the node is recorded. */
uint32_t *reel__room_for_inputs(reel_tape *, reel__node *, int n);
/* A copy of a node with other inputs. */
bool reel__clone(reel_tape *, uint32_t index, const uint32_t *inputs, uint32_t *copy);

/* A recording call is located after it returned, and a stamped call is over: neither must leave
 * its errors to the line of an earlier call. */
static inline void reel__forget_site(reel_tape *t)
{
    if (t->nested == 0) {
        t->site_line = 0;
        t->error.fresh = t->error.fresh && t->error.file == NULL;
    }
}

/* Around the body of a recording call. */
static inline void reel__recording_begin(reel_tape *t)
{
    t->unplaced = t->nested == 0;
}
static inline reel_var reel__recording_end(reel_var v)
{
    v.tape->unplaced = false;
    return v;
}

static inline reel__node *reel__node_at(const reel_tape *t, uint32_t index)
{
    return (reel__node *)t->nodes.data + index;
}
static inline reel__value *reel__value_at(const reel_tape *t, uint32_t index)
{
    return (reel__value *)t->values.data + index;
}
static inline const uint32_t *reel__inputs_of(const reel_tape *t, const reel__node *node)
{
    return node->inputs <= REEL__INLINE_INPUTS ? node->in
                                               : (const uint32_t *)t->links.data + node->in[0];
}
static inline const reel__shape_entry *reel__shape_at(const reel_tape *t, uint32_t shape)
{
    return (const reel__shape_entry *)t->shapes.data + shape;
}
static inline const reel__shape_entry *reel__shape_entry_of(const reel_tape *t, uint32_t node)
{
    return reel__shape_at(t, reel__node_at(t, node)->shape);
}
/* The node whose value stands for this one's, where it holds none itself. */
static inline uint32_t reel__redirected(const reel_tape *t, uint32_t index)
{
    const uint32_t *redirect = t->redirect.data;
    while (index < t->redirect.count && redirect[index] != REEL__NONE &&
           reel__value_at(t, index)->data == NULL) {
        index = redirect[index];
    }
    return index;
}
/* What an evaluation is asked for: its targets, gradients not added yet, and what is to be held. */
static inline size_t reel__asked_count(const reel_tape *t, size_t n)
{
    return n + t->pending.count + t->kept.count;
}
static inline uint32_t reel__asked_at(const reel_tape *t, size_t n, const uint32_t targets[],
                                      size_t i)
{
    size_t pending = t->pending.count;
    return i < n             ? targets[i]
           : i < n + pending ? ((const reel__pending *)t->pending.data)[i - n].node
                             : ((const uint32_t *)t->kept.data)[i - n - pending];
}
/* One step of the hashes that tell recordings apart. */
static inline uint64_t reel__mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * 0x9fb21c651e98df25u;
    return hash ^ (hash >> 35);
}
static inline reel__param *reel__param_entry(const reel_tape *t, uint32_t index)
{
    return (reel__param *)t->params.data + index;
}
static inline size_t reel__element_of(const reel_tape *t, const reel__node *node)
{
    return node->flags & REEL__INDEX ? sizeof(int32_t) : t->element;
}
/* The stream of a random node stands behind its attributes. */
static inline size_t reel__stream_offset(const reel_op *op)
{
    return (op->attribute_size + 7u) & ~(size_t)7u;
}

/* ---- leaf.c, parameter.c ------------------------------------------------------------------- */

extern const reel_op reel__leaf_op, reel__param_op;
bool reel__record_param_node(reel_tape *, uint32_t param);
void reel__params_free(reel_tape *);
bool reel__looks_into_params(const reel_tape *, const void *data);
void reel__add_gradient(reel_tape *, uint32_t param, const void *from);
static inline uint32_t reel__param_of(const reel__node *node)
{
    return *(const uint32_t *)node->attributes;
}

/* ---- sweep.c ------------------------------------------------------------------------------- */

/* Reverse sweep from m outputs y[j], weighted by dy[j], to n variables; x_grad[i] is absent where
 * nothing depends on x[i]. */
bool reel__sweep(reel_tape *, int m, const uint32_t y[], const reel_var dy[], int n,
                 const uint32_t x[], reel_var x_grad[]);
extern const reel_op reel__op_accumulate, reel__op_sum_to, reel__op_checkpoint;
bool reel__tape_has_kinks(const reel_tape *);

/* ---- derivative.c -------------------------------------------------------------------------- */

/* Records the gradient of the loss in every parameter and asks for it. */
bool reel__record_backward(reel_tape *, uint32_t loss);

/* ---- plan/plan.c ---------------------------------------------------------------------------- */

/* Reads options.plan or REEL_PLAN; an unknown name is an error of the tape. */
void reel__choose_passes(reel_tape *);
bool reel__fusing_is_on(const reel_tape *);
/* Before targets are evaluated: records hidden nodes that compute the same with less work. */
bool reel__make_plan(reel_tape *, size_t n, const uint32_t targets[]);
/* What runs from now on runs as recorded. */
void reel__leave_plan(reel_tape *);
/* Takes a plan back that nothing was evaluated by. */
void reel__take_plan_back(reel_tape *);
/* ---- plan/defer.c --------------------------------------------------------------------------- */

/* A backward pass from this loss need not be recorded now. */
bool reel__defer_sweep(reel_tape *, uint32_t loss);
/* Before and after one is recorded. */
typedef struct {
    uint64_t key, stream;
    uint32_t first;
} reel__sweep_start;
reel__sweep_start reel__sweep_begins(const reel_tape *, uint32_t loss);
void reel__sweep_ended(reel_tape *, uint32_t loss, reel__sweep_start);
/* Records what was deferred. */
bool reel__record_deferred(reel_tape *);
void reel__forget_deferred(reel_tape *);
/* The same when the evaluation by a plan that contains it failed. */
bool reel__record_after_all(reel_tape *);
/* Instead of that: a plan that contains it; *found says whether there is one. */
bool reel__plan_deferred(reel_tape *, size_t n, const uint32_t targets[], bool *found);

/* ---- plan/plan.c ---------------------------------------------------------------------------- */

/* At a rewind: what was planned for one recording alone; and all. */
void reel__forget_plan(reel_tape *);
void reel__forget_plans(reel_tape *);

/* ---- run/evaluate.c ------------------------------------------------------------------------ */

typedef struct {
    bool check_finite; /* stop at the first NaN or infinity out of finite inputs */
    bool replay;       /* look at all ancestors, computed ones too */
} reel__evaluate_options;
/* Computes and holds the targets' values, and on the way everything that was asked for. */
bool reel__evaluate(reel_tape *, size_t n, const uint32_t targets[], reel__evaluate_options);
/* Pending gradients, kept values and losses given to reel_backward. */
bool reel__flush(reel_tape *);
/* What a node's value looks like to a kernel; false when it is not held. */
bool reel__tensor_of(const reel_tape *, uint32_t index, reel_tensor *);
void reel__drop_value(reel_tape *, uint32_t index);

/* ---- draw.c -------------------------------------------------------------------------------- */

/* Is told the nodes and edges of a folded drawing: first the nodes outside of all steps, then the
 * bodies with theirs, then the edges. `number` tells bodies apart; `copies` steps repeat one, the
 * first of them is `step`. An edge is carried that comes from the step before. */
typedef struct {
    void *self;
    void (*node)(void *self, const reel_tape *, uint32_t node);
    void (*edge)(void *self, const reel_tape *, uint32_t from, uint32_t to, bool carried);
    void (*body_begin)(void *self, uint32_t number, int64_t step, uint32_t copies);
    void (*body_end)(void *self);
} reel__painter;
/* What v depends on; false, with an error, for a bad handle and without memory. */
bool reel__paint_folded(reel_var v, const char *who, const reel__painter *);

/* ---- ancestors.c --------------------------------------------------------------------------- */

/* (*needed)[i] is 1 for index and everything below it, and, if so wanted, for the gradients
 * asked for; one byte a node, to be freed by reel__resize. */
bool reel__ancestors(reel_tape *, uint32_t index, bool with_pending, uint8_t **needed);

/* ---- run/prepared.c ------------------------------------------------------------------------ */

/* The packed form of a factor that lies in the parameters; NULL under a memory limit, and with an
 * error when memory is short. */
const void *reel__prepared_factor(reel_tape *, const void *data, int64_t rows, int64_t columns,
                                  int64_t row_stride, int64_t column_stride);
void reel__forget_prepared(reel_tape *);

/* ---- finite.c ------------------------------------------------------------------------------ */

/* When node `index`, just computed, is not finite though its inputs are: writes the report. */
bool reel__made_nonfinite(const reel_tape *, uint32_t index, char *report, size_t size);

#endif

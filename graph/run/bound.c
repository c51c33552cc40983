/* bound.c: one thread's run of a program: its rows, all copies. Before the first copy every operand
 * becomes a base address and the strides by which copies and rows lie apart; from then on a copy is
 * a list of calls. */
#include "bound.h"

#include <string.h>

#include "elementwise.h"
#include "packed.h"
#include "strides.h"

#define KERNEL_MESSAGE_SIZE 512

/* ---- addresses --------------------------------------------------------------------------------- */

/* Row i of copy e lies at base + e·step + i·row bytes; in a ring e is (e + shift) & mask, in a table
 * the base is table[e] + offset. */
typedef struct {
    char *base;
    int64_t step, row;
    char **table;
    int64_t offset, shift, mask; /* mask -1: no ring */
    bool in_block;               /* rows count from the block's first */
} address;

typedef struct {
    const reel__instruction *n;
    reel_tile_kernel tile;
    address y, *x;
    address *fill; /* of spread inputs */
    int64_t width; /* elements of a row */
    bool dense;    /* rows lie behind one another in all operands */
    bool spreads;  /* an input has to be spread anew */
} bound_instruction;

typedef struct {
    const reel__program *g;
    const reel__bindings *b;
    bound_instruction *instruction;
    char **local;
    int64_t first_row, rows; /* of this thread */
    void *scratch;
    reel__loop_error *error;
} thread_run;

/* ---- sizes ------------------------------------------------------------------------------------- */

static int64_t first_row_of(const reel__program *g, int part, int team)
{
    return g->rows > 0 ? g->rows * part / team : 0;
}

static int64_t most_rows(const reel__program *g, int team)
{
    return g->rows > 0 ? (g->rows + team - 1) / team : 1;
}

static int64_t largest_block(const reel__program *g, int64_t rows)
{
    int64_t largest = 1;
    for (uint32_t i = 0; i < g->groups; i++) {
        int64_t block = g->group[i].block < rows ? g->group[i].block : rows;
        largest = block > largest ? block : largest;
    }
    return largest;
}

static size_t local_size(const reel__program *g, uint32_t i, int64_t rows, int64_t block,
                         size_t element)
{
    const reel__local *local = &g->local[i];
    int64_t n = !local->rowed ? 1 : local->in_block ? block : rows;
    return reel__aligned((size_t)(local->width * n) * element);
}

static size_t scratch_size(const reel__program *g, const reel__bindings *b, int64_t rows);

typedef struct {
    size_t instructions, addresses, locals, memory, scratch, all;
} sizes;

static sizes measure(const reel__program *g, const reel__bindings *b, int64_t rows)
{
    sizes s = { 0 };
    int64_t block = largest_block(g, rows);
    size_t operands = 0;
    for (uint32_t i = 0; i < g->instructions; i++) {
        operands += 2 * (size_t)g->instruction[i].inputs;
    }
    s.instructions = reel__aligned(g->instructions * sizeof(bound_instruction));
    s.addresses = reel__aligned(operands * sizeof(address));
    s.locals = reel__aligned((g->locals + 1) * sizeof(char *));
    for (uint32_t i = 0; i < g->locals; i++) {
        s.memory += local_size(g, i, rows, block, b->element);
    }
    s.scratch = reel__aligned(scratch_size(g, b, rows));
    s.all = s.instructions + s.addresses + s.locals + s.memory + s.scratch + 64;
    return s;
}

size_t reel__bound_size(const reel__program *g, const reel__bindings *b, int team)
{
    return measure(g, b, most_rows(g, team)).all;
}

/* ---- kernels' calls ---------------------------------------------------------------------------- */

typedef struct {
    reel_kernel_call call;
    reel_tensor x[REEL__PROGRAM_INPUTS];
    reel_shape shape[REEL__PROGRAM_INPUTS + 1];
    char message[KERNEL_MESSAGE_SIZE];
} kernel_frame;

static void fill_tensor(const reel__operand *o, int64_t rows, reel_shape *shape, reel_tensor *x)
{
    *shape = o->shape;
    if (o->rowed) {
        shape->dim[0] = rows;
    }
    *x = (reel_tensor){ NULL, shape, o->place.stride };
}

static const void *attributes_of(const reel__instruction *n, int64_t copy)
{
    return n->attributes_by_copy ? n->attributes_by_copy + (size_t)copy * n->attribute_step
                                 : n->attributes;
}

/* All but addresses. */
static void fill_frame(const reel__bindings *b, const reel__instruction *n, int64_t rows,
                       int64_t copy, kernel_frame *f)
{
    for (uint32_t i = 0; i < n->inputs; i++) {
        fill_tensor(&n->x[i], rows, &f->shape[i], &f->x[i]);
    }
    f->message[0] = '\0';
    f->call = (reel_kernel_call){ .inputs = (int)n->inputs,
                                  .x = f->x,
                                  .attributes = attributes_of(n, copy),
                                  .accumulate = n->accumulate,
                                  .threads = b->kernel_threads,
                                  .seed = b->t->options.seed,
                                  .tape = b->t,
                                  .error = f->message };
    fill_tensor(&n->y, rows, &f->shape[REEL__PROGRAM_INPUTS], &f->call.y);
}

static size_t scratch_size(const reel__program *g, const reel__bindings *b, int64_t rows)
{
    size_t most = 0;
    for (uint32_t i = 0; i < g->instructions; i++) {
        const reel__instruction *n = &g->instruction[i];
        if (n->kind != REEL__KERNEL || n->op->scratch == NULL) {
            continue;
        }
        kernel_frame f;
        for (int64_t r = rows; r > 0; r /= 2) {
            fill_frame(b, n, r, 0, &f);
            size_t bytes = n->op->scratch(&f.call, b->element);
            most = bytes > most ? bytes : most;
        }
    }
    return most;
}

/* ---- binding ----------------------------------------------------------------------------------- */

static void bind_address(const thread_run *r, const reel__operand *operand, address *out)
{
    const reel__bindings *b = r->b;
    const reel__place *place = &operand->place;
    int64_t element = operand->index ? (int64_t)sizeof(int32_t) : (int64_t)b->element;
    bool rowed = operand->rowed;
    *out = (address){ .step = place->step * element, .mask = -1 };
    out->row = rowed ? place->stride[0] * element : 0;
    int64_t skipped = r->first_row * out->row, offset = place->offset * element + skipped;
    switch (place->kind) {
    case REEL__IN_INPUT:
        out->base = (char *)b->input[place->number].data + offset;
        break;
    case REEL__IN_TABLE:
        out->table = b->table[place->number];
        out->offset = offset;
        break;
    case REEL__IN_PART:
        out->base = b->part[place->number] + offset;
        break;
    case REEL__IN_RING:
        out->base = b->part[place->number] + offset;
        out->mask = r->g->part[place->number].copies - 1;
        out->shift = place->shift;
        break;
    case REEL__IN_LOCAL:
        out->base = r->local[place->number] + place->offset * element;
        out->in_block = r->g->local[place->number].in_block;
        out->step = 0;
        break;
    }
}

static inline char *at(const address *a, int64_t copy, int64_t row, int64_t row_in_block)
{
    char *base;
    if (a->mask >= 0) {
        base = a->base + ((copy + a->shift) & a->mask) * a->step;
    } else if (a->table) {
        base = a->table[copy] + a->offset;
    } else {
        base = a->base + copy * a->step;
    }
    return base + (a->in_block ? row_in_block : row) * a->row;
}

static void spread_f32(int64_t n, const char *from, char *to)
{
    float x = *(const float *)(const void *)from;
    for (int64_t i = 0; i < n; i++) {
        ((float *)(void *)to)[i] = x;
    }
}

static void spread_f64(int64_t n, const char *from, char *to)
{
    double x = *(const double *)(const void *)from;
    for (int64_t i = 0; i < n; i++) {
        ((double *)(void *)to)[i] = x;
    }
}

static void spread(const thread_run *r, int64_t n, const char *from, char *to)
{
    (r->b->element == sizeof(float) ? spread_f32 : spread_f64)(n, from, to);
}

static void bind_tile(const thread_run *r, bound_instruction *bound)
{
    const reel__instruction *n = bound->n;
    int64_t row = bound->width * (int64_t)r->b->element;
    bound->tile = n->op->tile[r->b->t->options.dtype];
    bound->dense = n->rowed && bound->y.row == row;
    for (uint32_t i = 0; i < n->inputs; i++) {
        if (!n->x[i].spread) {
            bound->dense = bound->dense && bound->x[i].row == row;
            continue;
        }
        char *fill = r->local[n->x[i].fill];
        if (n->x[i].constant) {
            spread(r, r->g->local[n->x[i].fill].width, at(&bound->x[i], 0, 0, 0), fill);
            bound->x[i] = (address){ .base = fill, .mask = -1 };
        } else {
            bound->fill[i] = (address){ .base = fill, .mask = -1 };
            bound->spreads = true;
            bound->dense = false;
        }
    }
}

static void bind(thread_run *r, char *memory, const sizes *s, int64_t rows)
{
    const reel__program *g = r->g;
    int64_t block = largest_block(g, rows);
    r->instruction = (bound_instruction *)(void *)memory;
    address *addresses = (address *)(void *)(memory += s->instructions);
    r->local = (char **)(void *)(memory += s->addresses);
    memory += s->locals;
    for (uint32_t i = 0; i < g->locals; i++) {
        r->local[i] = memory;
        memory += local_size(g, i, rows, block, r->b->element);
    }
    r->scratch = memory;
    for (uint32_t i = 0; i < g->instructions; i++) {
        const reel__instruction *n = &g->instruction[i];
        bound_instruction *bound = &r->instruction[i];
        *bound = (bound_instruction){ .n = n, .x = addresses, .fill = addresses + n->inputs };
        addresses += 2 * n->inputs;
        bound->width = reel__row_width(g->rows, &n->y.shape, n->rowed);
        bind_address(r, &n->y, &bound->y);
        for (uint32_t k = 0; k < n->inputs; k++) {
            bind_address(r, &n->x[k], &bound->x[k]);
        }
        if (n->kind == REEL__TILE) {
            bind_tile(r, bound);
        }
    }
}

/* ---- one instruction --------------------------------------------------------------------------- */

/* Rows [row, row + rows) of a copy; within the block they count from 0. */
typedef struct {
    int64_t copy, row, rows;
} stretch;

static void run_tile(const thread_run *r, const bound_instruction *bound, stretch s)
{
    const reel__instruction *n = bound->n;
    const void *attributes = attributes_of(n, s.copy);
    const void *x[REEL__PROGRAM_INPUTS];
    char *y = at(&bound->y, s.copy, s.row, 0);
    for (uint32_t i = 0; i < n->inputs; i++) {
        x[i] = at(&bound->x[i], s.copy, s.row, 0);
    }
    if (bound->dense) {
        bound->tile((size_t)(s.rows * bound->width), x, y, attributes);
        return;
    }
    int64_t rows = n->rowed ? s.rows : 1;
    for (int64_t k = 0; k < rows; k++) {
        const void *row[REEL__PROGRAM_INPUTS];
        for (uint32_t i = 0; i < n->inputs; i++) {
            row[i] = (const char *)x[i] + k * bound->x[i].row;
            if (n->x[i].spread && !n->x[i].constant) {
                spread(r, bound->width, row[i], bound->fill[i].base);
                row[i] = bound->fill[i].base;
            }
        }
        bound->tile((size_t)bound->width, row, y + k * bound->y.row, attributes);
    }
}

static void run_gemm(const thread_run *r, const bound_instruction *bound, stretch s)
{
    const reel__instruction *n = bound->n;
    const reel__weight *w = &r->g->weight[n->weight];
    int64_t element = (int64_t)r->b->element;
    int last = n->y.shape.rank - 1;
    reel__gemm_call g = { .m = (n->rowed ? s.rows : n->y.shape.dim[0]) * reel__inner_rows(n),
                          .n = w->n,
                          .k = w->k,
                          .a = at(&bound->x[0], s.copy, s.row, 0),
                          .b = r->b->weight[n->weight],
                          .c = at(&bound->y, s.copy, s.row, 0),
                          .lda = n->x[0].place.stride[last - 1],
                          .ldc = n->y.place.stride[last - 1],
                          .accumulate = n->accumulate };
    if (w->n == 0 || g.m == 0) {
        return;
    }
    if (w->k == 0) {
        for (int64_t i = 0; i < g.m; i++) {
            memset((char *)g.c + i * g.ldc * element, 0, (size_t)(w->n * element));
        }
        return;
    }
    reel__gemm_packed(r->b->t->options.dtype, &g, r->b->kernel_threads);
}

static void note_error(const thread_run *r, const reel__instruction *n, int64_t copy,
                       const char *message)
{
    if (message[0] == '\0' || r->error->copy <= copy) {
        return;
    }
    r->error->copy = copy;
    r->error->node = n->nodes ? n->nodes[copy] : 0;
    memcpy(r->error->text, message, KERNEL_MESSAGE_SIZE);
}

static void run_kernel(const thread_run *r, const bound_instruction *bound, stretch s)
{
    const reel__instruction *n = bound->n;
    kernel_frame f;
    fill_frame(r->b, n, s.rows, s.copy, &f);
    for (uint32_t i = 0; i < n->inputs; i++) {
        f.x[i].data = at(&bound->x[i], s.copy, s.row, 0);
    }
    f.call.y.data = at(&bound->y, s.copy, s.row, 0);
    f.call.scratch = r->scratch;
    if (reel_shape_size(*f.call.y.shape) == 0) {
        return;
    }
    if (n->op->kind == REEL_ELEMENTWISE) {
        reel__run_elementwise(n->op, r->b->t->options.dtype, r->b->element, &f.call);
        return;
    }
    n->op->kernel[r->b->t->options.dtype](&f.call);
    note_error(r, n, s.copy, f.message);
}

/* Axis by axis; the last axis at once where it lies dense on both sides. */
static void copy_axes(const reel_shape *shape, int axis, const int64_t from_stride[],
                      const int64_t to_stride[], const char *from, char *to, size_t element)
{
    if (axis == shape->rank) {
        memcpy(to, from, element);
        return;
    }
    bool last = axis == shape->rank - 1;
    if (last && from_stride[axis] == 1 && to_stride[axis] == 1) {
        memcpy(to, from, (size_t)shape->dim[axis] * element);
        return;
    }
    for (int64_t i = 0; i < shape->dim[axis]; i++) {
        copy_axes(shape, axis + 1, from_stride, to_stride,
                  from + i * from_stride[axis] * (int64_t)element,
                  to + i * to_stride[axis] * (int64_t)element, element);
    }
}

static void run_copy(const thread_run *r, const bound_instruction *bound, stretch s)
{
    const reel__instruction *n = bound->n;
    reel_shape shape = n->y.shape;
    if (n->y.rowed) {
        shape.dim[0] = s.rows;
    }
    copy_axes(&shape, 0, n->x[0].place.stride, n->y.place.stride,
              at(&bound->x[0], s.copy, s.row, 0), at(&bound->y, s.copy, s.row, 0), r->b->element);
}

static void run_instruction(const thread_run *r, const bound_instruction *bound, stretch s)
{
    if (s.copy < bound->n->begin || s.copy >= bound->n->end) {
        return;
    }
    switch (bound->n->kind) {
    case REEL__TILE:
        run_tile(r, bound, s);
        break;
    case REEL__GEMM:
        run_gemm(r, bound, s);
        break;
    case REEL__KERNEL:
        run_kernel(r, bound, s);
        break;
    case REEL__COPY:
        run_copy(r, bound, s);
        break;
    }
}

/* ---- all copies -------------------------------------------------------------------------------- */

static void run_group(const thread_run *r, const reel__group *group, int64_t copy)
{
    const bound_instruction *first = r->instruction + group->first;
    int64_t block = group->block > 0 ? group->block : r->rows;
    for (int64_t row = 0; row < r->rows; row += block) {
        stretch s = { copy, row, r->rows - row < block ? r->rows - row : block };
        for (uint32_t i = 0; i < group->count; i++) {
            run_instruction(r, first + i, s);
        }
    }
}

void reel__run_bound(const reel__program *g, const reel__bindings *b, reel__share share,
                     char *memory, reel__loop_error *error)
{
    int64_t from = first_row_of(g, share.part, share.team);
    int64_t to = first_row_of(g, share.part + 1, share.team);
    thread_run r = { .g = g, .b = b, .first_row = from, .error = error };
    r.rows = g->rows > 0 ? to - from : 1;
    int64_t rows = most_rows(g, share.team);
    sizes s = measure(g, b, rows);
    bind(&r, memory, &s, rows);
    for (int64_t copy = share.from; copy < share.to && error->copy == INT64_MAX; copy++) {
        for (uint32_t i = 0; i < g->groups; i++) {
            run_group(&r, &g->group[i], copy);
        }
    }
}

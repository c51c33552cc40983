/* freeze.c: a recorded program with memory of its own.
 *
 * Every item of the listing gets its place once; what is left to run is a list of kernel calls
 * whose arguments never change, so that a step is a walk over them. */
#include <string.h>

#include "../graph/run/elementwise.h"
#include "../graph/run/packed.h"
#include "../graph/run/strides.h"
#include "quantise.h"
#include "recorded.h"

static const char who[] = "freeze";

typedef enum { PACK, ELEMENTS, KERNEL, PRODUCT, QUANTISED } instruction_kind;

typedef struct {
    instruction_kind kind;
    const reel_op *op;
    reel_kernel_call call; /* of PACK: x[0] to y */
    size_t element;        /* of PACK */
    reel__gemm_call gemm;  /* of PRODUCT and QUANTISED */
} instruction;

/* Where an item's numbers lie. */
typedef struct {
    reel_shape shape;
    int64_t stride[REEL_MAX_RANK];
    int64_t size;
    char *data;
    size_t element;
    bool index;
} place;

typedef struct chunk {
    struct chunk *next;
    size_t size;
    bool passing; /* needed while the program is built and not behind */
} chunk;

struct reel_frozen {
    reel_allocator allocator;
    chunk *chunks;
    bool passing; /* what is taken now */
    reel_dtype dtype;
    size_t element;
    int inputs, outputs, states;
    place input[2 * REEL_MAX_PORTS]; /* then the states */
    place output[2 * REEL_MAX_PORTS];
    char *staged[2 * REEL_MAX_PORTS]; /* an output, dense, before it goes where it belongs */
    char *initial[REEL_MAX_PORTS];
    instruction *program;
    int count;
    char *scratch;
    char error[512];
    reel_frozen_report report;
};

/* ---- memory ---------------------------------------------------------------------------------- */

/* Zeroed and 64-byte aligned; NULL when memory is short. */
static void *take(reel_frozen *f, size_t bytes)
{
    size_t size = sizeof(chunk) + 64 + bytes;
    chunk *made = f->allocator.resize(f->allocator.self, NULL, 0, size);
    if (made == NULL) {
        return NULL;
    }
    memset(made, 0, size);
    made->next = f->chunks;
    made->size = size;
    made->passing = f->passing;
    f->chunks = made;
    f->report.bytes += size;
    return (void *)(((uintptr_t)(made + 1) + 63) & ~(uintptr_t)63);
}

/* What only the building needed: matrices that are packed now, results on the way to constants. */
static void drop_passing(reel_frozen *f)
{
    for (chunk **at = &f->chunks; *at;) {
        chunk *c = *at;
        if (!c->passing) {
            at = &c->next;
            continue;
        }
        *at = c->next;
        f->report.bytes -= c->size;
        f->allocator.resize(f->allocator.self, c, c->size, 0);
    }
}

void reel_frozen_free(reel_frozen *f)
{
    if (f == NULL) {
        return;
    }
    reel_allocator allocator = f->allocator;
    for (chunk *c = f->chunks, *next; c; c = next) {
        next = c->next;
        allocator.resize(allocator.self, c, c->size, 0);
    }
    allocator.resize(allocator.self, f, sizeof *f, 0);
}

/* ---- building -------------------------------------------------------------------------------- */

typedef struct {
    reel_frozen *f;
    const reel__listing *list;
    place *place; /* of each item */
    bool *stays;  /* of each item that is fixed: steps read its memory */
    size_t scratch;
    int capacity;
    bool int8;
} builder;

static bool take_place(builder *b, uint32_t position)
{
    const reel__listed *y = &b->list->item[position];
    place *p = &b->place[position];
    p->shape = y->shape;
    p->size = y->size;
    p->index = y->index;
    p->element = y->index ? sizeof(int32_t) : b->f->element;
    memcpy(p->stride, y->stride, sizeof p->stride);
    if (y->storage != position) {
        p->data = b->place[y->storage].data + y->offset * (int64_t)p->element;
        return true;
    }
    size_t bytes = (size_t)y->size * p->element;
    bool passing = b->f->passing;
    b->f->passing = y->fixed && !b->stays[position];
    char *data = take(b->f, bytes);
    b->f->passing = passing;
    if (data && y->data) {
        memcpy(data, y->data, bytes);
    }
    if (data && y->fixed && b->stays[position]) {
        b->f->report.weight_bytes += bytes;
    }
    p->data = data ? data + y->offset * (int64_t)p->element : NULL;
    return data != NULL;
}

static reel_tensor tensor_of(place *p)
{
    return (reel_tensor){ p->data, &p->shape, p->stride };
}

static instruction *add(builder *b, instruction_kind kind, const reel_op *op, int inputs)
{
    reel_frozen *f = b->f;
    reel_tensor *x = take(f, ((size_t)inputs + 1) * sizeof *x);
    if (x == NULL) {
        return NULL;
    }
    instruction *made = &f->program[f->count++];
    *made = (instruction){ .kind = kind, .op = op };
    made->call = (reel_kernel_call){ .inputs = inputs, .x = x, .threads = 1 };
    made->call.error = f->error;
    return made;
}

/* A dense copy of what is strided. */
static bool add_pack(builder *b, place *from, char *to)
{
    instruction *made = add(b, PACK, NULL, 1);
    if (made == NULL) {
        return false;
    }
    ((reel_tensor *)made->call.x)[0] = tensor_of(from);
    made->call.y.data = to;
    made->element = from->element;
    return true;
}

static bool dense(const place *p)
{
    return reel__contiguous(&p->shape, p->stride);
}

/* An input as a kernel without strides wants it. */
static bool densify(builder *b, place *x, reel_tensor *out)
{
    place *copied = take(b->f, sizeof *copied);
    if (copied == NULL || (copied->data = take(b->f, (size_t)x->size * x->element)) == NULL) {
        return false;
    }
    copied->shape = x->shape;
    reel__dense_strides(&copied->shape, copied->stride);
    *out = tensor_of(copied);
    return add_pack(b, x, copied->data);
}

/* Rows by a matrix that never changes: packed, or int8. */
static bool is_fixed_product(const builder *b, const reel__listed *y)
{
    if (y->kind != REEL__LISTED_CALL || strcmp(y->op->name, "matmul") != 0 || y->size == 0) {
        return false;
    }
    const reel__listed *x = reel__listed_input(b->list, y, 0);
    const reel__listed *w = reel__listed_input(b->list, y, 1);
    return w->fixed && !x->fixed && w->shape.rank == 2 && x->shape.rank >= 1 && x->size > 0 &&
           !reel__listed_int(y, "transpose_a");
}

static bool add_product(builder *b, const reel__listed *y, place *to)
{
    reel_frozen *f = b->f;
    place *x = &b->place[y->input[0]], *w = &b->place[y->input[1]];
    int t = reel__listed_int(y, "transpose_b") != 0;
    int64_t k = w->shape.dim[t], n = w->shape.dim[!t];
    reel_tensor rows = tensor_of(x);
    if (!dense(x) && !densify(b, x, &rows)) {
        return false;
    }
    bool small = b->int8 && f->dtype == REEL_F32;
    size_t bytes = small ? reel__quantised_size(k, n) : reel__packed_size(f->dtype, k, n);
    void *packed = take(f, bytes);
    instruction *made = packed ? add(b, small ? QUANTISED : PRODUCT, y->op, 0) : NULL;
    if (made == NULL) {
        return false;
    }
    if (small) {
        double error = reel__quantise((const float *)(void *)w->data, k, n, w->stride[t],
                                      w->stride[!t], packed);
        f->report.weight_error = error > f->report.weight_error ? error : f->report.weight_error;
        f->report.quantised++;
    } else {
        reel__pack_factor(f->dtype, k, n, w->data, w->stride[t], w->stride[!t], packed);
    }
    f->report.weight_bytes += bytes;
    made->gemm = (reel__gemm_call){ .m = x->size / k,
                                    .n = n,
                                    .k = k,
                                    .a = rows.data,
                                    .b = packed,
                                    .c = to->data,
                                    .lda = k,
                                    .ldb = n,
                                    .ldc = n };
    return true;
}

static const void *keep_attributes(builder *b, const reel__listed *y)
{
    size_t bytes = y->op->attribute_size;
    void *kept = take(b->f, bytes + 8);
    if (kept && bytes) {
        memcpy(kept, y->attributes, bytes);
    }
    return kept;
}

static bool add_call(builder *b, const reel__listed *y, place *to)
{
    bool elements = y->op->kind == REEL_ELEMENTWISE;
    reel_tensor few[8], *x = few;
    if (y->inputs > 8 && (x = take(b->f, (size_t)y->inputs * sizeof *x)) == NULL) {
        return false;
    }
    for (int i = 0; i < y->inputs; i++) {
        place *from = &b->place[y->input[i]];
        x[i] = tensor_of(from);
        if (!elements && !y->op->strided && !dense(from) && !densify(b, from, &x[i])) {
            return false;
        }
    }
    instruction *made = add(b, elements ? ELEMENTS : KERNEL, y->op, y->inputs);
    if (made == NULL || (made->call.attributes = keep_attributes(b, y)) == NULL) {
        return false;
    }
    memcpy((reel_tensor *)made->call.x, x, (size_t)y->inputs * sizeof *x);
    made->call.y = tensor_of(to);
    size_t scratch = y->op->scratch ? y->op->scratch(&made->call, b->f->element) : 0;
    b->scratch = scratch > b->scratch ? scratch : b->scratch;
    return true;
}

static bool add_item(builder *b, uint32_t position)
{
    const reel__listed *y = &b->list->item[position];
    if (!take_place(b, position)) {
        return false;
    }
    place *p = &b->place[position];
    if (y->kind != REEL__LISTED_CALL || y->size == 0) {
        return true;
    }
    if (y->packs) {
        return add_pack(b, &b->place[y->input[0]], p->data - y->offset * (int64_t)p->element);
    }
    if (y->op->view) {
        return true;
    }
    return is_fixed_product(b, y) ? add_product(b, y, p) : add_call(b, y, p);
}

/* ---- running --------------------------------------------------------------------------------- */

static void run_instruction(reel_frozen *f, instruction *i)
{
    switch (i->kind) {
    case PACK:
        reel__pack(&i->call.x[0], i->element, i->call.y.data, 1);
        return;
    case ELEMENTS:
        reel__run_elementwise(i->op, f->dtype, f->element, &i->call);
        return;
    case KERNEL:
        i->call.scratch = f->scratch;
        i->op->kernel[f->dtype](&i->call);
        return;
    case PRODUCT:
        reel__gemm_packed(f->dtype, &i->gemm, 1);
        return;
    case QUANTISED:
        reel__multiply_quantised(i->gemm.a, i->gemm.b, i->gemm.c, i->gemm.m, i->gemm.k, i->gemm.n);
        return;
    }
}

static bool run_all(reel_frozen *f)
{
    f->error[0] = '\0';
    for (int i = 0; i < f->count && f->error[0] == '\0'; i++) {
        run_instruction(f, &f->program[i]);
    }
    return f->error[0] == '\0';
}

/* ---- freezing -------------------------------------------------------------------------------- */

/* Whose memory steps read: all but that of matrices which are packed. */
static bool find_what_stays(builder *b)
{
    const reel__listing *l = b->list;
    b->f->passing = true;
    b->stays = take(b->f, l->count + 1u);
    b->f->passing = false;
    for (uint32_t i = 0; b->stays && i < l->count; i++) {
        const reel__listed *y = &l->item[i];
        for (int k = 0; k < y->inputs && !y->fixed; k++) {
            if (k != 1 || !is_fixed_product(b, y)) {
                b->stays[reel__listed_input(l, y, k)->storage] = true;
            }
        }
    }
    for (int i = 0; b->stays && i < l->outputs; i++) {
        b->stays[l->item[l->output[i]].storage] = true;
    }
    return b->stays != NULL;
}

/* First what is fixed, which runs once and is dropped, then the rest; a product's matrix must be
 * known when it is packed. */
static bool build_program(builder *b)
{
    reel_frozen *f = b->f;
    for (int pass = 0; pass < 2; pass++) {
        f->count = 0;
        f->passing = pass == 0;
        for (uint32_t i = 0; i < b->list->count; i++) {
            if (b->list->item[i].fixed == (pass == 0) && !add_item(b, i)) {
                return false;
            }
        }
        if (b->scratch && (f->scratch = take(f, b->scratch)) == NULL) {
            return false;
        }
        if (pass == 0 && !run_all(f)) {
            reel_fail(b->list->tape, REEL_BAD_INDEX, who, "%s", f->error);
            return false;
        }
    }
    f->report.kernels = f->count;
    drop_passing(f);
    return true;
}

static bool connect_states(reel_frozen *f, const reel_recorded *r)
{
    for (int k = 0; k < f->states; k++) {
        const place *state = &f->input[f->inputs + k];
        size_t bytes = (size_t)state->size * state->element;
        const void *from = reel__initial_state(r, k);
        f->initial[k] = take(f, bytes);
        if (f->initial[k] == NULL) {
            return false;
        }
        if (from) {
            memcpy(f->initial[k], from, bytes);
        }
    }
    reel_frozen_reset(f);
    return true;
}

static bool connect(builder *b, const reel_recorded *r)
{
    reel_frozen *f = b->f;
    for (uint32_t i = 0; i < b->list->count; i++) {
        if (b->list->item[i].kind == REEL__LISTED_INPUT) {
            f->input[b->list->item[i].number] = b->place[i];
        }
    }
    for (int i = 0; i < f->outputs + f->states; i++) {
        f->output[i] = b->place[b->list->output[i]];
        f->staged[i] = take(f, (size_t)f->output[i].size * f->output[i].element);
        if (f->staged[i] == NULL) {
            return false;
        }
    }
    return connect_states(f, r);
}

static reel_frozen *build(reel__listing *l, const reel_recorded *r, reel_freeze_options options)
{
    reel_tape *t = l->tape;
    reel_frozen *f = reel__resize(t, NULL, 0, sizeof *f);
    if (f == NULL) {
        return NULL;
    }
    *f = (reel_frozen){ .allocator = t->options.allocator,
                        .dtype = t->options.dtype,
                        .element = t->element,
                        .inputs = r->inputs,
                        .outputs = r->outputs,
                        .states = r->states,
                        .report = { .bytes = sizeof *f } };
    builder b = { .f = f, .list = l, .int8 = options.int8 };
    size_t most = l->count;
    for (uint32_t i = 0; i < l->count; i++) {
        most += (size_t)l->item[i].inputs; /* each may have to be packed */
    }
    b.place = take(f, (l->count + 1u) * sizeof *b.place);
    f->program = take(f, (most + 1) * sizeof *f->program);
    if (b.place && f->program && find_what_stays(&b) && build_program(&b) && connect(&b, r)) {
        return f;
    }
    reel_frozen_free(f);
    if (t->error.status == REEL_OK) {
        reel_fail(t, REEL_OUT_OF_MEMORY, who, "no memory for the program");
    }
    return NULL;
}

reel_frozen *reel_freeze(reel_tape *t, reel_recorded recorded, reel_freeze_options options)
{
    reel__listing list;
    if (t == NULL) {
        return NULL;
    }
    if (options.int8 && t->options.dtype != REEL_F32) {
        reel_fail(t, REEL_BAD_ARGUMENT, who, "int8 weights are for f32 tapes");
        return NULL;
    }
    reel_frozen *f =
        reel__list_recorded(t, who, &recorded, &list) ? build(&list, &recorded, options) : NULL;
    reel__listing_free(&list);
    return f;
}

/* ---- stepping -------------------------------------------------------------------------------- */

static void read_in(const reel_frozen *f, const place *p, const void *from)
{
    if (p->index || f->dtype == REEL_F32) {
        memcpy(p->data, from, (size_t)p->size * p->element);
        return;
    }
    for (int64_t i = 0; i < p->size; i++) {
        ((double *)(void *)p->data)[i] = (double)((const float *)from)[i];
    }
}

static void write_out(const reel_frozen *f, const char *from, int64_t n, bool index, void *to)
{
    if (index || f->dtype == REEL_F32) {
        memcpy(to, from, (size_t)n * sizeof(float));
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        ((float *)to)[i] = (float)((const double *)(const void *)from)[i];
    }
}

reel_status reel_frozen_run(reel_frozen *f, const void *const x[], void *const y[])
{
    if (f == NULL || y == NULL || (x == NULL && f->inputs > 0)) {
        return REEL_BAD_ARGUMENT;
    }
    for (int i = 0; i < f->inputs || i < f->outputs; i++) {
        if ((i < f->inputs && x[i] == NULL) || (i < f->outputs && y[i] == NULL)) {
            return REEL_BAD_ARGUMENT;
        }
    }
    for (int i = 0; i < f->inputs; i++) {
        read_in(f, &f->input[i], x[i]);
    }
    if (!run_all(f)) {
        return REEL_BAD_INDEX;
    }
    for (int i = 0; i < f->outputs + f->states; i++) {
        reel_tensor from = tensor_of(&f->output[i]);
        reel__pack(&from, f->output[i].element, f->staged[i], 1);
    }
    for (int i = 0; i < f->outputs; i++) {
        write_out(f, f->staged[i], f->output[i].size, f->output[i].index, y[i]);
    }
    for (int k = 0; k < f->states; k++) {
        const place *state = &f->input[f->inputs + k];
        memcpy(state->data, f->staged[f->outputs + k], (size_t)state->size * state->element);
    }
    return REEL_OK;
}

reel_status reel_frozen_step(reel_frozen *f, const float *x, float *y)
{
    if (f == NULL || f->inputs != 1 || f->outputs != 1 || x == NULL || y == NULL) {
        return REEL_BAD_ARGUMENT;
    }
    return reel_frozen_run(f, (const void *[]){ x }, (void *[]){ y });
}

void reel_frozen_reset(reel_frozen *f)
{
    for (int k = 0; f && k < f->states; k++) {
        const place *state = &f->input[f->inputs + k];
        memcpy(state->data, f->initial[k], (size_t)state->size * state->element);
    }
}

static const place *state_of(const reel_frozen *f, int k, size_t n)
{
    bool good = f && k >= 0 && k < f->states && (size_t)f->input[f->inputs + k].size == n;
    return good ? &f->input[f->inputs + k] : NULL;
}

reel_status reel_frozen_read_state(const reel_frozen *f, int k, float *out, size_t n)
{
    const place *state = state_of(f, k, n);
    if (state == NULL || out == NULL) {
        return REEL_BAD_ARGUMENT;
    }
    write_out(f, state->data, state->size, state->index, out);
    return REEL_OK;
}

reel_status reel_frozen_write_state(reel_frozen *f, int k, const float *from, size_t n)
{
    const place *state = state_of(f, k, n);
    if (state == NULL || from == NULL) {
        return REEL_BAD_ARGUMENT;
    }
    read_in(f, state, from);
    return REEL_OK;
}

reel_frozen_report reel_frozen_report_of(const reel_frozen *f)
{
    return f ? f->report : (reel_frozen_report){ 0 };
}

/* tape.c: a tape's life: new, rewind, free, and the questions one may ask it. */
#include "tape.h"

#include <string.h>

#include "run/gemm.h"
#include "run/threads.h"

static bool start_lists(reel_tape *t)
{
    if (!reel__list_reserve(t, &t->files, 16, sizeof(const char *)) ||
        !reel__list_reserve(t, &t->marks, 16, sizeof(reel__mark))) {
        return false;
    }
    ((const char **)t->files.data)[0] = "";
    t->files.count = 1;
    ((reel__mark *)t->marks.data)[0] = (reel__mark){ .step = -1 };
    t->marks.count = 1;
    return true;
}

/* OpenBLAS built for pthreads keeps threads of its own, which fight with OpenMP's for the cores. */
static void warn_of_slow_blas(const reel_tape *t)
{
    if (t->options.log && t->threads > 1 && reel__blas_parallel() == 1) {
        t->options.log(t->options.log_self, "reel: this OpenBLAS is the pthread flavour; its "
                                            "threads and OpenMP's get into each other's "
                                            "way. Install the OpenMP flavour (Debian: "
                                            "libopenblas0-openmp) or set OPENBLAS_NUM_THREADS=1.");
    }
}

reel_tape *reel_tape_new(reel_tape_options options)
{
    if ((options.dtype != REEL_F32 && options.dtype != REEL_F64) || options.threads < 0) {
        return NULL;
    }
    if (options.allocator.resize == NULL) {
        options.allocator.resize = reel__plain_resize;
    }
    reel_tape *t = options.allocator.resize(options.allocator.self, NULL, 0, sizeof *t);
    if (t == NULL) {
        return NULL;
    }
    memset(t, 0, sizeof *t);
    t->options = options;
    t->threads = options.threads ? options.threads : reel__max_threads();
    t->element = options.dtype == REEL_F64 ? sizeof(double) : sizeof(float);
    t->training = true;
    t->base = 1;
    t->recording = 1;
    if (!start_lists(t)) {
        reel_tape_free(t);
        return NULL;
    }
    reel__choose_passes(t);
    warn_of_slow_blas(t);
    return t;
}

static void drop_values(reel_tape *t)
{
    for (uint32_t i = 0; i < t->nodes.count; i++) {
        reel__drop_value(t, i);
    }
}

void reel_tape_free(reel_tape *t)
{
    if (t == NULL) {
        return;
    }
    for (reel__on_free *entry = t->on_free; entry; entry = entry->next) {
        entry->call(entry->self);
    }
    drop_values(t);
    reel__forget_plans(t);
    reel__forget_prepared(t);
    reel__pool_free(t);
    reel__list_free(t, &t->nodes, sizeof(reel__node));
    reel__list_free(t, &t->values, sizeof(reel__value));
    reel__list_free(t, &t->links, sizeof(uint32_t));
    reel__list_free(t, &t->shapes, sizeof(reel__shape_entry));
    reel__list_free(t, &t->shape_table, sizeof(uint32_t));
    reel__list_free(t, &t->marks, sizeof(reel__mark));
    reel__list_free(t, &t->files, sizeof(const char *));
    reel__list_free(t, &t->params, sizeof(reel__param));
    reel__list_free(t, &t->pending, sizeof(reel__pending));
    reel__list_free(t, &t->kept, sizeof(uint32_t));
    reel__list_free(t, &t->aliases, sizeof(uint32_t));
    reel__list_free(t, &t->order, sizeof(uint32_t));
    reel__list_free(t, &t->uses, sizeof(uint32_t));
    reel__list_free(t, &t->into, sizeof(uint32_t));
    reel__list_free(t, &t->placed, 2 * sizeof(uint32_t));
    reel__list_free(t, &t->chained, 2 * sizeof(uint32_t));
    reel__list_free(t, &t->joins, sizeof(uint32_t));
    reel__list_free(t, &t->redirect, sizeof(uint32_t));
    reel__list_free(t, &t->prepared, sizeof(reel__prepared));
    reel__arena_free(t, &t->recorded);
    reel__arena_free(t, &t->store);
    reel__resize(t, t->scratch, t->scratch_size, 0);
    reel__params_free(t);
    reel_allocator allocator = t->options.allocator;
    allocator.resize(allocator.self, t, sizeof *t, 0);
}

/* A program whose shapes change all the time would otherwise collect them for ever. */
#define MANY_SHAPES 4096

static void forget_shapes(reel_tape *t)
{
    if (t->shapes.count > MANY_SHAPES) {
        t->shapes.count = 0;
        reel__list_free(t, &t->shape_table, sizeof(uint32_t));
        reel__forget_plans(t); /* they name shapes by number */
    }
}

void reel_rewind(reel_tape *t)
{
    if (t == NULL) {
        return;
    }
    if (t->pending.count || t->deferred) {
        reel__flush(t);
    }
    drop_values(t);
    t->base += (uint32_t)t->nodes.count;
    if (t->base > REEL__MAX_NODES) {
        t->base = 1; /* after 2^30 nodes; a handle that old is no longer told apart */
    }
    t->nodes.count = t->values.count = t->links.count = 0;
    t->pending.count = t->kept.count = t->aliases.count = 0;
    t->marks.count = 1;
    t->mark = t->stamped = 0;
    reel__forget_site(t);
    t->hash = 0;
    t->retain = false;
    reel__forget_plan(t);
    t->redirect.count = 0;
    t->evaluated = false;
    t->plans_made = t->ghosts = 0;
    t->deferred = t->swept = NULL;
    t->hidden = t->written_at = 0;
    memset(&t->planned, 0, sizeof t->planned);
    t->recording++;
    reel__arena_reset(&t->recorded);
    forget_shapes(t);
    for (uint32_t i = 0; i < t->params.count; i++) {
        reel__record_param_node(t, i);
    }
    t->stamped = (uint32_t)t->nodes.count;
}

reel_tape_options reel_tape_options_of(const reel_tape *t)
{
    return t ? t->options : (reel_tape_options){ 0 };
}

size_t reel_node_count(const reel_tape *t)
{
    return t ? t->nodes.count - t->hidden + t->ghosts : 0;
}

uint64_t reel_structure_hash(const reel_tape *t)
{
    return t ? t->hash : 0;
}

reel_tape_statistics reel_tape_statistics_of(const reel_tape *t)
{
    return t ? t->statistics : (reel_tape_statistics){ 0 };
}

void reel_set_training(reel_tape *t, bool training)
{
    if (t) {
        t->training = training;
    }
}

bool reel_is_training(const reel_tape *t)
{
    return t && t->training;
}

/* ---- steps --------------------------------------------------------------------------------- */

void reel_step_begin(reel_tape *t, int64_t step)
{
    if (t == NULL || !reel__list_reserve(t, &t->marks, t->marks.count + 1, sizeof(reel__mark))) {
        return;
    }
    ((reel__mark *)t->marks.data)[t->marks.count] = (reel__mark){ .step = step, .parent = t->mark };
    t->mark = (uint32_t)t->marks.count++;
}

void reel_step_end(reel_tape *t)
{
    if (t && t->mark) {
        t->mark = ((reel__mark *)t->marks.data)[t->mark].parent;
    }
}

bool reel__tape_has_kinks(const reel_tape *t)
{
    for (uint32_t i = 0; i < t->nodes.count; i++) {
        const reel_op *op = reel__node_at(t, i)->op;
        if (op->kinked || (op->flat && op->kind != REEL_LEAF)) {
            return true;
        }
    }
    return false;
}

/* ---- the table of ops, made by the build ---------------------------------------------------- */

extern const reel_op *const reel__op_table[];

const reel_op *const *reel_ops(void)
{
    return reel__op_table;
}

const reel_op *reel_op_named(const char *name)
{
    for (const reel_op *const *op = reel__op_table; name && *op; op++) {
        if (strcmp((*op)->name, name) == 0) {
            return *op;
        }
    }
    return NULL;
}

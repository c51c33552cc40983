/* loop.c: runs a loop's program. It gathers what the program reads, takes memory for what it makes,
 * and lets each thread run all copies for its own rows; bound.c runs the copies. */
#include <string.h>

#include "loop.h"
#include "packed.h"
#include "strides.h"
#include "subnormal.h"
#include "tile.h"

static bool hold(reel__loop_run *r, reel__buffer *buffer)
{
    if (buffer) {
        r->held[r->held_count++] = buffer;
    }
    return buffer != NULL;
}

/* ---- inputs ------------------------------------------------------------------------------------ */

static bool gather_input(reel__loop_run *r, uint32_t i)
{
    reel_tape *t = r->e->t;
    uint32_t in = reel__input_of(r->e, reel__node_at(t, r->node), i);
    reel_tensor *x = &r->b.input[i];
    if (!reel__tensor_of(t, in, x)) {
        reel__fail_text(t, REEL_INTERNAL, "loop", "an input has no value");
        return false;
    }
    if (r->g->input_strided[i] || reel__contiguous(x->shape, x->stride)) {
        return true;
    }
    reel__buffer *packed;
    return reel__pack_operand(t, in, x, &packed) && hold(r, packed);
}

static void gather_tables(reel__loop_run *r)
{
    for (uint32_t k = 0; k < r->g->tables; k++) {
        for (int64_t e = 0; e < r->g->steps; e++) {
            r->b.table[k][e] = r->b.input[r->g->table[k].input[e]].data;
        }
    }
}

/* The weights of products: those in the parameters stay packed until these change. */
static bool pack_weight(reel__loop_run *r, uint32_t k)
{
    reel_tape *t = r->e->t;
    const reel__weight *w = &r->g->weight[k];
    const reel_tensor *x = &r->b.input[w->input];
    int64_t row = x->stride[w->transposed ? 1 : 0], column = x->stride[w->transposed ? 0 : 1];
    if (w->k == 0 || w->n == 0) {
        r->b.weight[k] = NULL;
        return true;
    }
    if (reel__looks_into_params(t, x->data) && !t->options.memory_limit) {
        r->b.weight[k] = reel__prepared_factor(t, x->data, w->k, w->n, row, column);
        return r->b.weight[k] != NULL;
    }
    reel__buffer *packed = reel__buffer_take(t, reel__packed_size(t->options.dtype, w->k, w->n));
    if (!hold(r, packed)) {
        return false;
    }
    reel__pack_factor(t->options.dtype, w->k, w->n, x->data, row, column,
                      reel__buffer_data(packed));
    r->b.weight[k] = reel__buffer_data(packed);
    return true;
}

/* ---- parts ------------------------------------------------------------------------------------- */

static void fill_lead(reel__loop_run *r, uint32_t k)
{
    const reel__part *part = &r->g->part[k];
    size_t bytes = (size_t)part->unit * r->b.element;
    for (uint32_t i = 0; i < part->lead; i++) {
        int64_t copy = part->ring ? (int64_t)(part->lead - 1 - i) : 0;
        int64_t at = part->ring ? copy * part->unit : part->first - (int64_t)(i + 1) * part->step;
        char *to = r->b.part[k] + at * (int64_t)r->b.element;
        if (part->initial[i] == REEL__ALL_ZEROS) {
            memset(to, 0, bytes);
        } else if (bytes) {
            memcpy(to, r->b.input[part->initial[i]].data, bytes);
        }
    }
}

void reel__loop_fill_leads(reel__loop_run *r)
{
    for (uint32_t k = 0; k < r->g->parts; k++) {
        fill_lead(r, k);
    }
}

static bool take_part(reel__loop_run *r, uint32_t k)
{
    const reel__part *part = &r->g->part[k];
    size_t bytes = (size_t)(part->unit * part->copies) * r->b.element;
    r->part_buffer[k] = reel__buffer_take(r->e->t, bytes);
    if (!hold(r, r->part_buffer[k])) {
        return false;
    }
    r->b.part[k] = reel__buffer_data(r->part_buffer[k]);
    return true;
}

void reel__loop_hand_out(reel__loop_run *r)
{
    reel_tape *t = r->e->t;
    const reel__loop_attributes *a = reel__node_at(t, r->node)->attributes;
    const uint32_t *nodes = a->range_nodes;
    for (uint32_t i = 0; i < r->g->ranges; i++) {
        uint32_t part = r->g->range[i].part;
        if (nodes[i] == REEL__NONE || r->e->uses[nodes[i]] == 0 ||
            reel__value_at(t, nodes[i])->data) {
            continue;
        }
        reel__value *value = reel__value_at(t, nodes[i]);
        int64_t offset = r->g->range[i].copy * r->g->part[part].unit;
        value->buffer = r->part_buffer[part];
        value->buffer->references++;
        value->data = r->b.part[part] + offset * (int64_t)r->b.element;
        value->stride = NULL;
    }
}

void reel__loop_take_back(reel__loop_run *r)
{
    reel_tape *t = r->e->t;
    const reel__loop_attributes *a = reel__node_at(t, r->node)->attributes;
    for (uint32_t i = 0; r->part_buffer && i < r->g->ranges; i++) {
        uint32_t node = a->range_nodes[i];
        reel__buffer *buffer = r->part_buffer[r->g->range[i].part];
        if (node != REEL__NONE && buffer && reel__value_at(t, node)->buffer == buffer) {
            reel__drop_value(t, node);
        }
    }
}

/* ---- the run ----------------------------------------------------------------------------------- */

/* One block for all lists of this run. */
static bool take_lists(reel__loop_run *r)
{
    const reel__program *g = r->g;
    size_t tables = g->tables * (sizeof(char **) + (size_t)g->steps * sizeof(char *));
    size_t sizes[] = { reel__aligned((g->inputs + 1) * sizeof *r->b.input),
                       reel__aligned(tables),
                       reel__aligned((g->parts + 1) * sizeof *r->b.part),
                       reel__aligned((g->weights + 1) * sizeof *r->b.weight),
                       reel__aligned((g->parts + 1) * sizeof *r->part_buffer),
                       (g->inputs + g->parts + g->weights + 3) * sizeof *r->held };
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        r->block_bytes += sizes[i];
    }
    char *at = r->block = reel__resize(r->e->t, NULL, 0, r->block_bytes);
    if (at == NULL) {
        return false;
    }
    memset(at, 0, r->block_bytes);
    r->b.input = (void *)at;
    r->b.table = (void *)(at += sizes[0]);
    r->b.part = (void *)(at += sizes[1]);
    r->b.weight = (void *)(at += sizes[2]);
    r->part_buffer = (void *)(at += sizes[3]);
    r->held = (void *)(at += sizes[4]);
    char **pointers = (char **)(void *)(r->b.table + g->tables);
    for (uint32_t k = 0; k < g->tables; k++) {
        r->b.table[k] = pointers + (size_t)k * (size_t)g->steps;
    }
    return true;
}

/* A thread costs a few microseconds. */
#define WORK_A_THREAD 200000.0

static int choose_team(const reel__loop_run *r)
{
    const reel__program *g = r->g;
    int64_t team = r->e->t->threads;
    if (!g->by_rows || g->work / (double)team < WORK_A_THREAD) {
        return 1;
    }
    return (int)(g->rows < team ? g->rows : team);
}

bool reel__loop_prepare(reel__loop_run *r)
{
    bool fine = take_lists(r);
    for (uint32_t i = 0; fine && i < r->g->inputs; i++) {
        fine = gather_input(r, i);
    }
    if (fine) {
        gather_tables(r);
    }
    for (uint32_t i = 0; fine && i < r->g->weights; i++) {
        fine = pack_weight(r, i);
    }
    for (uint32_t i = 0; fine && i < r->g->parts; i++) {
        fine = take_part(r, i);
    }
    return fine;
}

bool reel__loop_take_memory(reel__loop_run *r, int team)
{
    r->b.kernel_threads = team == 1 ? r->e->t->threads : 1;
    r->bytes = reel__bound_size(r->g, &r->b, team);
    return hold(r, reel__buffer_take(r->e->t, r->bytes * (size_t)team));
}

char *reel__loop_memory(const reel__loop_run *r)
{
    return reel__buffer_data(r->held[r->held_count - 1]);
}

bool reel__loop_report(const reel__loop_run *r, const reel__loop_error *first)
{
    if (first->copy == INT64_MAX) {
        return true;
    }
    reel__fail_node(r->e->t, first->node, REEL_BAD_INDEX, first->text);
    return false;
}

static bool run_team(reel__loop_run *r)
{
    int team = choose_team(r);
    reel__loop_error error[REEL__MOST_TEAM];
    if (!reel__loop_take_memory(r, team)) {
        return false;
    }
    char *base = reel__loop_memory(r);
    int64_t steps = r->g->steps;
    reel__loop_fill_leads(r);
    for (int i = 0; i < team; i++) {
        error[i].copy = INT64_MAX;
    }
    if (team == 1) {
        reel__run_bound(r->g, &r->b, (reel__share){ 0, 1, 0, steps }, base, &error[0]);
    } else {
        reel__float_mode mode = reel__float_mode_now();
#pragma omp parallel for num_threads(team) schedule(static)
        for (int i = 0; i < team; i++) {
            reel__float_mode own = reel__float_mode_use(mode);
            reel__run_bound(r->g, &r->b, (reel__share){ i, team, 0, steps },
                            base + r->bytes * (size_t)i, &error[i]);
            reel__float_mode_use(own);
        }
    }
    const reel__loop_error *first = &error[0];
    for (int i = 1; i < team; i++) {
        first = error[i].copy < first->copy ? &error[i] : first;
    }
    return reel__loop_report(r, first);
}

static void count_kernels(const reel__loop_run *r)
{
    for (uint32_t i = 0; i < r->g->instructions; i++) {
        const reel__instruction *n = &r->g->instruction[i];
        r->e->t->statistics.kernels += (uint64_t)(n->end - n->begin);
    }
}

reel__loop_run reel__loop_start(reel__execution *e, uint32_t index)
{
    const reel__loop_attributes *a = reel__node_at(e->t, index)->attributes;
    reel__loop_run r = { .e = e, .node = index, .g = a->program };
    r.b.t = e->t;
    r.b.element = e->t->element;
    return r;
}

void reel__loop_finish(reel__loop_run *r, bool fine)
{
    reel_tape *t = r->e->t;
    if (fine) {
        reel__loop_hand_out(r);
        count_kernels(r);
    }
    for (size_t i = 0; i < r->held_count; i++) {
        reel__buffer_release(t, r->held[i]);
    }
    if (r->block) {
        reel__resize(t, r->block, r->block_bytes, 0);
    }
}

bool reel__run_loop(reel__execution *e, uint32_t index)
{
    reel__loop_run r = reel__loop_start(e, index);
    bool fine = reel__loop_prepare(&r) && run_team(&r);
    reel__loop_finish(&r, fine);
    return fine;
}

/* ---- two loops side by side -------------------------------------------------------------------- */

/* A product of one copy is shared out by its columns, so that each thread finds its part of the weight
 * in its own cache in the next copy: more than two loops beside each other would gain. */
static bool has_large_product(const reel__loop_run *r)
{
    const reel__tile_kind *kind = reel__tile_kind_of(r->e->t->options.dtype);
    for (uint32_t i = 0; i < r->g->instructions; i++) {
        const reel__instruction *n = &r->g->instruction[i];
        if (n->kind == REEL__GEMM) {
            const reel__weight *w = &r->g->weight[n->weight];
            reel__gemm_call call = { .m = n->y.shape.dim[0] * reel__inner_rows(n),
                                     .n = w->n,
                                     .k = w->k };
            if (reel__areas_of(kind, &call, r->e->t->threads) > 1) {
                return true;
            }
        }
    }
    return false;
}

bool reel__leaves_threads_idle(reel__execution *e, uint32_t index)
{
    reel__loop_run r = reel__loop_start(e, index);
    return e->t->threads > 1 && r.g->work > WORK_A_THREAD && choose_team(&r) == 1 &&
           !has_large_product(&r);
}

bool reel__run_two_loops(reel__execution *e, const uint32_t index[2])
{
    reel__loop_run r[2] = { reel__loop_start(e, index[0]), reel__loop_start(e, index[1]) };
    reel__loop_error error[2] = { { .copy = INT64_MAX }, { .copy = INT64_MAX } };
    bool fine = true;
    for (int i = 0; fine && i < 2; i++) {
        fine = reel__loop_prepare(&r[i]) && reel__loop_take_memory(&r[i], 1);
        r[i].b.kernel_threads = 1;
    }
    if (fine) {
        e->t->statistics.pairs++;
        reel__float_mode mode = reel__float_mode_now();
#pragma omp parallel for num_threads(2) schedule(static)
        for (int i = 0; i < 2; i++) {
            reel__float_mode own = reel__float_mode_use(mode);
            reel__loop_fill_leads(&r[i]);
            reel__run_bound(r[i].g, &r[i].b, (reel__share){ 0, 1, 0, r[i].g->steps },
                            reel__loop_memory(&r[i]), &error[i]);
            reel__float_mode_use(own);
        }
        fine = reel__loop_report(&r[0], &error[0]) && reel__loop_report(&r[1], &error[1]);
    }
    for (int i = 0; i < 2; i++) {
        reel__loop_finish(&r[i], fine);
    }
    return fine;
}

/* explain.c: what reading a value will run, in words and figures. */
#include <inttypes.h>
#include <string.h>

#include "run/program.h"
#include "tape.h"

typedef struct {
    const reel_op *op;
    uint32_t forward, backward;
    double flops;
} op_count;

#define DISTINCT_OPS 256

typedef struct {
    op_count ops[DISTINCT_OPS];
    int distinct;
    uint32_t nodes, backward, leaves, views, held;
    double flops, bytes, parameter_bytes;
    int64_t first_step, last_step;
} summary;

static double flops_of(const reel_tape *t, const reel__node *node)
{
    const reel__shape_entry *y = reel__shape_at(t, node->shape);
    if (node->op->kind == REEL_LEAF || node->op->kind == REEL_VIEW) {
        return 0;
    }
    if (node->op->flops == NULL || node->inputs > 8) {
        return (double)y->size;
    }
    const reel_shape *x[8];
    for (uint32_t i = 0; i < node->inputs; i++) {
        x[i] = &reel__shape_entry_of(t, reel__inputs_of(t, node)[i])->shape;
    }
    return node->op->flops((int)node->inputs, x, &y->shape);
}

static op_count *count_of(summary *s, const reel_op *op)
{
    for (int i = 0; i < s->distinct; i++) {
        if (s->ops[i].op == op) {
            return &s->ops[i];
        }
    }
    if (s->distinct == DISTINCT_OPS) {
        return NULL;
    }
    s->ops[s->distinct] = (op_count){ .op = op };
    return &s->ops[s->distinct++];
}

static void add_step(summary *s, int64_t step)
{
    if (step >= 0) {
        s->first_step = s->first_step < 0 || step < s->first_step ? step : s->first_step;
        s->last_step = step > s->last_step ? step : s->last_step;
    }
}

static void add_node(summary *s, const reel_tape *t, uint32_t index)
{
    const reel__node *node = reel__node_at(t, index);
    double bytes = (double)reel__shape_at(t, node->shape)->size * (double)reel__element_of(t, node);
    if (node->op == &reel__param_op) {
        s->parameter_bytes += bytes;
    }
    if (node->op->kind == REEL_LEAF) {
        s->leaves++;
        return;
    }
    bool backward = node->flags & REEL__BACKWARD;
    double flops = flops_of(t, node);
    s->nodes++;
    s->backward += backward;
    s->views += node->op->kind == REEL_VIEW;
    s->held += reel__value_at(t, index)->data != NULL;
    s->flops += flops;
    s->bytes += node->op->kind == REEL_VIEW ? 0 : bytes;
    add_step(s, ((const reel__mark *)t->marks.data)[node->mark].step);
    op_count *count = count_of(s, node->op);
    if (count) {
        count->forward += !backward;
        count->backward += backward;
        count->flops += flops;
    }
}

static void sort_by_flops(summary *s)
{
    for (int i = 1; i < s->distinct; i++) {
        op_count moved = s->ops[i];
        int j = i;
        for (; j > 0 && s->ops[j - 1].flops < moved.flops; j--) {
            s->ops[j] = s->ops[j - 1];
        }
        s->ops[j] = moved;
    }
}

static uint32_t count_kind(const reel__program *g, reel__instruction_kind kind)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < g->instructions; i++) {
        n += g->instruction[i].kind == kind;
    }
    return n;
}

static double stack_bytes(const reel_tape *t, const reel__program *g)
{
    double bytes = 0;
    for (uint32_t i = 0; i < g->parts; i++) {
        bytes += (double)(g->part[i].unit * g->part[i].copies) * (double)t->element;
    }
    return bytes;
}

static void print_rows(const reel__program *g, FILE *out)
{
    if (g->by_rows) {
        fprintf(out, "each thread takes its own of %" PRId64 " rows", g->rows);
    } else if (g->mixes_rows) {
        fprintf(out, "on one thread, since %s mixes the rows of the batch", g->mixes_rows->name);
    } else {
        fprintf(out, "on one thread, since there are no rows to share out");
    }
}

static void print_program(const reel_tape *t, const reel__program *g, FILE *out)
{
    fprintf(out, "  loop of %" PRId64 " steps: %u products, %u element-wise calls, ", g->steps,
            count_kind(g, REEL__GEMM), count_kind(g, REEL__TILE));
    fprintf(out, "%u other kernels, %u copies, in %u groups that stay in cache; ",
            count_kind(g, REEL__KERNEL), count_kind(g, REEL__COPY), g->groups);
    print_rows(g, out);
    fprintf(out, "; stacks of %.4g MiB\n", stack_bytes(t, g) / 1048576);
}

static void print_programs(const reel_tape *t, FILE *out)
{
    size_t beside = 0;
    for (size_t i = 0; t->plan && i < t->plan->order_count; i++) {
        const reel__node *node = reel__node_at(t, t->plan->order[i]);
        if (node->op == &reel__loop_op) {
            const reel__loop_attributes *a = node->attributes;
            print_program(t, a->program, out);
        } else {
            beside += node->op->kind != REEL_VIEW && node->op != &reel__part_op;
        }
    }
    fprintf(out, "%zu nodes run beside the loops\n", beside);
}

static void print_obstacles(const reel__plan_counts *counts, FILE *out)
{
    if (counts->dissolved) {
        fprintf(out,
                "%u repetitions are no loops: steps that read each other, directly or through "
                "nodes outside, in an order that no rule describes\n",
                counts->dissolved);
    }
    if (counts->banned) {
        fprintf(out, "%u loops run node by node: the last one because of %s\n", counts->banned,
                counts->banned_by);
    }
}

static void print_plan(const reel_tape *t, FILE *out)
{
    const reel__plan_counts *counts = &t->planned;
    if (t->options.eager) {
        fprintf(out, "eager: every node ran when it was recorded\n");
    } else if (t->passes_off & 1u) {
        fprintf(out, "the pass roll is off: runs node by node in recording order\n");
    } else if (counts->loops == 0) {
        fprintf(out, "no loop found: runs node by node in recording order\n");
    } else {
        fprintf(
            out,
            "%u loops found, %u copies of their bodies in all\n"
            "  %u products merged with others that share a factor\n"
            "  %u products split where only a part depends on carried values\n"
            "  %u products hoisted out of a loop, to run over all its steps at once\n"
            "  %u sums carried through a loop sunk into one product or sum over all its steps\n",
            counts->loops, counts->copies, counts->merged, counts->split, counts->hoisted,
            counts->sunk);
        print_programs(t, out);
    }
    print_obstacles(counts, out);
    fprintf(out, "buffers are reused after their last reader; joins along the first axis are "
                 "written in place\n");
}

static void print_summary(const summary *s, FILE *out)
{
    fprintf(out, "%u nodes to run (%u of them backward, %u views that move no data), %u leaves\n",
            s->nodes, s->backward, s->views, s->leaves);
    if (s->held) {
        fprintf(out, "%u of them hold their value already\n", s->held);
    }
    if (s->last_step >= 0) {
        fprintf(out, "time steps %" PRId64 " to %" PRId64 "\n", s->first_step, s->last_step);
    }
    fprintf(out, "%.4g Mflop; results of %.4g MiB in all, parameters %.4g MiB\n", s->flops / 1e6,
            s->bytes / 1048576, s->parameter_bytes / 1048576);
    fprintf(out, "%-20s %10s %10s %12s\n", "op", "forward", "backward", "Mflop");
    for (int i = 0; i < s->distinct; i++) {
        fprintf(out, "%-20s %10u %10u %12.4g\n", s->ops[i].op->name, s->ops[i].forward,
                s->ops[i].backward, s->ops[i].flops / 1e6);
    }
}

void reel_explain(reel_var v, FILE *out)
{
    reel_tape *t = v.tape;
    uint32_t index;
    uint8_t *needed;
    if (t == NULL || out == NULL || !reel__resolve(t, v, "explain", &index) ||
        !reel__ancestors(t, index, true, &needed)) {
        return;
    }
    summary s = { .first_step = -1, .last_step = -1 };
    size_t nodes = t->nodes.count;
    for (uint32_t i = 0; i < nodes; i++) {
        if (needed[i]) {
            add_node(&s, t, i);
        }
    }
    sort_by_flops(&s);
    reel__make_plan(t, 1, &index);
    print_plan(t, out);
    print_summary(&s, out);
    reel__take_plan_back(t);
    reel__resize(t, needed, nodes, 0);
}

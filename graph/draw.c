/* draw.c: the graph as Graphviz DOT: `dot -Tsvg`. Parameters are boxes, data is an ellipse
 * without fill, what the reverse sweep recorded is shaded, time steps are clusters. Folded, steps
 * that repeat one body are drawn once, and an edge from the step before is dashed. */
#include <inttypes.h>
#include <string.h>

#include "tape.h"

static int64_t step_of(const reel_tape *t, uint32_t index)
{
    return ((const reel__mark *)t->marks.data)[reel__node_at(t, index)->mark].step;
}

static void quote(const char *text, FILE *out)
{
    for (; *text; text++) {
        if (*text == '"' || *text == '\\') {
            fputc('\\', out);
        }
        fputc(*text, out);
    }
}

static void draw_node(const reel_tape *t, uint32_t index, FILE *out)
{
    const reel__node *node = reel__node_at(t, index);
    const char *style =
        node->op->kind == REEL_VIEW    ? "shape=plaintext"
        : node->flags & REEL__BACKWARD ? "shape=ellipse style=filled fillcolor=\"#f3dfc8\""
        : node->op->kind == REEL_LEAF  ? "shape=ellipse"
                                       : "shape=ellipse style=filled fillcolor=\"#d8e6f2\"";
    fprintf(out, "  n%u [", index);
    if (node->op == &reel__param_op) {
        fprintf(out, "shape=box style=filled fillcolor=\"#d9ead3\" label=\"");
        quote(reel__param_entry(t, reel__param_of(node))->name, out);
        fprintf(out, "\\n%s\"];\n", REEL_SHAPE_TEXT(reel__shape_at(t, node->shape)->shape));
        return;
    }
    fprintf(out, "%s label=\"", style);
    quote(node->op->name, out);
    fprintf(out, "\"];\n");
}

static void draw_edge(const reel_tape *t, uint32_t from, uint32_t to, bool carried, FILE *out)
{
    const reel__node *x = reel__node_at(t, from);
    fprintf(out, "  n%u -> n%u [", from, to);
    if (x->op != &reel__param_op) {
        fprintf(out, "label=\"%s\"", REEL_SHAPE_TEXT(reel__shape_at(t, x->shape)->shape));
    }
    fprintf(out, "%s];\n", carried ? " style=dashed constraint=false color=\"#aa3333\"" : "");
}

/* Nodes of one step are neighbours in recording order, except for what the reverse sweep adds
 * later. */
static void draw_nodes(const reel_tape *t, uint32_t last, const uint8_t *needed, FILE *out)
{
    int64_t open = -1;
    unsigned clusters = 0;
    for (uint32_t i = 0; i <= last; i++) {
        if (!needed[i]) {
            continue;
        }
        int64_t step = step_of(t, i);
        if (step != open) {
            fprintf(out, "%s", open >= 0 ? "  }\n" : "");
            if (step >= 0) {
                fprintf(out,
                        "  subgraph cluster_%u { label=\"step %" PRId64 "\"; color=\"#999999\";\n",
                        clusters++, step);
            }
            open = step;
        }
        draw_node(t, i, out);
    }
    fprintf(out, "%s", open >= 0 ? "  }\n" : "");
}

/* ---- folding --------------------------------------------------------------------------------- */

/* The nodes of one time step, of the forward or of the reverse sweep. */
typedef struct {
    uint64_t body; /* hash of the ops and shapes in recording order; 0: no nodes */
    uint32_t first, last, count;
    uint32_t loop; /* consecutive steps under one parent */
    uint32_t stands_for, copies;
    bool second; /* of those drawn as one: what it reads of the first is what all read */
} step_part;

typedef struct {
    const reel_tape *t;
    const uint8_t *needed;
    const reel__painter *painter;
    size_t nodes, parts;
    step_part *part;  /* two for each mark: forward, backward */
    uint32_t *drawn;  /* the node drawn in a node's place */
    uint32_t *before; /* the needed node before it of the same part, plus 1 */
    uint32_t *edge;   /* the node that drew an edge from it last, plus 1 */
} folding;

static step_part *part_of(const folding *f, uint32_t node)
{
    const reel__node *n = reel__node_at(f->t, node);
    return n->mark ? &f->part[2 * n->mark + (n->flags & REEL__BACKWARD ? 1 : 0)] : NULL;
}

static void add_to_parts(folding *f)
{
    for (uint32_t i = 0; i < f->nodes; i++) {
        step_part *part = f->needed[i] ? part_of(f, i) : NULL;
        f->drawn[i] = i;
        if (part) {
            const reel__node *node = reel__node_at(f->t, i);
            f->before[i] = part->count ? part->last + 1 : 0;
            part->first = part->count ? part->first : i;
            part->last = i;
            part->count++;
            part->body = reel__mix(reel__mix(part->body, (uintptr_t)node->op), node->shape) | 1;
        }
    }
}

/* A mark follows another of its loop when its step is the next one, up or down. */
static void find_loops(folding *f)
{
    const reel__mark *marks = f->t->marks.data;
    for (uint32_t m = 1, latest = 0; m < f->parts / 2; m++) {
        int64_t away = latest ? marks[m].step - marks[latest].step : 0;
        bool goes_on =
            latest && marks[m].parent == marks[latest].parent && (away == 1 || away == -1);
        f->part[2 * m].loop = f->part[2 * m + 1].loop = goes_on ? f->part[2 * latest].loop : 2 * m;
        latest = m;
    }
}

/* A step is drawn by an earlier one of the same body, if one of the few before it in its loop has
 * it. */
#define LOOK_BACK 8
static void choose_bodies(folding *f)
{
    for (size_t i = 2; i < f->parts; i++) {
        step_part *part = &f->part[i];
        part->stands_for = (uint32_t)i;
        part->copies = 1;
        for (size_t k = i - 2;
             part->count && k >= 2 && i - k <= 2 * LOOK_BACK && f->part[k].loop == part->loop;
             k -= 2) {
            if (f->part[k].body == part->body && f->part[k].count == part->count) {
                part->stands_for = f->part[k].stands_for;
                part->second = f->part[part->stands_for].copies++ == 1;
                break;
            }
        }
    }
}

/* Position by position, from the last node of a step to its first. */
static void fold_steps(folding *f)
{
    for (size_t i = 2; i < f->parts; i++) {
        const step_part *part = &f->part[i], *body = &f->part[part->stands_for];
        uint32_t from = part->last + 1, to = body->last + 1;
        for (uint32_t n = part->count; body != part && n > 0; n--) {
            f->drawn[from - 1] = to - 1;
            from = f->before[from - 1];
            to = f->before[to - 1];
        }
    }
}

/* What a loop's gradient reads, a slice for each step, was recorded outside of all steps: it goes
 * where its reader goes. Readers stand behind it. */
static void fold_slices(folding *f)
{
    for (uint32_t i = (uint32_t)f->nodes; i-- > 0;) {
        const reel__node *own = reel__node_at(f->t, i), *body = reel__node_at(f->t, f->drawn[i]);
        const uint32_t *in = reel__inputs_of(f->t, own), *of = reel__inputs_of(f->t, body);
        for (uint32_t k = 0; f->needed[i] && own != body && k < own->inputs && k < body->inputs;
             k++) {
            const reel__node *x = reel__node_at(f->t, in[k]), *y = reel__node_at(f->t, of[k]);
            bool alike = x->op == y->op && x->shape == y->shape && x->mark == 0 && y->mark == 0;
            if (alike && x->op != &reel__param_op &&
                (x->op->kind == REEL_VIEW || x->op->kind == REEL_LEAF)) {
                f->drawn[in[k]] = f->drawn[of[k]];
            }
        }
    }
}

static void draw_folded_nodes(const folding *f)
{
    const reel__painter *p = f->painter;
    for (uint32_t i = 0; i < f->nodes; i++) {
        if (f->needed[i] && part_of(f, i) == NULL && f->drawn[i] == i) {
            p->node(p->self, f->t, i);
        }
    }
    for (size_t k = 2; k < f->parts; k++) {
        const step_part *part = &f->part[k];
        if (part->count == 0 || part->stands_for != k) {
            continue;
        }
        p->body_begin(p->self, (uint32_t)k, step_of(f->t, part->first), part->copies);
        for (uint32_t i = part->first; i <= part->last; i++) {
            if (f->needed[i] && part_of(f, i) == part) {
                p->node(p->self, f->t, i);
            }
        }
        p->body_end(p->self);
    }
}

/* Within a loop, from another step; of many edges between the same two one is drawn. */
static void draw_folded_edges(folding *f)
{
    const reel__painter *p = f->painter;
    for (uint32_t i = 0; i < f->nodes; i++) {
        const reel__node *node = reel__node_at(f->t, i);
        const uint32_t *in = reel__inputs_of(f->t, node);
        for (uint32_t k = 0; f->needed[i] && k < node->inputs; k++) {
            const step_part *own = part_of(f, i), *other = part_of(f, in[k]);
            bool carried =
                own && other && own->second && own != other && own->stands_for == other->stands_for;
            uint32_t from = f->drawn[in[k]], to = f->drawn[i];
            if ((f->drawn[i] == i || carried) && f->edge[from] != to + 1) {
                f->edge[from] = to + 1;
                p->edge(p->self, f->t, from, to, carried);
            }
        }
    }
}

static void draw_folding(folding *f)
{
    add_to_parts(f);
    find_loops(f);
    choose_bodies(f);
    fold_steps(f);
    fold_slices(f);
    draw_folded_nodes(f);
    draw_folded_edges(f);
}

/* Two lists as long as the tape, and the parts of each mark, in one block. */
static bool draw_all_folded(reel_tape *t, const uint8_t *needed, const reel__painter *painter)
{
    folding f = { .t = t,
                  .needed = needed,
                  .painter = painter,
                  .nodes = t->nodes.count,
                  .parts = 2 * t->marks.count };
    size_t bytes = f.parts * sizeof *f.part + 3 * f.nodes * sizeof *f.drawn + 1;
    f.part = reel__resize(t, NULL, 0, bytes);
    if (f.part) {
        memset(f.part, 0, bytes);
        f.drawn = (uint32_t *)(void *)(f.part + f.parts);
        f.before = f.drawn + f.nodes;
        f.edge = f.before + f.nodes;
        draw_folding(&f);
        reel__resize(t, f.part, bytes, 0);
    }
    return f.part != NULL;
}

bool reel__paint_folded(reel_var v, const char *who, const reel__painter *painter)
{
    uint32_t index;
    uint8_t *needed;
    if (v.tape == NULL || !reel__resolve(v.tape, v, who, &index) ||
        !reel__ancestors(v.tape, index, false, &needed)) {
        return false;
    }
    bool good = draw_all_folded(v.tape, needed, painter);
    reel__resize(v.tape, needed, v.tape->nodes.count, 0);
    return good;
}

/* ---- folded, as DOT --------------------------------------------------------------------------- */

static void dot_node(void *out, const reel_tape *t, uint32_t node)
{
    draw_node(t, node, out);
}

static void dot_edge(void *out, const reel_tape *t, uint32_t from, uint32_t to, bool carried)
{
    draw_edge(t, from, to, carried, out);
}

static void dot_body_begin(void *out, uint32_t number, int64_t step, uint32_t copies)
{
    fprintf(out, "  subgraph cluster_%u { color=\"#999999\"; label=\"", number);
    if (copies > 1) {
        fprintf(out, "%u steps\";\n", copies);
    } else {
        fprintf(out, "step %" PRId64 "\";\n", step);
    }
}

static void dot_body_end(void *out)
{
    fprintf(out, "  }\n");
}

static void draw_folded(reel_tape *t, const uint8_t *needed, FILE *out)
{
    const reel__painter dot = { out, dot_node, dot_edge, dot_body_begin, dot_body_end };
    draw_all_folded(t, needed, &dot);
}

/* ---- drawing --------------------------------------------------------------------------------- */

static void draw_unfolded(const reel_tape *t, uint32_t last, const uint8_t *needed, FILE *out)
{
    draw_nodes(t, last, needed, out);
    for (uint32_t i = 0; i <= last; i++) {
        const reel__node *node = reel__node_at(t, i);
        const uint32_t *in = reel__inputs_of(t, node);
        for (uint32_t k = 0; needed[i] && k < node->inputs; k++) {
            draw_edge(t, in[k], i, false, out);
        }
    }
}

static void draw(reel_var v, const char *who, bool folded, FILE *out)
{
    reel_tape *t = v.tape;
    uint32_t index;
    uint8_t *needed;
    if (t == NULL || out == NULL || !reel__resolve(t, v, who, &index) ||
        !reel__ancestors(t, index, false, &needed)) {
        return;
    }
    fprintf(out, "digraph reel {\n  rankdir=BT;\n  node [fontname=\"Helvetica\" fontsize=11];\n"
                 "  edge [fontname=\"Helvetica\" fontsize=9 color=\"#555555\"];\n");
    if (folded) {
        draw_folded(t, needed, out);
    } else {
        draw_unfolded(t, index, needed, out);
    }
    fprintf(out, "}\n");
    reel__resize(t, needed, t->nodes.count, 0);
}

void reel_draw(reel_var v, FILE *out)
{
    draw(v, "draw", false, out);
}

void reel_draw_folded(reel_var v, FILE *out)
{
    draw(v, "draw_folded", true, out);
}

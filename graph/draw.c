/* draw.c: the graph as Graphviz DOT: `dot -Tsvg`. Parameters are boxes, data is an ellipse
 * without fill, what the reverse sweep recorded is shaded, time steps are clusters. */
#include <inttypes.h>

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

static void draw_edges(const reel_tape *t, uint32_t index, FILE *out)
{
    const reel__node *node = reel__node_at(t, index);
    const uint32_t *in = reel__inputs_of(t, node);
    for (uint32_t i = 0; i < node->inputs; i++) {
        const reel__node *x = reel__node_at(t, in[i]);
        fprintf(out, "  n%u -> n%u", in[i], index);
        if (x->op != &reel__param_op) {
            fprintf(out, " [label=\"%s\"]", REEL_SHAPE_TEXT(reel__shape_at(t, x->shape)->shape));
        }
        fprintf(out, ";\n");
    }
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

void reel_draw(reel_var v, FILE *out)
{
    reel_tape *t = v.tape;
    uint32_t index;
    uint8_t *needed;
    if (t == NULL || out == NULL || !reel__resolve(t, v, "draw", &index) ||
        !reel__ancestors(t, index, false, &needed)) {
        return;
    }
    fprintf(out, "digraph reel {\n  rankdir=BT;\n  node [fontname=\"Helvetica\" fontsize=11];\n"
                 "  edge [fontname=\"Helvetica\" fontsize=9 color=\"#555555\"];\n");
    draw_nodes(t, index, needed, out);
    for (uint32_t i = 0; i <= index; i++) {
        if (needed[i]) {
            draw_edges(t, i, out);
        }
    }
    fprintf(out, "}\n");
    reel__resize(t, needed, t->nodes.count, 0);
}

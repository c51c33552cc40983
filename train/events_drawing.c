/* events_drawing.c: what was recorded as a graph for TensorBoard, time steps folded. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "events.h"

/* A node; its text is "^NAME", as an input that is no data, or from the second letter on its name. */
typedef struct {
    char text[120];
    uint32_t node;
} entry;

typedef struct {
    uint32_t from, to; /* nodes */
    bool carried;
} edge;

typedef struct {
    reel_tape *tape;
    char scope[48]; /* of the body in progress: "12_steps_4/" */
    reel__list entries, edges;
    reel__list place; /* uint32_t: of a node, where its entry is, plus 1 */
    bool failed;
} drawing;

static bool reserve(drawing *d, reel__list *list, size_t count, size_t element)
{
    d->failed = d->failed || !reel__list_reserve_zeroed(d->tape, list, count, element);
    return !d->failed;
}

/* Parameters keep their names: what trains is what one looks for. */
static void add_node(void *self, const reel_tape *t, uint32_t node)
{
    drawing *d = self;
    if (!reserve(d, &d->entries, d->entries.count + 1, sizeof(entry)) ||
        !reserve(d, &d->place, t->nodes.count, sizeof(uint32_t))) {
        return;
    }
    entry *e = (entry *)d->entries.data + d->entries.count++;
    const reel__node *n = reel__node_at(t, node);
    e->node = node;
    if (n->op == &reel__param_op) {
        snprintf(e->text, sizeof e->text, "^%.100s", reel__param_entry(t, reel__param_of(n))->name);
    } else {
        snprintf(e->text, sizeof e->text, "^%s%.40s_%u", d->scope, n->op->name, node);
    }
    ((uint32_t *)d->place.data)[node] = (uint32_t)d->entries.count;
}

static void add_edge(void *self, const reel_tape *t, uint32_t from, uint32_t to, bool carried)
{
    drawing *d = self;
    (void)t;
    if (reserve(d, &d->edges, d->edges.count + 1, sizeof(edge))) {
        ((edge *)d->edges.data)[d->edges.count++] = (edge){ from, to, carried };
    }
}

static void begin_body(void *self, uint32_t number, int64_t step, uint32_t copies)
{
    drawing *d = self;
    if (copies > 1) {
        snprintf(d->scope, sizeof d->scope, "%u_steps_%u/", copies, number);
    } else {
        snprintf(d->scope, sizeof d->scope, "step_%" PRId64 "_%u/", step, number);
    }
}

static void end_body(void *self)
{
    ((drawing *)self)->scope[0] = '\0';
}

/* ---- writing ------------------------------------------------------------------------------- */

static int by_reader(const void *a, const void *b)
{
    const edge *x = a, *y = b;
    return (x->to > y->to) - (x->to < y->to);
}

static const entry *entry_of(const drawing *d, uint32_t node)
{
    const uint32_t *place = d->place.data;
    bool drawn = node < d->place.capacity && place[node] > 0;
    return drawn ? (const entry *)d->entries.data + place[node] - 1 : NULL;
}

/* What each node reads, edges being in the order of those who read; what comes from the step before
 * is no data of this one. */
static void fill_inputs(const drawing *d, reel__event_node *nodes, const char **input)
{
    const edge *edges = d->edges.data;
    size_t at = 0, used = 0;
    while (at < d->edges.count) {
        const entry *reader = entry_of(d, edges[at].to);
        reel__event_node *node = reader ? nodes + (reader - (const entry *)d->entries.data) : NULL;
        size_t end = at, first = used;
        for (; end < d->edges.count && edges[end].to == edges[at].to; end++) {
            const entry *from = entry_of(d, edges[end].from);
            if (node && from) {
                input[used++] = from->text + (edges[end].carried ? 0 : 1);
            }
        }
        if (node) {
            node->input = input + first;
            node->inputs = (int)(used - first);
        }
        at = end;
    }
}

static bool write_nodes(reel__events *e, drawing *d, reel__event_node *nodes, const char **input)
{
    for (size_t i = 0; i < d->entries.count; i++) {
        const entry *from = (const entry *)d->entries.data + i;
        const reel__node *node = reel__node_at(d->tape, from->node);
        nodes[i] = (reel__event_node){ .name = from->text + 1,
                                       .op = node->op->name,
                                       .shape = &reel__shape_at(d->tape, node->shape)->shape };
    }
    if (d->edges.count > 0) {
        qsort(d->edges.data, d->edges.count, sizeof(edge), by_reader);
    }
    fill_inputs(d, nodes, input);
    return reel__events_graph(e, (int)d->entries.count, nodes);
}

static bool write_drawing(reel__events *e, drawing *d)
{
    size_t room = d->entries.count * sizeof(reel__event_node),
           list = d->edges.count * sizeof(char *);
    reel__event_node *nodes = reel__resize(d->tape, NULL, 0, room + list + 1);
    bool good = nodes && d->entries.count > 0 &&
                write_nodes(e, d, nodes, (const char **)(void *)(nodes + d->entries.count));
    reel__resize(d->tape, nodes, nodes ? room + list + 1 : 0, 0);
    return good;
}

bool reel__events_drawing(reel__events *e, reel_var v)
{
    drawing d = { .tape = v.tape };
    const reel__painter painter = { &d, add_node, add_edge, begin_body, end_body };
    bool good = reel__paint_folded(v, "tensorboard", &painter) && !d.failed && write_drawing(e, &d);
    reel__list_free(d.tape, &d.entries, sizeof(entry));
    reel__list_free(d.tape, &d.edges, sizeof(edge));
    reel__list_free(d.tape, &d.place, sizeof(uint32_t));
    return good;
}

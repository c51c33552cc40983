/* onnx_model.c: loads an ONNX model and checks that it can be run. */
#include "onnx.h"

#include "../graph/op.h"

static const char loads[] = "onnx_load";

#ifdef REEL_HAVE_PROTOBUF_C
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "onnx_model.h"

typedef reel__onnx_slot slot;

static bool reject(reel_onnx *m, reel_status status, const char *format, ...) REEL_PRINTF(3, 4);
static bool reject(reel_onnx *m, reel_status status, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    reel_fail(m->tape, status, loads, "%s", text);
    return false;
}

static const char *text_or(const char *text, const char *otherwise)
{
    return text && text[0] ? text : otherwise;
}

/* ---- names ----------------------------------------------------------------------------------- */

static slot *slot_of(const reel__onnx_scope *s, const char *name)
{
    uint64_t hash = 0;
    for (const char *c = name; *c; c++) {
        hash = reel__mix(hash, (unsigned char)*c);
    }
    uint32_t at = (uint32_t)hash & (s->slots - 1);
    while (s->slot[at].name && strcmp(s->slot[at].name, name) != 0) {
        at = (at + 1) & (s->slots - 1);
    }
    return &s->slot[at];
}

/* In this scope or one around it; NULL when nobody knows it. */
static slot *find_slot(const reel__onnx_scope *s, const char *name)
{
    for (; s; s = s->outer) {
        slot *found = slot_of(s, name);
        if (found->name) {
            return found;
        }
    }
    return NULL;
}

reel__onnx_value *reel__onnx_find(reel__onnx_scope *s, const char *name)
{
    slot *found = find_slot(s, name);
    return found ? &found->value : NULL;
}

void reel__onnx_set(reel__onnx_scope *s, const char *name, reel__onnx_value value)
{
    slot *found = slot_of(s, name);
    found->value = value;
}

static bool make_slots(reel_onnx *m, reel__onnx_scope *s)
{
    const Onnx__GraphProto *g = s->graph;
    size_t names = g->n_input + g->n_initializer;
    for (size_t i = 0; i < g->n_node; i++) {
        names += g->node[i]->n_output;
    }
    if (names > REEL__MAX_NODES) {
        return reject(m, REEL_BAD_FILE, "the graph has %zu names", names);
    }
    s->slots = 8;
    while (s->slots < 2 * names + 1) {
        s->slots *= 2;
    }
    s->slot = reel__arena_take(m->tape, &m->arena, s->slots * sizeof *s->slot);
    s->order = reel__arena_take(m->tape, &m->arena, (g->n_node + 1) * sizeof *s->order);
    if (s->slot == NULL || s->order == NULL) {
        return false;
    }
    memset(s->slot, 0, s->slots * sizeof *s->slot);
    return true;
}

static bool add_name(reel_onnx *m, reel__onnx_scope *s, const char *name, slot **made)
{
    if (name == NULL || name[0] == '\0') {
        return reject(m, REEL_BAD_FILE, "an input or initialiser has no name");
    }
    *made = slot_of(s, name);
    if ((*made)->name) {
        return reject(m, REEL_BAD_FILE, "\"%s\" is defined twice", name);
    }
    (*made)->name = name;
    return true;
}

static bool add_names(reel_onnx *m, reel__onnx_scope *s)
{
    const Onnx__GraphProto *g = s->graph;
    slot *made;
    for (size_t i = 0; i < g->n_initializer; i++) {
        if (!add_name(m, s, g->initializer[i]->name, &made)) {
            return false;
        }
        made->data = g->initializer[i];
        made->lasts = true;
    }
    for (size_t i = 0; i < g->n_input; i++) { /* an initialiser may be listed as an input, too */
        const char *name = text_or(g->input[i]->name, "");
        slot *known = slot_of(s, name);
        if (!(known->name && known->lasts) && !add_name(m, s, name, &made)) {
            return false;
        }
    }
    for (size_t i = 0; i < g->n_node; i++) {
        for (size_t k = 0; k < g->node[i]->n_output; k++) {
            const char *name = g->node[i]->output[k];
            if (name && name[0] == '\0') {
                continue; /* an output that nobody wants */
            }
            if (!add_name(m, s, name, &made)) {
                return false;
            }
            made->producer = (uint32_t)i + 1;
        }
    }
    return true;
}

/* ---- the order of the nodes ------------------------------------------------------------------ */

enum { NEW, OPEN, DONE };

typedef struct {
    uint32_t node, input;
} visit;

static const char *title(const Onnx__NodeProto *node)
{
    return text_or(node->name, node->n_output ? text_or(node->output[0], "?") : "?");
}

/* The next node that has to come before `top`; false after an error. */
static bool next_before(reel_onnx *m, const reel__onnx_scope *s, visit *top, const uint8_t *state,
                        uint32_t *next)
{
    const Onnx__NodeProto *node = s->graph->node[top->node];
    for (*next = REEL__NONE; *next == REEL__NONE && top->input < node->n_input; top->input++) {
        const char *name = text_or(node->input[top->input], "");
        slot *own = name[0] ? slot_of(s, name) : NULL, *known = own;
        if (own && own->name == NULL && (known = find_slot(s->outer, name)) == NULL) {
            return reject(m, REEL_BAD_FILE, "%s \"%s\" reads \"%s\", which nothing produces",
                          text_or(node->op_type, "a node"), title(node), name);
        }
        if (own == NULL || known != own || own->producer == 0) {
            continue;
        }
        uint32_t producer = own->producer - 1;
        if (state[producer] == OPEN) {
            return reject(m, REEL_BAD_FILE, "%s \"%s\" depends on itself",
                          text_or(node->op_type, "a node"), title(node));
        }
        *next = state[producer] == NEW ? producer : REEL__NONE;
    }
    return true;
}

static bool visit_from(reel_onnx *m, reel__onnx_scope *s, uint32_t root, visit *stack,
                       uint8_t *state, uint32_t *ordered)
{
    size_t depth = 0;
    stack[depth++] = (visit){ root, 0 };
    state[root] = OPEN;
    while (depth > 0) {
        visit *top = &stack[depth - 1];
        uint32_t next;
        if (!next_before(m, s, top, state, &next)) {
            return false;
        }
        if (next == REEL__NONE) {
            state[top->node] = DONE;
            s->order[(*ordered)++] = top->node;
            depth--;
        } else {
            state[next] = OPEN;
            stack[depth++] = (visit){ next, 0 };
        }
    }
    return true;
}

static bool order_nodes(reel_onnx *m, reel__onnx_scope *s)
{
    size_t n = s->graph->n_node;
    uint32_t ordered = 0;
    visit *stack = reel__arena_take(m->tape, &m->arena, (n + 1) * sizeof *stack);
    uint8_t *state = reel__arena_take(m->tape, &m->arena, n + 1);
    if (stack == NULL || state == NULL) {
        return false;
    }
    memset(state, NEW, n);
    for (size_t i = 0; i < n; i++) {
        if (state[i] == NEW && !visit_from(m, s, (uint32_t)i, stack, state, &ordered)) {
            return false;
        }
    }
    return true;
}

/* ---- checking -------------------------------------------------------------------------------- */

static bool check_scope(reel_onnx *m, reel__onnx_scope *s);

static bool check_bodies(reel_onnx *m, reel__onnx_scope *s, const Onnx__NodeProto *node)
{
    for (size_t i = 0; i < node->n_attribute; i++) {
        if (node->attribute[i]->g == NULL) {
            continue;
        }
        reel__onnx_scope *body = reel__arena_take(m->tape, &m->arena, sizeof *body);
        if (body == NULL) {
            return false;
        }
        *body = (reel__onnx_scope){ .outer = s, .next = m->bodies, .graph = node->attribute[i]->g };
        m->bodies = body;
        if (!check_scope(m, body)) {
            return false;
        }
    }
    return true;
}

static bool check_nodes(reel_onnx *m, reel__onnx_scope *s)
{
    for (size_t i = 0; i < s->graph->n_node; i++) {
        const Onnx__NodeProto *node = s->graph->node[i];
        if (!reel__onnx_knows(node)) {
            return reject(m, REEL_UNSUPPORTED, "the operator %s%s%s of node \"%s\" is unknown",
                          text_or(node->domain, ""), node->domain && node->domain[0] ? "." : "",
                          text_or(node->op_type, "?"), title(node));
        }
        if (!check_bodies(m, s, node)) {
            return false;
        }
    }
    return true;
}

static bool check_outputs(reel_onnx *m, const reel__onnx_scope *s)
{
    for (size_t i = 0; i < s->graph->n_output; i++) {
        const char *name = text_or(s->graph->output[i]->name, "");
        if (find_slot(s, name) == NULL) {
            return reject(m, REEL_BAD_FILE, "nothing produces the output \"%s\"", name);
        }
    }
    return true;
}

static bool check_scope(reel_onnx *m, reel__onnx_scope *s)
{
    return make_slots(m, s) && add_names(m, s) && order_nodes(m, s) && check_nodes(m, s) &&
           check_outputs(m, s);
}

static bool check_opset(reel_onnx *m, const Onnx__ModelProto *model)
{
    m->opset = 1;
    for (size_t i = 0; i < model->n_opset_import; i++) {
        const Onnx__OperatorSetIdProto *set = model->opset_import[i];
        if (text_or(set->domain, "")[0] == '\0' || strcmp(set->domain, "ai.onnx") == 0) {
            m->opset = set->version;
        }
    }
    return m->opset >= 7 ||
           reject(m, REEL_UNSUPPORTED, "operator set %lld is older than 7", (long long)m->opset);
}

/* ---- initialisers ---------------------------------------------------------------------------- */

static bool name_is_free(reel_onnx *m, const char *name)
{
    for (size_t i = 0; i < reel_param_count(m->tape); i++) {
        if (strcmp(reel_param_name(reel_param_at(m->tape, i)), name) == 0) {
            return reject(m, REEL_BAD_ARGUMENT,
                          "the tape has a parameter %s already; .prefix keeps them apart", name);
        }
    }
    return true;
}

typedef struct {
    slot *of;
    const char *name;
    reel__onnx_data data;
} initialiser;

static bool read_initialiser(reel_onnx *m, reel__onnx_scope *s, size_t i, const char *prefix,
                             bool constant, initialiser *out)
{
    const Onnx__TensorProto *x = s->graph->initializer[i];
    size_t room = strlen(prefix) + strlen(x->name) + 1;
    char *name = reel__arena_take(m->tape, &m->arena, room);
    if (name == NULL || !reel__onnx_data_of(m->tape, loads, &m->arena, x, m->folder, &out->data)) {
        return false;
    }
    snprintf(name, room, "%s%s", prefix, x->name);
    out->of = slot_of(s, x->name);
    out->name = name;
    constant = constant || !out->data.is_real || out->data.shape.rank == 0 || s->outer;
    return constant || name_is_free(m, name);
}

/* A parameter, or data that are recorded at each run. */
static bool place_initialiser(reel_onnx *m, const initialiser *from, bool constant)
{
    const reel__onnx_data *data = &from->data;
    if (!data->is_real) {
        from->of->value = reel__onnx_constant(m, data);
        return true;
    }
    if (constant || data->shape.rank == 0) {
        reel__onnx_data *kept = reel__arena_take(m->tape, &m->arena, sizeof *kept);
        if (kept) {
            *kept = *data;
            from->of->value.whole = (const int64_t *)(const void *)kept; /* see begin_run */
        }
        return kept != NULL;
    }
    reel_var v = reel_param(m->tape, from->name, data->shape, reel_zeros());
    from->of->value = (reel__onnx_value){ .kind = REEL__ONNX_VAR, .var = v };
    return reel_write_param_f64(v, data->real, (size_t)reel_shape_size(data->shape)) == REEL_OK;
}

/* Everything is read before the first parameter is made, so that a bad file leaves none behind. */
static bool read_initialisers(reel_onnx *m, const char *prefix, bool constant)
{
    size_t n = m->main.graph->n_initializer;
    for (const reel__onnx_scope *s = m->bodies; s; s = s->next) {
        n += s->graph->n_initializer;
    }
    initialiser *all = reel__arena_take(m->tape, &m->arena, (n + 1) * sizeof *all);
    size_t read = 0, own = m->main.graph->n_initializer;
    for (size_t i = 0; all && i < own; i++) {
        if (!read_initialiser(m, &m->main, i, prefix, constant, &all[read++])) {
            return false;
        }
    }
    for (reel__onnx_scope *s = m->bodies; all && s; s = s->next) {
        for (size_t i = 0; i < s->graph->n_initializer; i++) {
            if (!read_initialiser(m, s, i, prefix, true, &all[read++])) {
                return false;
            }
        }
    }
    for (size_t i = 0; all && i < read; i++) {
        if (!place_initialiser(m, &all[i], constant || i >= own)) {
            return false;
        }
    }
    return all != NULL;
}

/* ---- loading --------------------------------------------------------------------------------- */

static bool list_ports(reel_onnx *m)
{
    const Onnx__GraphProto *g = m->main.graph;
    m->input = reel__arena_take(m->tape, &m->arena, (g->n_input + 1) * sizeof *m->input);
    m->output = reel__arena_take(m->tape, &m->arena, (g->n_output + 1) * sizeof *m->output);
    if (m->input == NULL || m->output == NULL) {
        return false;
    }
    for (size_t i = 0; i < g->n_input; i++) {
        if (!slot_of(&m->main, g->input[i]->name)->lasts) {
            m->input[m->inputs++] = g->input[i]->name;
        }
    }
    for (size_t i = 0; i < g->n_output; i++) {
        m->output[m->outputs++] = g->output[i]->name;
    }
    return true;
}

static bool load(reel_onnx *m, const void *bytes, size_t size, reel_onnx_load_options options)
{
    const Onnx__ModelProto *model = reel__onnx_unpack(m->tape, loads, &m->arena, bytes, size);
    if (model == NULL || !check_opset(m, model)) {
        return false;
    }
    m->main.graph = model->graph;
    return check_scope(m, &m->main) && list_ports(m) &&
           read_initialisers(m, text_or(options.prefix, ""), options.constant);
}

static reel_onnx *new_model(reel_tape *t)
{
    reel_onnx *m = t ? reel__resize(t, NULL, 0, sizeof *m) : NULL;
    if (m) {
        *m = (reel_onnx){ .tape = t };
    }
    return m;
}

static reel_onnx *loaded(reel_onnx *m, bool fine)
{
    if (!fine) {
        reel_onnx_free(m);
    }
    return fine ? m : NULL;
}

reel_onnx *reel_onnx_parse(reel_tape *t, const void *bytes, size_t size,
                           reel_onnx_load_options options)
{
    reel_onnx *m = new_model(t);
    return m ? loaded(m, bytes ? load(m, bytes, size, options)
                               : reject(m, REEL_BAD_ARGUMENT, "no bytes"))
             : NULL;
}

static bool load_file(reel_onnx *m, const char *path, reel_onnx_load_options options)
{
    size_t size, room = strlen(path) + 2;
    void *bytes = reel__onnx_read(m->tape, loads, &m->arena, path, &size);
    char *folder = bytes ? reel__arena_take(m->tape, &m->arena, room) : NULL;
    if (folder == NULL) {
        return false;
    }
    snprintf(folder, room, "%s", path);
    char *slash = strrchr(folder, '/');
    snprintf(slash ? slash + (slash == folder) : folder, 2, "%s", slash ? "" : ".");
    m->folder = folder;
    return load(m, bytes, size, options);
}

reel_onnx *reel_onnx_load(reel_tape *t, const char *path, reel_onnx_load_options options)
{
    reel_onnx *m = new_model(t);
    return m ? loaded(m,
                      path ? load_file(m, path, options) : reject(m, REEL_BAD_ARGUMENT, "no path"))
             : NULL;
}

void reel_onnx_free(reel_onnx *m)
{
    if (m) {
        reel_tape *t = m->tape;
        reel__arena_free(t, &m->running);
        reel__arena_free(t, &m->arena);
        reel__resize(t, m, sizeof *m, 0);
    }
}

/* ---- what it takes and gives ------------------------------------------------------------------ */

int reel_onnx_input_count(const reel_onnx *m)
{
    return m ? m->inputs : 0;
}

const char *reel_onnx_input_name(const reel_onnx *m, int i)
{
    return m && i >= 0 && i < m->inputs ? m->input[i] : NULL;
}

int reel_onnx_output_count(const reel_onnx *m)
{
    return m ? m->outputs : 0;
}

const char *reel_onnx_output_name(const reel_onnx *m, int i)
{
    return m && i >= 0 && i < m->outputs ? m->output[i] : NULL;
}

#else

static reel_onnx *no_protobuf(reel_tape *t)
{
    reel_fail(t, REEL_UNSUPPORTED, loads, "this build of reel is without libprotobuf-c");
    return NULL;
}
reel_onnx *reel_onnx_parse(reel_tape *t, const void *bytes, size_t size,
                           reel_onnx_load_options options)
{
    (void)bytes, (void)size, (void)options;
    return no_protobuf(t);
}
reel_onnx *reel_onnx_load(reel_tape *t, const char *path, reel_onnx_load_options options)
{
    (void)path, (void)options;
    return no_protobuf(t);
}
void reel_onnx_free(reel_onnx *m)
{
    (void)m;
}
int reel_onnx_input_count(const reel_onnx *m)
{
    (void)m;
    return 0;
}
const char *reel_onnx_input_name(const reel_onnx *m, int i)
{
    (void)m, (void)i;
    return NULL;
}
int reel_onnx_output_count(const reel_onnx *m)
{
    (void)m;
    return 0;
}
const char *reel_onnx_output_name(const reel_onnx *m, int i)
{
    (void)m, (void)i;
    return NULL;
}
#endif

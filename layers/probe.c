/* probe.c: values inside cells, by name. What a tape carries for them hangs on its list of what is
 * to be freed with it, where the release function tells it apart. */
#include <string.h>

#include "probe.h"
#include "wrap.h"

enum { LONGEST_NAME = 95 };

typedef struct {
    char name[LONGEST_NAME + 1];
    reel_var value;
} probed;

typedef struct {
    reel_tape *tape;
    bool watching;
    uint32_t recording;           /* of the tape, that `list` belongs to */
    reel__list list;              /* probed, in the order in which they came by */
    char scope[LONGEST_NAME + 1]; /* "", or what stands before a name, with its dot */
    reel__probe_hook *hooks;      /* the innermost first */
} probes;

static void release(void *self)
{
    probes *p = self;
    reel__list_free(p->tape, &p->list, sizeof(probed));
}

static probes *probes_of(const reel_tape *tape)
{
    for (const reel__on_free *entry = tape->on_free; entry; entry = entry->next) {
        if (entry->call == release) {
            return entry->self;
        }
    }
    return NULL;
}

static probes *make_probes(reel_tape *tape)
{
    probes *p = probes_of(tape);
    if (!p) {
        p = reel__tape_store(tape, sizeof *p);
        if (!p || !reel__tape_on_free(tape, release, p)) {
            return NULL;
        }
        p->tape = tape;
    }
    return p;
}

/* ---- naming --------------------------------------------------------------------------------- */

static void collect(probes *p, const char *name, reel_var v)
{
    if (p->recording != p->tape->recording) {
        p->list.count = 0;
        p->recording = p->tape->recording;
    }
    if (reel_param_name(v) ||
        !reel__list_reserve(p->tape, &p->list, p->list.count + 1, sizeof(probed))) {
        return;
    }
    probed *entry = (probed *)p->list.data + p->list.count++;
    snprintf(entry->name, sizeof entry->name, "%s%s", p->scope, name);
    entry->value = v;
}

reel_var reel_probe(reel_var v, const char *name)
{
    probes *p = v.tape && v.id ? probes_of(v.tape) : NULL;
    if (!p || !name) {
        return v;
    }
    for (reel__probe_hook *hook = p->hooks; hook; hook = hook->next) {
        if (strcmp(hook->name, name) == 0) {
            hook->met = true;
            v = hook->replace(hook->self, v);
        }
    }
    if (p->watching && v.id) {
        collect(p, name, v);
    }
    return v;
}

void reel__probe_push(reel_tape *tape, reel__probe_hook *hook)
{
    probes *p = tape ? make_probes(tape) : NULL;
    if (p) {
        hook->next = p->hooks;
        p->hooks = hook;
    }
}

void reel__probe_pop(reel_tape *tape, reel__probe_hook *hook)
{
    probes *p = tape ? probes_of(tape) : NULL;
    if (p && p->hooks == hook) {
        p->hooks = hook->next;
    }
}

/* ---- watching ------------------------------------------------------------------------------- */

void reel_watch(reel_tape *tape, bool on)
{
    probes *p = tape ? make_probes(tape) : NULL;
    if (p) {
        p->watching = on;
    }
}

static const probes *current(const reel_tape *tape)
{
    const probes *p = tape ? probes_of(tape) : NULL;
    return p && p->recording == tape->recording ? p : NULL;
}

static size_t gather(const probes *p, const char *name, reel_var *out)
{
    size_t count = 0;
    const probed *list = p ? p->list.data : NULL;
    for (size_t i = 0; list && i < p->list.count; i++) {
        if (strcmp(list[i].name, name) == 0) {
            if (out) {
                out[count] = list[i].value;
            }
            count++;
        }
    }
    return count;
}

reel_var reel_watched(reel_tape *tape, const char *name)
{
    const probes *p = current(tape);
    size_t count = name ? gather(p, name, NULL) : 0;
    if (count == 0) {
        return reel_fail(tape, REEL_NOT_FOUND, "watched", "no value \"%s\" came by",
                         name ? name : "");
    }
    reel_var *list = reel__resize(tape, NULL, 0, count * sizeof *list);
    if (!list) {
        return reel__poisoned(tape);
    }
    gather(p, name, list);
    reel_var stacked = reel_stack_n(0, (int)count, list);
    reel__resize(tape, list, count * sizeof *list, 0);
    return stacked;
}

/* Whether the entry is the first of its name. */
static bool is_first(const probes *p, size_t i)
{
    const probed *list = p->list.data;
    for (size_t k = 0; k < i; k++) {
        if (strcmp(list[k].name, list[i].name) == 0) {
            return false;
        }
    }
    return true;
}

const char *reel_watched_name(const reel_tape *tape, int index)
{
    const probes *p = current(tape);
    for (size_t i = 0; p && i < p->list.count; i++) {
        if (is_first(p, i) && index-- == 0) {
            return ((const probed *)p->list.data)[i].name;
        }
    }
    return NULL;
}

/* ---- scopes --------------------------------------------------------------------------------- */

typedef struct {
    reel_cell inner;
    const char *name;
} scope;

static reel_var step(void *self, reel_var x, reel_var state[])
{
    const scope *s = self;
    probes *p = x.tape ? probes_of(x.tape) : NULL;
    size_t length = p ? strlen(p->scope) : 0;
    if (p) {
        snprintf(p->scope + length, sizeof p->scope - length, "%s.", s->name);
    }
    reel_var y = reel__step(&s->inner, x, state);
    if (p) {
        p->scope[length] = 0;
    }
    return y;
}

reel_cell reel_scope(reel_tape *tape, const char *name, reel_cell cell)
{
    if (!reel__check_inner(tape, "scope", cell)) {
        return (reel_cell){ 0 };
    }
    if (!name || !name[0] || strlen(name) > LONGEST_NAME / 2) {
        reel_fail(tape, REEL_BAD_ARGUMENT, "scope", "a name has 1 to %d bytes", LONGEST_NAME / 2);
        return (reel_cell){ 0 };
    }
    scope *s = reel__layer_self(tape, sizeof *s);
    if (s) {
        s->inner = cell;
        s->name = reel__tape_store_text(tape, name);
    }
    return reel__wrap_one(tape, s && s->name ? s : NULL, step, NULL, cell);
}

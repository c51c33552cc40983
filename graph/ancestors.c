/* ancestors.c: the nodes a value depends on, for what describes the graph instead of running it. */
#include <string.h>

#include "tape.h"

/* Gradients that were asked for run with the next read, whatever it reads. */
static void add_pending(const reel_tape *t, uint8_t *needed, uint32_t *last)
{
    for (size_t i = 0; i < t->pending.count; i++) {
        uint32_t node = ((const reel__pending *)t->pending.data)[i].node;
        needed[node] = 1;
        *last = node > *last ? node : *last;
    }
}

bool reel__ancestors(reel_tape *t, uint32_t index, bool with_pending, uint8_t **needed)
{
    if (with_pending && !reel__record_deferred(t)) {
        return false;
    }
    *needed = reel__resize(t, NULL, 0, t->nodes.count);
    if (*needed == NULL) {
        return false;
    }
    memset(*needed, 0, t->nodes.count);
    (*needed)[index] = 1;
    if (with_pending) {
        add_pending(t, *needed, &index);
    }
    for (uint32_t i = index + 1; i-- > 0;) {
        const reel__node *node = reel__node_at(t, i);
        const uint32_t *in = reel__inputs_of(t, node);
        for (uint32_t k = 0; (*needed)[i] && k < node->inputs; k++) {
            (*needed)[in[k]] = 1;
        }
    }
    return true;
}

/* ancestors.c: the nodes a value depends on, for what describes the graph instead of running it. */
#include <string.h>

#include "tape.h"

bool reel__ancestors(reel_tape *t, uint32_t index, uint8_t **needed)
{
    size_t n = (size_t)index + 1;
    *needed = reel__resize(t, NULL, 0, n);
    if (*needed == NULL) {
        return false;
    }
    memset(*needed, 0, n);
    (*needed)[index] = 1;
    for (uint32_t i = index + 1; i-- > 0;) {
        if (!(*needed)[i]) {
            continue;
        }
        const reel__node *node = reel__node_at(t, i);
        const uint32_t *in = reel__inputs_of(t, node);
        for (uint32_t k = 0; k < node->inputs; k++) {
            (*needed)[in[k]] = 1;
        }
    }
    return true;
}

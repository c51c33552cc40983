/* prefix_tree.c: labellings that share their beginnings. */
#include "prefix_tree.h"

bool reel__prefix_plant(reel__prefix_tree *t, int32_t roots)
{
    t->nodes.count = 0;
    if (!reel__list_reserve(t->tape, &t->nodes, (size_t)roots, sizeof(reel__prefix))) {
        return false;
    }
    t->nodes.count = (size_t)roots;
    for (int32_t i = 0; i < roots; i++) {
        *reel__prefix_at(t, i) = (reel__prefix){ .parent = REEL__NO_NODE,
                                                 .child = REEL__NO_NODE,
                                                 .sibling = REEL__NO_NODE,
                                                 .place = REEL__NO_PLACE };
    }
    return true;
}

int32_t reel__prefix_child(reel__prefix_tree *t, int32_t parent, int32_t label)
{
    int32_t i = reel__prefix_at(t, parent)->child;
    while (i != REEL__NO_NODE && reel__prefix_at(t, i)->label != label) {
        i = reel__prefix_at(t, i)->sibling;
    }
    if (i != REEL__NO_NODE || t->nodes.count >= INT32_MAX ||
        !reel__list_reserve(t->tape, &t->nodes, t->nodes.count + 1, sizeof(reel__prefix))) {
        return i;
    }
    i = (int32_t)t->nodes.count++;
    *reel__prefix_at(t, i) = (reel__prefix){ .parent = parent,
                                             .label = label,
                                             .length = reel__prefix_at(t, parent)->length + 1,
                                             .child = REEL__NO_NODE,
                                             .sibling = reel__prefix_at(t, parent)->child,
                                             .place = REEL__NO_PLACE };
    reel__prefix_at(t, parent)->child = i;
    return i;
}

void reel__prefix_read(const reel__prefix_tree *t, int32_t node, int32_t *labels)
{
    for (; reel__prefix_at(t, node)->parent != REEL__NO_NODE;
         node = reel__prefix_at(t, node)->parent) {
        labels[reel__prefix_at(t, node)->length - 1] = reel__prefix_at(t, node)->label;
    }
}

void reel__prefix_free(reel__prefix_tree *t)
{
    reel__list_free(t->tape, &t->nodes, sizeof(reel__prefix));
}

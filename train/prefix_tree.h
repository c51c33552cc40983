/* prefix_tree.h: labellings that share their beginnings. Not installed. */
#ifndef REEL_PREFIX_TREE_H
#define REEL_PREFIX_TREE_H

#include "../graph/tape.h"

enum { REEL__NO_NODE = -1, REEL__NO_PLACE = -1 };

/* A labelling is a node: its last label behind the parent's. */
typedef struct {
    int32_t parent, label, length;
    int32_t child, sibling; /* or REEL__NO_NODE */
    int32_t place; /* in the beam being made, or REEL__NO_PLACE: whoever searches, uses it */
} reel__prefix;

typedef struct {
    reel_tape *tape;
    reel__list nodes; /* reel__prefix */
} reel__prefix_tree;

static inline reel__prefix *reel__prefix_at(const reel__prefix_tree *t, int32_t node)
{
    return (reel__prefix *)t->nodes.data + node;
}

/* So many empty labellings, nodes 0 … roots - 1, and nothing else. False without memory. */
bool reel__prefix_plant(reel__prefix_tree *, int32_t roots);
/* The labelling with one more label; REEL__NO_NODE without memory. */
int32_t reel__prefix_child(reel__prefix_tree *, int32_t parent, int32_t label);
/* Its labels, as many as its length. */
void reel__prefix_read(const reel__prefix_tree *, int32_t node, int32_t *labels);
void reel__prefix_free(reel__prefix_tree *);

#endif

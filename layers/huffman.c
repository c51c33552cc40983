/* huffman.c: Huffman's code by two queues: leaves in the order of their counts, and inner nodes,
 * which come into being in the order of theirs. */
#include <stdlib.h>
#include <string.h>

#include "huffman.h"

typedef struct {
    double count;
    int32_t id; /* a class, or classes + inner node */
} tree_node;

typedef struct {
    int64_t classes;
    tree_node *leaf, *inner; /* [classes], [classes - 1] */
    int32_t *parent;         /* [2·classes - 1]: the inner node above */
    int8_t *side;            /* [2·classes - 1]: 1 left of it, -1 right */
    int64_t first_leaf, first_inner, inners;
} tree;

static int by_count(const void *a, const void *b)
{
    const tree_node *x = a, *y = b;
    if (x->count != y->count) {
        return x->count < y->count ? -1 : 1;
    }
    return (x->id > y->id) - (x->id < y->id);
}

static tree_node take_smallest(tree *t)
{
    bool has_leaf = t->first_leaf < t->classes, has_inner = t->first_inner < t->inners;
    bool leaf =
        has_leaf && (!has_inner || t->leaf[t->first_leaf].count <= t->inner[t->first_inner].count);
    return leaf ? t->leaf[t->first_leaf++] : t->inner[t->first_inner++];
}

static void grow(tree *t)
{
    qsort(t->leaf, (size_t)t->classes, sizeof *t->leaf, by_count);
    while (t->inners < t->classes - 1) {
        tree_node left = take_smallest(t), right = take_smallest(t);
        int32_t above = (int32_t)t->inners;
        t->parent[left.id] = t->parent[right.id] = above;
        t->side[left.id] = 1;
        t->side[right.id] = -1;
        t->inner[t->inners++] =
            (tree_node){ left.count + right.count, (int32_t)t->classes + above };
    }
}

/* How far a class is below the root, the inner node made last. */
static int64_t depth_of(const tree *t, int64_t class)
{
    int64_t depth = 0;
    for (int64_t id = class; id != 2 * t->classes - 2; id = t->classes + t->parent[id]) {
        depth++;
    }
    return depth;
}

static bool write_code(reel_tape *tape, const tree *t, reel__code *code)
{
    code->classes = t->classes;
    code->depth = 0;
    for (int64_t k = 0; k < t->classes; k++) {
        int64_t depth = depth_of(t, k);
        code->depth = depth > code->depth ? depth : code->depth;
    }
    size_t places = (size_t)(t->classes * code->depth);
    code->node = reel__layer_self(tape, places * sizeof *code->node);
    code->turn = reel__layer_self(tape, places * sizeof *code->turn);
    if (!code->node || !code->turn) {
        return false;
    }
    for (int64_t k = 0; k < t->classes; k++) {
        int64_t place = k * code->depth + depth_of(t, k);
        for (int64_t id = k; id != 2 * t->classes - 2; id = t->classes + t->parent[id]) {
            code->node[--place] = t->parent[id];
            code->turn[place] = t->side[id];
        }
    }
    return true;
}

bool reel__huffman(reel_tape *tape, int64_t classes, const double *counts, reel__code *code)
{
    size_t n = (size_t)classes;
    size_t bytes = 2 * n * (sizeof(tree_node) + sizeof(int32_t) + sizeof(int8_t));
    char *room = reel__resize(tape, NULL, 0, bytes);
    if (!room) {
        return false;
    }
    memset(room, 0, bytes);
    tree t = { .classes = classes, .leaf = (tree_node *)(void *)room };
    t.inner = t.leaf + n;
    t.parent = (int32_t *)(t.inner + n);
    t.side = (int8_t *)(t.parent + 2 * n);
    for (size_t k = 0; k < n; k++) {
        t.leaf[k] = (tree_node){ counts ? counts[k] : 1, (int32_t)k };
    }
    grow(&t);
    bool good = write_code(tape, &t, code);
    reel__resize(tape, room, bytes, 0);
    return good;
}

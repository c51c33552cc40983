/* tree.c: a cell over the nodes of a tree, children first. */
#include <string.h>

#include "layer.h"

static reel_tree_state poisoned(reel_tape *tape)
{
    return (reel_tree_state){ reel__poisoned(tape), reel__poisoned(tape) };
}

static bool check_cell(reel_tape *tape, const char *name, const reel_tree_cell *cell)
{
    if (!cell->node) {
        reel_fail(tape, REEL_BAD_ARGUMENT, name, "the cell has no node function");
        return false;
    }
    return true;
}

static bool check_children(reel_tree_cell cell, reel_var x, int children,
                           const reel_tree_state child[])
{
    if (children < 0 || (children > 0 && !child)) {
        reel_fail(x.tape, REEL_BAD_ARGUMENT, "tree_node", "children is %d%s", children,
                  children < 0 ? ", must be at least 0" : ", but child is NULL");
        return false;
    }
    reel_shape expected = REEL_SHAPE(reel_shape_of(x).dim[0], cell.hidden);
    for (int k = 0; k < children; k++) {
        if (!reel__check_handle(x.tape, "tree_node", child[k].h) ||
            !reel__check_handle(x.tape, "tree_node", child[k].c)) {
            return false;
        }
        if (!reel_shape_equal(reel_shape_of(child[k].h), expected) ||
            !reel_shape_equal(reel_shape_of(child[k].c), expected)) {
            reel_fail(x.tape, REEL_BAD_SHAPE, "tree_node",
                      "child[%d] is h %s and c %s, expected %s each", k,
                      REEL_SHAPE_TEXT(reel_shape_of(child[k].h)),
                      REEL_SHAPE_TEXT(reel_shape_of(child[k].c)), REEL_SHAPE_TEXT(expected));
            return false;
        }
    }
    return true;
}

reel_tree_state reel_tree_node(reel_tree_cell cell, reel_var x, int children,
                               const reel_tree_state child[])
{
    if (!reel__check_handle(x.tape, "tree_node", x) || !check_cell(x.tape, "tree_node", &cell)) {
        return poisoned(x.tape);
    }
    if (reel_shape_of(x).rank != 2) {
        reel_fail(x.tape, REEL_BAD_SHAPE, "tree_node", "x is %s, expected [batch, in]",
                  REEL_SHAPE_TEXT(reel_shape_of(x)));
        return poisoned(x.tape);
    }
    return check_children(cell, x, children, child) ? cell.node(cell.self, x, children, child)
                                                    : poisoned(x.tape);
}

/* ---- whole trees ----------------------------------------------------------------------------- */

typedef struct {
    reel_tree_cell cell;
    reel_var x;
    const int32_t *parent;
    int64_t nodes;
    reel_tree_state *state, *child; /* [nodes] each: results, and the children of one node */
    reel_var *column;               /* [nodes] */
} fold;

static bool check_parents(const fold *f)
{
    for (int64_t i = 0; i < f->nodes; i++) {
        if (f->parent[i] != -1 && (f->parent[i] <= i || f->parent[i] >= f->nodes)) {
            reel_fail(f->x.tape, REEL_BAD_ARGUMENT, "tree_fold",
                      "parent[%lld] is %d, must be -1 or in %lld … %lld", (long long)i,
                      (int)f->parent[i], (long long)i + 1, (long long)f->nodes - 1);
            return false;
        }
    }
    return true;
}

static bool check(fold *f)
{
    reel_shape shape = reel_shape_of(f->x);
    if (!reel__check_handle(f->x.tape, "tree_fold", f->x) ||
        !check_cell(f->x.tape, "tree_fold", &f->cell)) {
        return false;
    }
    if (shape.rank != 3 || shape.dim[0] == 0 || shape.dim[0] > INT32_MAX || !f->parent) {
        reel_fail(f->x.tape, REEL_BAD_SHAPE, "tree_fold", "x is %s%s, expected [nodes, batch, in]",
                  REEL_SHAPE_TEXT(shape), f->parent ? "" : " and parent NULL");
        return false;
    }
    f->nodes = shape.dim[0];
    return check_parents(f);
}

/* first[i] is node i's first child and next[k] child k's next sibling: -1 ends both. */
static void run(fold *f, int32_t *first, int32_t *next)
{
    for (int64_t i = f->nodes - 1; i >= 0; i--) {
        first[i] = next[i] = -1;
    }
    for (int64_t i = f->nodes - 1; i >= 0; i--) {
        if (f->parent[i] >= 0) {
            next[i] = first[f->parent[i]];
            first[f->parent[i]] = (int32_t)i;
        }
    }
    for (int64_t i = 0; i < f->nodes; i++) {
        int children = 0;
        for (int32_t k = first[i]; k >= 0; k = next[k]) {
            f->child[children++] = f->state[k];
        }
        f->state[i] = reel_tree_node(f->cell, reel_at(f->x, i), children, f->child);
    }
}

static reel_tree_state stacked(fold *f)
{
    reel_tree_state out;
    for (int64_t i = 0; i < f->nodes; i++) {
        f->column[i] = f->state[i].h;
    }
    out.h = reel_stack_n(0, (int)f->nodes, f->column);
    for (int64_t i = 0; i < f->nodes; i++) {
        f->column[i] = f->state[i].c;
    }
    out.c = reel_stack_n(0, (int)f->nodes, f->column);
    return out;
}

reel_tree_state reel_tree_fold(reel_tree_cell cell, reel_var x, const int32_t *parent)
{
    fold f = { .cell = cell, .x = x, .parent = parent };
    if (!check(&f)) {
        return poisoned(x.tape);
    }
    size_t n = (size_t)f.nodes, each = 2 * sizeof *f.state + sizeof *f.column + 2 * sizeof(int32_t);
    f.state = reel__resize(x.tape, NULL, 0, n * each);
    if (!f.state) {
        return poisoned(x.tape);
    }
    f.child = f.state + n;
    f.column = (reel_var *)(f.child + n);
    int32_t *first = (int32_t *)(f.column + n);
    run(&f, first, first + n);
    reel_tree_state out = stacked(&f);
    reel__resize(x.tape, f.state, n * each, 0);
    return out;
}

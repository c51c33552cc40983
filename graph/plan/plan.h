/* plan.h: what the planner's passes share.
 *
 * The planner never changes a recorded node. It finds the loops in what has to run and lists them
 * as bodies of items, one item for the T nodes that stand at the same place of the T copies. The
 * passes rewrite these lists, at a cost that does not depend on T; what leaves a loop is recorded
 * as hidden nodes behind the program's own. At the end each body is compiled into a program
 * (graph/run/program.h) that one hidden node runs, and tape->redirect says which nodes' values are
 * from now on those of hidden ones; what is no longer read is no longer run. Passes know ops only
 * by the hooks of their entries (graph/op.h, "what the planner asks").
 *
 * A new pass is one file and one line in plan.c. / */
#ifndef REEL_PLAN_H
#define REEL_PLAN_H

#include "../run/program.h"
#include "../tape.h"

/* ---- items ----------------------------------------------------------------------------------- */

/* Where input j of every copy of an item comes from. Copies are counted as they are executed,
 * 0 … steps - 1, whatever number the program gave its steps. */
typedef enum {
    REEL__IRREGULAR, /* in a way that no loop can follow */
    REEL__SAME,      /* the same node for all copies */
    REEL__SLICE,     /* copy e reads index scale·e + offset of `node` along axis 0 */
    REEL__ITEM,      /* copy e reads copy scale·e + offset of `item` in `loop` */
    REEL__TABLE      /* copy e reads node table[e], which lies outside the loop */
} reel__source_kind;

typedef struct {
    reel__source_kind kind;
    uint32_t node, loop, item;
    int64_t scale, offset;
    uint32_t *table;
} reel__source;

/* How many copies back an item may look. */
#define REEL__MOST_LEAD 4
/* In place of a node: zeros. */
#define REEL__ZERO (REEL__NONE - 1)

/* A range of an item's stack that hidden nodes read: `count` copies, from slot `first` on. */
typedef struct reel__range {
    uint32_t node;
    int64_t first, count;
    struct reel__range *next;
} reel__range;

typedef struct {
    uint32_t node; /* op, attributes and shape are this node's */
    uint32_t inputs;
    reel__source *in;
    uint32_t *member; /* [steps] nodes, REEL__NONE where a copy lacks it; NULL: of the planner's */
    int64_t begin, end;            /* copies that have to be computed; the others nobody reads */
    int64_t first_read, last_read; /* copies that nodes outside read; none where first > last */
    uint32_t lead, initial[REEL__MOST_LEAD]; /* copy -1 - k is node initial[k] */
    bool varies;                             /* the attributes differ from copy to copy */
    bool gone;                               /* nobody reads it any more */
    uint32_t outer_readers;                  /* inputs of other loops that read it */
    bool recurrent;                          /* needs its own result of an earlier copy … */
    uint32_t component;                      /* … together with all items of this number */
    bool live;                               /* somebody will read it */
    bool stacked;                            /* all its copies are stored, for others to read */
    int stage;                               /* see hoist.c */
    uint32_t lifted; /* the hidden node that computes all copies at once, or REEL__NONE */
    uint32_t sum;    /* … their sum, or REEL__NONE */
    uint32_t joined; /* the item, a concatenation, in whose columns it is written, or REEL__NONE */
    int64_t column;
    reel__range *ranges; /* parts of the stack that hidden nodes stand for */
} reel__item;

/* T copies of one body. */
typedef struct {
    int64_t steps;
    uint32_t items, capacity;
    reel__item *item;
    bool
        reversed; /* stacks hold the last copy first, so that they lie as those they are read with */
    bool ragged_first, ragged_last; /* copies at the ends that lack nodes */
    bool gone;
    int stages;
    uint32_t begins_at;  /* the first of its nodes in recording order */
    uint32_t first_node; /* of copy 0: tells the loop from others */
} reel__loop;

typedef struct {
    reel_tape *t;
    uint32_t nodes;  /* the nodes that were there before this plan */
    uint32_t oldest; /* of the nodes to run */
    size_t needed;   /* how many nodes have to run */
    bool recorded;   /* they are to be run elsewhere: what is held here does not count */
    /* [nodes]: how many needed nodes read it; targets count as many; 0: not needed */
    uint32_t *readers;
    uint32_t *loop_of; /* [nodes]: number of its loop, or REEL__NONE */
    uint32_t *item_of; /* [nodes]: in the body */
    uint32_t *copy_of; /* [nodes] */
    reel__loop *loops;
    uint32_t loop_count, loop_capacity;
    reel__list joins; /* uint32_t: what merge.c concatenated */
    reel__list floor; /* uint32_t for each hidden node: it need not run before this node */
    size_t n_targets;
    const uint32_t *targets;
    void *bans;             /* plan.c's own */
    const uint32_t *banned; /* first nodes of loops that turned out not to be runnable */
    size_t banned_count;
    reel__arena arena;    /* of the lists above; dropped with the plan */
    reel__stored *stored; /* what remains of the plan */
} reel__plan;

typedef bool (*reel__pass)(reel__plan *);

static inline reel__item *reel__item_at(const reel__plan *p, uint32_t loop, uint32_t item)
{
    return &p->loops[loop].item[item];
}
static inline const reel__node *reel__template(const reel__plan *p, const reel__item *item)
{
    return reel__node_at(p->t, item->node);
}
static inline const reel_op *reel__op_of(const reel__plan *p, const reel__item *item)
{
    return reel__node_at(p->t, item->node)->op;
}
static inline reel_shape reel__item_shape(const reel__plan *p, const reel__item *item)
{
    return reel__shape_at(p->t, reel__template(p, item)->shape)->shape;
}
/* The shape of what it reads as input i. */
static inline const reel_shape *reel__item_input(const reel__plan *p, const reel__item *item,
                                                 uint32_t i)
{
    return &reel__shape_entry_of(p->t, reel__inputs_of(p->t, reel__template(p, item))[i])->shape;
}
static inline bool reel__is_in_all_copies(const reel__loop *loop, const reel__item *item)
{
    return item->begin == 0 && item->end == loop->steps;
}
static inline bool reel__is_read_outside(const reel__item *item)
{
    return item->first_read <= item->last_read;
}
/* Where copy e of a loop lies in its stacks; and which copy lies there. */
static inline int64_t reel__slot(const reel__loop *loop, int64_t e)
{
    return loop->reversed ? loop->steps - 1 - e : e;
}

/* ---- body.c: looking at and changing bodies -------------------------------------------------- */

/* Of two matrices, the same in all copies. */
bool reel__is_matrix_product(const reel__plan *, const reel__item *);
bool reel__same_source(const reel__source *, const reel__source *);
/* What all items start with. */
reel__item reel__blank_item(void);
bool reel__same_attributes(const reel__plan *, const reel__item *, const reel__item *);
/* An item for what `like` records, reading `in`. Its number, or REEL__NONE and an error. */
uint32_t reel__add_item(reel__plan *, uint32_t loop, reel_var like, uint32_t inputs,
                        const reel__source *in);
/* Computes the new item in the same copies as another: in others it might read what is not there. */
void reel__limit_copies(reel__plan *, uint32_t loop, uint32_t item, uint32_t like);
/* Makes an item compute something else of the same value and shape. */
bool reel__become(reel__plan *, uint32_t loop, uint32_t item, reel_var like, uint32_t inputs,
                  const reel__source *in);
/* A handle to something of the source's op-independent shape, for recording templates. */
reel_var reel__like(reel__plan *, const reel__source *);
/* How many inputs in all loops read the item. */
uint32_t reel__count_readers(const reel__plan *, uint32_t loop, uint32_t item);
static inline reel__source reel__from_item(uint32_t loop, uint32_t item)
{
    return (reel__source){ .kind = REEL__ITEM, .loop = loop, .item = item, .scale = 1 };
}
static inline reel__source reel__from_node(uint32_t node)
{
    return (reel__source){ .kind = REEL__SAME, .node = node };
}
/* Own loop, same copy. */
static inline bool reel__is_own(const reel__source *s, uint32_t loop)
{
    return s->kind == REEL__ITEM && s->loop == loop && s->scale == 1 && s->offset == 0;
}
/* Takes out what nobody reads any more. */
void reel__drop_unread(reel__plan *);
/* Input `input` of the item that `outer` names, as the reader of `outer` sees it. False where no
 * rule describes that. */
bool reel__compose(const reel__plan *, const reel__source *outer, uint32_t input,
                   reel__source *out);
/* Marks what needs its own result of an earlier copy. */
bool reel__find_recurrences(reel__plan *);
/* The terms of a sum: the leaves of a tree of additions whose inner sums nobody else reads. */
#define REEL__MOST_TERMS 64
uint32_t reel__terms_of(const reel__plan *, uint32_t loop, uint32_t sum,
                        reel__source terms[REEL__MOST_TERMS]);
/* Records the sum of such terms as items and lets `item` become it. */
bool reel__become_sum(reel__plan *, uint32_t loop, uint32_t item, uint32_t n,
                      const reel__source terms[]);

/* ---- roll.c, source.c ------------------------------------------------------------------------ */

bool reel__roll(reel__plan *);
/* Fewer copies of a body are not worth a loop. */
#define REEL__FEWEST_COPIES 4
/* Consecutive nodes of one step: `count` of a list, from `begin` on. */
typedef struct {
    uint32_t mark;
    bool backward;
    uint32_t begin, count;
} reel__segment;
/* The items' first copy is gone: the others move up. */
void reel__renumber_copies(reel__plan *, uint32_t loop);
/* Makes loops of a list of steps, where neighbours are alike. */
bool reel__roll_segments(reel__plan *, uint32_t *nodes, reel__segment *, uint32_t count);
/* The same for what repeats without marks (period.c). */
bool reel__roll_periods(reel__plan *);
bool reel__has_to_run(const reel__plan *, uint32_t node);
reel__loop *reel__new_loop(reel__plan *);
/* Fills in the sources of all items; loops that no program can follow are dissolved. */
bool reel__find_sources(reel__plan *);
void reel__dissolve(reel__plan *, uint32_t loop);

/* ---- stack.c --------------------------------------------------------------------------------- */

/* What all copies of the item `reader` get from one of its sources, as one variable in the order of
 * the loop's slots; an invariant one as it is, with *stacked false. A zero id: it cannot be had. */
reel_var reel__stacked(reel__plan *, uint32_t loop, const reel__item *reader, const reel__source *,
                       bool *stacked);
bool reel__can_stack(const reel__plan *, uint32_t loop, const reel__item *reader,
                     const reel__source *);
/* `count` copies of an item from slot `first` on, as one variable; with count 0 that copy alone,
 * without the axis of steps. */
reel_var reel__stack_range(reel__plan *, uint32_t loop, uint32_t item, int64_t first,
                           int64_t count);
/* A view of all elements in their order. */
bool reel__is_reshape(const reel__plan *, const reel__item *);
/* What slots first and last of a loop read lies in a stack, or along axis 0 of a node. */
bool reel__reads_stack(const reel__plan *, uint32_t loop, const reel__source *, int64_t first,
                       int64_t last);
/* Slots [first, first + count) of an item's stack; count 0: copy `first` alone, without the axis
 * of steps. */
typedef struct {
    reel_shape shape;
    int64_t first, count;
    uint32_t loop, item;
} reel__part_attributes;

/* ---- the passes ------------------------------------------------------------------------------ */

bool reel__pass_simplify(reel__plan *);
bool reel__pass_carry(reel__plan *);
bool reel__pass_merge(reel__plan *);
bool reel__pass_split(reel__plan *);
bool reel__pass_sink(reel__plan *);
bool reel__pass_place(reel__plan *);
bool reel__pass_hoist(reel__plan *);
/* Which items run before which products that left the loop, and which after (hoist.c). */
void reel__find_stages(reel__plan *);

/* ---- emit.c, compile.c ----------------------------------------------------------------------- */

/* Turns the loops into hidden nodes and finds an order for all that runs. */
bool reel__emit(reel__plan *);
/* Where copy e of an item lies for those outside its own stage of its own loop: in a hidden node,
 * `offset` + e·`step` elements into it. */
bool reel__find_stack(reel__plan *, uint32_t loop, uint32_t item, reel__place *, uint32_t *node);
/* One stage of a loop as a program, which reads the nodes listed in `inputs` and hands what it makes
 * to those in `ranges`; the program is NULL when none can be made of it. */
typedef struct {
    reel__program *program;
    reel__list inputs;
    uint32_t *ranges;
} reel__compiled;
bool reel__compile(reel__plan *, uint32_t loop, int stage, reel__compiled *);
/* Whether it is part of that program. */
static inline bool reel__is_in(const reel__item *item, int stage)
{
    return item->live && !item->gone && item->lifted == REEL__NONE && item->stage == stage;
}

/* ---- cache.c --------------------------------------------------------------------------------- */

reel__stored *reel__new_stored(reel_tape *);
void reel__free_stored(reel_tape *, reel__stored *);
bool reel__add_redirection(reel_tape *, reel__stored *, uint32_t from, uint32_t to);
/* Every node has a place in tape->redirect. */
bool reel__prepare_redirects(reel_tape *);
void reel__undo_redirects(reel_tape *, const reel__layout *);
/* What is recorded, and what is asked for. 0: values are held already, which no key tells. */
uint64_t reel__plan_key(const reel_tape *, size_t n, const uint32_t targets[]);
/* Makes the plan the tape's, for this recording and, with a key, for others alike. */
bool reel__keep_plan(reel_tape *, reel__stored *, uint64_t key, size_t n, const uint32_t targets[]);
/* *found: a plan for the key was there, and its nodes now are; and the same for a recording without
 * its backward part. */
bool reel__restore_plan(reel_tape *, uint64_t key, bool *found);
bool reel__restore_deferred(reel_tape *, size_t n, const uint32_t targets[], bool *found);

/* ---- plan.c ---------------------------------------------------------------------------------- */

/* Hidden nodes from `first` on serve the loop, and need not run before it. */
bool reel__not_before(reel__plan *, uint32_t first, uint32_t loop);
/* Makes node `to` the source of `from`'s value. */
bool reel__redirect(reel__plan *, uint32_t from, reel_var to);
bool reel__caching_is_on(const reel_tape *);
/* Forgets the last nodes and their lists of inputs. */
void reel__truncate(reel_tape *, uint32_t nodes, size_t links);
/* The loop cannot be run as one: plan anew without it. */
bool reel__ban(reel__plan *, uint32_t loop);

#endif

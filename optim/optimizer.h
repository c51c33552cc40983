/* optimizer.h: an optimiser from the inside. Not installed. */
#ifndef REEL_OPTIMIZER_H
#define REEL_OPTIMIZER_H

#include "update.h"

/* Age and settings of one parameter. */
typedef struct {
    int64_t steps; /* updates so far */
    double carried, carried_before;
    double lr_factor;
    double weight_decay; /* NAN: the optimiser's own */
    bool frozen;
} reel__member;

/* Consecutive elements of the flat buffers whose parameters are alike in age and settings. */
typedef struct {
    size_t begin, count;
    uint32_t member; /* any of them */
} reel__run;

/* The settings of parameters whose names match. */
typedef struct {
    const char *pattern;
    double lr_factor, weight_decay;
    bool frozen;
} reel__group;

/* What drives lr, and how far it is: see schedule_step.c. */
typedef struct {
    reel_schedule schedule; /* .at is NULL: none */
    reel_plateau plateau;
    bool on_plateau;
    double step, base_lr;
} reel__drive;

struct reel_optimizer {
    reel_tape *tape;
    const reel_update_rule *rule; /* NULL once freed */
    void *options;
    double lr, weight_decay;
    bool decoupled;
    int slots;          /* the rule's, but for L-BFGS, which has many */
    char *state;        /* [slots][covered] */
    size_t covered;     /* elements of the flat buffers that have a state */
    reel__list members; /* reel__member, one a parameter, in order of creation */
    reel__list groups;  /* reel__group, the latest last */
    reel__list runs;    /* reel__run, at most REEL__RUN elements each */
    bool runs_stale;
    reel__list text; /* char: the name that reel_optimizer_state_at hands out */
    reel__drive drive;
};

static inline reel__member *reel__member_at(const reel_optimizer *optimizer, size_t index)
{
    return (reel__member *)optimizer->members.data + index;
}

/* Slot k of element `begin` on. */
static inline char *reel__slot_at(const reel_optimizer *optimizer, int k, size_t begin)
{
    return optimizer->state + ((size_t)k * optimizer->covered + begin) * optimizer->tape->element;
}

/* Takes in the parameters made since the last call; false, with an error, without memory. */
bool reel__optimizer_join(reel_optimizer *);
/* False, with an error naming `caller`, for one that was freed; silently for NULL and where the
 * tape has an error. */
bool reel__optimizer_usable(const reel_optimizer *, const char *caller);
/* "PARAMETER/what" and a number ≥ 0, in this room; NULL without memory. */
const char *reel__state_name(reel_tape *, reel__list *room, const char *parameter, const char *what,
                             int number);
/* False, with an error naming `caller`, where what is given does not fit the entry. */
bool reel__state_copy(reel_tape *, const char *caller, const reel_state_entry *entry,
                      const reel_state_entry *given);
/* Swaps the contents of two blocks. */
void reel__exchange(char *a, char *b, size_t bytes);
/* The settings of the groups that match, the last of them winning. */
void reel__optimizer_settle(const reel_optimizer *, const char *parameter, reel__member *);

#endif

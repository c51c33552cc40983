/* optimizer.c: what all optimisers are made of: state beside the parameters, and one pass over
 * both.
 *
 * Every parameter has a count of its updates, so that one made later starts at 1. Neighbours that
 * are alike in count and settings are updated together, in runs that threads share. */
#include <string.h>

#include "../graph/run/subnormal.h"
#include "optimizer.h"

static void release(void *self)
{
    reel_optimizer *optimizer = self;
    reel_tape *tape = optimizer->tape;
    size_t bytes = (size_t)optimizer->slots * optimizer->covered * tape->element;
    reel__resize(tape, optimizer->state, optimizer->state ? bytes : 0, 0);
    reel__list_free(tape, &optimizer->members, sizeof(reel__member));
    reel__list_free(tape, &optimizer->groups, sizeof(reel__group));
    reel__list_free(tape, &optimizer->runs, sizeof(reel__run));
    reel__list_free(tape, &optimizer->text, 1);
    optimizer->state = NULL;
    optimizer->covered = 0;
    optimizer->rule = NULL;
}

void reel_optimizer_free(reel_optimizer *optimizer)
{
    if (optimizer) {
        release(optimizer);
    }
}

static bool check_lr(reel_tape *tape, const char *name, double lr, bool zero_allowed)
{
    if (isfinite(lr) && (lr > 0 || (zero_allowed && lr == 0))) {
        return true;
    }
    reel_fail(tape, REEL_BAD_ARGUMENT, name, "lr is %g, must be finite and %s 0", lr,
              zero_allowed ? "at least" : "greater than");
    return false;
}

reel_optimizer *reel__optimizer_new(reel_tape *tape, const reel_update_rule *rule,
                                    reel__optimizer_numbers numbers, const void *options)
{
    if (!tape || !rule || !check_lr(tape, rule->name, numbers.lr, false) ||
        !reel__optim_check(tape, rule->name, "weight_decay", numbers.weight_decay, INFINITY)) {
        return NULL;
    }
    reel_optimizer *optimizer = reel__tape_store(tape, sizeof *optimizer);
    void *copy = optimizer ? reel__tape_store(tape, rule->options_size) : NULL;
    if (!copy || !reel__tape_on_free(tape, release, optimizer)) {
        return NULL;
    }
    if (rule->options_size) {
        memcpy(copy, options, rule->options_size);
    }
    *optimizer = (reel_optimizer){ .tape = tape,
                                   .rule = rule,
                                   .options = copy,
                                   .lr = numbers.lr,
                                   .weight_decay = numbers.weight_decay,
                                   .decoupled = numbers.decoupled,
                                   .slots = numbers.slots ? numbers.slots : rule->slots };
    return optimizer;
}

reel_optimizer *reel_optimizer_new(reel_tape *tape, const reel_update_rule *rule, double lr,
                                   const void *options)
{
    if (tape && rule && (rule->slots < 0 || rule->slots > REEL_MAX_SLOTS)) {
        reel_fail(tape, REEL_BAD_ARGUMENT, rule->name, "slots is %d, must be in 0 … %d",
                  rule->slots, REEL_MAX_SLOTS);
        return NULL;
    }
    return reel__optimizer_new(tape, rule, (reel__optimizer_numbers){ .lr = lr }, options);
}

bool reel__optimizer_usable(const reel_optimizer *optimizer, const char *caller)
{
    if (optimizer && !optimizer->rule) {
        reel_fail(optimizer->tape, REEL_BAD_HANDLE, caller, "the optimiser was freed");
    }
    return optimizer && optimizer->rule && reel_tape_status(optimizer->tape) == REEL_OK;
}

reel_tape *reel_optimizer_tape(const reel_optimizer *optimizer)
{
    return optimizer ? optimizer->tape : NULL;
}

double reel_optimizer_lr(const reel_optimizer *optimizer)
{
    return optimizer ? optimizer->lr : NAN;
}

const char *reel_optimizer_name(const reel_optimizer *optimizer)
{
    return optimizer && optimizer->rule ? optimizer->rule->name : NULL;
}

reel_status reel_optimizer_set_lr(reel_optimizer *optimizer, double lr)
{
    if (!optimizer) {
        return REEL_BAD_HANDLE;
    }
    if (!check_lr(optimizer->tape, "optimizer_set_lr", lr, true)) {
        return REEL_BAD_ARGUMENT;
    }
    optimizer->lr = lr;
    return REEL_OK;
}

/* ---- parameters that join ------------------------------------------------------------------ */

/* A larger [slots][count], zero where it is new. */
static bool grow_state(reel_optimizer *optimizer, size_t count)
{
    reel_tape *tape = optimizer->tape;
    size_t slots = (size_t)optimizer->slots, before = optimizer->covered * tape->element;
    size_t after = count * tape->element;
    char *state = slots && after ? reel__resize(tape, NULL, 0, slots * after) : NULL;
    if (slots && after && !state) {
        return false;
    }
    for (size_t k = 0; state && k < slots; k++) {
        if (before) {
            memcpy(state + k * after, optimizer->state + k * before, before);
        }
        memset(state + k * after + before, 0, after - before);
    }
    reel__resize(tape, optimizer->state, optimizer->state ? slots * before : 0, 0);
    optimizer->state = state;
    optimizer->covered = count;
    return true;
}

bool reel__optimizer_join(reel_optimizer *optimizer)
{
    reel_tape *tape = optimizer->tape;
    reel__list *members = &optimizer->members;
    if (members->count == tape->params.count) {
        return true;
    }
    if (!reel__list_reserve(tape, members, tape->params.count, sizeof(reel__member)) ||
        !grow_state(optimizer, tape->flat_count)) {
        return false;
    }
    for (size_t i = members->count; i < tape->params.count; i++) {
        reel__member *member = reel__member_at(optimizer, i);
        *member = (reel__member){ .lr_factor = 1, .weight_decay = NAN };
        reel__optimizer_settle(optimizer, reel__param_entry(tape, (uint32_t)i)->name, member);
    }
    members->count = tape->params.count;
    optimizer->runs_stale = true;
    return true;
}

/* ---- runs ---------------------------------------------------------------------------------- */

static bool same_number(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}

static bool alike(const reel__member *a, const reel__member *b)
{
    return a->steps == b->steps && a->carried == b->carried && a->frozen == b->frozen &&
           a->lr_factor == b->lr_factor && same_number(a->weight_decay, b->weight_decay);
}

static size_t begin_of(const reel_optimizer *optimizer, size_t member)
{
    return member < optimizer->members.count
               ? reel__param_entry(optimizer->tape, (uint32_t)member)->offset
               : optimizer->covered;
}

static bool add_runs(reel_optimizer *optimizer, size_t begin, size_t end, size_t member)
{
    reel__list *runs = &optimizer->runs;
    size_t added = (end - begin + REEL__RUN - 1) / REEL__RUN;
    if (!reel__list_reserve(optimizer->tape, runs, runs->count + added, sizeof(reel__run))) {
        return false;
    }
    for (; begin < end; begin += REEL__RUN) {
        size_t count = end - begin < REEL__RUN ? end - begin : REEL__RUN;
        ((reel__run *)runs->data)[runs->count++] =
            (reel__run){ .begin = begin, .count = count, .member = (uint32_t)member };
    }
    return true;
}

static bool make_runs(reel_optimizer *optimizer)
{
    if (!optimizer->runs_stale) {
        return true;
    }
    optimizer->runs.count = 0;
    for (size_t i = 0, next; i < optimizer->members.count; i = next) {
        const reel__member *first = reel__member_at(optimizer, i);
        for (next = i + 1;
             next < optimizer->members.count && alike(first, reel__member_at(optimizer, next));
             next++) {
        }
        if (!add_runs(optimizer, begin_of(optimizer, i), begin_of(optimizer, next), i)) {
            return false;
        }
    }
    optimizer->runs_stale = false;
    return true;
}

/* ---- a step -------------------------------------------------------------------------------- */

static void update_run(const reel_optimizer *optimizer, const reel__run *run, reel_flat flat)
{
    size_t element = optimizer->tape->element, at = run->begin * element;
    const reel__member *member = reel__member_at(optimizer, run->member);
    char *gradients = (char *)flat.gradients + at;
    double decay = isnan(member->weight_decay) ? optimizer->weight_decay : member->weight_decay;
    double lr = optimizer->lr * member->lr_factor;
    reel_update update = { .count = run->count,
                           .values = (char *)flat.values + at,
                           .gradients = gradients,
                           .lr = lr,
                           .decay = optimizer->decoupled ? 0 : decay,
                           .keep = optimizer->decoupled ? 1 - lr * decay : 1,
                           .step = member->steps,
                           .carried = member->carried,
                           .carried_before = member->carried_before,
                           .options = optimizer->options };
    for (int k = 0; k < optimizer->slots; k++) {
        update.slot[k] = reel__slot_at(optimizer, k, run->begin);
    }
    if (!member->frozen) {
        optimizer->rule->update[optimizer->tape->options.dtype](&update);
    }
    memset(gradients, 0, run->count * element);
}

static void advance(const reel_optimizer *optimizer)
{
    for (size_t i = 0; i < optimizer->members.count; i++) {
        reel__member *member = reel__member_at(optimizer, i);
        if (member->frozen) {
            continue;
        }
        member->steps++;
        if (optimizer->rule->carry) {
            member->carried_before = member->carried;
            member->carried =
                optimizer->rule->carry(optimizer->options, member->steps, member->carried_before);
        }
    }
}

/* A schedule's momentum is taken at each step rather than kept: restored state says no more than
 * which step that is. */
static void take_momentum(reel_optimizer *optimizer)
{
    const reel__drive *drive = &optimizer->drive;
    double momentum = reel_schedule_momentum(&drive->schedule, (int64_t)drive->step);
    if (optimizer->rule->momentum && !isnan(momentum)) {
        *(double *)(void *)((char *)optimizer->options + optimizer->rule->momentum) = momentum;
    }
}

reel_status reel_optimizer_step(reel_optimizer *optimizer)
{
    if (!optimizer) {
        return REEL_BAD_HANDLE;
    }
    reel_tape *tape = optimizer->tape;
    if (reel__optimizer_usable(optimizer, "optimizer_step") && !optimizer->rule->update[0]) {
        reel_fail(tape, REEL_BAD_ARGUMENT, "optimizer_step",
                  "%s evaluates the loss several times a step: call reel_lbfgs_step",
                  optimizer->rule->name);
    }
    reel_flat flat;
    if (reel_tape_status(tape) != REEL_OK || reel_flat_begin(tape, &flat) != REEL_OK ||
        !reel__optimizer_join(optimizer) || !make_runs(optimizer)) {
        return reel_tape_status(tape);
    }
    take_momentum(optimizer);
    advance(optimizer);
    int64_t runs = (int64_t)optimizer->runs.count;
    reel__float_mode mode = reel__float_mode_of(tape->options.dtype);
#pragma omp parallel for schedule(static) num_threads(tape->threads) if (runs > 4)
    for (int64_t i = 0; i < runs; i++) {
        reel__float_mode own = reel__float_mode_use(mode);
        update_run(optimizer, (const reel__run *)optimizer->runs.data + i, flat);
        reel__float_mode_use(own);
    }
    reel_flat_end(tape, true);
    return REEL_OK;
}

/* group.c: settings for the parameters whose names match a pattern. */
#include "optimizer.h"

/* `*` stands for any characters, `?` for one. Goes back to the last `*` where it fails. */
bool reel__glob(const char *pattern, const char *text)
{
    const char *star = NULL, *resume = NULL;
    while (*text) {
        if (*pattern == '*') {
            star = pattern++;
            resume = text;
        } else if (*pattern == '?' || *pattern == *text) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star + 1;
            text = ++resume;
        } else {
            return false;
        }
    }
    while (*pattern == '*') {
        pattern++;
    }
    return *pattern == '\0';
}

void reel__optimizer_settle(const reel_optimizer *optimizer, const char *parameter,
                            reel__member *member)
{
    const reel__group *groups = optimizer->groups.data;
    for (size_t i = optimizer->groups.count; i-- > 0;) {
        if (reel__glob(groups[i].pattern, parameter)) {
            member->lr_factor = groups[i].lr_factor;
            member->weight_decay = groups[i].weight_decay;
            member->frozen = groups[i].frozen;
            return;
        }
    }
}

/* lr is relative to what a schedule would multiply. */
static double base_lr(const reel_optimizer *optimizer)
{
    return optimizer->drive.schedule.at ? optimizer->drive.base_lr : optimizer->lr;
}

static bool check(const reel_optimizer *optimizer, const char *pattern,
                  const reel_group_options *options)
{
    reel_tape *tape = optimizer->tape;
    if (!pattern || !*pattern) {
        reel_fail(tape, REEL_BAD_ARGUMENT, "optimizer_group", "a group needs a pattern");
        return false;
    }
    if (options->lr != 0 && options->lr_factor != 0) {
        reel_fail(tape, REEL_BAD_ARGUMENT, "optimizer_group",
                  "%s: lr is %g and lr_factor %g; give one of them", pattern, options->lr,
                  options->lr_factor);
        return false;
    }
    if (options->lr != 0 && base_lr(optimizer) == 0) {
        reel_fail(tape, REEL_BAD_ARGUMENT, "optimizer_group",
                  "%s: lr is relative to the optimiser's, which is 0", pattern);
        return false;
    }
    return reel__optim_check(tape, "optimizer_group", "lr", options->lr, INFINITY) &&
           reel__optim_check(tape, "optimizer_group", "lr_factor", options->lr_factor, INFINITY) &&
           reel__optim_check(tape, "optimizer_group", "weight_decay", options->weight_decay,
                             INFINITY);
}

static reel__group group_of(const reel_optimizer *optimizer, const char *pattern,
                            const reel_group_options *options)
{
    double factor = options->lr != 0 ? reel__optim_option(options->lr, 1) / base_lr(optimizer)
                                     : reel__optim_option(options->lr_factor, 1);
    return (reel__group){ .pattern = pattern,
                          .lr_factor = factor,
                          .weight_decay = reel__optim_option(options->weight_decay, NAN),
                          .frozen = options->frozen };
}

int64_t reel_optimizer_group(reel_optimizer *optimizer, const char *pattern,
                             reel_group_options options)
{
    if (!reel__optimizer_usable(optimizer, "optimizer_group") ||
        !check(optimizer, pattern, &options) || !reel__optimizer_join(optimizer)) {
        return -1;
    }
    reel_tape *tape = optimizer->tape;
    reel__list *groups = &optimizer->groups;
    const char *copy = reel__tape_store_text(tape, pattern);
    if (!copy || !reel__list_reserve(tape, groups, groups->count + 1, sizeof(reel__group))) {
        return -1;
    }
    ((reel__group *)groups->data)[groups->count++] = group_of(optimizer, copy, &options);
    int64_t matches = 0;
    for (size_t i = 0; i < optimizer->members.count; i++) {
        const char *name = reel__param_entry(tape, (uint32_t)i)->name;
        reel__optimizer_settle(optimizer, name, reel__member_at(optimizer, i));
        matches += reel__glob(pattern, name);
    }
    optimizer->runs_stale = true;
    return matches;
}

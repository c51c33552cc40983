/* state.c: what an optimiser remembers, entry by entry, for checkpoints.
 *
 * First come numbers of the whole: lr, the schedule's, the rule's own; then for every parameter its
 * count of updates, the number the rule carries from step to step, and its slots. */
#include <string.h>

#include "optimizer.h"

/* A number of the whole optimiser. No name has a slash, as those of a parameter have. */
typedef struct {
    const char *name;
    size_t offset, count; /* doubles, from the start of reel_optimizer */
} number;

#define NUMBER(name, field)                                                                        \
    {                                                                                              \
        name, offsetof(reel_optimizer, field), 1                                                   \
    }
static const number of_all[] = {
    NUMBER("lr", lr),
    NUMBER("schedule.step", drive.step),
    NUMBER("schedule.base_lr", drive.base_lr),
    NUMBER("plateau.best", drive.plateau.best),
    NUMBER("plateau.bad", drive.plateau.bad),
    NUMBER("plateau.cooling", drive.plateau.cooling),
};
enum { NUMBERS = sizeof of_all / sizeof *of_all };

static size_t numbers_of(const reel_optimizer *optimizer)
{
    return NUMBERS + (size_t)optimizer->rule->numbers;
}

static size_t entries_of_member(const reel_optimizer *optimizer)
{
    return (optimizer->rule->carry ? 2 : 1) + (size_t)optimizer->slots;
}

size_t reel_optimizer_state_count(reel_optimizer *optimizer)
{
    if (!reel__optimizer_usable(optimizer, "optimizer_state_count") ||
        !reel__optimizer_join(optimizer)) {
        return 0;
    }
    return numbers_of(optimizer) + optimizer->members.count * entries_of_member(optimizer);
}

const char *reel__state_name(reel_tape *tape, reel__list *room, const char *parameter,
                             const char *what, int slot)
{
    size_t bytes = strlen(parameter) + strlen(what) + 16;
    if (!reel__list_reserve(tape, room, bytes, 1)) {
        return NULL;
    }
    snprintf(room->data, bytes, slot < 0 ? "%s/%s" : "%s/%s%d", parameter, what, slot);
    return room->data;
}

static const char *name_of(reel_optimizer *optimizer, const char *parameter, const char *what,
                           int slot)
{
    return reel__state_name(optimizer->tape, &optimizer->text, parameter, what, slot);
}

static void entry_of_number(reel_optimizer *optimizer, size_t i, reel_state_entry *out)
{
    *out = (reel_state_entry){ .dtype = REEL_STATE_F64, .shape = REEL_SHAPE(), .count = 1 };
    if (i < NUMBERS) {
        out->name = of_all[i].name;
        out->data = (char *)optimizer + of_all[i].offset;
        return;
    }
    const reel_rule_number *own = &optimizer->rule->number[i - NUMBERS];
    out->name = own->name;
    out->data = (char *)optimizer->options + own->offset;
    if (own->count > 1) {
        out->count = own->count;
        out->shape = REEL_SHAPE((int64_t)own->count);
    }
}

static void entry_of_slot(reel_optimizer *optimizer, uint32_t member, int slot,
                          reel_state_entry *out)
{
    const reel_tape *tape = optimizer->tape;
    const reel__param *param = reel__param_entry(tape, member);
    const char *own = slot < REEL_MAX_SLOTS ? optimizer->rule->slot_name[slot] : NULL;
    *out = (reel_state_entry){
        .name = own ? name_of(optimizer, param->name, own, -1)
                    : name_of(optimizer, param->name, "slot", slot),
        .dtype = tape->options.dtype == REEL_F64 ? REEL_STATE_F64 : REEL_STATE_F32,
        .shape = param->shape,
        .count = param->count,
        .data = reel__slot_at(optimizer, slot, param->offset),
    };
}

static void entry_of_member(reel_optimizer *optimizer, uint32_t index, size_t i,
                            reel_state_entry *out)
{
    reel__member *member = reel__member_at(optimizer, index);
    const char *parameter = reel__param_entry(optimizer->tape, index)->name;
    bool carries = optimizer->rule->carry != NULL;
    *out = (reel_state_entry){ .shape = REEL_SHAPE(), .count = 1 };
    if (i == 0) {
        out->name = name_of(optimizer, parameter, "step", -1);
        out->dtype = REEL_STATE_I64;
        out->data = &member->steps;
    } else if (i == 1 && carries) {
        out->name = name_of(optimizer, parameter, "carried", -1);
        out->dtype = REEL_STATE_F64;
        out->data = &member->carried;
    } else {
        entry_of_slot(optimizer, index, (int)i - 1 - carries, out);
    }
}

reel_status reel_optimizer_state_at(reel_optimizer *optimizer, size_t i, reel_state_entry *out)
{
    if (!optimizer || !out) {
        return REEL_BAD_HANDLE;
    }
    *out = (reel_state_entry){ 0 };
    size_t count = reel_optimizer_state_count(optimizer);
    if (reel_tape_status(optimizer->tape) == REEL_OK && i >= count) {
        reel_fail(optimizer->tape, REEL_BAD_INDEX, "optimizer_state_at",
                  "there is no entry %zu of %zu", i, count);
    }
    if (reel_tape_status(optimizer->tape) != REEL_OK) {
        return reel_tape_status(optimizer->tape);
    }
    size_t numbers = numbers_of(optimizer), each = entries_of_member(optimizer);
    if (i < numbers) {
        entry_of_number(optimizer, i, out);
    } else {
        entry_of_member(optimizer, (uint32_t)((i - numbers) / each), (i - numbers) % each, out);
    }
    return out->name ? REEL_OK : reel_tape_status(optimizer->tape);
}

/* ---- writing ------------------------------------------------------------------------------- */

static bool find(reel_optimizer *optimizer, const char *name, reel_state_entry *out)
{
    size_t count = reel_optimizer_state_count(optimizer);
    for (size_t i = 0; i < count; i++) {
        if (reel_optimizer_state_at(optimizer, i, out) != REEL_OK) {
            return false;
        }
        if (strcmp(out->name, name) == 0) {
            return true;
        }
    }
    if (reel_tape_status(optimizer->tape) == REEL_OK) {
        reel_fail(optimizer->tape, REEL_NOT_FOUND, "optimizer_state_set",
                  "%s has no state called %s", optimizer->rule->name, name);
    }
    return false;
}

static bool fits(reel_tape *tape, const char *caller, const reel_state_entry *entry,
                 const reel_state_entry *given)
{
    bool counts = entry->dtype == REEL_STATE_I64;
    if (given->count != entry->count || !given->data) {
        reel_fail(tape, REEL_BAD_ARGUMENT, caller, "%s: %zu numbers given, it holds %zu",
                  entry->name, given->data ? given->count : 0, entry->count);
        return false;
    }
    if (counts != (given->dtype == REEL_STATE_I64)) {
        reel_fail(tape, REEL_BAD_ARGUMENT, caller, "%s %s", entry->name,
                  counts ? "is a count: int64 expected"
                         : "is not a count: float or double expected");
        return false;
    }
    if (counts && *(const int64_t *)given->data < 0) {
        reel_fail(tape, REEL_BAD_ARGUMENT, caller, "%s is %lld, must be at least 0", entry->name,
                  (long long)*(const int64_t *)given->data);
        return false;
    }
    return true;
}

static double element_of(const reel_state_entry *entry, size_t i)
{
    return entry->dtype == REEL_STATE_F64 ? ((const double *)entry->data)[i]
                                          : (double)((const float *)entry->data)[i];
}

bool reel__state_copy(reel_tape *tape, const char *caller, const reel_state_entry *entry,
                      const reel_state_entry *given)
{
    if (!fits(tape, caller, entry, given)) {
        return false;
    }
    if (entry->dtype == REEL_STATE_I64) {
        *(int64_t *)entry->data = *(const int64_t *)given->data;
        return true;
    }
    for (size_t i = 0; i < entry->count; i++) {
        if (entry->dtype == REEL_STATE_F64) {
            ((double *)entry->data)[i] = element_of(given, i);
        } else {
            ((float *)entry->data)[i] = (float)element_of(given, i);
        }
    }
    return true;
}

reel_status reel_optimizer_state_set(reel_optimizer *optimizer, const reel_state_entry *given)
{
    reel_state_entry entry;
    if (!optimizer || !given || !given->name) {
        return REEL_BAD_HANDLE;
    }
    if (!reel__optimizer_usable(optimizer, "optimizer_state_set") ||
        !find(optimizer, given->name, &entry) ||
        !reel__state_copy(optimizer->tape, "optimizer_state_set", &entry, given)) {
        return reel_tape_status(optimizer->tape);
    }
    optimizer->runs_stale = true;
    return REEL_OK;
}

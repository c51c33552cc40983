/* optimizer.c: what all optimisers are made of: state beside the parameters, and one pass over
 * both.
 *
 * The flat buffers grow at their end when parameters are made. What was there at one step and not
 * at the one before becomes a segment, with its own state and its own step count. */
#include <string.h>

#include "update.h"

typedef struct segment {
    struct segment *next;
    size_t begin, count; /* elements of the flat buffers */
    int64_t steps;       /* updates so far */
    char *slots;         /* [rule->slots][count] */
    size_t slots_bytes;
} segment;

struct reel_optimizer {
    reel_tape *tape;
    const reel_update_rule *rule; /* NULL once freed */
    const void *options;
    double lr;
    size_t covered; /* elements that belong to a segment */
    segment *first;
};

static void release(void *self)
{
    reel_optimizer *optimizer = self;
    for (segment *s = optimizer->first; s; s = s->next) {
        reel__resize(optimizer->tape, s->slots, s->slots_bytes, 0);
        s->slots = NULL;
        s->slots_bytes = 0;
    }
    optimizer->first = NULL;
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

reel_optimizer *reel_optimizer_new(reel_tape *tape, const reel_update_rule *rule, double lr,
                                   const void *options)
{
    if (!tape || !rule || !check_lr(tape, rule->name, lr, false)) {
        return NULL;
    }
    if (rule->slots < 0 || rule->slots > REEL_MAX_SLOTS) {
        reel_fail(tape, REEL_BAD_ARGUMENT, rule->name, "slots is %d, must be in 0 … %d",
                  rule->slots, REEL_MAX_SLOTS);
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
    *optimizer = (reel_optimizer){ .tape = tape, .rule = rule, .options = copy, .lr = lr };
    return optimizer;
}

double reel_optimizer_lr(const reel_optimizer *optimizer)
{
    return optimizer ? optimizer->lr : NAN;
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

/* ---- a step -------------------------------------------------------------------------------- */

/* Takes in the parameters made since the last step. */
static bool extend(reel_optimizer *optimizer, size_t count)
{
    reel_tape *tape = optimizer->tape;
    if (count <= optimizer->covered) {
        return true;
    }
    size_t joined = count - optimizer->covered;
    size_t bytes = (size_t)optimizer->rule->slots * joined * tape->element;
    segment *s = reel__tape_store(tape, sizeof *s);
    char *slots = s && bytes ? reel__resize(tape, NULL, 0, bytes) : NULL;
    if (!s || (bytes && !slots)) {
        return false;
    }
    if (bytes) {
        memset(slots, 0, bytes);
    }
    *s = (segment){ .next = optimizer->first,
                    .begin = optimizer->covered,
                    .count = joined,
                    .slots = slots,
                    .slots_bytes = bytes };
    optimizer->first = s;
    optimizer->covered = count;
    return true;
}

static void update_run(const reel_optimizer *optimizer, const segment *s, reel_flat flat,
                       size_t begin)
{
    size_t element = optimizer->tape->element, at = (s->begin + begin) * element;
    size_t count = s->count - begin < REEL__RUN ? s->count - begin : REEL__RUN;
    char *gradients = (char *)flat.gradients + at;
    reel_update run = { .count = count,
                        .values = (char *)flat.values + at,
                        .gradients = gradients,
                        .lr = optimizer->lr,
                        .step = s->steps,
                        .options = optimizer->options };
    for (int k = 0; k < optimizer->rule->slots; k++) {
        run.slot[k] = s->slots + ((size_t)k * s->count + begin) * element;
    }
    optimizer->rule->update[optimizer->tape->options.dtype](&run);
    memset(gradients, 0, count * element);
}

static void update_segment(const reel_optimizer *optimizer, segment *s, reel_flat flat)
{
    int64_t runs = (int64_t)((s->count + REEL__RUN - 1) / REEL__RUN);
    s->steps++;
#pragma omp parallel for schedule(static) num_threads(optimizer->tape->threads) if (runs > 4)
    for (int64_t i = 0; i < runs; i++) {
        update_run(optimizer, s, flat, (size_t)i * REEL__RUN);
    }
}

reel_status reel_optimizer_step(reel_optimizer *optimizer)
{
    if (!optimizer) {
        return REEL_BAD_HANDLE;
    }
    reel_tape *tape = optimizer->tape;
    if (!optimizer->rule) {
        reel_fail(tape, REEL_BAD_HANDLE, "optimizer_step", "the optimiser was freed");
    }
    reel_flat flat;
    if (reel_tape_status(tape) != REEL_OK || reel_flat_begin(tape, &flat) != REEL_OK ||
        !extend(optimizer, flat.count)) {
        return reel_tape_status(tape);
    }
    for (segment *s = optimizer->first; s; s = s->next) {
        update_segment(optimizer, s, flat);
    }
    reel_flat_end(tape, true);
    return REEL_OK;
}

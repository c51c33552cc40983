/* learner.c: learning rates, averaging, and lengths of windows. */
#include "learner.h"

#include <math.h>

#define WARM_UP 20      /* updates over which Adam's learning rate rises */
#define SLOW_DOWN 400.0 /* updates after which --full lowers it */
#define LENGTHS 5       /* of windows differ by so much, or a multiple: few structures to plan */
#define RARELY_HALF 20  /* one window in so many is about half as long */
#define NOT_BEFORE 0.3  /* of the training is for SGD to settle */
#define DECAY 1.2e-6    /* of --awd's weights */

learner learner_new(reel_tape *t, const options *o)
{
    learner l = { .options = o, .random = (uint64_t)o->seed + 1 };
    l.optimizer =
        o->awd ? reel_nt_asgd(t, (reel_nt_asgd_options){ .lr = o->lr, .weight_decay = DECAY })
               : reel_adam(t, (reel_adam_options){ .lr = o->lr });
    return l;
}

/* Rises for some updates, then follows half a cosine down to a twentieth (Loshchilov & Hutter
 * 2017); with --full it falls as 1/√updates, and is halved where nothing is gained any more. */
static double adams_rate(const learner *l, double done, double update)
{
    double fall = l->options->full ? sqrt(fmin(1, SLOW_DOWN / update)) * ldexp(1, -l->halvings)
                                   : 0.05 + 0.95 * 0.5 * (1 + cos(3.14159265358979 * done));
    return l->options->lr * fmin(1, update / WARM_UP) * fall;
}

/* As many steps as the loss is a mean over, so much weighs an update. */
static double averaged_rate(const learner *l, int steps)
{
    return l->options->lr * steps / l->options->steps;
}

void learner_set_rate(learner *l, double done, long updates, int steps)
{
    double rate =
        l->options->awd ? averaged_rate(l, steps) : adams_rate(l, done, (double)updates + 1);
    reel_optimizer_set_lr(l->optimizer, rate);
}

/* ---- lengths of windows --------------------------------------------------------------------- */

/* xorshift64* (Vigna 2016), 0 … n - 1 */
static int draw(uint64_t *state, int n)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (int)((*state * 0x2545f4914f6cdd1du) >> 33) % n;
}

int learner_most_steps(const options *o)
{
    return (int)o->steps + (o->awd ? 2 * LENGTHS : 0);
}

int learner_steps(learner *l)
{
    int steps = (int)l->options->steps;
    if (!l->options->awd) {
        return steps;
    }
    int base = draw(&l->random, RARELY_HALF) == 0 ? steps / 2 : steps;
    int drawn = base + LENGTHS * (draw(&l->random, 3) + draw(&l->random, 3) - 2);
    return drawn < LENGTHS ? LENGTHS : drawn;
}

/* ---- averaging ------------------------------------------------------------------------------ */

void learner_average(learner *l)
{
    if (l->options->awd) {
        reel_nt_asgd_exchange(l->optimizer);
    }
}

void learner_report(learner *l, double done, double loss)
{
    if (l->options->awd && (l->options->full || done > NOT_BEFORE)) {
        l->averaging = reel_nt_asgd_report(l->optimizer, loss);
    }
}

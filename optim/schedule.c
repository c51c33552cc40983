/* schedule.c: the shapes of learning rates over the steps. */
#include "update.h"

static const double pi = 3.14159265358979323846;

double reel_schedule_lr(const reel_schedule *schedule, double base_lr, int64_t step)
{
    bool good = schedule && schedule->at && !schedule->error && step >= 0;
    return good ? schedule->at(schedule, base_lr, step) : NAN;
}

double reel_schedule_momentum(const reel_schedule *schedule, int64_t step)
{
    bool good = schedule && schedule->momentum && !schedule->error && step >= 0;
    return good ? schedule->momentum(schedule, step) : NAN;
}

static bool positive(double x)
{
    return x > 0 && isfinite(x);
}

static bool not_negative(double x)
{
    return x >= 0 && isfinite(x);
}

/* The share of the steps that lies behind. */
static double share(int64_t step, int64_t steps)
{
    return step < steps ? (double)step / (double)steps : 1;
}

/* From `first` to `last`, as the first half of a cosine does. */
static double along_cosine(double first, double last, double part)
{
    return last + (first - last) * (1 + cos(pi * part)) / 2;
}

/* ---- powers of gamma ----------------------------------------------------------------------- */

static double at_step(const reel_schedule *s, double base, int64_t step)
{
    return base * pow(s->number[0], (double)(step / s->steps));
}

reel_schedule reel_step_lr(int64_t every, double gamma)
{
    return (reel_schedule){ .at = at_step,
                            .steps = every,
                            .number = { gamma },
                            .error = every < 1          ? "step_lr: every must be at least 1"
                                     : !positive(gamma) ? "step_lr: gamma must be above 0"
                                                        : NULL };
}

static bool ascending(size_t count, const int64_t *milestones)
{
    for (size_t i = 0; i < count; i++) {
        if (!milestones || milestones[i] < (i ? milestones[i - 1] : 0)) {
            return false;
        }
    }
    return true;
}

/* How many milestones are behind or here. */
static size_t reached(const reel_schedule *s, int64_t step)
{
    size_t count = 0;
    while (count < s->count && s->milestones[count] <= step) {
        count++;
    }
    return count;
}

static double at_milestones(const reel_schedule *s, double base, int64_t step)
{
    return base * pow(s->number[0], (double)reached(s, step));
}

reel_schedule reel_multistep_lr(size_t count, const int64_t milestones[], double gamma)
{
    return (reel_schedule){ .at = at_milestones,
                            .count = count,
                            .milestones = milestones,
                            .number = { gamma },
                            .error = !ascending(count, milestones)
                                         ? "multistep_lr: milestones must ascend from 0"
                                     : !positive(gamma) ? "multistep_lr: gamma must be above 0"
                                                        : NULL };
}

static double at_exponential(const reel_schedule *s, double base, int64_t step)
{
    return base * pow(s->number[0], (double)step);
}

reel_schedule reel_exponential_lr(double gamma)
{
    return (reel_schedule){ .at = at_exponential,
                            .number = { gamma },
                            .error =
                                positive(gamma) ? NULL : "exponential_lr: gamma must be above 0" };
}

/* ---- cosines ------------------------------------------------------------------------------- */

static double at_cosine(const reel_schedule *s, double base, int64_t step)
{
    return along_cosine(base, s->number[0], (double)step / (double)s->steps);
}

reel_schedule reel_cosine_lr(int64_t steps, double lowest)
{
    return (reel_schedule){ .at = at_cosine,
                            .steps = steps,
                            .number = { lowest },
                            .error = steps < 1 ? "cosine_lr: steps must be at least 1"
                                     : !not_negative(lowest)
                                         ? "cosine_lr: lowest must be at least 0"
                                         : NULL };
}

static double at_restarts(const reel_schedule *s, double base, int64_t step)
{
    double at = (double)step, period = (double)s->steps, longer = s->number[1];
    if (longer == 1) {
        at = (double)(step % s->steps);
    }
    while (at >= period) {
        at -= period;
        period *= longer;
    }
    return along_cosine(base, s->number[0], at / period);
}

reel_schedule reel_cosine_restarts_lr(int64_t period, int64_t longer, double lowest)
{
    return (reel_schedule){
        .at = at_restarts,
        .steps = period,
        .number = { lowest, (double)longer },
        .error = period < 1              ? "cosine_restarts_lr: period must be at least 1"
                 : longer < 1            ? "cosine_restarts_lr: longer must be at least 1"
                 : !not_negative(lowest) ? "cosine_restarts_lr: lowest must be at least 0"
                                         : NULL,
    };
}

/* ---- lines and roots ----------------------------------------------------------------------- */

static double at_linear(const reel_schedule *s, double base, int64_t step)
{
    double first = s->number[0], last = s->number[1];
    return base * (first + (last - first) * share(step, s->steps));
}

reel_schedule reel_linear_lr(int64_t steps, double first, double last)
{
    return (reel_schedule){
        .at = at_linear,
        .steps = steps,
        .number = { first, last },
        .error = steps < 1 ? "linear_lr: steps must be at least 1"
                 : !not_negative(first) || !not_negative(last)
                     ? "linear_lr: factors must be at least 0"
                     : NULL,
    };
}

static double at_polynomial(const reel_schedule *s, double base, int64_t step)
{
    return base * pow(1 - share(step, s->steps), s->number[0]);
}

reel_schedule reel_polynomial_lr(int64_t steps, double power)
{
    return (reel_schedule){ .at = at_polynomial,
                            .steps = steps,
                            .number = { power },
                            .error = steps < 1          ? "polynomial_lr: steps must be at least 1"
                                     : !positive(power) ? "polynomial_lr: power must be above 0"
                                                        : NULL };
}

static double at_inverse_sqrt(const reel_schedule *s, double base, int64_t step)
{
    double now = (double)step + 1, warmup = (double)s->steps;
    return base * fmin(now / warmup, sqrt(warmup / now));
}

reel_schedule reel_inverse_sqrt_lr(int64_t warmup)
{
    return (reel_schedule){
        .at = at_inverse_sqrt,
        .steps = warmup,
        .error = warmup < 1 ? "inverse_sqrt_lr: warmup must be at least 1" : NULL,
    };
}

static double at_function(const reel_schedule *s, double base, int64_t step)
{
    return base * s->factor(s->self, step);
}

reel_schedule reel_function_lr(double (*factor)(void *self, int64_t step), void *self)
{
    return (reel_schedule){ .at = at_function,
                            .factor = factor,
                            .self = self,
                            .error = factor ? NULL : "function_lr: the function is missing" };
}

/* ---- one cycle ----------------------------------------------------------------------------- */

enum { HIGHEST, RISE, START, END, LINEAR, THREE, LOW, HIGH };

static double between(const reel_schedule *s, double first, double last, double part)
{
    return s->number[LINEAR] != 0 ? first + (last - first) * part : along_cosine(first, last, part);
}

/* From value[k] to value[k + 1] by step end[k]. */
static double along_cycle(const reel_schedule *s, const double value[4], int64_t step)
{
    double steps = (double)s->steps, up = s->number[RISE] * steps - 1;
    bool three = s->number[THREE] != 0;
    double end[3] = { up, three ? 2 * up : steps - 1, steps - 1 };
    double now = fmin((double)step, steps - 1), begin = 0;
    int phase = 0, last = three ? 2 : 1;
    while (phase < last && now > end[phase]) {
        begin = end[phase++];
    }
    double length = end[phase] - begin;
    return between(s, value[phase], value[phase + 1], length != 0 ? (now - begin) / length : 1);
}

static double at_one_cycle(const reel_schedule *s, double base, int64_t step)
{
    double highest = s->number[HIGHEST] > 0 ? s->number[HIGHEST] : base;
    double start = highest / s->number[START], end = start / s->number[END];
    return along_cycle(s, (double[]){ start, highest, s->number[THREE] != 0 ? start : end, end },
                       step);
}

static double momentum_of_one_cycle(const reel_schedule *s, int64_t step)
{
    double low = s->number[LOW], high = s->number[HIGH];
    return along_cycle(s, (double[]){ high, low, high, high }, step);
}

static const char *problem_of(const reel_one_cycle_options *o)
{
    return o->steps < 1                     ? "one_cycle_lr: steps must be at least 1"
           : !not_negative(o->highest)      ? "one_cycle_lr: highest must be above 0"
           : !(o->rise > 0 && o->rise <= 1) ? "one_cycle_lr: rise must be in [0, 1]"
           : !positive(o->start_factor) || !positive(o->end_factor)
               ? "one_cycle_lr: factors must be above 0"
           : o->three_phases && o->rise > 0.5 ? "one_cycle_lr: rise must be at most 0.5 with "
                                                "three phases"
           : !(o->lowest_momentum >= 0 && o->highest_momentum < 1 &&
               o->lowest_momentum <= o->highest_momentum)
               ? "one_cycle_lr: momenta must ascend in [0, 1)"
               : NULL;
}

reel_schedule reel_one_cycle_lr(reel_one_cycle_options o)
{
    o.rise = o.rise == 0 ? 0.3 : o.rise;
    o.start_factor = o.start_factor == 0 ? 25 : o.start_factor;
    o.end_factor = o.end_factor == 0 ? 1e4 : o.end_factor;
    o.lowest_momentum = reel__optim_option(o.lowest_momentum, 0.85);
    o.highest_momentum = reel__optim_option(o.highest_momentum, 0.95);
    return (reel_schedule){ .at = at_one_cycle,
                            .steps = o.steps,
                            .number = { o.highest, o.rise, o.start_factor, o.end_factor, o.linear,
                                        o.three_phases, o.lowest_momentum, o.highest_momentum },
                            .momentum = o.cycle_momentum ? momentum_of_one_cycle : NULL,
                            .error = problem_of(&o) };
}

/* ---- compositions -------------------------------------------------------------------------- */

static double at_warmup(const reel_schedule *s, double base, int64_t step)
{
    double first = s->number[0];
    return step < s->steps ? base * (first + (1 - first) * share(step, s->steps))
                           : reel_schedule_lr(s->parts, base, step - s->steps);
}

static double momentum_after_warmup(const reel_schedule *s, int64_t step)
{
    return reel_schedule_momentum(s->parts, step < s->steps ? 0 : step - s->steps);
}

reel_schedule reel_warmup_lr(int64_t steps, double first, const reel_schedule *after)
{
    return (reel_schedule){ .at = at_warmup,
                            .steps = steps,
                            .number = { first },
                            .parts = after,
                            .momentum = after && after->momentum ? momentum_after_warmup : NULL,
                            .error = steps < 0              ? "warmup_lr: steps must be at least 0"
                                     : !not_negative(first) ? "warmup_lr: first must be at least 0"
                                     : !after ? "warmup_lr: what comes after is missing"
                                              : after->error };
}

static double at_sequence(const reel_schedule *s, double base, int64_t step)
{
    size_t part = reached(s, step);
    return reel_schedule_lr(&s->parts[part], base, step - (part ? s->milestones[part - 1] : 0));
}

/* NAN, which leaves it alone, in a part that knows none. */
static double momentum_of_sequence(const reel_schedule *s, int64_t step)
{
    size_t part = reached(s, step);
    return reel_schedule_momentum(&s->parts[part], step - (part ? s->milestones[part - 1] : 0));
}

static bool some_momentum(size_t count, const reel_schedule *parts)
{
    bool some = false;
    for (size_t i = 0; parts && i <= count; i++) {
        some = some || parts[i].momentum;
    }
    return some;
}

static const char *problem_of_parts(size_t count, const reel_schedule *parts)
{
    const char *problem = parts ? NULL : "sequential_lr: the parts are missing";
    for (size_t i = 0; parts && i <= count && !problem; i++) {
        problem = parts[i].error;
    }
    return problem;
}

reel_schedule reel_sequential_lr(size_t count, const int64_t milestones[],
                                 const reel_schedule parts[])
{
    bool good = ascending(count, milestones);
    return (reel_schedule){ .at = at_sequence,
                            .count = count,
                            .milestones = milestones,
                            .parts = parts,
                            .momentum =
                                good && some_momentum(count, parts) ? momentum_of_sequence : NULL,
                            .error = good ? problem_of_parts(count, parts)
                                          : "sequential_lr: milestones must ascend from 0" };
}

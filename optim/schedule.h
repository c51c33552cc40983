/* schedule.h: learning-rate schedules.
 *
 *     reel_schedule cosine = reel_cosine_lr(10000, 1e-5);      // must outlive what follows it
 *     reel_optimizer_schedule(adam, reel_warmup_lr(500, 0.01, &cosine));
 *     for (…) {
 *         …
 *         reel_optimizer_step(adam);
 *         reel_schedule_step(adam);                // after each step, or after each epoch
 *     }
 *
 * A schedule is a small value: the rate at step n, 0 being the first, from the base rate, which is
 * the optimiser's when the schedule is attached. It keeps no state: reel_schedule_lr(&s, base, n)
 * may be asked in any order. Values are those of torch.optim.lr_scheduler. A number out of range
 * makes a schedule whose rates are NAN and which no optimiser takes: the tape's error says why.
 */
#ifndef REEL_SCHEDULE_H
#define REEL_SCHEDULE_H

#include "optim.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct reel_schedule reel_schedule;
struct reel_schedule {
    double (*at)(const reel_schedule *, double base_lr, int64_t step);
    const char *error; /* NULL: none */
    double number[8];  /* what each means, `at` knows */
    int64_t steps;
    const int64_t *milestones; /* these and what follows must outlive the schedule */
    const reel_schedule *parts;
    size_t count; /* of milestones */
    double (*factor)(void *self, int64_t step);
    void *self;
    double (*momentum)(const reel_schedule *, int64_t step); /* NULL: it stays as it is */
};

/* NAN for a schedule in error and step < 0. */
REEL_API double reel_schedule_lr(const reel_schedule *, double base_lr, int64_t step);
/* The momentum at that step; NAN also where the schedule leaves it alone. */
REEL_API double reel_schedule_momentum(const reel_schedule *, int64_t step);

/* ---- shapes -------------------------------------------------------------------------------- */

/* Times gamma after every `every` steps (StepLR). gamma > 0 here and below. */
REEL_API reel_schedule reel_step_lr(int64_t every, double gamma);
/* Times gamma at each milestone, in ascending order (MultiStepLR). */
REEL_API reel_schedule reel_multistep_lr(size_t count, const int64_t milestones[], double gamma);
/* Times gamma after each step (ExponentialLR). */
REEL_API reel_schedule reel_exponential_lr(double gamma);
/* Half a cosine from the base to `lowest` in `steps` steps, and up again (CosineAnnealingLR). */
REEL_API reel_schedule reel_cosine_lr(int64_t steps, double lowest);
/* The same, back to the base at once; each period `longer` times the last, an integer ≥ 1 (SGDR,
 * Loshchilov & Hutter 2017; CosineAnnealingWarmRestarts). */
REEL_API reel_schedule reel_cosine_restarts_lr(int64_t period, int64_t longer, double lowest);
/* By factors of the base, from `first` to `last` in `steps` steps, then constant (LinearLR). */
REEL_API reel_schedule reel_linear_lr(int64_t steps, double first, double last);
/* base·(1 - step/steps)^power, then 0 (PolynomialLR). */
REEL_API reel_schedule reel_polynomial_lr(int64_t steps, double power);
/* Up to the base in `warmup` steps, then in proportion to 1/√step: base·min(s/warmup, √(warmup/s)),
 * s = step + 1 (Vaswani et al. 2017, who have the base 1/√(width·warmup)). */
REEL_API reel_schedule reel_inverse_sqrt_lr(int64_t warmup);
/* base·factor(self, step) (LambdaLR). */
REEL_API reel_schedule reel_function_lr(double (*factor)(void *self, int64_t step), void *self);

/* Up and down once (Smith & Topin 2018; OneCycleLR). Afterwards the last rate stays. */
typedef struct {
    int64_t steps;       /* ≥ 1: of the whole cycle */
    double highest;      /* > 0; 0: the base */
    double rise;         /* in [0, 1]: share of the steps that go up; 0: 0.3 */
    double start_factor; /* > 0: highest / start; 0: 25 */
    double end_factor;   /* > 0: start / end; 0: 1e4 */
    bool linear;         /* instead of cosines */
    bool three_phases;   /* down to the start in as many steps as up, then to the end */
    /* The optimiser's momentum, or its beta1, goes the other way: from the higher number down to the
     * lower one while the rate rises, and back (torch's default). An optimiser without momentum, SGD
     * with 0 as well, does not take such a schedule. */
    bool cycle_momentum;
    double lowest_momentum, highest_momentum; /* in [0, 1); 0: 0.85, 0.95 */
} reel_one_cycle_options;
REEL_API reel_schedule reel_one_cycle_lr(reel_one_cycle_options);

/* ---- compositions -------------------------------------------------------------------------- */

/* In `steps` steps from `first`·base to the base, then `after` from its step 0 on. */
REEL_API reel_schedule reel_warmup_lr(int64_t steps, double first, const reel_schedule *after);
/* parts[0] up to milestones[0], then parts[1] from its step 0 on, …: `count` milestones, ascending,
 * and one part more (SequentialLR). */
REEL_API reel_schedule reel_sequential_lr(size_t count, const int64_t milestones[],
                                          const reel_schedule parts[]);

/* ---- when a metric stops to improve --------------------------------------------------------- */

/* As ReduceLROnPlateau. */
typedef struct {
    bool largest_is_best; /* torch's mode "max" */
    double factor;        /* in (0, 1); 0: 0.1 */
    double patience;  /* reports without improvement that are let pass; 0: 10; REEL_ZERO: none */
    double threshold; /* what an improvement is, at least; 0: 1e-4; REEL_ZERO: anything */
    bool absolute;    /* threshold: by how much, not by which share of the best */
    double cooldown;  /* reports after a reduction that count for nothing; 0: none */
    double lowest;    /* lr never goes below */
    double eps;       /* reductions smaller than this are left out; 0: 1e-8 */
} reel_plateau_options;

/* A value with its state, to be kept by who uses it. */
typedef struct {
    reel_plateau_options options;
    double best, bad, cooling;
    const char *error; /* NULL: none */
} reel_plateau;

REEL_API reel_plateau reel_plateau_of(reel_plateau_options);
/* Reports a metric; returns the rate that follows lr. A NAN is no improvement. */
REEL_API double reel_plateau_report(reel_plateau *, double metric, double lr);

/* ---- at an optimiser ----------------------------------------------------------------------- */

/* The optimiser's lr is the base, and becomes the schedule's at step 0. What it is at is part of
 * the optimiser's state; restoring that does not bring back the schedule itself. */
REEL_API reel_status reel_optimizer_schedule(reel_optimizer *, reel_schedule);
/* Goes to the next step's lr; an error without a schedule. */
REEL_API reel_status reel_schedule_step(reel_optimizer *);
REEL_API reel_status reel_optimizer_plateau(reel_optimizer *, reel_plateau_options);
/* Reports a metric to the plateau; an error without one. With a schedule as well, the base is
 * reduced. */
REEL_API reel_status reel_schedule_report(reel_optimizer *, double metric);

#ifdef __cplusplus
}
#endif

#endif

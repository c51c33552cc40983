/* learner.h: who changes the parameters: Adam on a schedule, or for --awd averaged SGD. */
#ifndef CHAR_LM_LEARNER_H
#define CHAR_LM_LEARNER_H

#include <reel.h>

#include "options.h"

typedef struct {
    const options *options;
    reel_optimizer *optimizer;
    bool averaging; /* evaluations are those of the averaged parameters */
    int halvings;   /* of the learning rate */
    uint64_t random;
} learner;

/* .optimizer is NULL where that fails. */
learner learner_new(reel_tape *, const options *);
/* How many steps the next window has; always --steps but for --awd, whose gradients shall not end
 * at the same places every time (Merity et al. 2018). */
int learner_steps(learner *);
int learner_most_steps(const options *);
/* Before an update: `done` is the part of the training behind, -1 if unknown. */
void learner_set_rate(learner *, double done, long updates, int steps);
/* Around an evaluation: the averaged parameters, where there are such, and back. */
void learner_average(learner *);
/* Of an evaluation on held-out text; SGD begins to average when nothing is gained any more. */
void learner_report(learner *, double done, double loss);

#endif

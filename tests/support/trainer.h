/* trainer.h: a small model with dropout, trained on numbers that depend on the step alone. */
#ifndef REEL_TEST_TRAINER_H
#define REEL_TEST_TRAINER_H

#include "io/io.h"

typedef struct {
    reel_tape *tape;
    reel_cell lstm;
    reel_layer out;
    reel_training_state at;
} trainer;

trainer trainer_begin(reel_dtype, uint64_t seed);
/* False when anything failed. */
bool trainer_steps(trainer *, int64_t count);
/* Of all parameters' bits and the state's counters. */
uint64_t trainer_hash(const trainer *);
void trainer_end(trainer *);

#endif

/* trainer.c: a small model with dropout, trained on numbers that depend on the step alone. */
#include "support/trainer.h"

#include "layers/layers.h"
#include "ops/ops.h"

enum { STEPS = 7, BATCH = 3, IN = 2, HIDDEN = 5 };

trainer trainer_begin(reel_dtype dtype, uint64_t seed)
{
    reel_tape *t = reel_tape_new((reel_tape_options){ .dtype = dtype, .seed = seed, .threads = 1 });
    trainer self = { .tape = t,
                     .lstm = reel_lstm(t, "lstm", IN, HIDDEN, (reel_lstm_options){ 0 }),
                     .out = reel_dense(t, "out", HIDDEN, 1, (reel_dense_options){ 0 }) };
    self.at.optimizer = reel_adam(t, (reel_adam_options){ .lr = 0.01 });
    return self;
}

static reel_var loss_of(const trainer *self)
{
    float x[STEPS * BATCH * IN], y[BATCH];
    for (int i = 0; i < STEPS * BATCH * IN; i++) {
        x[i] = (float)((self->at.step * 31 + i * 17) % 23) / 11 - 1;
    }
    for (int i = 0; i < BATCH; i++) {
        y[i] = x[i] * x[i + BATCH];
    }
    reel_var inputs = reel_input(self->tape, REEL_SHAPE(STEPS, BATCH, IN), x);
    reel_rollout r = reel_unroll(self->lstm, reel_dropout(inputs, 0.2), (reel_unroll_options){ 0 });
    reel_var guess = reel_apply(self->out, reel_dropout(r.state[0], 0.5));
    return reel_mse(guess, reel_input(self->tape, REEL_SHAPE(BATCH, 1), y));
}

bool trainer_steps(trainer *self, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        reel_rewind(self->tape);
        reel_var loss = loss_of(self);
        reel_backward(loss);
        reel_optimizer_step(self->at.optimizer);
        double value = reel_item(loss);
        self->at.step++;
        if (self->at.step == 1 || value < self->at.best) {
            self->at.best = value;
            self->at.best_epoch = self->at.step;
        }
    }
    return reel_tape_status(self->tape) == REEL_OK;
}

static uint64_t mix(uint64_t hash, const void *data, size_t size)
{
    for (const unsigned char *at = data; size > 0; size--, at++) {
        hash = (hash ^ *at) * 0x100000001b3u;
    }
    return hash;
}

uint64_t trainer_hash(const trainer *self)
{
    reel_flat flat;
    uint64_t hash = 0xcbf29ce484222325u;
    if (reel_flat_begin(self->tape, &flat) == REEL_OK) {
        size_t element = reel_tape_options_of(self->tape).dtype == REEL_F64 ? 8 : 4;
        hash = mix(hash, flat.values, flat.count * element);
    }
    hash = mix(hash, &self->at.step, sizeof self->at.step);
    hash = mix(hash, &self->at.best, sizeof self->at.best);
    return mix(hash, &self->at.best_epoch, sizeof self->at.best_epoch);
}

void trainer_end(trainer *self)
{
    reel_tape_free(self->tape);
}

/* copying.c: the copy task. */
#include <stdlib.h>

#include "task.h"

enum { SYMBOLS = 8, LENGTH = 3, NOTHING = SYMBOLS, WRITE, INPUTS };

/* What comes in at a step that is no symbol. */
static int32_t pause_at(int step, int T)
{
    return step == LENGTH + T - 1 ? WRITE : NOTHING;
}

static question ask(reel_tape *t, int T, uint64_t *random)
{
    int steps = LENGTH + T + LENGTH;
    int32_t *in = malloc((size_t)(steps * BATCH) * sizeof *in), out[LENGTH * BATCH];
    for (int i = 0; in && i < steps * BATCH; i++) {
        int step = i / BATCH;
        in[i] = step < LENGTH ? (int32_t)(draw(random) * SYMBOLS) : pause_at(step, T);
        if (step < LENGTH) {
            out[i] = in[i];
        }
    }
    question q = { reel_one_hot(reel_indices(t, REEL_SHAPE(steps, BATCH), in), INPUTS),
                   reel_indices(t, REEL_SHAPE(LENGTH, BATCH), out) };
    free(in);
    return q;
}

/* The share of symbols that are wrong; who guesses has seven of eight. */
static double error(reel_var said, reel_var answer)
{
    int32_t best[LENGTH * BATCH], right[LENGTH * BATCH];
    size_t n = LENGTH * BATCH, wrong = n;
    if (reel_read_indices(reel_argmax(said, -1), best, n) == REEL_OK &&
        reel_read_indices(answer, right, n) == REEL_OK) {
        wrong = 0;
        for (size_t i = 0; i < n; i++) {
            wrong += best[i] != right[i];
        }
    }
    return (double)wrong / (double)n * SYMBOLS / (SYMBOLS - 1);
}

const task copying = { .name = "copying",
                       .in = INPUTS,
                       .out = SYMBOLS,
                       .answered = LENGTH,
                       .ask = ask,
                       .loss = reel_cross_entropy,
                       .error = error };

/* adding.c: the adding problem. */
#include <stdlib.h>

#include "task.h"

/* Each step a number in [0, 1) and whether it is marked. */
static question ask(reel_tape *t, int T, uint64_t *random)
{
    float *x = calloc((size_t)(T * BATCH * 2), sizeof *x), sum[BATCH] = { 0 };
    for (int i = 0; x && i < T * BATCH; i++) {
        x[2 * i] = (float)draw(random);
    }
    for (int i = 0; x && i < 2 * BATCH; i++) {
        int row = i / 2, step = (int)((i % 2 + draw(random)) * T / 2);
        float *pair = x + 2 * (step * BATCH + row);
        pair[1] = 1;
        sum[row] += pair[0];
    }
    question q = { reel_input(t, REEL_SHAPE(T, BATCH, 2), x),
                   reel_input(t, REEL_SHAPE(1, BATCH, 1), sum) };
    free(x);
    return q;
}

/* Who always says 1 has a mean square error of 1/6, the variance of the sum of two. */
static double error(reel_var said, reel_var answer)
{
    return 6 * reel_item(reel_mse(said, answer));
}

const task adding = {
    .name = "adding", .in = 2, .out = 1, .answered = 1, .ask = ask, .loss = reel_mse, .error = error
};

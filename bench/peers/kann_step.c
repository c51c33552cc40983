/* kann_step.c: the LSTM training step in kann, compiled by bench/peers/compile_driver.
 *
 *     kann_step lstm STEPS BATCH INPUT HIDDEN THREADS SECONDS
 *
 * kann has no gradient of what is fed in, and starts from numbers of its own: its step is a little
 * less work, and its loss is not compared.
 */
#include "driver.h"
#include "kann.h"

typedef struct {
    kann_t *unrolled;
} training;

static void train_step(void *self)
{
    kann_cost(((training *)self)->unrolled, 0, 1);
}

/* [steps] pointers to [batch, width] each. */
static float **sequence(int steps, int batch, int width, int random)
{
    float **x = (float **)malloc((size_t)steps * sizeof *x);
    for (int t = 0; t < steps; t++) {
        x[t] = (float *)calloc((size_t)batch * width, sizeof **x);
        for (int i = 0; random && i < batch * width; i++) {
            x[t][i] = (float)(2 * kann_drand() - 1);
        }
    }
    return x;
}

int main(int count, char **argument)
{
    driver_arguments a = driver_parse(count, argument);
    kad_node_t *h = kann_layer_lstm(kann_layer_input(a.in), a.hidden, 0);
    kad_node_t *zeros = kad_feed(2, 1, a.hidden);
    zeros->ext_flag |= KANN_F_TRUTH;
    kad_node_t *cost = kad_mse(h, zeros); /* the mean of squares of h */
    cost->ext_flag |= KANN_F_COST;
    kann_t *network = kann_new(cost, 0);
    training r = { kann_unroll(network, a.steps) };
    if (a.threads > 1 && a.batch >= a.threads) {
        kann_mt(r.unrolled, a.threads, a.batch);
    }
    kann_set_batch_size(r.unrolled, a.batch);
    kann_feed_bind(r.unrolled, KANN_F_IN, 0, sequence(a.steps, a.batch, a.in, 1));
    kann_feed_bind(r.unrolled, KANN_F_TRUTH, 0, sequence(a.steps, a.batch, a.hidden, 0));
    kann_switch(r.unrolled, 1);
    driver_measure(a.seconds, train_step, &r);
    kann_delete_unrolled(r.unrolled);
    kann_delete(network);
    return 0;
}

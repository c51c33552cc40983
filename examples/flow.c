/* flow: where the gradient goes. A plain RNN, an LSTM and a GRU learn the adding problem (Hochreiter &
 * Schmidhuber 1997) for a while; then the gradient of each one's loss is measured in every step, and
 * drawn as a heat map, see docs/flow.md.
 *
 *     flow [PATH [UPDATES]]    writes PATH.dat, PATH.gnuplot, PATH.png and PATH.svg
 */
#include <reel.h>

#include <stdint.h>
#include <stdlib.h>

enum { STEPS = 100, BATCH = 32, HIDDEN = 32, NETWORKS = 3 };

typedef struct {
    const char *name, *recurrent;
    reel_cell cell;
    reel_layer out;
} network;

/* A number in [0, 1) from a linear congruential generator (Knuth). */
static float draw(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (float)(*state >> 40) / 16777216.0f;
}

/* x[t][b] is a number and a mark, y[b] the sum of the two numbers that are marked. */
static void draw_problems(uint64_t *state, float x[STEPS][BATCH][2], float y[BATCH][1])
{
    for (int b = 0; b < BATCH; b++) {
        int first = (int)(draw(state) * STEPS / 10), second = (int)(draw(state) * STEPS / 2);
        second = second == first ? second + 1 : second;
        for (int t = 0; t < STEPS; t++) {
            x[t][b][0] = draw(state);
            x[t][b][1] = t == first || t == second ? 1 : 0;
        }
        y[b][0] = x[first][b][0] + x[second][b][0];
    }
}

/* The LSTM starts out remembering for as long as the task is, exp(4) steps (Tallec & Ollivier 2018). */
static void make_networks(reel_tape *t, network net[NETWORKS])
{
    const char *const names[] = { "rnn", "lstm", "gru" };
    const char *const recurrent[] = { "rnn.W_h", "lstm.W_h", "gru.W_h" };
    const reel_cell cells[] = { reel_rnn(t, "rnn", 2, HIDDEN, (reel_rnn_options){ 0 }),
                                reel_lstm(t, "lstm", 2, HIDDEN,
                                          (reel_lstm_options){ .forget_bias = 4 }),
                                reel_gru(t, "gru", 2, HIDDEN, (reel_gru_options){ 0 }) };
    for (int k = 0; k < NETWORKS; k++) {
        char out[16];
        snprintf(out, sizeof out, "%s.out", names[k]);
        net[k] = (network){ .name = names[k],
                            .recurrent = recurrent[k],
                            .cell = reel_scope(t, names[k], cells[k]),
                            .out = reel_dense(t, out, HIDDEN, 1, (reel_dense_options){ 0 }) };
    }
}

/* The sum of the losses: each network's gradient is that of its own. */
static reel_var record(reel_tape *t, const network net[NETWORKS], uint64_t *state, double *each,
                       reel_flow_layer layers[NETWORKS])
{
    static float x[STEPS][BATCH][2], y[BATCH][1];
    draw_problems(state, x, y);
    reel_var inputs = reel_input(t, REEL_SHAPE(STEPS, BATCH, 2), &x[0][0][0]);
    reel_var sums = reel_input(t, REEL_SHAPE(BATCH, 1), &y[0][0]), total = reel_scalar(t, 0);
    for (int k = 0; k < NETWORKS; k++) {
        reel_unroll_options options = { .all_states = layers != NULL };
        reel_rollout r = reel_unroll(net[k].cell, inputs, options);
        reel_var loss = reel_mse(reel_apply(net[k].out, r.state[0]), sums);
        total = reel_add(total, loss);
        if (layers) {
            each[k] = reel_item(loss);
            layers[k] = (reel_flow_layer){ .name = net[k].name,
                                           .rollout = r,
                                           .W_h = reel_find_param(t, net[k].recurrent) };
        }
    }
    return total;
}

static void train(reel_tape *t, const network net[NETWORKS], long updates, uint64_t *state)
{
    reel_optimizer *adam = reel_adam(t, (reel_adam_options){ .lr = 5e-3 });
    for (long update = 0; update < updates; update++) {
        reel_rewind(t);
        reel_backward(record(t, net, state, NULL, NULL));
        reel_clip_norm(t, 1);
        reel_optimizer_step(adam);
    }
    reel_rewind(t);
}

static void print(const reel_flow *flow, const double loss[NETWORKS])
{
    printf("state     |dL/ds| at step 100      75      50      25       1\n");
    for (int i = 0; i < flow->rows; i++) {
        const double *norm = flow->row[i].norm;
        printf("%-8s%18.1e%8.0e%8.0e%8.0e%8.0e\n", flow->row[i].name, norm[STEPS - 1], norm[74],
               norm[49], norm[24], norm[0]);
    }
    for (int i = 0; i < flow->gates; i++) {
        printf("%-8s %4.1f %% saturated\n", flow->gate[i].name, 100 * flow->gate[i].share);
    }
    for (int i = 0; i < flow->matrices; i++) {
        printf("%-8s loss %.4f, spectral radius of W_h, block by block:", flow->matrix[i].name,
               loss[i]);
        for (int b = 0; b < flow->matrix[i].blocks; b++) {
            printf(" %.2f", flow->matrix[i].radius[b]);
        }
        printf("\n");
    }
}

int main(int argc, char **argv)
{
    const char *path = argc > 1 ? argv[1] : "flow";
    reel_tape *t = reel_tape_new((reel_tape_options){ .seed = 1 });
    network net[NETWORKS];
    reel_flow_layer layers[NETWORKS];
    double loss[NETWORKS];
    uint64_t state = 1;
    make_networks(t, net);
    train(t, net, argc > 2 ? strtol(argv[2], NULL, 10) : 200, &state);
    reel_watch(t, true);
    reel_flow *flow = reel_flow_new(record(t, net, &state, loss, layers), NETWORKS, layers);
    if (flow) {
        print(flow, loss);
        reel_flow_write(flow, path);
    }
    reel_flow_free(flow);
    if (reel_tape_status(t) != REEL_OK) {
        fprintf(stderr, "flow: %s\n", reel_tape_error(t));
    }
    reel_tape_free(t);
    return !flow;
}

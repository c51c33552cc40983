/* record.c: what recording costs: nanoseconds and bytes a node, without running anything. The
 * goal is 60 ns. */
#define _POSIX_C_SOURCE 200809L
#include <reel.h>

#include <time.h>

#include "graph/tape.h"

enum { NODES = 1000000, ROUNDS = 7 };

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

typedef reel_var (*chain_step)(reel_var v, reel_var w);

static reel_var unary(reel_var v, reel_var w)
{
    (void)w;
    return reel_tanh(v);
}

static reel_var binary(reel_var v, reel_var w)
{
    return reel_add(v, w);
}

static reel_var product(reel_var v, reel_var w)
{
    return reel_matmul(v, w);
}

static reel_var with_attribute(reel_var v, reel_var w)
{
    (void)w;
    return reel_scale(v, 0.5);
}

/* The best of a few rounds: others on the machine can only add. */
static double best_round(reel_tape *t, reel_var w, chain_step step)
{
    double best = 1e300;
    for (int round = 0; round < ROUNDS; round++) {
        reel_rewind(t);
        double start = now();
        reel_var v = w;
        for (int i = 0; i < NODES; i++) {
            v = step(v, w);
        }
        double ns = (now() - start) / NODES;
        best = ns < best ? ns : best;
    }
    return best;
}

int main(void)
{
    static const struct {
        const char *name;
        chain_step step;
    } rows[] = {
        { "tanh", unary }, { "add", binary }, { "matmul", product }, { "scale", with_attribute }
    };
    reel_tape *t = reel_tape_new((reel_tape_options){ 0 });
    reel_var w = reel_param(t, "w", REEL_SHAPE(4, 4), reel_zeros());
    printf("{\"node_bytes\": %zu", sizeof(reel__node));
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        printf(", \"%s_ns\": %.1f", rows[i].name, best_round(t, w, rows[i].step));
    }
    printf("}\n");
    bool fine = reel_tape_status(t) == REEL_OK;
    reel_tape_free(t);
    return !fine;
}

/* A chain of 10^6 operations records, evaluates, differentiates and frees under a stack of 256
 * KiB. */
#define _GNU_SOURCE
#include <math.h>
#include <reel.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

enum { NODES = 1000000, STACK = 256 * 1024 };

/* The limit counts for what is started next: the program starts itself once more. */
static void restart_with_small_stack(char **argument)
{
    struct rlimit limit;
    if (getenv("REEL_SMALL_STACK") || getrlimit(RLIMIT_STACK, &limit) != 0) {
        return;
    }
    limit.rlim_cur = STACK;
    if (setrlimit(RLIMIT_STACK, &limit) == 0 && setenv("REEL_SMALL_STACK", "1", 1) == 0) {
        execv("/proc/self/exe", argument);
    }
}

static int complain(const char *what, const reel_tape *t)
{
    fprintf(stderr, "deep_tape: %s: %s\n", what, reel_tape_error(t));
    return 1;
}

/* v = 0.5 v + w, a million times: the gradient in w tends to 2. */
static int run_chain(reel_tape *t, reel_var w)
{
    reel_var v = w;
    for (int i = 0; i < NODES / 2; i++) {
        v = reel_add(reel_scale(v, 0.5), w);
    }
    reel_backward(v);
    double value = reel_item(v), gradient = 0;
    if (reel_read_grad_f64(w, &gradient, 1) != REEL_OK || reel_node_count(t) < NODES) {
        return complain("the chain did not run", t);
    }
    if (fabs(value - 6) > 1e-12 || fabs(gradient - 2) > 1e-12) {
        fprintf(stderr, "deep_tape: value %.17g instead of 6, gradient %.17g instead of 2\n", value,
                gradient);
        return 1;
    }
    return 0;
}

/* A million steps of a cell, through reel_unroll and the planner. */
static reel_var step(void *self, reel_var x, reel_var state[])
{
    (void)self;
    return state[0] = reel_add(reel_scale(state[0], 0.5), x);
}

static int run_cell(reel_tape *t, reel_var w)
{
    reel_rewind(t);
    reel_zero_grad(t);
    reel_cell cell = { .step = step, .states = 1, .width = { 1 } };
    reel_var x = reel_expand(w, REEL_SHAPE(NODES / 4, 1, 1));
    reel_var last = reel_unroll(cell, x, (reel_unroll_options){ 0 }).state[0];
    reel_backward(reel_sum_all(last));
    double gradient = 0;
    if (reel_read_grad_f64(w, &gradient, 1) != REEL_OK) {
        return complain("the cell did not run", t);
    }
    return fabs(gradient - 2) > 1e-12 ? complain("the cell's gradient is wrong", t) : 0;
}

static int run_checkpoints(reel_tape *t, reel_var w)
{
    reel_rewind(t);
    reel_zero_grad(t);
    reel_var v = w;
    for (int i = 0; i < NODES / 4; i++) {
        v = reel_add(reel_scale(v, 0.5), w);
        v = i % 500 == 0 ? reel_checkpoint(v) : v;
    }
    reel_backward(v);
    double gradient = 0;
    if (reel_read_grad_f64(w, &gradient, 1) != REEL_OK) {
        return complain("the checkpointed chain did not run", t);
    }
    return fabs(gradient - 2) > 1e-12 ? complain("the checkpointed gradient is wrong", t) : 0;
}

int main(int count, char **argument)
{
    (void)count;
    restart_with_small_stack(argument);
    reel_tape *t = reel_tape_new((reel_tape_options){ .dtype = REEL_F64, .threads = 1 });
    reel_var w = reel_param(t, "w", REEL_SHAPE(1), reel_constant(3));
    int failed = run_chain(t, w) || run_cell(t, w) || run_checkpoints(t, w);
    reel_tape_free(t);
    return failed;
}

/* walk_through: one RNN cell, one step, one to one: every number on the way to the loss, and every
 * gradient on the way back.
 *
 *     forward     a = x·W_x,  r = h·W_h,  s = a + r + b,  h' = tanh(s),  y = h'·V + c,  L = (y - d)²
 *     backward    the chain rule, from L to whatever L depends on
 *
 * Each number stands there twice, as reel has it and as plain loops have it, which a reader can follow
 * with a pocket calculator. Exit status 1: two of them differ by more than 1e-12.
 */
#include <reel.h>

#include <math.h>
#include <stdio.h>

enum { IN = 3, HIDDEN = 2 };

/* What goes in: the input, the state before, the target, and the parameters, row by row. */
static const double x[IN] = { 1, -2, 0.5 }, h[HIDDEN] = { 0.5, -0.25 }, target = 1;
static const double W_x[IN * HIDDEN] = { 0.1, 0.2, -0.3, 0.4, 0.5, -0.6 };
static const double W_h[HIDDEN * HIDDEN] = { 0.7, -0.1, 0.2, 0.3 };
static const double b[HIDDEN] = { 0.01, -0.02 }, V[HIDDEN] = { 1.5, -0.5 }, c = 0.1;

/* ---- by plain loops ------------------------------------------------------------------------ */

typedef struct {
    double a[HIDDEN], r[HIDDEN], s[HIDDEN], h_next[HIDDEN], y, loss;
} values;

/* Each the derivative of the loss in what it is named after. */
typedef struct {
    double x[IN], h[HIDDEN], W_x[IN * HIDDEN], W_h[HIDDEN * HIDDEN], b[HIDDEN], V[HIDDEN], c;
    double s[HIDDEN], h_next[HIDDEN], y;
} gradients;

static values forward_by_loops(void)
{
    values v = { .y = c };
    for (int j = 0; j < HIDDEN; j++) {
        for (int i = 0; i < IN; i++) {
            v.a[j] += x[i] * W_x[i * HIDDEN + j];
        }
        for (int i = 0; i < HIDDEN; i++) {
            v.r[j] += h[i] * W_h[i * HIDDEN + j];
        }
        v.s[j] = v.a[j] + v.r[j] + b[j];
        v.h_next[j] = tanh(v.s[j]);
        v.y += v.h_next[j] * V[j];
    }
    v.loss = (v.y - target) * (v.y - target);
    return v;
}

static gradients backward_by_loops(const values *v)
{
    gradients g = { .y = 2 * (v->y - target) };
    g.c = g.y;
    for (int j = 0; j < HIDDEN; j++) {
        g.V[j] = g.y * v->h_next[j];
        g.h_next[j] = g.y * V[j];
        g.s[j] = g.h_next[j] * (1 - v->h_next[j] * v->h_next[j]); /* tanh' = 1 - tanh² */
        g.b[j] = g.s[j];
        for (int i = 0; i < IN; i++) {
            g.W_x[i * HIDDEN + j] = x[i] * g.s[j];
            g.x[i] += g.s[j] * W_x[i * HIDDEN + j];
        }
        for (int i = 0; i < HIDDEN; i++) {
            g.W_h[i * HIDDEN + j] = h[i] * g.s[j];
            g.h[i] += g.s[j] * W_h[i * HIDDEN + j];
        }
    }
    return g;
}

/* ---- by reel ------------------------------------------------------------------------------- */

static reel_var param(reel_tape *t, const char *name, const double *numbers, size_t n)
{
    reel_var p = reel_find_param(t, name);
    reel_write_param_f64(p, numbers, n);
    return p;
}

/* Prints both versions, reel's first; returns how far they lie apart. The name is 14 columns wide. */
static double show(const char *name, reel_var v, const double *by_loops, int n)
{
    double by_reel[IN * HIDDEN], apart = 0;
    if (reel_read_f64(v, by_reel, (size_t)n) != REEL_OK) {
        return INFINITY;
    }
    printf("%s", name);
    for (int i = 0; i < n; i++) {
        printf(" %12.8f", by_reel[i]);
        apart = fmax(apart, fabs(by_reel[i] - by_loops[i]));
    }
    printf("\n      by loops");
    for (int i = 0; i < n; i++) {
        printf(" %12.8f", by_loops[i]);
    }
    printf("\n");
    return apart;
}

static double walk(reel_tape *t)
{
    reel_cell rnn = reel_rnn(t, "rnn", IN, HIDDEN, (reel_rnn_options){ 0 });
    reel_dense(t, "out", HIDDEN, 1, (reel_dense_options){ 0 });
    reel_var w_x = param(t, "rnn.W_x", W_x, IN * HIDDEN);
    reel_var w_h = param(t, "rnn.W_h", W_h, HIDDEN * HIDDEN);
    reel_var bias = param(t, "rnn.b", b, HIDDEN);
    reel_var out = param(t, "out.W", V, HIDDEN), out_bias = param(t, "out.b", &c, 1);
    reel_var input = reel_input_f64(t, REEL_SHAPE(1, IN), x);
    reel_var before = reel_input_f64(t, REEL_SHAPE(1, HIDDEN), h);
    values v = forward_by_loops();
    gradients g = backward_by_loops(&v);

    printf("Forward\n");
    reel_var a = reel_matmul(input, w_x), r = reel_matmul(before, w_h);
    reel_var s = reel_add(reel_add(a, r), bias);
    reel_var after = reel_tanh(s);
    reel_var y = reel_add(reel_matmul(after, out), out_bias);
    reel_var loss = reel_sum_all(reel_square(reel_sub(y, reel_scalar(t, target))));
    double apart = show("a = x·W_x     ", a, v.a, HIDDEN);
    apart = fmax(apart, show("r = h·W_h     ", r, v.r, HIDDEN));
    apart = fmax(apart, show("s = a + r + b ", s, v.s, HIDDEN));
    apart = fmax(apart, show("h' = tanh(s)  ", after, v.h_next, HIDDEN));
    apart = fmax(apart, show("y = h'·V + c  ", y, &v.y, 1));
    apart = fmax(apart, show("L = (y - d)²  ", loss, &v.loss, 1));

    printf("\nThe same as the library's cell\n");
    reel_var state[] = { before };
    apart = fmax(apart, show("h'            ", rnn.step(rnn.self, input, state), v.h_next, HIDDEN));

    printf("\nBackward: the derivatives of L\n");
    reel_var of[] = { y, after, s, out, out_bias, bias, w_x, w_h, input, before };
    enum { COUNT = sizeof of / sizeof of[0] };
    static const char *const name[COUNT] = { "in y          ", "in h'         ", "in s          ",
                                             "in V          ", "in c          ", "in b          ",
                                             "in W_x        ", "in W_h        ", "in x          ",
                                             "in h          " };
    const double *by_loops[COUNT] = { &g.y, g.h_next, g.s, g.V, &g.c, g.b, g.W_x, g.W_h, g.x, g.h };
    static const int size[COUNT] = { 1,      HIDDEN,      HIDDEN,          HIDDEN, 1,
                                     HIDDEN, IN * HIDDEN, HIDDEN * HIDDEN, IN,     HIDDEN };
    reel_var d[COUNT];
    reel_gradients(loss, COUNT, of, d);
    for (int i = 0; i < COUNT; i++) {
        apart = fmax(apart, show(name[i], d[i], by_loops[i], size[i]));
    }
    return apart;
}

int main(void)
{
    reel_tape *t = reel_tape_new((reel_tape_options){ .dtype = REEL_F64 });
    double apart = walk(t);
    bool fine = reel_tape_status(t) == REEL_OK && apart <= 1e-12;
    printf("\nThe two differ by %.1e at most\n", apart);
    if (reel_tape_status(t) != REEL_OK) {
        fprintf(stderr, "walk_through: %s\n", reel_tape_error(t));
    }
    reel_tape_free(t);
    return !fine;
}

/* limit.c: the same training step as `step lstm`, written by hand for this one cell: what a
 * planner could at best find. The projection of the inputs is one product over all steps, a step
 * adds one recurrent product with a packed factor, the gates are one loop, each thread takes its
 * rows of the batch through all steps, and the weight gradients are products over all steps.
 *
 *     limit lstm STEPS BATCH INPUT HIDDEN THREADS SECONDS
 */
#include "products.h"
#include "support.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "graph/run/clones.h"
#include "ops/vector_math.h"

/* T is steps, B batch, I inputs, H hidden; all arrays are row-major. */
typedef struct {
    int64_t T, B, I, H;
    int threads;
    float *x, *W, *b;         /* [T,B,I], [I+H,4H]: W_x over W_h, [4H] */
    float *xh;                /* [T+1,B,I+H]: beside x of a step h of the one before */
    float *gates;             /* [T,B,4H]: sums, then gates, then their gradients */
    float *c, *tanh_c;        /* [T,B,H] */
    float *dh, *dc, *zeros;   /* [B,H], [B,H], [H] */
    float *d_x, *d_W, *d_b;   /* as what they are gradients of */
    factor forward, backward; /* W_h and its transpose */
    large_product project, of_W, of_x;
    double loss;
} lstm;

/* ---- the loops over gates -------------------------------------------------------------------- */

CLONED(gates_forward,
       (int64_t H, float *z, const float *b, const float *c_before, float *c, float *tanh_c,
        float *h),
       (H, z, b, c_before, c, tanh_c, h))
{
    float *zi = z, *zf = z + H, *zg = z + 2 * H, *zo = z + 3 * H;
    LOOP_WITHOUT_OVERLAP
    for (int64_t j = 0; j < H; j++) {
        float i = vector_sigmoid_f32(zi[j] + b[j]);
        float f = vector_sigmoid_f32(zf[j] + b[H + j]);
        float g = vector_tanh_f32(zg[j] + b[2 * H + j]);
        float o = vector_sigmoid_f32(zo[j] + b[3 * H + j]);
        float cell = f * c_before[j] + i * g;
        float squashed = vector_tanh_f32(cell);
        zi[j] = i;
        zf[j] = f;
        zg[j] = g;
        zo[j] = o;
        c[j] = cell;
        tanh_c[j] = squashed;
        h[j] = o * squashed;
    }
}

/* dh comes from the steps after, `scale`·h from the loss. dc goes from this step to the one before;
 * the gates are overwritten by their sums' gradients. */
CLONED(gates_backward,
       (int64_t H, float *z, const float *c_before, const float *tanh_c, const float *h,
        const float *dh, float *dc, float scale),
       (H, z, c_before, tanh_c, h, dh, dc, scale))
{
    float *zi = z, *zf = z + H, *zg = z + 2 * H, *zo = z + 3 * H;
    LOOP_WITHOUT_OVERLAP
    for (int64_t j = 0; j < H; j++) {
        float i = zi[j], f = zf[j], g = zg[j], o = zo[j], squashed = tanh_c[j];
        float d_h = dh[j] + scale * h[j];
        float d_c = dc[j] + d_h * o * (1 - squashed * squashed);
        zi[j] = d_c * g * i * (1 - i);
        zf[j] = d_c * c_before[j] * f * (1 - f);
        zg[j] = d_c * i * (1 - g * g);
        zo[j] = d_h * squashed * o * (1 - o);
        dc[j] = d_c * f;
    }
}

CLONED(add_squares, (int64_t n, const float *x, float *sum), (n, x, sum))
{
    float total = 0;
#pragma omp simd reduction(+ : total)
    for (int64_t i = 0; i < n; i++) {
        total += x[i] * x[i];
    }
    *sum = total;
}

CLONED(add_row, (int64_t n, const float *x, float *sum), (n, x, sum))
{
    LOOP_WITHOUT_OVERLAP
    for (int64_t i = 0; i < n; i++) {
        sum[i] += x[i];
    }
}

/* ---- one thread's rows through all steps ----------------------------------------------------- */

/* h after step t of row r; t = -1 is before the first. */
static float *h_at(const lstm *n, int64_t t, int64_t r)
{
    return n->xh + ((t + 1) * n->B + r) * (n->I + n->H) + n->I;
}

static double forward_rows(const lstm *n, int64_t from, int64_t to)
{
    int64_t H = n->H;
    double loss = 0;
    for (int64_t t = 0; t < n->T; t++) {
        if (t > 0) {
            factor_apply(&n->forward, to - from, h_at(n, t - 1, from), n->I + H,
                         n->gates + (t * n->B + from) * 4 * H, 4 * H, true);
        }
        for (int64_t r = from; r < to; r++) {
            int64_t row = (t * n->B + r) * H;
            const float *c_before = t > 0 ? n->c + row - n->B * H : n->zeros;
            float squares;
            gates_forward(H, n->gates + 4 * row, n->b, c_before, n->c + row, n->tanh_c + row,
                          h_at(n, t, r));
            add_squares(H, h_at(n, t, r), &squares);
            loss += squares;
        }
    }
    return loss;
}

static void backward_rows(const lstm *n, int64_t from, int64_t to)
{
    int64_t H = n->H, rows = to - from;
    float scale = 2 / (float)(n->T * n->B * H);
    memset(n->dh + from * H, 0, (size_t)(rows * H) * sizeof(float));
    memset(n->dc + from * H, 0, (size_t)(rows * H) * sizeof(float));
    for (int64_t t = n->T - 1; t >= 0; t--) {
        for (int64_t r = from; r < to; r++) {
            int64_t row = (t * n->B + r) * H;
            const float *c_before = t > 0 ? n->c + row - n->B * H : n->zeros;
            gates_backward(H, n->gates + 4 * row, c_before, n->tanh_c + row, h_at(n, t, r),
                           n->dh + r * H, n->dc + r * H, scale);
        }
        if (t > 0) {
            factor_apply(&n->backward, rows, n->gates + (t * n->B + from) * 4 * H, 4 * H,
                         n->dh + from * H, H, false);
        }
    }
}

/* ---- the step -------------------------------------------------------------------------------- */

/* Each thread sums its own columns over all rows. */
static void sum_gradient_of_bias(lstm *n, int teams)
{
    int64_t wide = 4 * n->H, rows = n->T * n->B;
    memset(n->d_b, 0, (size_t)wide * sizeof(float));
#pragma omp parallel for num_threads(teams)
    for (int p = 0; p < teams; p++) {
        int64_t from = wide * p / teams, to = wide * (p + 1) / teams;
        for (int64_t r = 0; r < rows; r++) {
            add_row(to - from, n->gates + r * wide + from, n->d_b + from);
        }
    }
}

static void train_step(void *self)
{
    lstm *n = self;
    int64_t H = n->H, wide = n->I + H;
    const float *W_h = n->W + n->I * 4 * H;
    int parts = n->B < n->threads ? (int)n->B : n->threads;
    double loss = 0;
    for (int64_t r = 0; r < n->T * n->B; r++) {
        memcpy(n->xh + r * wide, n->x + r * n->I, (size_t)n->I * sizeof(float));
    }
    factor_pack(&n->forward, W_h, 4 * H, 1);
    factor_pack(&n->backward, W_h, 1, 4 * H);
    large_product_run(&n->project, n->threads);
#pragma omp parallel for num_threads(parts) reduction(+ : loss)
    for (int p = 0; p < parts; p++) {
        int64_t from = n->B * p / parts, to = n->B * (p + 1) / parts;
        loss += forward_rows(n, from, to);
        backward_rows(n, from, to);
    }
    n->loss = loss / (double)(n->T * n->B * H);
    large_product_run(&n->of_W, n->threads);
    large_product_run(&n->of_x, n->threads);
    sum_gradient_of_bias(n, n->threads);
}

/* ---- setting up ------------------------------------------------------------------------------ */

static float *floats(int64_t n)
{
    float *block = aligned_alloc(64, ((size_t)n * sizeof *block + 63) / 64 * 64);
    if (block == NULL) {
        fprintf(stderr, "out of memory\n");
        exit(1);
    }
    memset(block, 0, (size_t)n * sizeof *block);
    return block;
}

static float *filled(const char *name, int64_t n, int64_t hidden)
{
    float *block = floats(n);
    bench_fill(name, bench_scale(name, hidden), (size_t)n, block);
    return block;
}

static void allocate(lstm *n)
{
    int64_t rows = n->T * n->B, I = n->I, H = n->H;
    n->x = filled("x", rows * I, H);
    n->W = floats((I + H) * 4 * H);
    bench_fill("W_x", bench_scale("W_x", H), (size_t)(I * 4 * H), n->W);
    bench_fill("W_h", bench_scale("W_h", H), (size_t)(H * 4 * H), n->W + I * 4 * H);
    n->b = filled("b", 4 * H, H);
    n->xh = floats((rows + n->B) * (I + H));
    n->gates = floats(rows * 4 * H);
    n->c = floats(rows * H);
    n->tanh_c = floats(rows * H);
    n->dh = floats(n->B * H);
    n->dc = floats(n->B * H);
    n->zeros = floats(H);
    n->d_x = floats(rows * I);
    n->d_W = floats((I + H) * 4 * H);
    n->d_b = floats(4 * H);
}

static void choose_products(lstm *n)
{
    int64_t rows = n->T * n->B, I = n->I, H = n->H;
    int64_t share = (n->B + n->threads - 1) / n->threads;
    n->forward = factor_new(H, 4 * H, share);
    n->backward = factor_new(4 * H, H, share);
    reel__gemm_call project = { .m = rows,
                                .n = 4 * H,
                                .k = I,
                                .a = n->xh,
                                .b = n->W,
                                .c = n->gates,
                                .lda = I + H,
                                .ldb = 4 * H,
                                .ldc = 4 * H };
    reel__gemm_call of_W = { .m = I + H,
                             .n = 4 * H,
                             .k = rows,
                             .a = n->xh,
                             .b = n->gates,
                             .c = n->d_W,
                             .lda = I + H,
                             .ldb = 4 * H,
                             .ldc = 4 * H,
                             .transpose_a = true };
    reel__gemm_call of_x = { .m = rows,
                             .n = I,
                             .k = 4 * H,
                             .a = n->gates,
                             .b = n->W,
                             .c = n->d_x,
                             .lda = 4 * H,
                             .ldb = 4 * H,
                             .ldc = I,
                             .transpose_b = true };
    n->project = large_product_new(project, n->threads);
    n->of_W = large_product_new(of_W, n->threads);
    n->of_x = large_product_new(of_x, n->threads);
}

static double squares(const float *x, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        sum += (double)x[i] * (double)x[i];
    }
    return sum;
}

int main(int count, char **argument)
{
    bench_arguments a = bench_parse(count, argument);
    if (strcmp(a.cell, "lstm") != 0) {
        fprintf(stderr, "limit: only lstm was written by hand\n");
        return 2;
    }
    lstm n = { .T = a.steps, .B = a.batch, .I = a.in, .H = a.hidden, .threads = a.threads };
    omp_set_num_threads(a.threads);
    allocate(&n);
    choose_products(&n);
    bench_timing timing = bench_measure(a.seconds, train_step, &n);
    double weights = squares(n.d_W, (n.I + n.H) * 4 * n.H) + squares(n.d_b, 4 * n.H);
    printf("{");
    bench_print_timing(&timing);
    printf(", \"recurrent\": \"%s\", \"large\": \"%s\"", factor_kind(&n.forward),
           large_product_kind(&n.project));
    printf(", \"loss\": %.9g, \"d_weights\": %.9g, \"d_x\": %.9g}\n", n.loss, sqrt(weights),
           sqrt(squares(n.d_x, n.T * n.B * n.I)));
    return 0;
}

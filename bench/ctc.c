/* ctc.c: the CTC loss and its gradient in the logits; peers/torch_sequences.py does the same.
 *
 *     ctc ctc STEPS BATCH LABELS LONGEST THREADS SECONDS
 */
#include "support.h"

#include <stdlib.h>

typedef struct {
    reel_tape *t;
    reel_var logits;
    int64_t batch, longest;
    int32_t *label;
    float *gradient;
    size_t count;
} training;

static void loss_and_gradient(void *self)
{
    training *r = self;
    reel_rewind(r->t);
    reel_zero_grad(r->t);
    reel_var targets = reel_indices(r->t, REEL_SHAPE(r->batch, r->longest), r->label);
    reel_backward(reel_ctc(r->logits, targets, NULL, NULL, (reel_ctc_options){ 0 }));
    reel_read_grad(r->logits, r->gradient, r->count);
}

int main(int count, char **argument)
{
    bench_arguments a = bench_parse(count, argument);
    training r = { .batch = a.batch, .longest = a.hidden };
    r.count = (size_t)(a.steps * a.batch * a.in);
    r.gradient = bench_allocate(r.count * sizeof *r.gradient);
    r.label = bench_allocate((size_t)(a.batch * a.hidden) * sizeof *r.label);
    for (int64_t i = 0; i < a.batch * a.hidden; i++) {
        r.label[i] = (int32_t)(1 + i * 7 % (a.in - 1));
    }
    r.t = reel_tape_new((reel_tape_options){ .threads = a.threads });
    if (r.t == NULL) {
        return 2;
    }
    r.logits = reel_param(r.t, "x", REEL_SHAPE(a.steps, a.batch, a.in), reel_normal(0, 1));
    bench_timing timing = bench_measure(a.seconds, loss_and_gradient, &r);
    bench_expect_fine(r.t);
    printf("{");
    bench_print_timing(&timing);
    printf("}\n");
    reel_tape_free(r.t);
    free(r.label);
    free(r.gradient);
    return 0;
}

/* sampled_softmax.c: sampled softmax and noise-contrastive estimation: a few classes stand for
 * all. */
#include <math.h>

#include "../graph/philox.h"
#include "class_output.h"

typedef struct {
    const char *name; /* in errors */
    int64_t classes, samples;
    double *cumulated; /* [classes] of Q, or NULL: log-uniform */
    reel_var W, b;
} sampled;

/* ---- the distribution ----------------------------------------------------------------------- */

static double probability(const sampled *s, int64_t k)
{
    if (s->cumulated) {
        return s->cumulated[k] - (k ? s->cumulated[k - 1] : 0);
    }
    return log1p(1 / (double)(k + 1)) / log((double)s->classes + 1);
}

/* The class in which u, in [0, 1), lies: the first whose cumulated probability is above it. */
static int32_t class_at(const sampled *s, double u)
{
    if (!s->cumulated) {
        int64_t k = (int64_t)exp(u * log((double)s->classes + 1)) - 1;
        return (int32_t)(k < 0 ? 0 : k < s->classes ? k : s->classes - 1);
    }
    int64_t low = 0, high = s->classes - 1;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (s->cumulated[middle] > u) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return (int32_t)low;
}

/* ---- one training step ---------------------------------------------------------------------- */

/* What is drawn for a step, and what stands in the targets, with log(S·Q) of each. */
typedef struct {
    int32_t *target, *drawn;
    double *of_target, *of_drawn, *hit; /* hit [n, samples]: 1 where a sample is the target */
    int64_t n;
} draw;

static void fill(const sampled *s, reel_tape *tape, draw *d)
{
    uint64_t stream = tape->stream++;
    double count = (double)s->samples;
    for (int64_t j = 0; j < s->samples; j++) {
        reel__philox_block block = reel__philox(tape->options.seed, stream, (uint64_t)j);
        d->drawn[j] = class_at(s, reel__philox_uniform(block, 0));
        d->of_drawn[j] = log(count * probability(s, d->drawn[j]));
    }
    for (int64_t i = 0; i < d->n; i++) {
        d->of_target[i] = log(count * probability(s, d->target[i]));
        for (int64_t j = 0; j < s->samples; j++) {
            d->hit[i * s->samples + j] = d->target[i] == d->drawn[j];
        }
    }
}

/* o of the targets [n] and of the samples [n, samples] */
static void logits(const sampled *s, reel_var x, reel_var targets, const draw *d, reel_var *target,
                   reel_var *drawn)
{
    reel_var samples = reel_indices(x.tape, REEL_SHAPE(s->samples), d->drawn);
    reel_matmul_options by_row = { .transpose_b = true };
    *target =
        reel_add(reel_sum(reel_mul(x, reel_gather(s->W, targets)), -1), reel_gather(s->b, targets));
    *drawn =
        reel_add(reel_matmul_ex(x, reel_gather(s->W, samples), by_row), reel_gather(s->b, samples));
}

static reel_var softmax_step(const sampled *s, reel_var x, reel_var targets, const draw *d)
{
    reel_tape *tape = x.tape;
    reel_var target, drawn, hit = reel_input_f64(tape, REEL_SHAPE(d->n, s->samples), d->hit);
    logits(s, x, targets, d, &target, &drawn);
    drawn = reel_sub(drawn, reel_input_f64(tape, REEL_SHAPE(s->samples), d->of_drawn));
    drawn = reel_where(hit, reel_scalar(tape, -INFINITY), drawn);
    reel_var all = reel_concat(-1, reel_unsqueeze(target, -1), drawn);
    return reel_sub(reel_logsumexp(all, -1), target);
}

static reel_var nce_step(const sampled *s, reel_var x, reel_var targets, const draw *d)
{
    reel_tape *tape = x.tape;
    reel_var target, drawn;
    logits(s, x, targets, d, &target, &drawn);
    target = reel_sub(target, reel_input_f64(tape, REEL_SHAPE(d->n), d->of_target));
    drawn = reel_sub(drawn, reel_input_f64(tape, REEL_SHAPE(s->samples), d->of_drawn));
    return reel_add(reel_softplus(reel_neg(target)), reel_sum(reel_softplus(drawn), -1));
}

static reel_var log_probabilities(void *self, reel_var x)
{
    const sampled *s = self;
    reel_matmul_options by_row = { .transpose_b = true };
    return reel_log_softmax(reel_add(reel_matmul_ex(x, s->W, by_row), s->b), -1);
}

typedef reel_var (*training_step)(const sampled *, reel_var x, reel_var targets, const draw *);

static reel_var draw_and_step(const sampled *s, reel_var x, reel_var targets, int32_t *target,
                              training_step step)
{
    reel_tape *tape = x.tape;
    int64_t n = reel_shape_of(x).dim[0];
    size_t numbers = (size_t)(n + s->samples + n * s->samples);
    size_t bytes = numbers * sizeof(double) + (size_t)s->samples * sizeof(int32_t);
    double *room = reel__resize(tape, NULL, 0, bytes);
    if (!room) {
        return reel__poisoned(tape);
    }
    draw d = { .target = target, .n = n, .of_target = room, .of_drawn = room + n };
    d.hit = d.of_drawn + s->samples;
    d.drawn = (int32_t *)(room + numbers);
    fill(s, tape, &d);
    reel_var result = step(s, x, targets, &d);
    reel__resize(tape, room, bytes, 0);
    return result;
}

static reel_var loss_by(const sampled *s, reel_var x, reel_var targets, training_step step)
{
    if (!reel_is_training(x.tape)) {
        return reel_neg(reel_pick(log_probabilities((void *)s, x), targets));
    }
    size_t bytes;
    int32_t *target = reel__read_targets(targets, s->name, s->classes, &bytes);
    if (!target) {
        return reel__poisoned(x.tape);
    }
    reel_var result = draw_and_step(s, x, targets, target, step);
    reel__resize(x.tape, target, bytes, 0);
    return result;
}

static reel_var softmax_loss(void *self, reel_var x, reel_var targets)
{
    return loss_by(self, x, targets, softmax_step);
}

static reel_var nce_loss(void *self, reel_var x, reel_var targets)
{
    return loss_by(self, x, targets, nce_step);
}

/* ---- making one ----------------------------------------------------------------------------- */

static bool check(reel_tape *tape, const char *kind, int64_t in, int64_t classes, int64_t samples)
{
    if (classes > INT32_MAX - 1) {
        reel_fail(tape, REEL_BAD_ARGUMENT, kind, "classes is %lld, more than an index holds",
                  (long long)classes);
        return false;
    }
    return reel__check_size(tape, kind, "in", in) &&
           reel__check_size(tape, kind, "classes", classes) &&
           reel__check_size(tape, kind, "samples", samples);
}

static bool take_distribution(sampled *s, reel_tape *tape, const double *weight)
{
    double total = 0;
    for (int64_t k = 0; weight && k < s->classes; k++) {
        if (!(weight[k] > 0) || isinf(weight[k])) {
            reel_fail(tape, REEL_BAD_ARGUMENT, s->name,
                      "distribution[%lld] is %g, must be greater than 0", (long long)k, weight[k]);
            return false;
        }
        total += weight[k];
    }
    s->cumulated = weight ? reel__layer_self(tape, (size_t)s->classes * sizeof(double)) : NULL;
    if (weight && !s->cumulated) {
        return false;
    }
    double sum = 0;
    for (int64_t k = 0; weight && k < s->classes; k++) {
        s->cumulated[k] = (sum += weight[k] / total);
    }
    return true;
}

static reel_class_output make(reel_tape *tape, const char *kind, const char *name, int64_t in,
                              int64_t classes, const reel_sampled_options *options)
{
    int64_t samples = options->samples ? options->samples : 64;
    sampled *s = check(tape, kind, in, classes, samples) ? reel__layer_self(tape, sizeof *s) : NULL;
    if (!s) {
        return (reel_class_output){ 0 };
    }
    *s = (sampled){ .name = kind, .classes = classes, .samples = samples };
    if (!take_distribution(s, tape, options->distribution)) {
        return (reel_class_output){ 0 };
    }
    s->W = reel__layer_param(tape, name, "W", REEL_SHAPE(classes, in), reel_glorot());
    s->b = reel__layer_param(tape, name, "b", REEL_SHAPE(classes), reel_zeros());
    return (reel_class_output){
        .self = s, .log_probabilities = log_probabilities, .in = in, .classes = classes
    };
}

reel_class_output reel_sampled_softmax(reel_tape *tape, const char *name, int64_t in,
                                       int64_t classes, reel_sampled_options options)
{
    reel_class_output output = make(tape, "sampled_softmax", name, in, classes, &options);
    output.loss = output.self ? softmax_loss : NULL;
    return output;
}

reel_class_output reel_nce(reel_tape *tape, const char *name, int64_t in, int64_t classes,
                           reel_sampled_options options)
{
    reel_class_output output = make(tape, "nce", name, in, classes, &options);
    output.loss = output.self ? nce_loss : NULL;
    return output;
}

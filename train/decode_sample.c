/* decode_sample.c: one token after another, the likeliest one or one drawn. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../graph/philox.h"
#include "decoding.h"

typedef struct {
    double weight;
    int32_t token;
} weighted;

typedef struct {
    reel__decoding d;
    bool draws;
    reel__hypothesis *hypothesis; /* [rows] */
    bool *done;                   /* [rows] */
    int32_t *parent, *token;      /* [rows] */
    weighted *weights;            /* [vocabulary] */
} sampler;

#define NO_TOKEN (-1)

static bool take_memory(sampler *s)
{
    reel__decoding *d = &s->d;
    size_t rows = (size_t)d->rows;
    s->hypothesis = reel__arena_take(d->tape, &d->arena, rows * sizeof *s->hypothesis);
    s->parent = reel__arena_take(d->tape, &d->arena, rows * sizeof *s->parent);
    s->token = reel__arena_take(d->tape, &d->arena, rows * sizeof *s->token);
    s->done = reel__arena_take(d->tape, &d->arena, rows * sizeof *s->done);
    if (!s->hypothesis || !s->parent || !s->token || !s->done) {
        return false;
    }
    for (int64_t r = 0; r < d->rows; r++) {
        s->hypothesis[r] = (reel__hypothesis){ .row = r };
        s->parent[r] = (int32_t)r;
        s->done[r] = false;
    }
    return true;
}

/* ---- one token ----------------------------------------------------------------------------- */

/* NO_TOKEN where none is possible. */
static int32_t likeliest(const double *log_p, int64_t count)
{
    int32_t best = reel__likeliest(log_p, count);
    return log_p[best] > -INFINITY ? best : NO_TOKEN;
}

/* The heaviest first, of equal ones the smaller token. */
static int by_weight(const void *a, const void *b)
{
    const weighted *x = a, *y = b;
    if (x->weight != y->weight) {
        return x->weight < y->weight ? 1 : -1;
    }
    return x->token < y->token ? -1 : 1;
}

static double total_of(const weighted *weights, int64_t count)
{
    double total = 0;
    for (int64_t k = 0; k < count; k++) {
        total += weights[k].weight;
    }
    return total;
}

/* How many of the sorted weights remain. */
static int64_t cut(const sampler *s)
{
    const reel_decode_options *o = &s->d.options;
    int64_t count = s->d.vocabulary, kept = 0;
    count = o->top_k > 0 && o->top_k < count ? o->top_k : count;
    double wanted = o->top_p * total_of(s->weights, count), sum = 0;
    while (kept < count && (kept == 0 || sum < wanted)) {
        sum += s->weights[kept++].weight;
    }
    return kept;
}

static int32_t draw_among(const weighted *weights, int64_t count, double at)
{
    int64_t last = 0;
    at *= total_of(weights, count);
    for (int64_t k = 0; k < count; k++) {
        if (weights[k].weight > 0) {
            last = k;
            at -= weights[k].weight;
        }
        if (at < 0) {
            break;
        }
    }
    return weights[last].token; /* at + rounding may be just beyond the sum */
}

static int32_t draw(sampler *s, int64_t row)
{
    const reel__decoding *d = &s->d;
    const double *log_p = d->log_p + row * d->vocabulary;
    int32_t best = likeliest(log_p, d->vocabulary);
    if (best == NO_TOKEN) {
        return NO_TOKEN;
    }
    for (int32_t k = 0; k < d->vocabulary; k++) {
        double relative = (log_p[k] - log_p[best]) / d->options.temperature;
        s->weights[k] = (weighted){ exp(relative), k };
    }
    int64_t count = d->vocabulary;
    if (d->options.top_k > 0 || d->options.top_p < 1) {
        qsort(s->weights, (size_t)count, sizeof *s->weights, by_weight);
        count = cut(s);
    }
    reel__philox_block block = reel__philox(d->options.seed, (uint64_t)row, (uint64_t)d->steps);
    return draw_among(s->weights, count, reel__philox_uniform(block, 0));
}

/* ---- all rows ------------------------------------------------------------------------------ */

static void put_out(sampler *s, int64_t row, int32_t token)
{
    reel__hypothesis *h = &s->hypothesis[row];
    s->token[row] = token == NO_TOKEN ? s->d.token[row] : token;
    s->done[row] = token == NO_TOKEN || reel__decode_ends(&s->d, token);
    if (token == NO_TOKEN) {
        return;
    }
    h->length = s->d.steps + 1;
    h->log_p += s->d.log_p[row * s->d.vocabulary + token];
    h->score = h->log_p;
}

static bool choose(sampler *s)
{
    reel__decoding *d = &s->d;
    for (int64_t r = 0; r < d->rows; r++) {
        if (s->done[r]) {
            s->token[r] = d->token[r];
            continue;
        }
        if (!reel__decode_adjust(d, r)) {
            return false;
        }
        const double *log_p = d->log_p + r * d->vocabulary;
        put_out(s, r, s->draws ? draw(s, r) : likeliest(log_p, d->vocabulary));
    }
    return true;
}

static bool all_done(const sampler *s)
{
    int64_t done = 0;
    for (int64_t r = 0; r < s->d.rows; r++) {
        done += s->done[r];
    }
    return done == s->d.rows;
}

static bool run(sampler *s, const reel_var initial[])
{
    reel__decoding *d = &s->d;
    if (!reel__decode_open(d, initial) || !take_memory(s)) {
        return false;
    }
    while (d->steps < d->options.max_length && !all_done(s)) {
        if (!reel__decode_evaluate(d)) {
            return false;
        }
        if (!s->weights) {
            size_t bytes = (size_t)d->vocabulary * sizeof *s->weights;
            s->weights = reel__arena_take(d->tape, &d->arena, bytes);
        }
        if (!s->weights || !choose(s) || !reel__decode_advance(d, s->parent, s->token)) {
            return false;
        }
    }
    return true;
}

static reel_decoded *decode(sampler *s, const reel_var initial[])
{
    reel_decoded *found = NULL;
    if (run(s, initial)) {
        found = reel__decode_result(&s->d, s->d.width, s->hypothesis);
    }
    reel__decode_close(&s->d);
    return found;
}

reel_decoded *reel_decode_greedy(reel_tape *tape, reel_decoder decoder, int64_t batch,
                                 const reel_var initial[], reel_decode_options options)
{
    options.beams = options.n_best = options.groups = 1; /* those are not its business */
    sampler s = { .d = { .tape = tape,
                         .name = "decode_greedy",
                         .decoder = decoder,
                         .options = options,
                         .batch = batch,
                         .width = 1 } };
    return decode(&s, initial);
}

reel_decoded *reel_decode_sample(reel_tape *tape, reel_decoder decoder, int64_t batch,
                                 const reel_var initial[], reel_decode_options options)
{
    options.beams = options.n_best = options.groups = 1;
    sampler s = { .d = { .tape = tape,
                         .name = "decode_sample",
                         .decoder = decoder,
                         .options = options,
                         .batch = batch,
                         .width = options.samples > 0 ? options.samples : 1 },
                  .draws = true };
    return decode(&s, initial);
}

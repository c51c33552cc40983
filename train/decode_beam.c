/* decode_beam.c: beam search, with groups of beams that avoid each other's tokens. */
#include <math.h>
#include <string.h>

#include "../layers/lengths.h"
#include "decoding.h"

/* One way to go on: with `token` after `row`. */
typedef struct {
    double key; /* what the group chooses by: log_p less what diversity takes */
    double log_p;
    int32_t row, token;
} candidate;

typedef struct {
    reel__decoding d;
    int group;        /* beams in one */
    double *log_p;    /* [rows]: of the live hypotheses; -infinity: none there */
    double *coverage; /* [rows, source]: Σ of the alignments */
    double *coverage_next;
    bool *done;                 /* [batch] */
    reel__hypothesis *finished; /* [batch, beams], each row's best first */
    int64_t *finished_count;    /* [batch]: of all, kept or not */
    int32_t *parent, *token;    /* [rows]: chosen at this step */
    double *next_log_p;
    candidate *candidates; /* of a group, the best first */
    int32_t *chosen;       /* [vocabulary]: how often by the groups before */
} search;

static bool take_memory(search *s)
{
    reel__decoding *d = &s->d;
    size_t rows = (size_t)d->rows, batch = (size_t)d->batch;
    s->group = d->options.beams / d->options.groups;
#define TAKE(field, count)                                                                         \
    s->field = reel__arena_take(d->tape, &d->arena, (count) * sizeof *s->field)
    TAKE(log_p, rows);
    TAKE(next_log_p, rows);
    TAKE(parent, rows);
    TAKE(token, rows);
    TAKE(done, batch);
    TAKE(finished, rows);
    TAKE(finished_count, batch);
    TAKE(candidates, 2 * (size_t)s->group + 1);
    return s->log_p && s->next_log_p && s->parent && s->token && s->done && s->finished &&
           s->finished_count && s->candidates;
}

/* What depends on the vocabulary and on the alignment, after the first step. */
static bool take_more_memory(search *s)
{
    reel__decoding *d = &s->d;
    size_t places = (size_t)(d->rows * d->source) + 1;
    TAKE(chosen, (size_t)d->vocabulary);
    TAKE(coverage, places);
    TAKE(coverage_next, places);
#undef TAKE
    if (!s->chosen || !s->coverage || !s->coverage_next) {
        return false;
    }
    memset(s->coverage, 0, places * sizeof *s->coverage);
    return true;
}

/* At first all beams of a group are the same: one of them is live. */
static void start(search *s)
{
    for (int64_t r = 0; r < s->d.rows; r++) {
        s->log_p[r] = r % s->d.width % s->group == 0 ? 0 : -INFINITY;
        s->finished[r] = REEL__NO_HYPOTHESIS;
    }
    for (int64_t b = 0; b < s->d.batch; b++) {
        s->done[b] = false;
        s->finished_count[b] = 0;
    }
}

/* ---- ranking (Wu et al. 2016) -------------------------------------------------------------- */

static double normalised(const search *s, double log_p, int64_t length)
{
    return log_p / pow((5 + (double)length) / 6, s->d.options.length_penalty);
}

/* Of what has been seen of the source by row `row` and the step evaluated last. */
static double coverage_score(const search *s, int64_t row)
{
    const reel__decoding *d = &s->d;
    double sum = 0;
    if (d->options.coverage_penalty == 0) {
        return 0;
    }
    int64_t places = reel__length_at(d->options.source_lengths, row / d->width, d->source);
    for (int64_t i = row * d->source; i < row * d->source + places; i++) {
        sum += log(fmin(s->coverage[i], 1));
    }
    return d->options.coverage_penalty * sum;
}

static void finish(search *s, int64_t row, double log_p, bool ended)
{
    int64_t b = row / s->d.width, length = s->d.steps + 1;
    reel__hypothesis *pool = s->finished + b * s->d.width;
    reel__hypothesis h = {
        .length = ended ? length : s->d.steps, .row = row, .ended = ended, .log_p = log_p
    };
    h.score = normalised(s, log_p, h.length) + coverage_score(s, row);
    int64_t at = s->d.width;
    while (at > 0 && (pool[at - 1].length < 0 || pool[at - 1].score < h.score)) {
        at--;
    }
    if (at < s->d.width) {
        memmove(pool + at + 1, pool + at, (size_t)(s->d.width - 1 - at) * sizeof *pool);
        pool[at] = h;
    }
    s->finished_count[b]++;
}

/* ---- choosing ------------------------------------------------------------------------------ */

/* Keeps the list sorted; of equal ones the earlier stays in front. */
static void insert(candidate *list, int *count, int most, candidate c)
{
    int at = *count;
    if (at == most && !(c.key > list[most - 1].key)) {
        return;
    }
    at = at == most ? most - 1 : at;
    while (at > 0 && c.key > list[at - 1].key) {
        list[at] = list[at - 1];
        at--;
    }
    list[at] = c;
    *count += *count < most;
}

/* Each hypothesis ends in one way at most, so that twice as many candidates as beams are enough. */
static int list_candidates(search *s, int64_t first)
{
    const reel__decoding *d = &s->d;
    int count = 0, most = 2 * s->group;
    for (int64_t r = first; r < first + s->group; r++) {
        const double *log_p = d->log_p + r * d->vocabulary;
        for (int32_t k = 0; s->log_p[r] > -INFINITY && k < d->vocabulary; k++) {
            double total = s->log_p[r] + log_p[k];
            double key = total - d->options.diversity * s->chosen[k];
            if (total > -INFINITY) {
                insert(s->candidates, &count, most, (candidate){ key, total, (int32_t)r, k });
            }
        }
    }
    return count;
}

static void leave_empty(search *s, int64_t row)
{
    s->parent[row] = (int32_t)row;
    s->token[row] = s->d.token[row];
    s->next_log_p[row] = -INFINITY;
}

static void choose_for_group(search *s, int64_t first)
{
    int count = list_candidates(s, first), live = 0;
    for (int i = 0; i < count && live < s->group; i++) {
        const candidate *c = &s->candidates[i];
        s->chosen[c->token]++;
        if (reel__decode_ends(&s->d, c->token)) {
            finish(s, c->row, c->log_p, true);
            continue;
        }
        s->parent[first + live] = c->row;
        s->token[first + live] = c->token;
        s->next_log_p[first + live] = c->log_p;
        live++;
    }
    for (; live < s->group; live++) {
        leave_empty(s, first + live);
    }
}

/* No live hypothesis can come before those that are finished: its log p only falls, and is divided
 * by at most the greatest length's penalty. */
static bool is_decided(const search *s, int64_t b)
{
    const reel__decoding *d = &s->d;
    const reel__hypothesis *last = &s->finished[b * d->width + d->options.n_best - 1];
    double best = -INFINITY;
    for (int64_t r = b * d->width; r < (b + 1) * d->width; r++) {
        best = fmax(best, s->next_log_p[r]);
    }
    if (best == -INFINITY) {
        return true;
    }
    if (d->options.early_stopping) {
        return s->finished_count[b] >= d->width;
    }
    return last->length >= 0 && normalised(s, best, d->options.max_length) <= last->score;
}

static bool adjust_row(search *s, int64_t b)
{
    for (int64_t r = b * s->d.width; r < (b + 1) * s->d.width; r++) {
        if (s->log_p[r] > -INFINITY && !reel__decode_adjust(&s->d, r)) {
            return false;
        }
    }
    return true;
}

static bool choose(search *s)
{
    const reel__decoding *d = &s->d;
    for (int64_t b = 0; b < d->batch; b++) {
        int64_t first = b * d->width;
        for (int64_t r = first; s->done[b] && r < first + d->width; r++) {
            leave_empty(s, r);
        }
        if (s->done[b]) {
            continue;
        }
        if (!adjust_row(s, b)) {
            return false;
        }
        memset(s->chosen, 0, (size_t)d->vocabulary * sizeof *s->chosen);
        for (int64_t r = first; r < first + d->width; r += s->group) {
            choose_for_group(s, r);
        }
        s->done[b] = is_decided(s, b);
    }
    return true;
}

/* ---- going on ------------------------------------------------------------------------------ */

static void cover(search *s)
{
    for (int64_t i = 0; i < s->d.rows * s->d.source; i++) {
        s->coverage[i] += s->d.alignment[i];
    }
}

static bool advance(search *s)
{
    reel__decoding *d = &s->d;
    size_t places = (size_t)d->source;
    for (int64_t r = 0; places > 0 && r < d->rows; r++) {
        memcpy(s->coverage_next + (size_t)r * places, s->coverage + (size_t)s->parent[r] * places,
               places * sizeof *s->coverage);
    }
    double *coverage = s->coverage, *log_p = s->log_p;
    s->coverage = s->coverage_next;
    s->coverage_next = coverage;
    s->log_p = s->next_log_p;
    s->next_log_p = log_p;
    return reel__decode_advance(d, s->parent, s->token);
}

static bool all_done(const search *s)
{
    int64_t done = 0;
    for (int64_t b = 0; b < s->d.batch; b++) {
        done += s->done[b];
    }
    return done == s->d.batch;
}

/* What is live when max_length is reached counts as it is. */
static void finish_the_rest(search *s)
{
    for (int64_t r = 0; r < s->d.rows; r++) {
        if (!s->done[r / s->d.width] && s->log_p[r] > -INFINITY) {
            finish(s, r, s->log_p[r], false);
        }
    }
}

static bool run(search *s, const reel_var initial[])
{
    reel__decoding *d = &s->d;
    if (!reel__decode_open(d, initial) || !take_memory(s)) {
        return false;
    }
    start(s);
    while (d->steps < d->options.max_length && !all_done(s)) {
        if (!reel__decode_evaluate(d) || (d->steps == 0 && !take_more_memory(s))) {
            return false;
        }
        cover(s);
        if (!choose(s) || !advance(s)) {
            return false;
        }
    }
    finish_the_rest(s);
    return true;
}

/* The best n_best of each row's finished ones. */
static reel_decoded *result(search *s)
{
    reel__decoding *d = &s->d;
    int64_t best = d->options.n_best;
    for (int64_t b = 1; b < d->batch; b++) {
        memmove(s->finished + b * best, s->finished + b * d->width,
                (size_t)best * sizeof *s->finished);
    }
    return reel__decode_result(d, best, s->finished);
}

reel_decoded *reel_decode_beam(reel_tape *tape, reel_decoder decoder, int64_t batch,
                               const reel_var initial[], reel_decode_options options)
{
    int64_t width = options.beams > 0 ? options.beams : 1;
    search s = { .d = { .tape = tape,
                        .name = "decode_beam",
                        .decoder = decoder,
                        .options = options,
                        .batch = batch,
                        .width = width } };
    reel_decoded *found = run(&s, initial) ? result(&s) : NULL;
    reel__decode_close(&s.d);
    return found;
}

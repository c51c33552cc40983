/* decode_transducer_beam.c: the labellings of a transducer of greatest probability.
 *
 * All rows of the batch go through the encoder's steps together. At each step there are rounds: what
 * is in the beam may put out one more label a round, or the blank, with which it is done with the
 * step. Whatever leads to one labelling is summed; what is done goes on to the next step as the new
 * beam. A hypothesis is a labelling, the state of the prediction network before its last label, and
 * that label. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "prefix_tree.h"
#include "transducer.h"

enum { MOST_BEAMS = 1 << 16 };

typedef struct {
    int32_t node;
    double log_p;
    int32_t token; /* the last label */
    int32_t from;  /* where its state is: a row of the round before, or of all that were kept */
} hypothesis;

typedef struct {
    reel__transducer g;
    reel_transducer_beam_options options;
    reel__prefix_tree tree;
    int64_t rounds;               /* at each step, at most */
    int64_t *live, *done;         /* [batch]: how many there are */
    hypothesis *beam;             /* [batch, beams]: live in this round */
    hypothesis *kept;             /* [batch, rounds·beams]: done with this step */
    hypothesis *next;             /* [beams·labels]: one row's candidates for the next round */
    char *state[REEL_MAX_STATES]; /* of all rounds of this step: [rounds, batch·beams, …] */
} search;

#define FAIL(s, ...)                                                                               \
    (reel_fail((s)->g.d.tape, REEL_BAD_ARGUMENT, (s)->g.d.name, __VA_ARGS__), false)

static hypothesis *beam_of(const search *s, int64_t row)
{
    return s->beam + row * s->options.beams;
}

static hypothesis *kept_of(const search *s, int64_t row)
{
    return s->kept + row * s->rounds * s->options.beams;
}

static double log_add(double a, double b)
{
    double most = fmax(a, b);
    return most == -INFINITY ? most : most + log1p(exp(fmin(a, b) - most));
}

static int by_log_p(const void *a, const void *b)
{
    const hypothesis *x = a, *y = b;
    if (x->log_p != y->log_p) {
        return x->log_p < y->log_p ? 1 : -1;
    }
    if (x->from != y->from) {
        return x->from < y->from ? -1 : 1;
    }
    return x->token < y->token ? -1 : x->token > y->token;
}

/* The likeliest come first; returns how many go on. */
static int64_t choose(const search *s, hypothesis *h, int64_t count)
{
    qsort(h, (size_t)count, sizeof *h, by_log_p);
    return count < s->options.beams ? count : s->options.beams;
}

/* ---- states -------------------------------------------------------------------------------- */

/* Row r of the decoder's becomes row `from` of `all`, for each state. */
static void take_state(search *s, int64_t r, int k, const char *all, int64_t from)
{
    reel__decode_state *state = &s->g.d.state[k];
    memcpy(state->now + (size_t)r * state->row_bytes, all + (size_t)from * state->row_bytes,
           state->row_bytes);
}

static void keep_states(search *s, int64_t round)
{
    for (int k = 0; k < s->g.prediction.states; k++) {
        const reel__decode_state *state = &s->g.d.state[k];
        size_t bytes = (size_t)s->g.d.rows * state->row_bytes;
        memcpy(s->state[k] + (size_t)round * bytes, state->now, bytes);
    }
}

/* What is in the beam is what the next round runs on. `kept`: it was done with the last step. */
static void load(search *s, int64_t row, bool kept)
{
    for (int64_t i = 0; i < s->live[row]; i++) {
        const hypothesis *h = beam_of(s, row) + i;
        int64_t r = row * s->options.beams + i;
        s->g.d.token[r] = h->token;
        for (int k = 0; k < s->g.prediction.states; k++) {
            take_state(s, r, k, kept ? s->state[k] : s->g.d.state[k].next, h->from);
        }
    }
}

/* ---- a round ------------------------------------------------------------------------------- */

/* With the blank: done, and one with what else led to this labelling. */
static void keep(search *s, int64_t row, const hypothesis *h, double log_p, int32_t from)
{
    reel__prefix *labelling = reel__prefix_at(&s->tree, h->node);
    hypothesis *kept = kept_of(s, row);
    if (labelling->place == REEL__NO_PLACE) {
        labelling->place = (int32_t)s->done[row]++;
        kept[labelling->place] = (hypothesis){ h->node, -INFINITY, h->token, from };
    }
    hypothesis *k = &kept[labelling->place];
    k->log_p = log_add(k->log_p, h->log_p + log_p);
}

/* Graves' rule: the rest cannot matter once `beams` labellings are done that are all likelier than
 * any that is not. */
static bool is_decided(const search *s, int64_t row, double best)
{
    int64_t likelier = 0;
    for (int64_t i = 0; i < s->done[row]; i++) {
        likelier += kept_of(s, row)[i].log_p > best;
    }
    return likelier >= s->options.beams;
}

static int64_t extend(search *s, int64_t row)
{
    int64_t count = 0, labels = s->g.d.vocabulary;
    for (int64_t i = 0; i < s->live[row]; i++) {
        const hypothesis *h = beam_of(s, row) + i;
        int32_t from = (int32_t)(row * s->options.beams + i);
        const double *log_p = s->g.d.log_p + from * labels;
        for (int32_t k = 0; k < labels; k++) {
            if (k != s->g.blank && h->log_p + log_p[k] > -INFINITY) {
                s->next[count++] = (hypothesis){ h->node, h->log_p + log_p[k], k, from };
            }
        }
    }
    return choose(s, s->next, count);
}

/* The row's next beam: what it can be with one more label. False without memory. */
static bool go_on(search *s, int64_t row, int64_t round)
{
    int64_t count = round + 1 < s->rounds ? extend(s, row) : 0;
    if (count > 0 && is_decided(s, row, s->next[0].log_p)) {
        count = 0;
    }
    for (int64_t i = 0; i < count; i++) {
        hypothesis *h = &s->next[i];
        h->node = reel__prefix_child(&s->tree, h->node, h->token);
        if (h->node == REEL__NO_NODE) {
            return false;
        }
        beam_of(s, row)[i] = *h;
    }
    s->live[row] = count;
    return true;
}

static bool run_round(search *s, int64_t round)
{
    int64_t beams = s->options.beams, first = round * s->g.d.rows;
    if (!reel__transducer_evaluate(&s->g)) {
        return false;
    }
    if (!s->next) {
        size_t bytes = (size_t)(beams * s->g.d.vocabulary) * sizeof *s->next;
        s->next = reel__arena_take(s->g.d.tape, &s->g.d.arena, bytes);
    }
    keep_states(s, round);
    for (int64_t row = 0; s->next && row < s->g.d.batch; row++) {
        for (int64_t i = 0; i < s->live[row]; i++) {
            int64_t r = row * beams + i;
            double blank = s->g.d.log_p[r * s->g.d.vocabulary + s->g.blank];
            keep(s, row, beam_of(s, row) + i, blank, (int32_t)(first + r));
        }
        if (!go_on(s, row, round)) {
            return false;
        }
    }
    for (int64_t row = 0; row < s->g.d.batch; row++) {
        load(s, row, false);
    }
    return s->next != NULL;
}

/* ---- a step of the encoder ------------------------------------------------------------------ */

static void begin_step(search *s, int64_t row, int64_t t)
{
    bool over = t >= reel__transducer_steps(&s->g, row);
    s->done[row] = over ? s->done[row] : 0;
    s->live[row] = over ? 0 : s->live[row];
    reel__transducer_show(&s->g, row, over ? 0 : t);
}

/* Rows that were not over have made a new beam, which begins the next step. */
static void end_step(search *s, int64_t row)
{
    hypothesis *kept = kept_of(s, row);
    for (int64_t i = 0; i < s->done[row]; i++) {
        reel__prefix_at(&s->tree, kept[i].node)->place = REEL__NO_PLACE;
    }
    s->done[row] = s->live[row] = choose(s, kept, s->done[row]);
    memcpy(beam_of(s, row), kept, (size_t)s->live[row] * sizeof *kept);
    load(s, row, true);
}

static bool is_any_live(const search *s)
{
    int64_t live = 0;
    for (int64_t row = 0; row < s->g.d.batch; row++) {
        live += s->live[row];
    }
    return live > 0;
}

static bool run(search *s)
{
    for (int64_t t = 0; t < s->g.steps; t++) {
        for (int64_t row = 0; row < s->g.d.batch; row++) {
            begin_step(s, row, t);
        }
        for (int64_t round = 0; is_any_live(s); round++) {
            if (!run_round(s, round)) {
                return false;
            }
        }
        for (int64_t row = 0; row < s->g.d.batch; row++) {
            if (t < reel__transducer_steps(&s->g, row)) {
                end_step(s, row);
            }
        }
    }
    return true;
}

/* ---- what goes in and comes out ------------------------------------------------------------- */

static bool check(search *s)
{
    reel_transducer_beam_options *o = &s->options;
    o->beams = o->beams == 0 ? 8 : o->beams;
    o->n_best = o->n_best == 0 ? 1 : o->n_best;
    if (o->beams < 1 || o->beams > MOST_BEAMS) {
        return FAIL(s, "beams is %d, must be in 1 … %d", o->beams, MOST_BEAMS);
    }
    if (o->n_best < 1 || o->n_best > o->beams) {
        return FAIL(s, "n_best is %d, must be in 1 … %d", o->n_best, o->beams);
    }
    s->g.d.width = o->beams;
    return true;
}

/* At first each row's beam is the labelling without labels. */
static bool open_search(search *s)
{
    reel__decoding *d = &s->g.d;
    size_t batch = (size_t)d->batch, beams = (size_t)s->options.beams;
    s->rounds = (int64_t)s->g.max_symbols + 1;
    size_t hypotheses = batch * beams * (size_t)s->rounds;
    if (hypotheses > INT32_MAX) {
        return FAIL(s, "%d beams with %d symbols a step are too many for a batch of %lld",
                    s->options.beams, s->g.max_symbols, (long long)d->batch);
    }
    s->live = reel__arena_take(d->tape, &d->arena, batch * sizeof *s->live);
    s->done = reel__arena_take(d->tape, &d->arena, batch * sizeof *s->done);
    s->beam = reel__arena_take(d->tape, &d->arena, batch * beams * sizeof *s->beam);
    s->kept = reel__arena_take(d->tape, &d->arena, hypotheses * sizeof *s->kept);
    for (int k = 0; k < s->g.prediction.states; k++) {
        s->state[k] = reel__arena_take(d->tape, &d->arena, hypotheses * d->state[k].row_bytes + 1);
        if (!s->state[k]) {
            return false;
        }
    }
    if (!s->live || !s->done || !s->beam || !s->kept ||
        !reel__prefix_plant(&s->tree, (int32_t)d->batch)) {
        return false;
    }
    for (int64_t row = 0; row < d->batch; row++) {
        s->live[row] = s->done[row] = 1;
        *beam_of(s, row) = *kept_of(s, row) =
            (hypothesis){ .node = (int32_t)row, .token = s->g.blank };
    }
    return true;
}

static double score_of(const search *s, const hypothesis *h)
{
    int32_t length = reel__prefix_at(&s->tree, h->node)->length;
    return s->options.per_label && length > 0 ? h->log_p / length : h->log_p;
}

/* The best of a row's labellings not yet written, by score; the first of equal ones. */
static hypothesis *best_left(const search *s, int64_t row)
{
    hypothesis *best = NULL;
    for (int64_t i = 0; i < s->done[row]; i++) {
        hypothesis *h = kept_of(s, row) + i;
        if (h->node != REEL__NO_NODE && (!best || score_of(s, h) > score_of(s, best))) {
            best = h;
        }
    }
    return best;
}

static void write_row(search *s, int64_t row, reel_decoded *r)
{
    for (int64_t place = row * r->best; place < (row + 1) * r->best; place++) {
        hypothesis *h = best_left(s, row);
        if (!h) {
            r->lengths[place] = -1;
            r->scores[place] = r->log_probabilities[place] = -INFINITY;
            continue;
        }
        r->lengths[place] = reel__prefix_at(&s->tree, h->node)->length;
        r->log_probabilities[place] = h->log_p;
        r->scores[place] = score_of(s, h);
        reel__prefix_read(&s->tree, h->node, r->tokens + place * r->steps);
        h->node = REEL__NO_NODE;
    }
}

static reel_decoded *decode(search *s, reel_var encoded, const reel_var initial[])
{
    reel__transducer *g = &s->g;
    if (!check(s) || !reel__transducer_open(g, encoded, initial) || !open_search(s) || !run(s)) {
        return NULL;
    }
    int64_t longest = g->steps * g->max_symbols;
    reel_decoded *found =
        reel__decoded_new(g->d.tape, g->d.batch, s->options.n_best, longest, 0, g->blank);
    for (int64_t row = 0; found && row < g->d.batch; row++) {
        write_row(s, row, found);
    }
    return found;
}

reel_decoded *reel_transducer_beam(reel_tape *tape, reel_decoder prediction, reel_joint joint,
                                   reel_var encoded, const int32_t *lengths,
                                   const reel_var initial[], reel_transducer_beam_options options)
{
    search s = { .g = { .d = { .tape = tape, .name = "transducer_beam" },
                        .prediction = prediction,
                        .joint = joint,
                        .blank = options.blank,
                        .max_symbols = options.max_symbols,
                        .lengths = lengths },
                 .options = options,
                 .tree = { .tape = tape } };
    if (!tape) {
        return NULL;
    }
    reel__decode_call_begins(tape);
    reel_decoded *found = decode(&s, encoded, initial);
    reel__prefix_free(&s.tree);
    reel__decode_close(&s.g.d);
    reel__decode_call_ends(tape);
    return found;
}

/* decode_ctc.c: labellings out of CTC's probabilities: the best path, and prefix beam search. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../layers/lengths.h"
#include "decoding.h"
#include "prefix_tree.h"

/* log-probabilities of a batch on the host */
typedef struct {
    reel_tape *tape;
    const char *name;
    int64_t steps, batch, labels;
    const int32_t *lengths;
    int32_t blank;
    double *log_p; /* [steps, batch, labels] */
    reel__arena arena;
} emissions;

#define FAIL(e, status, ...) (reel_fail((e)->tape, status, (e)->name, __VA_ARGS__), false)

static bool open_emissions(emissions *e, reel_var logits)
{
    if (!reel__check_handle(e->tape, e->name, logits)) {
        return false;
    }
    reel_shape shape = reel_shape_of(logits);
    if (shape.rank != 3 || shape.dim[1] == 0 || reel_is_index(logits)) {
        return FAIL(e, REEL_BAD_SHAPE, "logits are %s, expected [steps, batch, labels], batch > 0",
                    REEL_SHAPE_TEXT(shape));
    }
    e->steps = shape.dim[0];
    e->batch = shape.dim[1];
    e->labels = shape.dim[2];
    if (e->blank < 0 || e->blank >= e->labels) {
        return FAIL(e, REEL_BAD_INDEX, "blank = %d is outside 0 … %lld", (int)e->blank,
                    (long long)e->labels - 1);
    }
    if (!reel__check_lengths(e->tape, e->name, "lengths", e->lengths, e->batch, e->steps)) {
        return false;
    }
    size_t count = (size_t)reel_shape_size(shape);
    e->log_p = reel__arena_take(e->tape, &e->arena, (count + 1) * sizeof *e->log_p);
    return e->log_p && reel_read_f64(reel_log_softmax(logits, -1), e->log_p, count) == REEL_OK;
}

static int64_t length_of(const emissions *e, int64_t row)
{
    return reel__length_at(e->lengths, row, e->steps);
}

static const double *at(const emissions *e, int64_t t, int64_t row)
{
    return e->log_p + (t * e->batch + row) * e->labels;
}

/* ---- the best path ------------------------------------------------------------------------- */

static void best_path(const emissions *e, int64_t row, reel_decoded *r)
{
    int32_t last = e->blank, count = 0;
    for (int64_t t = 0; t < length_of(e, row); t++) {
        int32_t label = reel__likeliest(at(e, t, row), e->labels);
        r->log_probabilities[row] += at(e, t, row)[label];
        if (label != e->blank && label != last) {
            r->tokens[row * r->steps + count++] = label;
        }
        last = label;
    }
    r->lengths[row] = count;
    r->scores[row] = r->log_probabilities[row];
}

reel_decoded *reel_ctc_greedy(reel_var logits, const int32_t *lengths, int32_t blank)
{
    emissions e = { .tape = logits.tape, .name = "ctc_greedy", .lengths = lengths, .blank = blank };
    if (!e.tape) {
        return NULL;
    }
    reel__decode_call_begins(e.tape);
    reel_decoded *found = NULL;
    if (open_emissions(&e, logits)) {
        found = reel__decoded_new(e.tape, e.batch, 1, e.steps, 0, blank);
    }
    for (int64_t row = 0; found && row < e.batch; row++) {
        best_path(&e, row, found);
    }
    reel__arena_free(e.tape, &e.arena);
    reel__decode_call_ends(e.tape);
    return found;
}

/* ---- prefix beam search -------------------------------------------------------------------- */

enum { ROOT = 0 };

/* A prefix in the beam, with its log-probabilities over the paths that end in a blank or in its last
 * label, and what a language model added to both. */
typedef struct {
    int32_t node;
    double blank, label, language;
} entry;

typedef struct {
    emissions e;
    reel_ctc_beam_options options;
    reel__prefix_tree tree;
    entry *beam, *next; /* [beams], [beams·(labels + 1)] */
    int64_t count, next_count;
    int32_t *prefix; /* [steps] */
} prefix_search;

static double log_add(double a, double b)
{
    double most = fmax(a, b);
    return most == -INFINITY ? most : most + log1p(exp(fmin(a, b) - most));
}

static double total_of(const entry *n)
{
    return log_add(n->blank, n->label) + n->language;
}

static reel__prefix *node_at(const prefix_search *s, int32_t i)
{
    return reel__prefix_at(&s->tree, i);
}

static const int32_t *prefix_of(const prefix_search *s, int32_t i)
{
    reel__prefix_read(&s->tree, i, s->prefix);
    return s->prefix;
}

/* The prefix's entry in the beam that is being made. */
static entry *entry_of(prefix_search *s, int32_t i, double language)
{
    reel__prefix *n = node_at(s, i);
    if (n->place == REEL__NO_PLACE) {
        n->place = (int32_t)s->next_count;
        s->next[s->next_count++] = (entry){ i, -INFINITY, -INFINITY, language };
    }
    return &s->next[n->place];
}

static double language_of(const prefix_search *s, const entry *from, int32_t label)
{
    if (!s->options.language) {
        return 0;
    }
    return from->language + s->options.language(s->options.language_self, prefix_of(s, from->node),
                                                node_at(s, from->node)->length, label);
}

/* A repeated label is a new one only behind a blank. */
static bool extend(prefix_search *s, const entry *from, int32_t label, double log_p)
{
    bool repeated = from->node != ROOT && node_at(s, from->node)->label == label;
    double mass = repeated ? from->blank : log_add(from->blank, from->label);
    if (mass + log_p == -INFINITY) {
        return true;
    }
    int32_t i = reel__prefix_child(&s->tree, from->node, label);
    if (i == REEL__NO_NODE) {
        return false;
    }
    bool known = node_at(s, i)->place != REEL__NO_PLACE;
    entry *to = entry_of(s, i, known ? 0 : language_of(s, from, label));
    to->label = log_add(to->label, mass + log_p);
    return true;
}

static void stay(prefix_search *s, const entry *from, const double *log_p)
{
    entry *to = entry_of(s, from->node, from->language);
    double mass = log_add(from->blank, from->label);
    to->blank = log_add(to->blank, mass + log_p[s->options.blank]);
    if (from->node != ROOT) {
        to->label = log_add(to->label, from->label + log_p[node_at(s, from->node)->label]);
    }
}

static int by_total(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    double difference = total_of(y) - total_of(x);
    if (difference != 0) {
        return difference > 0 ? 1 : -1;
    }
    return x->node < y->node ? -1 : 1;
}

static bool advance(prefix_search *s, const double *log_p)
{
    bool good = true;
    s->next_count = 0;
    for (int64_t i = 0; i < s->count; i++) {
        stay(s, &s->beam[i], log_p);
    }
    for (int64_t i = 0; good && i < s->count; i++) {
        for (int32_t k = 0; good && k < s->e.labels; k++) {
            good = k == s->options.blank || extend(s, &s->beam[i], k, log_p[k]);
        }
    }
    for (int64_t i = 0; i < s->next_count; i++) {
        node_at(s, s->next[i].node)->place = REEL__NO_PLACE;
    }
    qsort(s->next, (size_t)s->next_count, sizeof *s->next, by_total);
    s->count = s->next_count < s->options.beams ? s->next_count : s->options.beams;
    memcpy(s->beam, s->next, (size_t)s->count * sizeof *s->beam);
    return good;
}

static bool search_row(prefix_search *s, int64_t row)
{
    if (!reel__prefix_plant(&s->tree, 1)) {
        return false;
    }
    s->beam[0] = (entry){ ROOT, 0, -INFINITY, 0 };
    s->count = 1;
    for (int64_t t = 0; t < length_of(&s->e, row); t++) {
        if (!advance(s, at(&s->e, t, row))) {
            return false;
        }
    }
    return true;
}

static void write_row(prefix_search *s, int64_t row, reel_decoded *r)
{
    for (int64_t i = 0; i < r->best; i++) {
        int64_t place = row * r->best + i;
        if (i >= s->count) {
            r->lengths[place] = -1;
            r->scores[place] = r->log_probabilities[place] = -INFINITY;
            continue;
        }
        const entry *found = &s->beam[i];
        int32_t length = node_at(s, found->node)->length;
        r->lengths[place] = length;
        r->log_probabilities[place] = log_add(found->blank, found->label);
        r->scores[place] = total_of(found);
        if (length > 0) {
            memcpy(r->tokens + place * r->steps, prefix_of(s, found->node),
                   (size_t)length * sizeof *r->tokens);
        }
    }
}

static bool check_beam(const prefix_search *s)
{
    if (s->options.beams < 1 || s->options.beams > 1 << 20) {
        return FAIL(&s->e, REEL_BAD_ARGUMENT, "beams is %d, must be in 1 … %d", s->options.beams,
                    1 << 20);
    }
    if (s->options.n_best < 1 || s->options.n_best > s->options.beams) {
        return FAIL(&s->e, REEL_BAD_ARGUMENT, "n_best is %d, must be in 1 … %d", s->options.n_best,
                    s->options.beams);
    }
    return true;
}

static reel_decoded *search_all(prefix_search *s)
{
    emissions *e = &s->e;
    size_t beams = (size_t)s->options.beams, most = beams * ((size_t)e->labels + 1);
    s->beam = reel__arena_take(e->tape, &e->arena, beams * sizeof *s->beam);
    s->next = reel__arena_take(e->tape, &e->arena, most * sizeof *s->next);
    s->prefix = reel__arena_take(e->tape, &e->arena, ((size_t)e->steps + 1) * sizeof *s->prefix);
    if (!s->beam || !s->next || !s->prefix) {
        return NULL;
    }
    reel_decoded *found =
        reel__decoded_new(e->tape, e->batch, s->options.n_best, e->steps, 0, s->options.blank);
    for (int64_t row = 0; found && row < e->batch; row++) {
        if (!search_row(s, row)) {
            reel_decoded_free(found);
            return NULL;
        }
        write_row(s, row, found);
    }
    return found;
}

reel_decoded *reel_ctc_beam(reel_var logits, const int32_t *lengths, reel_ctc_beam_options options)
{
    options.beams = options.beams == 0 ? 16 : options.beams;
    options.n_best = options.n_best == 0 ? 1 : options.n_best;
    prefix_search s = {
        .e = { .tape = logits.tape,
               .name = "ctc_beam",
               .lengths = lengths,
               .blank = options.blank },
        .options = options,
        .tree = { .tape = logits.tape },
    };
    if (!s.e.tape) {
        return NULL;
    }
    reel__decode_call_begins(s.e.tape);
    bool good = check_beam(&s) && open_emissions(&s.e, logits);
    reel_decoded *found = good ? search_all(&s) : NULL;
    reel__prefix_free(&s.tree);
    reel__arena_free(s.e.tape, &s.e.arena);
    reel__decode_call_ends(s.e.tape);
    return found;
}

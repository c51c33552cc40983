/* metric_edits.c: word and character error rates, as jiwer 4.0 makes them, and the edit distance
 * (Levenshtein 1966). */
#include <math.h>

#include "symbols.h"

enum { WER, MER, WIL, CER, DISTANCE };
enum { HITS, SUBSTITUTIONS, DELETIONS, INSERTIONS, REFERENCE, HYPOTHESIS, PAIRS, SUMS };

/* ---- units --------------------------------------------------------------------------------- */

/* Runs of two and more white space become one blank, and only blanks part words: a single tab is
 * part of its word. */
static bool words_of(reel_metric *metric, reel__lexicon *lexicon, reel__span text,
                     reel__symbols *out)
{
    reel__span word = { text.text, 0 };
    uint32_t number;
    while (text.length) {
        reel__span rest = text;
        uint32_t c = reel__next_code_point(&rest), next = 0;
        size_t spaces = reel__is_space(c);
        while (spaces && rest.length) {
            reel__span behind = rest;
            next = reel__next_code_point(&behind);
            if (!reel__is_space(next)) {
                break;
            }
            rest = behind;
            spaces++;
        }
        bool parts = spaces > 1 || c == ' ';
        if (!parts) {
            word.length = (size_t)(rest.text - word.text);
        }
        if (parts || rest.length == 0) {
            if (word.length && (!reel__lexicon_add(metric, lexicon, word, &number) ||
                                !reel__symbols_add(metric, out, number))) {
                return false;
            }
            word = (reel__span){ rest.text, 0 };
        }
        text = rest;
    }
    return true;
}

static bool units_of(reel_metric *metric, reel__lexicon *lexicon, reel__span text,
                     reel__symbols *out)
{
    int variant = metric->kind->variant;
    reel__span stripped = variant == DISTANCE ? text : reel__strip(text);
    return variant >= CER ? reel__code_points_of(metric, stripped, true, out)
                          : words_of(metric, lexicon, stripped, out);
}

/* ---- alignment ----------------------------------------------------------------------------- */

/* What remains between equal beginnings and equal ends, and where it begins. */
typedef struct {
    const uint32_t *x, *y;
    size_t xs, ys, begin;
} middle;

static middle middle_of(const reel__symbols *x, const reel__symbols *y)
{
    size_t begin = 0, xs = x->count, ys = y->count;
    while (begin < xs && begin < ys && x->at[begin] == y->at[begin]) {
        begin++;
    }
    while (xs > begin && ys > begin && x->at[xs - 1] == y->at[ys - 1]) {
        xs--;
        ys--;
    }
    return (middle){ x->at ? x->at + begin : NULL, y->at ? y->at + begin : NULL, xs - begin,
                     ys - begin, begin };
}

/* How the distance of y's first j changes from x's first i - 1 to x's first i: -1, 0 or 1 at
 * [j][i - 1]. `row` has room for x->count + 1. */
static void steps_of(const middle *m, signed char *step, uint32_t *row)
{
    for (size_t i = 0; i <= m->xs; i++) {
        row[i] = (uint32_t)i;
    }
    for (size_t j = 1; j <= m->ys; j++) {
        uint32_t diagonal = row[0];
        row[0] = (uint32_t)j;
        for (size_t i = 1; i <= m->xs; i++) {
            uint32_t other = row[i] < row[i - 1] ? row[i] : row[i - 1];
            uint32_t substituted = diagonal + (m->x[i - 1] != m->y[j - 1]);
            diagonal = row[i];
            row[i] = substituted < other + 1 ? substituted : other + 1;
            step[j * m->xs + i - 1] = (signed char)((int64_t)row[i] - (int64_t)row[i - 1]);
        }
    }
}

/* Of all shortest ways the one that, from the end, deletes where it can, then inserts. Writes it
 * from the end, one a symbol; returns how many. */
static size_t trace(const middle *m, const signed char *step, unsigned char *edit)
{
    size_t count = 0, i = m->xs, j = m->ys;
    while (i > 0 && j > 0) {
        if (step[j * m->xs + i - 1] == 1) {
            edit[count++] = REEL_DELETE;
            i--;
        } else if (--j > 0 && step[j * m->xs + i - 1] == -1) {
            edit[count++] = REEL_INSERT;
        } else {
            i--;
            edit[count++] = m->x[i] == m->y[j] ? REEL_EQUAL : REEL_SUBSTITUTE;
        }
    }
    for (; i > 0; i--) {
        edit[count++] = REEL_DELETE;
    }
    for (; j > 0; j--) {
        edit[count++] = REEL_INSERT;
    }
    return count;
}

/* What is told of each stretch of equal edits. */
typedef struct {
    reel_edit *out;
    size_t room, count;
    reel_edit current; /* empty at first */
    double *sums;      /* or NULL */
} listing;

static bool is_empty(const reel_edit *e)
{
    return e->reference_begin == e->reference_end && e->hypothesis_begin == e->hypothesis_end;
}

static void end_stretch(listing *l)
{
    const reel_edit *e = &l->current;
    if (is_empty(e)) {
        return;
    }
    if (l->count < l->room) {
        l->out[l->count] = *e;
    }
    l->count++;
    if (l->sums) {
        static const int sum_of[] = { HITS, SUBSTITUTIONS, DELETIONS, INSERTIONS };
        l->sums[sum_of[e->type]] +=
            (double)(e->type == REEL_INSERT ? e->hypothesis_end - e->hypothesis_begin
                                            : e->reference_end - e->reference_begin);
    }
}

static void add_edits(listing *l, reel_edit_type type, size_t count)
{
    reel_edit *e = &l->current;
    if (e->type != type) {
        end_stretch(l);
        *e = (reel_edit){ type, e->reference_end, e->reference_end, e->hypothesis_end,
                          e->hypothesis_end };
    }
    e->reference_end += type == REEL_INSERT ? 0 : count;
    e->hypothesis_end += type == REEL_DELETE ? 0 : count;
}

/* x is the reference. */
static bool align(reel_metric *metric, const reel__symbols *x, const reel__symbols *y, listing *l)
{
    middle m = middle_of(x, y);
    size_t steps = (m.ys + 1) * m.xs, edits = m.xs + m.ys;
    size_t bytes = (m.xs + 1) * sizeof(uint32_t) + steps + edits;
    if (m.xs && m.ys > SIZE_MAX / 8 / m.xs) {
        reel__metric_fail(metric, REEL_OUT_OF_MEMORY, "out of memory: the size overflows");
        return false;
    }
    uint32_t *row = reel__metric_resize(metric, NULL, 0, bytes);
    if (!row) {
        return false;
    }
    signed char *step = (signed char *)(row + m.xs + 1);
    unsigned char *edit = (unsigned char *)step + steps;
    steps_of(&m, step, row);
    size_t count = trace(&m, step, edit);
    add_edits(l, REEL_EQUAL, m.begin);
    while (count > 0) {
        add_edits(l, (reel_edit_type)edit[--count], 1);
    }
    add_edits(l, REEL_EQUAL, x->count - m.begin - m.xs);
    end_stretch(l);
    reel__metric_resize(metric, row, bytes, 0);
    return true;
}

/* ---- the metrics --------------------------------------------------------------------------- */

static bool align_texts(reel_metric *metric, reel__span hypothesis, reel__span reference,
                        listing *l, double lengths[2])
{
    reel__lexicon lexicon = { 0 };
    reel__symbols x = { 0 }, y = { 0 };
    bool done = units_of(metric, &lexicon, reference, &x) &&
                units_of(metric, &lexicon, hypothesis, &y) && align(metric, &x, &y, l);
    lengths[0] = (double)x.count;
    lengths[1] = (double)y.count;
    reel__symbols_free(metric, &x);
    reel__symbols_free(metric, &y);
    reel__lexicon_free(metric, &lexicon);
    return done;
}

static reel_status update(reel_metric *metric, reel__span hypothesis, int references,
                          const reel__span reference[])
{
    double sums[SUMS] = { 0 };
    listing l = { .sums = sums };
    if (references > 1) {
        return reel__metric_fail(metric, REEL_BAD_ARGUMENT, "takes one reference, not %d",
                                 references);
    }
    if (!align_texts(metric, hypothesis, reference[0], &l, sums + REFERENCE)) {
        return REEL_OUT_OF_MEMORY;
    }
    sums[PAIRS] = 1;
    for (int i = 0; i < SUMS; i++) {
        metric->sums[i] += sums[i];
    }
    return REEL_OK;
}

/* What was said of what was expected, and the share of it that was right. */
static double information_lost(const double *s)
{
    if (s[REFERENCE] == 0) {
        return s[HYPOTHESIS] == 0 ? 0 : 1;
    }
    double kept = s[HYPOTHESIS] > 0 ? s[HITS] / s[REFERENCE] * (s[HITS] / s[HYPOTHESIS]) : 0;
    return 1 - kept;
}

static double result(const reel_metric *metric)
{
    const double *s = metric->sums;
    int variant = metric->kind->variant;
    if (!s) {
        return NAN;
    }
    double errors = s[SUBSTITUTIONS] + s[DELETIONS] + s[INSERTIONS];
    if (variant == DISTANCE) {
        return errors / s[PAIRS];
    }
    if (variant == WIL) {
        return information_lost(s);
    }
    if (s[REFERENCE] == 0) {
        return variant == MER ? s[HYPOTHESIS] > 0 : s[INSERTIONS];
    }
    return errors / (s[REFERENCE] + (variant == MER ? s[INSERTIONS] : 0));
}

#define OF_EDITS(which)                                                                            \
    .takes = REEL__TEXT, .lower_is_better = true, .variant = which, .sums = SUMS,                  \
    .update_text = update, .result = result

const reel__metric_kind reel__metric_wer = { .name = "wer", OF_EDITS(WER) };
const reel__metric_kind reel__metric_mer = { .name = "mer", OF_EDITS(MER) };
const reel__metric_kind reel__metric_wil = { .name = "wil", OF_EDITS(WIL) };
const reel__metric_kind reel__metric_cer = { .name = "cer", OF_EDITS(CER) };
const reel__metric_kind reel__metric_edit_distance = { .name = "edit_distance",
                                                       OF_EDITS(DISTANCE) };

reel_status reel_metric_edits(const reel_metric *metric, reel_edits *out)
{
    if (!metric || !out || metric->kind->result != result) {
        return REEL_BAD_HANDLE;
    }
    *out = (reel_edits){ 0 };
    if (metric->sums) {
        *out = (reel_edits){ (int64_t)metric->sums[HITS], (int64_t)metric->sums[SUBSTITUTIONS],
                             (int64_t)metric->sums[DELETIONS], (int64_t)metric->sums[INSERTIONS] };
    }
    return REEL_OK;
}

reel_status reel_metric_align(reel_metric *metric, const char *hypothesis, const char *reference,
                              reel_edit out[], size_t room, size_t *count)
{
    reel__span x, y;
    double lengths[2];
    listing l = { .out = out, .room = out ? room : 0 };
    if (!metric || !count || metric->kind->result != result) {
        return REEL_BAD_HANDLE;
    }
    metric->error[0] = '\0';
    if (!reel__metric_text(metric, "hypothesis", hypothesis, &y) ||
        !reel__metric_text(metric, "reference", reference, &x)) {
        return REEL_BAD_ARGUMENT;
    }
    if (!align_texts(metric, y, x, &l, lengths)) {
        return REEL_OUT_OF_MEMORY;
    }
    *count = l.count;
    return REEL_OK;
}

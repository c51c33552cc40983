/* Metrics of text against sacrebleu, rouge-score and jiwer, on the pairs of
 * golden/text_pairs.py. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "reel.h"
#include "train/porter.h"

/* ---- tables of text ------------------------------------------------------------------------ */

enum { MOST_FIELDS = 28, MOST_ROWS = 1600 };

typedef struct {
    int fields;
    char *field[MOST_FIELDS];
} row;

typedef struct {
    char *text;
    int rows;
    row row[MOST_ROWS];
} table;

/* "\n", "\t" and "\\" become what they stand for. */
static void unescape(char *text)
{
    char *to = text;
    for (; *text; text++) {
        if (*text == '\\') {
            text++;
            *to++ = (char)(*text == 'n' ? '\n' : *text == 't' ? '\t' : *text);
        } else {
            *to++ = *text;
        }
    }
    *to = '\0';
}

static row row_of(char *line)
{
    row r = { 0 };
    while (line) {
        char *tab = strchr(line, '\t');
        if (tab) {
            *tab++ = '\0';
        }
        unescape(line);
        r.field[r.fields++] = line;
        line = tab;
    }
    return r;
}

static table *read_table(const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", REEL_GOLDEN_DIR, name);
    FILE *in = fopen(path, "rb");
    cr_assert_not_null(in, "%s", path);
    table *t = calloc(1, sizeof *t);
    t->text = calloc(1, 1 << 19);
    cr_assert_gt(fread(t->text, 1, (1 << 19) - 1, in), 0);
    fclose(in);
    for (char *line = t->text, *end; *line; line = end + 1) {
        end = strchr(line, '\n');
        *end = '\0';
        if (*line != '#' || t->rows > 0) {
            t->row[t->rows++] = row_of(line);
        }
    }
    return t;
}

static void free_table(table *t)
{
    free(t->text);
    free(t);
}

/* ---- what is compared ---------------------------------------------------------------------- */

static reel_metric *new_metric(const char *name, bool stemmer)
{
    char why[REEL_METRIC_ERROR];
    reel_metric *metric = reel_metric_new(name, (reel_metric_options){ .stemmer = stemmer }, why);
    cr_assert_not_null(metric, "%s", why);
    return metric;
}

/* At most `most` references; with fewer the last is repeated where `repeat` says so. */
static void add(reel_metric *metric, const row *pair, int most, bool repeat)
{
    const char *references[8];
    int given = pair->fields - 1, n = repeat || given > most ? most : given;
    for (int k = 0; k < n; k++) {
        references[k] = pair->field[1 + (k < given ? k : given - 1)];
    }
    cr_assert_eq(reel_metric_update_text(metric, pair->field[0], n, references), REEL_OK, "%s",
                 reel_metric_error(metric));
}

static void expect_number(double value, const char *expected, const char *what, int i)
{
    double e = strtod(expected, NULL);
    cr_expect(fabs(value - e) <= 1e-12 * fmax(1, fabs(e)), "%s of pair %d: %.17g, expected %s",
              what, i, value, expected);
}

/* ---- sacrebleu ----------------------------------------------------------------------------- */

Test(text_metrics, a_sentences_bleu_and_chrf_are_sacrebleus)
{
    static const char *const names[] = { "sentence_bleu", "bleu", "chrf", "chrf++" };
    table *pairs = read_table("metrics_pairs.txt"), *golden = read_table("metrics_bleu.txt");
    cr_assert_geq(pairs->rows, 500);
    for (int k = 0; k < 4; k++) {
        reel_metric *metric = new_metric(names[k], false);
        for (int i = 0; i < pairs->rows; i++) {
            reel_metric_reset(metric);
            add(metric, &pairs->row[i], 3, false);
            expect_number(reel_metric_result(metric), golden->row[i].field[k], names[k], i);
        }
        reel_metric_free(metric);
    }
    free_table(pairs);
    free_table(golden);
}

/* Two workers merged. */
static void expect_corpus(const table *pairs, const row *r, const char *name, int field)
{
    reel_metric *metric = new_metric(name, false), *other = new_metric(name, false);
    int first = atoi(r->field[1]), end = atoi(r->field[2]), most = atoi(r->field[3]);
    for (int i = first; i < end; i++) {
        add(i % 3 ? metric : other, &pairs->row[i], most, true);
    }
    char line[512];
    cr_assert_eq(reel_metric_merge(metric, other), REEL_OK);
    expect_number(reel_metric_result(metric), r->field[field], name, first);
    cr_expect_str_eq(reel_metric_line(metric, line, sizeof line), r->field[field + 1]);
    reel_metric_free(metric);
    reel_metric_free(other);
}

Test(text_metrics, a_corpus_prints_the_line_that_sacrebleu_prints)
{
    table *pairs = read_table("metrics_pairs.txt"), *golden = read_table("metrics_bleu.txt");
    for (int i = pairs->rows; i < golden->rows; i++) {
        expect_corpus(pairs, &golden->row[i], "bleu", 4);
        expect_corpus(pairs, &golden->row[i], "chrf", 6);
        expect_corpus(pairs, &golden->row[i], "chrf++", 8);
    }
    cr_expect_gt(golden->rows, pairs->rows);
    free_table(pairs);
    free_table(golden);
}

/* ---- rouge-score --------------------------------------------------------------------------- */

Test(text_metrics, rouge_is_rouge_scores_with_and_without_the_stemmer)
{
    static const char *const names[] = { "rouge1", "rouge2", "rougeL", "rougeLsum" };
    table *pairs = read_table("metrics_pairs.txt"), *golden = read_table("metrics_rouge.txt");
    for (int k = 0; k < 8; k++) {
        reel_metric *metric = new_metric(names[k % 4], k >= 4);
        for (int i = 0; i < pairs->rows; i++) {
            reel_rouge r;
            reel_metric_reset(metric);
            add(metric, &pairs->row[i], 3, false);
            cr_assert_eq(reel_metric_rouge(metric, &r), REEL_OK);
            expect_number(r.precision, golden->row[i].field[3 * k], names[k % 4], i);
            expect_number(r.recall, golden->row[i].field[3 * k + 1], names[k % 4], i);
            expect_number(r.f, golden->row[i].field[3 * k + 2], names[k % 4], i);
        }
        reel_metric_free(metric);
    }
    free_table(pairs);
    free_table(golden);
}

Test(text_metrics, stems_are_nltks)
{
    table *golden = read_table("metrics_rouge.txt");
    int words = 0;
    for (int i = 0; i < golden->rows; i++) {
        const row *r = &golden->row[i];
        if (strcmp(r->field[0], "word") == 0) {
            char word[64];
            snprintf(word, sizeof word, "%s", r->field[1]);
            word[reel__porter_stem(word, strlen(word))] = '\0';
            cr_expect_str_eq(word, r->field[2], "%s: %s, expected %s", r->field[1], word,
                             r->field[2]);
            words++;
        }
    }
    cr_expect_gt(words, 500);
    free_table(golden);
}

Test(text_metrics, rouge_of_many_pairs_is_the_mean_of_theirs)
{
    reel_metric *metric = new_metric("rouge1", false);
    const char *half[] = { "a b" }, *all[] = { "x" };
    reel_metric_update_text(metric, "a", 1, half);
    reel_metric_update_text(metric, "x", 1, all);
    reel_rouge r;
    reel_metric_rouge(metric, &r);
    cr_expect_eq(r.precision, 1);
    cr_expect_eq(r.recall, 0.75);
    cr_expect_float_eq(reel_metric_result(metric), (2.0 / 3 + 1) / 2, 1e-15);
    reel_metric_free(metric);
}

/* ---- jiwer --------------------------------------------------------------------------------- */

static const char *const rates[] = { "wer", "mer", "wil", "cer", "edit_distance" };

Test(text_metrics, error_rates_are_jiwers)
{
    table *pairs = read_table("metrics_pairs.txt"), *golden = read_table("metrics_edits.txt");
    for (int k = 0; k < 5; k++) {
        reel_metric *metric = new_metric(rates[k], false);
        for (int i = 0; i < pairs->rows; i++) {
            reel_metric_reset(metric);
            add(metric, &pairs->row[i], 1, false);
            expect_number(reel_metric_result(metric), golden->row[i].field[k], rates[k], i);
        }
        for (int i = pairs->rows; k < 4 && i < golden->rows; i++) {
            const row *r = &golden->row[i];
            reel_metric_reset(metric);
            for (int p = atoi(r->field[1]); p < atoi(r->field[2]); p++) {
                add(metric, &pairs->row[p], 1, false);
            }
            expect_number(reel_metric_result(metric), r->field[3 + k], rates[k], i);
        }
        reel_metric_free(metric);
    }
    free_table(pairs);
    free_table(golden);
}

static void alignment_text(reel_metric *metric, const row *pair, char *out, size_t size)
{
    reel_edit edits[256];
    size_t count = 0, used = 0;
    cr_assert_eq(reel_metric_align(metric, pair->field[0], pair->field[1], edits, 256, &count),
                 REEL_OK);
    cr_assert_leq(count, 256);
    snprintf(out, size, "-");
    for (size_t i = 0; i < count; i++) {
        const reel_edit *e = &edits[i];
        size_t x = e->reference_end - e->reference_begin;
        size_t y = e->hypothesis_end - e->hypothesis_begin;
        used += (size_t)snprintf(out + used, size - used, "%c%zu", "esdi"[e->type], x > y ? x : y);
        cr_expect(i == 0 || (e->reference_begin == e[-1].reference_end &&
                             e->hypothesis_begin == e[-1].hypothesis_end));
    }
}

Test(text_metrics, alignments_are_jiwers)
{
    table *pairs = read_table("metrics_pairs.txt"), *golden = read_table("metrics_edits.txt");
    reel_metric *words = new_metric("wer", false), *characters = new_metric("cer", false);
    for (int i = 0; i < pairs->rows; i++) {
        char text[1024];
        alignment_text(words, &pairs->row[i], text, sizeof text);
        cr_expect_str_eq(text, golden->row[i].field[5], "pair %d: %s, expected %s", i, text,
                         golden->row[i].field[5]);
        alignment_text(characters, &pairs->row[i], text, sizeof text);
        cr_expect_str_eq(text, golden->row[i].field[6], "pair %d: %s, expected %s", i, text,
                         golden->row[i].field[6]);
    }
    cr_expect(isnan(reel_metric_result(words)), "aligning counts nothing");
    reel_metric_free(words);
    reel_metric_free(characters);
    free_table(pairs);
    free_table(golden);
}

Test(text_metrics, edits_are_counted)
{
    reel_metric *metric = new_metric("wer", false);
    const char *reference[] = { "the cat sat on the mat" };
    reel_metric_update_text(metric, "a cat on the mat now", 1, reference);
    reel_edits edits;
    cr_assert_eq(reel_metric_edits(metric, &edits), REEL_OK);
    cr_expect_eq(edits.hits, 4);
    cr_expect_eq(edits.substitutions, 1);
    cr_expect_eq(edits.deletions, 1);
    cr_expect_eq(edits.insertions, 1);
    cr_expect_eq(reel_metric_result(metric), 0.5);
    reel_bleu bleu;
    cr_expect_eq(reel_metric_bleu(metric, &bleu), REEL_BAD_HANDLE);
    reel_metric_free(metric);
}

/* ---- misuse -------------------------------------------------------------------------------- */

static void expect_refused(reel_metric *metric, const char *hypothesis, int references,
                           const char *const reference[], const char *text)
{
    double before = reel_metric_result(metric);
    cr_expect_eq(reel_metric_update_text(metric, hypothesis, references, reference),
                 REEL_BAD_ARGUMENT);
    cr_expect(strstr(reel_metric_error(metric), text), "%s", reel_metric_error(metric));
    cr_expect_eq(reel_metric_result(metric), before);
}

Test(text_metrics, text_that_is_no_utf8_is_refused_with_its_offset)
{
    static const char *const bad[] = {
        "ab\xff", "ab\xc3", "ab\xc0\x80", "ab\xed\xa0\x80", "ab\xf4\x90\x80\x80", "ab\xe2\x82"
    };
    const char *good[] = { "ab" };
    for (int name = 0; name < 3; name++) {
        static const char *const names[] = { "bleu", "rougeL", "cer" };
        reel_metric *metric = new_metric(names[name], false);
        reel_metric_update_text(metric, "ab", 1, good);
        for (int i = 0; i < 6; i++) {
            expect_refused(metric, bad[i], 1, good, "the hypothesis is not UTF-8 at byte 2");
            expect_refused(metric, "ab", 1, &bad[i], "the reference is not UTF-8 at byte 2");
        }
        reel_metric_free(metric);
    }
}

Test(text_metrics, missing_texts_and_numbers_are_refused)
{
    const char *good[] = { "ab", "cd" }, *none[] = { NULL };
    reel_metric *wer = new_metric("wer", false);
    reel_metric_update_text(wer, "ab", 1, good);
    expect_refused(wer, NULL, 1, good, "wer: the hypothesis is missing");
    expect_refused(wer, "ab", 1, none, "the reference is missing");
    expect_refused(wer, "ab", 0, good, "needs at least one reference");
    expect_refused(wer, "ab", 2, good, "takes one reference, not 2");
    cr_expect_eq(reel_metric_update(wer, (reel_metric_batch){ .rows = 1 }), REEL_BAD_ARGUMENT);
    cr_expect_str_eq(reel_metric_error(wer), "wer: takes text, not numbers");
    cr_expect_not(reel_metric_takes_numbers(wer));
    reel_metric_free(wer);
}

/* ---- memory -------------------------------------------------------------------------------- */

typedef struct {
    long calls, fail_at;
    size_t held;
} failing_memory;

static void *failing_resize(void *self, void *old, size_t old_size, size_t new_size)
{
    failing_memory *memory = self;
    if (new_size > 0 && memory->calls++ == memory->fail_at) {
        return NULL;
    }
    memory->held += new_size - old_size;
    if (new_size == 0) {
        free(old);
        return NULL;
    }
    return realloc(old, new_size);
}

/* Every request for memory fails once. */
static void expect_survival(const char *name)
{
    const char *references[] = { "one two, three.\nfour", "one 2 three" };
    int count = strcmp(name, "wer") && strcmp(name, "cer") ? 2 : 1;
    for (long fail_at = 1;; fail_at++) {
        failing_memory memory = { .fail_at = fail_at };
        reel_metric *metric = reel_metric_new(
            name,
            (reel_metric_options){ .stemmer = true, .allocator = { failing_resize, &memory } },
            NULL);
        reel_status status =
            reel_metric_update_text(metric, "one too three\nfourth five", count, references);
        if (status == REEL_OK) {
            reel_metric_free(metric);
            cr_expect_eq(memory.held, 0);
            break;
        }
        cr_expect_eq(status, REEL_OUT_OF_MEMORY);
        cr_expect(strstr(reel_metric_error(metric), "out of memory"), "%s",
                  reel_metric_error(metric));
        cr_expect_eq(reel_metric_update_text(metric, "a", count, references), REEL_OK);
        reel_metric_free(metric);
        cr_expect_eq(memory.held, 0, "%s: %zu bytes leaked", name, memory.held);
    }
}

Test(text_metrics, without_memory_nothing_is_counted_and_nothing_leaks)
{
    static const char *const names[] = { "bleu", "chrf++", "rouge2", "rougeLsum", "wer", "cer" };
    for (int i = 0; i < 6; i++) {
        expect_survival(names[i]);
    }
}

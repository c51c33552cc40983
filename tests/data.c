/* Data: tables, windows, folds, normalisers, padding, prefetching; against Keras and scikit-learn
 * (golden/data.py), and what files may not hold. */
#define _POSIX_C_SOURCE 200809L
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "reel.h"
#include "support/golden.h"

static reel_tape *new_tape(void)
{
    return reel_tape_new((reel_tape_options){ 0 });
}

static void expect_error(reel_tape *t, const char *part)
{
    cr_expect(strstr(reel_tape_error(t), part), "\"%s\" lacks \"%s\"", reel_tape_error(t), part);
    reel_tape_clear(t);
}

static golden_row row_of(const char *name, const char *label)
{
    golden_row row;
    cr_assert(golden_find("data.txt", name, label, &row), "%s %s", name, label);
    return row;
}

static void expect_golden(reel_data d, const char *name, const char *label, double tolerance)
{
    golden_row row = row_of(name, label);
    cr_assert(reel_shape_equal(d.shape, row.shape), "%s %s: %s, expected %s", name, label,
              REEL_SHAPE_TEXT(d.shape), REEL_SHAPE_TEXT(row.shape));
    for (size_t i = 0; i < row.count; i++) {
        double got = reel_data_at(d, (int64_t)i);
        cr_expect(fabs(got - row.values[i]) <= tolerance, "%s %s [%zu]: %.17g, expected %.17g",
                  name, label, i, got, row.values[i]);
    }
    golden_free(&row);
}

/* ---- tables ---------------------------------------------------------------------------------- */

static const reel_table *read_text(reel_tape *t, const char *text, reel_csv_options o)
{
    static char path[64];
    strcpy(path, "/tmp/reel_data_XXXXXX");
    int file = mkstemp(path);
    cr_assert(file >= 0 && write(file, text, strlen(text)) == (ssize_t)strlen(text));
    close(file);
    const reel_table *table = reel_read_csv(t, path, o);
    unlink(path);
    return table;
}

Test(data, csv_reads_quotes_line_ends_and_signs)
{
    reel_tape *t = new_tape();
    const reel_table *a =
        read_text(t, "\xef\xbb\xbf\"time, of \"\"day\"\"\",b\r\n\"1.5\",-2e3\r\n 3 ,\"+4\"\r\n\r\n",
                  (reel_csv_options){ 0 });
    cr_assert_not_null(a, "%s", reel_tape_error(t));
    cr_expect(a->rows == 2 && a->columns == 2);
    cr_expect_str_eq(a->name[0], "time, of \"day\"");
    cr_expect(a->values[0] == 1.5 && a->values[1] == -2000 && a->values[2] == 3 &&
              a->values[3] == 4);
    const reel_table *b =
        read_text(t, "1;2\n3;4", (reel_csv_options){ .separator = ';', .no_header = true });
    cr_assert_not_null(b, "%s", reel_tape_error(t));
    cr_expect(b->rows == 2 && b->values[3] == 4);
    cr_expect_str_eq(b->name[1], "column 1");
    reel_tape_free(t);
}

Test(data, csv_reads_the_columns_asked_for_and_may_leave_text_alone)
{
    static const char *const wanted[] = { "c", "a", NULL }, *const one[] = { "a" };
    reel_tape *t = new_tape();
    const reel_table *a = read_text(t, "a,date,c\n1,\"May\n2\",3\n4,June,\n",
                                    (reel_csv_options){ .columns = wanted, .allow_missing = true });
    cr_assert_not_null(a, "%s", reel_tape_error(t));
    cr_expect(a->columns == 2 && a->values[0] == 3 && a->values[1] == 1 && isnan(a->values[2]));
    reel_data d = reel_table_data(t, a, 1, one);
    cr_expect(d.shape.rank == 2 && d.f64[0] == 1 && d.f64[1] == 4);
    reel_tape_free(t);
}

Test(data, csv_leaves_a_column_out)
{
    reel_tape *t = new_tape();
    const reel_table *table =
        read_text(t, "a,id,b\n1,x,2\n3,y,4\n", (reel_csv_options){ .skip = "id" });
    cr_assert_not_null(table, "%s", reel_tape_error(t));
    cr_expect_eq(table->columns, 2);
    cr_expect_str_eq(table->name[1], "b");
    cr_expect_eq(table->values[3], 4.0);
    cr_expect_null(read_text(t, "a,b\n1,2\n", (reel_csv_options){ .skip = "id" }));
    expect_error(t, "has no column \"id\"");
    reel_tape_free(t);
}

Test(data, csv_that_is_broken_is_refused_with_row_and_column)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        { "a,b\n1,2\n3\n", "row 1 (line 3) has 1 cells, must have 2" },
        { "a,b\n1,2,3\n", "row 0 (line 2) has 3 cells, must have 2" },
        { "a,b\n1,2\n\"4\n\",nan\n", "nan at row 1 (line 3), column \"b\"" },
        { "a,b\n1,\n", "an empty cell at row 0 (line 2), column \"b\"" },
        { "a,b\n1,x2\n", "\"x2\" at row 0 (line 2), column \"b\" is no number" },
        { "a,b\n1,\"2\n", "the quote opened in line 2 is not closed" },
        { "a,b\n1,\"2\"3\n", "line 2: text behind a closing quote" },
        { "a,b\n", "holds no rows" },
        { "", "is empty" },
    };
    reel_tape *t = new_tape();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_expect_null(read_text(t, cases[i].text, (reel_csv_options){ 0 }));
        expect_error(t, cases[i].message);
    }
    cr_expect_null(reel_read_csv(t, "/nowhere/x.csv", (reel_csv_options){ 0 }));
    expect_error(t, "cannot read /nowhere/x.csv: No such file or directory");
    reel_tape_free(t);
}

/* ---- windows --------------------------------------------------------------------------------- */

Test(data, windows_are_those_of_keras)
{
    golden_row series = row_of("series", "series");
    double first[30];
    for (int i = 0; i < 30; i++) {
        first[i] = series.values[2 * i];
    }
    for (int k = 0; k < 5; k++) {
        char name[32];
        snprintf(name, sizeof name, "windows_%d", k);
        golden_row o = row_of(name, "options");
        reel_timeseries_options options = { .sequence_length = (int64_t)o.values[0],
                                            .stride = (int64_t)o.values[1],
                                            .sampling_rate = (int64_t)o.values[2],
                                            .start = (int64_t)o.values[3],
                                            .end = (int64_t)o.values[4] };
        reel_tape *t = new_tape();
        reel_dataset d = reel_timeseries_dataset(t, reel_data_f64(series.values, series.shape),
                                                 REEL_DATA(first, 30, 1), options);
        cr_assert_str_eq(reel_tape_error(t), "");
        expect_golden(d.x, name, "x", 0);
        expect_golden(d.y, name, "y", 0);
        golden_free(&o);
        reel_tape_free(t);
    }
    golden_free(&series);
}

Test(data, forecasts_follow_their_windows)
{
    static const double series[] = { 0, 10, 1, 11, 2, 12, 3, 13, 4, 14, 5, 15 };
    static const double x[] = { 1, 11, 2, 12, 3, 13 };
    reel_tape *t = new_tape();
    reel_dataset d = reel_forecast_dataset(t, REEL_DATA(series, 6, 2), 3, 2, 1);
    cr_assert(reel_shape_equal(d.x.shape, REEL_SHAPE(2, 3, 2)) &&
              reel_shape_equal(d.y.shape, REEL_SHAPE(2, 2)));
    cr_expect_eq(memcmp(d.x.f64 + 6, x, sizeof x), 0);
    cr_expect(d.y.f64[0] == 13 && d.y.f64[1] == 14 && d.y.f64[3] == 15);
    reel_forecast_dataset(t, REEL_DATA(series, 6, 2), 5, 2, 1);
    expect_error(t, "5 steps and a horizon of 2 in column 1 do not fit into 6 rows of 2 columns");
    reel_timeseries_dataset(t, REEL_DATA(series, 6, 2), (reel_data){ 0 },
                            (reel_timeseries_options){ .sequence_length = 9 });
    expect_error(t, "no window of 9 steps fits into 6 rows");
    reel_tape_free(t);
}

/* ---- folds ----------------------------------------------------------------------------------- */

Test(data, folds_are_those_of_scikit_learn)
{
    for (int fold = 0; fold < 4; fold++) {
        int64_t train[14], validation[14];
        int64_t n = reel_k_fold(14, 4, fold, NULL, train, validation);
        char name[16];
        snprintf(name, sizeof name, "fold_%d", fold);
        golden_row a = row_of(name, "train"), b = row_of(name, "validation");
        cr_assert(n == (int64_t)b.count && 14 - n == (int64_t)a.count);
        for (size_t i = 0; i < a.count; i++) {
            cr_expect_eq(train[i], (int64_t)a.values[i]);
        }
        for (size_t i = 0; i < b.count; i++) {
            cr_expect_eq(validation[i], (int64_t)b.values[i]);
        }
        golden_free(&a);
        golden_free(&b);
    }
    int64_t none[2];
    cr_expect_eq(reel_k_fold(2, 3, 0, NULL, none, none), -1);
}

Test(data, a_shuffle_is_a_permutation_of_its_own_for_each_seed_and_epoch)
{
    int64_t a[100], b[100], seen[100] = { 0 }, at_home = 0;
    reel_shuffle(a, 100, 7, 0);
    reel_shuffle(b, 100, 7, 0);
    cr_expect_eq(memcmp(a, b, sizeof a), 0);
    for (int i = 0; i < 100; i++) {
        seen[a[i]]++;
        at_home += a[i] == i;
    }
    for (int i = 0; i < 100; i++) {
        cr_expect_eq(seen[i], 1);
    }
    cr_expect(at_home < 10);
    reel_shuffle(b, 100, 7, 1);
    cr_expect_neq(memcmp(a, b, sizeof a), 0);
    reel_shuffle(b, 100, 8, 0);
    cr_expect_neq(memcmp(a, b, sizeof a), 0);
}

Test(data, buckets_hold_rows_of_like_length)
{
    int32_t lengths[50];
    int64_t order[50], seen[50] = { 0 };
    for (int i = 0; i < 50; i++) {
        lengths[i] = i * 17 % 23;
    }
    reel_tape *t = new_tape();
    cr_assert(reel_bucket(t, order, 50, lengths, 8, 3, 0));
    int spread = 0, sorted = 1;
    for (int b = 0; b < 6; b++) {
        int32_t least = 99, most = 0;
        for (int i = 8 * b; i < 8 * b + 8; i++) {
            seen[order[i]]++;
            least = lengths[order[i]] < least ? lengths[order[i]] : least;
            most = lengths[order[i]] > most ? lengths[order[i]] : most;
        }
        spread += most - least;
        sorted &= b == 0 || lengths[order[8 * b]] >= lengths[order[8 * b - 1]];
    }
    cr_expect(spread <= 23 && !sorted, "spread %d, sorted %d", spread, sorted);
    seen[order[48]]++;
    seen[order[49]]++;
    for (int i = 0; i < 50; i++) {
        cr_expect_eq(seen[i], 1);
    }
    reel_tape_free(t);
}

Test(data, rows_are_taken_with_their_lengths)
{
    static const int32_t symbols[3][2] = { { 1, 2 }, { 3, 0 }, { 5, 6 } }, lengths[] = { 2, 1, 2 };
    static const int64_t rows[] = { 2, 1 }, bad[] = { 3 };
    reel_tape *t = new_tape();
    reel_data d = REEL_DATA(&symbols[0][0], 3, 2);
    d.lengths = lengths;
    reel_data taken = reel_data_take(t, d, 2, rows);
    cr_expect(taken.i32[0] == 5 && taken.i32[2] == 3 && taken.lengths[1] == 1 &&
              reel_data_rows(taken) == 2);
    reel_data_take(t, d, 1, bad);
    expect_error(t, "row 3 is outside 0 … 2");
    cr_expect_eq(reel_data_rows(reel_data_slice(d, 0, -1)), 2);
    cr_expect_eq(reel_data_slice(d, -1, 3).i32[0], 5);
    reel_tape_free(t);
}

/* ---- normalisers ----------------------------------------------------------------------------- */

Test(data, normalisers_are_those_of_scikit_learn_and_come_back)
{
    golden_row x = row_of("normalizer", "x");
    reel_data d = reel_data_f64(x.values, x.shape);
    static const char *const names[] = { "standard", "min_max" };
    for (int kind = 0; kind < 2; kind++) {
        reel_tape *t = new_tape();
        reel_normalizer n = reel_normalizer_fit(t, (reel_normalizer_kind)kind, d);
        reel_data scaled = reel_normalize(t, n, d);
        expect_golden(scaled, "normalizer", names[kind], 1e-9);
        expect_golden(reel_denormalize(t, n, scaled), "normalizer", "x", 1e-9);
        reel_normalize(t, n, REEL_DATA(x.values, 6, 2));
        expect_error(t, "data is [6,2], the normaliser has 3 features");
        reel_tape_free(t);
    }
    golden_free(&x);
}

/* ---- padding --------------------------------------------------------------------------------- */

Test(data, padding_keeps_lengths_and_cuts_what_is_longer)
{
    static const float a[] = { 1, 2, 3, 4, 5, 6 }, b[] = { 7, 8 };
    static const float *const sequences[] = { a, b };
    static const int32_t s[] = { 1, 2, 3 }, *const symbols[] = { s, s }, lengths[] = { 3, 1 };
    reel_tape *t = new_tape();
    reel_data d = reel_pad_sequences(t, 2, sequences, lengths, 2, 0);
    cr_expect(reel_shape_equal(d.shape, REEL_SHAPE(2, 3, 2)) && d.f32[5] == 6 && d.f32[7] == 8 &&
              d.f32[8] == 0 && d.lengths[0] == 3 && d.lengths[1] == 1);
    reel_data e = reel_pad_symbols(t, 2, symbols, lengths, 2, -1);
    cr_expect(e.i32[1] == 2 && e.i32[2] == 1 && e.i32[3] == -1 && e.lengths[0] == 2);
    reel_tape_free(t);
}

/* ---- prefetching ----------------------------------------------------------------------------- */

static bool count_to_hundred(void *self, void *item)
{
    int *next = self;
    *(int *)item = *next;
    return (*next)++ < 100;
}

Test(data, what_is_missing_is_named_and_nothing_is_read)
{
    reel_tape *t = new_tape();
    static const float one[2];
    const float *const sequences[] = { one, NULL };
    const int32_t *const symbols[] = { NULL };
    const int32_t lengths[] = { 1, 1 };
    int64_t order[4] = { 9, 9, 9, 9 };
    cr_expect_null(reel_pad_sequences(t, 2, NULL, lengths, 2, 0).f32);
    expect_error(t, "sequence is NULL");
    cr_expect_null(reel_pad_sequences(t, 2, sequences, NULL, 2, 0).f32);
    expect_error(t, "lengths is NULL");
    cr_expect_null(reel_pad_sequences(t, 2, sequences, lengths, 2, 0).f32);
    expect_error(t, "sequence 1 is NULL");
    cr_expect_null(reel_pad_symbols(t, 1, symbols, lengths, 0, 0).i32);
    expect_error(t, "sequence 0 is NULL");
    cr_expect_null(reel_pad_sequences(t, 1, sequences, lengths, INT64_MAX / 2, 7).f32);
    expect_error(t, "out of memory: the size overflows");
    cr_expect_not(reel_bucket(t, NULL, 2, lengths, 2, 0, 0));
    expect_error(t, "2 rows, and no list for their order");
    cr_expect_not(reel_bucket(t, order, 2, NULL, 2, 0, 0));
    expect_error(t, "2 rows, and no lengths");
    cr_expect_eq(reel_k_fold(4, 2, 0, NULL, NULL, order), -1);
    reel_shuffle(NULL, 4, 0, 0);
    reel_shuffle(order, INT64_MIN, 0, 0);
    cr_expect_eq(order[0], 9);
    reel_tape_free(t);
}

Test(data, numbers_of_steps_that_overflow_fit_nowhere)
{
    reel_tape *t = new_tape();
    static const float values[12];
    reel_data series = REEL_DATA(values, 6, 2);
    cr_expect_null(reel_forecast_dataset(t, series, INT64_MAX, INT64_MAX, 0).x.f64);
    cr_expect_eq(reel_tape_status(t), REEL_BAD_ARGUMENT);
    reel_tape_clear(t);
    reel_timeseries_options far = { .sequence_length = INT64_MAX, .sampling_rate = INT64_MAX };
    cr_expect_null(reel_timeseries_dataset(t, series, (reel_data){ 0 }, far).x.f64);
    cr_expect_eq(reel_tape_status(t), REEL_BAD_ARGUMENT);
    reel_tape_clear(t);
    reel_timeseries_options wide = { .sequence_length = 2, .stride = INT64_MAX };
    cr_expect_eq(reel_timeseries_dataset(t, series, (reel_data){ 0 }, wide).x.shape.dim[0], 1);
    cr_expect_eq(reel_data_slice(series, INT64_MIN, INT64_MAX).shape.dim[0], 0);
    series.shape = REEL_SHAPE(INT64_MAX, INT64_MAX, 3);
    cr_expect_eq(reel_data_slice(series, 1, 2).f32, values);
    reel_tape_free(t);
}

Test(data, prefetched_items_come_in_order_and_end)
{
    int next = 0, item;
    reel_prefetch *p = reel_prefetch_new(count_to_hundred, &next, sizeof item, 3);
    for (int i = 0; i < 100; i++) {
        cr_assert(reel_prefetch_next(p, &item) && item == i);
    }
    cr_expect_not(reel_prefetch_next(p, &item));
    cr_expect_not(reel_prefetch_next(p, &item));
    reel_prefetch_free(p);
    int endless = -1000000;
    p = reel_prefetch_new(count_to_hundred, &endless, sizeof item, 2);
    reel_prefetch_next(p, &item);
    reel_prefetch_free(p);
}

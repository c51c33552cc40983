/* folds.c: rows in other orders, and parts of them. */
#include <stdlib.h>
#include <string.h>

#include "../graph/philox.h"
#include "store.h"

static int64_t draw_below(uint64_t seed, uint64_t stream, uint64_t block, int64_t n)
{
    return (int64_t)(reel__philox_uniform(reel__philox(seed, stream, block), 0) * (double)n);
}

static void shuffle_list(int64_t list[], int64_t n, uint64_t seed, uint64_t stream)
{
    for (int64_t i = n > 0 ? n - 1 : 0; list && i > 0; i--) {
        int64_t j = draw_below(seed, stream, (uint64_t)i, i + 1), other = list[j];
        list[j] = list[i];
        list[i] = other;
    }
}

/* An epoch's order depends on seed and epoch alone: training that goes on later goes on alike. */
void reel_shuffle(int64_t order[], int64_t n, uint64_t seed, int epoch)
{
    for (int64_t i = 0; order && i < n; i++) {
        order[i] = i;
    }
    shuffle_list(order, n, seed, (uint64_t)epoch);
}

int64_t reel_k_fold(int64_t n, int k, int fold, const uint64_t *seed, int64_t train[],
                    int64_t validation[])
{
    if (k < 2 || k > n || fold < 0 || fold >= k || !train || !validation) {
        return -1;
    }
    int64_t longer = n % k, begin = fold * (n / k) + (fold < longer ? fold : longer);
    int64_t count = n / k + (fold < longer);
    if (seed) {
        reel_shuffle(train, n, *seed, 0);
    } else {
        for (int64_t i = 0; i < n; i++) {
            train[i] = i;
        }
    }
    memcpy(validation, train + begin, (size_t)count * sizeof *validation);
    memmove(train + begin, train + begin + count, (size_t)(n - begin - count) * sizeof *train);
    return count;
}

/* ---- buckets ------------------------------------------------------------------------------- */

typedef struct {
    int64_t row, place; /* place in the shuffled order: what equal lengths are sorted by */
    int32_t length;
} entry;

static int by_length(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    int lengths = (x->length > y->length) - (x->length < y->length);
    return lengths ? lengths : (x->place > y->place) - (x->place < y->place);
}

static void sort_rows(entry list[], int64_t order[], int64_t n, const int32_t lengths[])
{
    for (int64_t i = 0; i < n; i++) {
        list[i] = (entry){ .row = order[i], .place = i, .length = lengths[order[i]] };
    }
    qsort(list, (size_t)n, sizeof *list, by_length);
}

/* Full batches change places; one that is not stays last. */
static void deal_batches(const entry list[], int64_t order[], int64_t batch[], int64_t n,
                         int64_t batch_size, uint64_t seed, int epoch)
{
    int64_t full = n / batch_size;
    for (int64_t b = 0; b < full; b++) {
        batch[b] = b;
    }
    shuffle_list(batch, full, ~seed, (uint64_t)epoch);
    for (int64_t i = 0; i < n; i++) {
        int64_t b = i / batch_size;
        order[i] = list[b < full ? batch[b] * batch_size + i % batch_size : i].row;
    }
}

bool reel_bucket(reel_tape *tape, int64_t order[], int64_t n, const int32_t lengths[],
                 int64_t batch_size, uint64_t seed, int epoch)
{
    if (!tape || batch_size < 1) {
        reel_fail(tape, REEL_BAD_ARGUMENT, "bucket", "batch_size is %lld, must be at least 1",
                  (long long)batch_size);
        return false;
    }
    size_t bytes = (size_t)n * (sizeof(entry) + sizeof(int64_t)) + 1;
    if (n < 0 || n > INT64_MAX / (int64_t)(2 * sizeof(entry)) || !order || !lengths) {
        reel_fail(tape, REEL_BAD_ARGUMENT, "bucket", "%lld rows, %s", (long long)n,
                  !order     ? "and no list for their order"
                  : !lengths ? "and no lengths"
                             : "which cannot be");
        return false;
    }
    entry *list = reel__resize(tape, NULL, 0, bytes);
    if (!list) {
        return false;
    }
    reel_shuffle(order, n, seed, epoch);
    sort_rows(list, order, n, lengths);
    deal_batches(list, order, (int64_t *)(void *)(list + n), n, batch_size, seed, epoch);
    reel__resize(tape, list, bytes, 0);
    return true;
}

/* ---- rows ---------------------------------------------------------------------------------- */

static bool rows_exist(reel_tape *tape, reel_data data, int64_t n, const int64_t rows[])
{
    if (n > 0 && !rows) {
        reel_fail(tape, REEL_BAD_ARGUMENT, "data_take", "%lld rows and no list of them",
                  (long long)n);
        return false;
    }
    for (int64_t i = 0; i < n; i++) {
        if (rows[i] < 0 || rows[i] >= reel_data_rows(data)) {
            reel_fail(tape, REEL_BAD_INDEX, "data_take", "row %lld is outside 0 … %lld",
                      (long long)rows[i], (long long)reel_data_rows(data) - 1);
            return false;
        }
    }
    return tape != NULL && n >= 0;
}

static const int32_t *take_lengths(reel_tape *tape, const int32_t *lengths, int64_t n,
                                   const int64_t rows[])
{
    int32_t *out = reel__new_array(tape, n, sizeof *out);
    for (int64_t i = 0; out && i < n; i++) {
        out[i] = lengths[rows[i]];
    }
    return out;
}

reel_data reel_data_take(reel_tape *tape, reel_data data, int64_t n, const int64_t rows[])
{
    reel_data out = { .shape = data.shape };
    if (!rows_exist(tape, data, n, rows)) {
        return (reel_data){ 0 };
    }
    int64_t total = reel_data_rows(data);
    int64_t in_row = total ? reel_shape_size(data.shape) / total : 0;
    size_t element = data.f64 ? sizeof(double) : sizeof(float), bytes = (size_t)in_row * element;
    const char *from = data.f32   ? (const char *)data.f32
                       : data.f64 ? (const char *)data.f64
                                  : (const char *)data.i32;
    char *to = reel__new_array(tape, n * in_row, element);
    for (int64_t i = 0; to && from && i < n; i++) {
        memcpy(to + (size_t)i * bytes, from + (size_t)rows[i] * bytes, bytes);
    }
    out.shape.dim[0] = n;
    out.f32 = data.f32 ? (const float *)(void *)to : NULL;
    out.f64 = data.f64 ? (const double *)(void *)to : NULL;
    out.i32 = data.i32 ? (const int32_t *)(void *)to : NULL;
    out.lengths = data.lengths ? take_lengths(tape, data.lengths, n, rows) : NULL;
    return out;
}

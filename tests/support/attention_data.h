/* attention_data.h: a memory and queries for the tests of attention. Needs Criterion. */
#ifndef REEL_TEST_ATTENTION_DATA_H
#define REEL_TEST_ATTENTION_DATA_H

#include <criterion/criterion.h>

#include "golden_cells.h"

enum { STEPS = 5, BATCH = 3, MEMORY = 4, QUERY = 4, WIDTH = 3, ASKED = 3 };

static inline reel_tape *new_tape(void)
{
    return reel_tape_new((reel_tape_options){ .dtype = REEL_F64, .seed = 5 });
}

static inline void expect_clean(reel_tape *t)
{
    cr_expect_str_eq(reel_tape_error(t), "");
    reel_tape_free(t);
}

static inline void expect_near(double distance, const char *name, const char *what)
{
    cr_expect(distance <= 1e-11, "%s, %s: off by %g", name, what, distance);
}

static inline void expect_all_gradients(reel_tape *t, golden_case at)
{
    for (size_t i = 0; i < reel_param_count(t); i++) {
        reel_var parameter = reel_param_at(t, i);
        expect_near(golden_gradient_distance(at, parameter), at.name, reel_param_name(parameter));
    }
}

static inline reel_var weighted(reel_var v, reel_var u)
{
    return reel_sum_all(reel_mul(v, u));
}

/* The int32 numbers of a row, at most 8. */
static inline const int32_t *lengths_of(golden_case at, int32_t room[8])
{
    golden_row row;
    if (!golden_find(at.file, at.name, "lengths", &row)) {
        return NULL;
    }
    for (size_t i = 0; i < row.count && i < 8; i++) {
        room[i] = (int32_t)row.values[i];
    }
    golden_free(&row);
    return room;
}

static inline void add_data(reel_tape *t)
{
    reel_param(t, "memory", REEL_SHAPE(STEPS, BATCH, MEMORY), reel_normal(0, 1));
    reel_param(t, "queries", REEL_SHAPE(ASKED, BATCH, QUERY), reel_normal(0, 1));
}

/* Overwrites the padding of "memory". */
static inline void fill_padding(reel_tape *t, const int32_t lengths[], double value)
{
    double numbers[STEPS * BATCH * MEMORY];
    const size_t count = STEPS * BATCH * MEMORY;
    reel_var memory = reel_find_param(t, "memory");
    cr_assert_eq(reel_read_f64(memory, numbers, count), REEL_OK);
    for (size_t i = 0; i < count; i++) {
        size_t step = i / (BATCH * MEMORY), row = i / MEMORY % BATCH;
        numbers[i] = (int32_t)step < lengths[row] ? numbers[i] : value;
    }
    reel_write_param_f64(memory, numbers, count);
}

#endif

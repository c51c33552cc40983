/* planner.c: random programs, planned against eager. Each runs twice on one tape, the second time
 * on other data. When one fails, its seed and its listing are printed; to run it alone:
 *
 *     REEL_PLANNER_SEED=8146 build/release/tests/test_planner
 *     REEL_PLANNER_PROGRAMS=100000 …       more of them
 */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support/generator.h"

#ifdef REEL_SANITIZED
#define PROGRAMS 320
#else
#define PROGRAMS 3200
#endif
#define CHUNKS 16
#define DATA_SETS 2
#define MOST_COMPLAINTS 2

/* ---- which programs -------------------------------------------------------------------------- */

typedef struct {
    uint64_t first, step, end;
} seeds;

static uint64_t number_from(const char *variable, uint64_t otherwise)
{
    const char *text = getenv(variable);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

static struct criterion_test_params every_chunk(void)
{
    static int chunks[CHUNKS];
    for (int i = 0; i < CHUNKS; i++) {
        chunks[i] = i;
    }
    bool single = getenv("REEL_PLANNER_SEED") != NULL;
    return cr_make_param_array(int, chunks, single ? 1 : CHUNKS);
}

/* Every CHUNKS-th seed, so that a program's chunk does not depend on how many there are. */
static seeds seeds_of(int chunk, uint64_t divided_by)
{
    if (getenv("REEL_PLANNER_SEED")) {
        uint64_t seed = number_from("REEL_PLANNER_SEED", 0);
        return (seeds){ seed, 1, seed + 1 };
    }
    uint64_t programs = number_from("REEL_PLANNER_PROGRAMS", PROGRAMS) / divided_by;
    return (seeds){ (uint64_t)chunk, CHUNKS, programs };
}

#define TEST_OVER_PROGRAMS(name)                                                                   \
    ParameterizedTestParameters(planner, name)                                                     \
    {                                                                                              \
        return every_chunk();                                                                      \
    }                                                                                              \
    ParameterizedTest(int *chunk, planner, name, .timeout = 280)

/* ---- comparing ------------------------------------------------------------------------------- */

static reel_tape *new_tape(reel_dtype dtype, bool eager, const char *plan)
{
    return reel_tape_new((reel_tape_options){
        .dtype = dtype, .seed = 3, .threads = 1, .eager = eager, .plan = plan });
}

typedef struct {
    const program *p;
    const char *what;
    double tolerance;
    int complaints;
} comparison;

static void compare(comparison *c, const results *got, const results *expected, int data_set)
{
    char where[WHERE_SIZE] = "";
    double difference = results_difference(got, expected, where);
    if (difference <= c->tolerance) {
        return;
    }
    if (c->complaints++ < MOST_COMPLAINTS) {
        program_print(c->p, stderr);
    }
    cr_expect_fail("seed %llu, data set %d, %s: off by %g at %s", (unsigned long long)c->p->seed,
                   data_set, c->what, difference, where);
}

/* The program on both tapes, DATA_SETS times each. */
static void expect_alike(comparison *c, reel_tape *tape, reel_tape *reference)
{
    for (int k = 0; k < DATA_SETS; k++) {
        results expected = program_run(c->p, reference, 77 + (uint64_t)k);
        results got = program_run(c->p, tape, 77 + (uint64_t)k);
        compare(c, &got, &expected, k);
        results_free(&got);
        results_free(&expected);
    }
    reel_tape_free(tape);
    reel_tape_free(reference);
}

#define FOR_PROGRAMS(p, chunk, divided_by)                                                         \
    program p;                                                                                     \
    seeds range = seeds_of(chunk, divided_by);                                                     \
    for (uint64_t seed = range.first; program_make(&p, seed), seed < range.end; seed += range.step)

/* ---- the tests ------------------------------------------------------------------------------- */

TEST_OVER_PROGRAMS(planned_programs_compute_what_eager_ones_do)
{
    FOR_PROGRAMS(p, *chunk, 1)
    {
        comparison c = { .p = &p, .what = "all passes against eager", .tolerance = 1e-9 };
        expect_alike(&c, new_tape(REEL_F64, false, NULL), new_tape(REEL_F64, true, NULL));
    }
}

TEST_OVER_PROGRAMS(each_pass_alone_may_be_left_out)
{
    static const char *const left_out[] = {
        "-roll", "-simplify", "-carry", "-merge",        "-split",       "-place",        "-hoist",
        "-sink", "-fuse",     "-cache", "-split,-hoist", "-hoist,-sink", "-merge,-place", "-all"
    };
    FOR_PROGRAMS(p, *chunk, 8)
    {
        for (size_t i = 0; i < sizeof left_out / sizeof left_out[0]; i++) {
            comparison c = { .p = &p, .what = left_out[i], .tolerance = 1e-9 };
            expect_alike(&c, new_tape(REEL_F64, false, left_out[i]),
                         new_tape(REEL_F64, false, NULL));
        }
    }
}

/* Finding loops changes nothing by itself but the kernel that runs their products. */
TEST_OVER_PROGRAMS(rolling_alone_computes_what_single_nodes_do)
{
    FOR_PROGRAMS(p, *chunk, 4)
    {
        comparison c = { .p = &p, .what = "roll alone against nothing", .tolerance = 1e-9 };
        expect_alike(
            &c,
            new_tape(REEL_F64, false, "-simplify,-carry,-merge,-split,-place,-hoist,-sink,-fuse"),
            new_tape(REEL_F64, false, "-all"));
    }
}

TEST_OVER_PROGRAMS(the_same_program_gives_the_same_bits)
{
    FOR_PROGRAMS(p, *chunk, 4)
    {
        comparison c = { .p = &p, .what = "two planned tapes", .tolerance = 0 };
        expect_alike(&c, new_tape(REEL_F32, false, NULL), new_tape(REEL_F32, false, NULL));
    }
}

/* How far a program carries the rounding errors of floats is its own affair: the planned tape may be a
 * few times as far from the truth as the eager one. */
TEST_OVER_PROGRAMS(planned_floats_stay_near_doubles)
{
    FOR_PROGRAMS(p, *chunk, 4)
    {
        reel_tape *tape[3] = { new_tape(REEL_F64, false, "-all"), new_tape(REEL_F32, true, NULL),
                               new_tape(REEL_F32, false, NULL) };
        for (int k = 0; k < DATA_SETS; k++) {
            results out[3];
            char where[WHERE_SIZE];
            for (int i = 0; i < 3; i++) {
                out[i] = program_run(&p, tape[i], 77 + (uint64_t)k);
            }
            double eager = results_difference(&out[1], &out[0], where);
            comparison c = { .p = &p, .what = "f32 against f64", .tolerance = 2e-3 + 20 * eager };
            compare(&c, &out[2], &out[0], k);
            for (int i = 0; i < 3; i++) {
                results_free(&out[i]);
            }
        }
        for (int i = 0; i < 3; i++) {
            reel_tape_free(tape[i]);
        }
    }
}

/* ---- memory ---------------------------------------------------------------------------------- */

typedef struct {
    uint64_t calls, fail_at; /* requests; the one that fails, counted from 1 */
    size_t bytes;
} meter;

static void *metered_resize(void *self, void *old, size_t old_size, size_t new_size)
{
    meter *m = self;
    if (new_size == 0) {
        m->bytes -= old_size;
        free(old);
        return NULL;
    }
    if (++m->calls == m->fail_at) {
        return NULL;
    }
    void *block = realloc(old, new_size);
    m->bytes += new_size - old_size;
    return block;
}

/* Streams of random numbers go on after a failure where it left them, and so would the program. */
static void make_repeatable(program *p)
{
    p->written = p->rewritten = NO_PARAM;
    for (int k = 0; k < p->loops; k++) {
        for (int i = 0; i < p->loop[k].cell.lines; i++) {
            program_line *line = &p->loop[k].cell.line[i];
            line->kind = line->kind == LINE_DROPOUT ? LINE_SCALE : line->kind;
        }
    }
}

static const result *find_result(const results *in, const char *label)
{
    for (size_t i = 0; i < in->count; i++) {
        if (strcmp(in->list[i].label, label) == 0) {
            return &in->list[i];
        }
    }
    return NULL;
}

/* What was read although memory ran short has to be right. Gradients of parameters are left out: those that
 * could not be recorded are missing in the sum. */
static void expect_right_or_missing(comparison *c, const results *got, const results *expected)
{
    for (size_t i = 0; i < got->count; i++) {
        result *one = &got->list[i];
        const result *same = find_result(expected, one->label);
        if (one->status == REEL_OK && same && strncmp(one->label, "gradient of", 11) != 0) {
            results a = { .count = 1, .list = one }, b = { .count = 1, .list = (result *)same };
            compare(c, &a, &b, 0);
        }
    }
}

static void fail_once(const program *p, random_source *r)
{
    comparison c = { .p = p, .what = "memory ran short", .tolerance = 1e-9 };
    meter m = { 0 };
    reel_tape *t = reel_tape_new((reel_tape_options){
        .dtype = REEL_F64, .seed = 3, .threads = 1, .allocator = { metered_resize, &m } });
    results expected = program_run(p, t, 77);
    uint64_t before = m.calls;
    results anew = program_run(p, t, 77); /* much of the memory is there now */
    compare(&c, &anew, &expected, 1);
    results_free(&anew);
    uint64_t span = random_chance(r, 50) ? before : m.calls - before;
    reel_tape *fresh = reel_tape_new((reel_tape_options){
        .dtype = REEL_F64, .seed = 3, .threads = 1, .allocator = { metered_resize, &m } });
    reel_tape *failing = span == before ? fresh : t;
    m.fail_at = m.calls + 1 + random_word(r) % (span + 1);
    results partial = program_run(p, failing, 77);
    bool failed = m.calls >= m.fail_at;
    m.fail_at = 0;
    if (reel_param_count(failing) == (size_t)p->params) {
        expect_right_or_missing(&c, &partial, &expected);
        reel_tape_clear(failing);
        anew = program_run(p, failing, 77);
        c.what = failed ? "after memory ran short" : "again";
        compare(&c, &anew, &expected, 1);
        results_free(&anew);
    }
    results_free(&partial);
    results_free(&expected);
    reel_tape_free(t);
    reel_tape_free(fresh);
    cr_expect_eq(m.bytes, 0, "seed %llu: %zu bytes lost", (unsigned long long)p->seed, m.bytes);
}

TEST_OVER_PROGRAMS(running_short_of_memory_makes_nothing_wrong)
{
    random_source r = { (uint64_t)*chunk };
    FOR_PROGRAMS(p, *chunk, 2)
    {
        make_repeatable(&p);
        fail_once(&p, &r);
    }
}

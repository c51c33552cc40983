/* sites.c: which line of the program an error names. See cmake/sites.cmake for the kinds of
 * calls. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "reel.h"

static reel_tape *new_tape(void)
{
    return reel_tape_new((reel_tape_options){ .dtype = REEL_F64, .seed = 1, .threads = 1 });
}

static void expect_line(reel_tape *t, int line)
{
    char place[32];
    snprintf(place, sizeof place, " at sites.c:%d: ", line);
    cr_expect(strstr(reel_tape_error(t), place), "\"%s\", expected%s", reel_tape_error(t), place);
    reel_tape_clear(t);
}

/* The call, on one line, and that its error names this line and not one before. */
#define EXPECT_LINE(t, call)                                                                       \
    do {                                                                                           \
        reel_shape_of(reel_scalar(t, 0));                                                          \
        (void)(call), expect_line(t, __LINE__);                                                    \
    } while (0)

Test(sites, a_call_whose_first_argument_is_a_structure_names_its_own_line)
{
    static const int32_t lengths[] = { 1, 9 };
    reel_tape *t = new_tape();
    reel_var x = reel_fill(t, REEL_SHAPE(3, 2, 4), 1), flat = reel_fill(t, REEL_SHAPE(3), 1);
    reel_cell cell = reel_gru(t, "gru", 4, 4, (reel_gru_options){ 0 }), none = { 0 };
    reel_crf crf = reel_crf_new(t, "crf", 4);
    reel_learned_state start = reel_learned_state_new(t, "start", cell);
    reel_attention dot = reel_luong_attention(t, "dot", 4, 4, (reel_luong_options){ 0 });
    reel_memory memory = reel_memorize(x, dot, NULL);
    reel_token_model model = { .cell = cell };
    reel_unroll_options plain = { 0 };
    reel_var state[REEL_MAX_STATES] = { { 0 } };
    int32_t tags[6];
    EXPECT_LINE(t, reel_unroll(cell, flat, plain));
    EXPECT_LINE(t, reel_unroll(none, x, plain));
    EXPECT_LINE(t, reel_unroll_parallel(cell, x, plain));
    EXPECT_LINE(t, reel_bidirectional(cell, none, x, (reel_bidirectional_options){ 0 }));
    EXPECT_LINE(t, reel_unroll_tokens(model, x, (reel_teaching_options){ 0 }));
    EXPECT_LINE(t, reel_crf_viterbi(crf, x, lengths, tags, NULL));
    EXPECT_LINE(t, reel_attention_cell(none, memory, (reel_attention_cell_options){ 0 }));
    EXPECT_LINE(t, reel_learned_state_rows(&start, -1, state));
    reel_tape_free(t);
}

Test(sites, a_call_on_an_optimiser_or_a_model_names_its_own_line)
{
    reel_tape *t = new_tape();
    reel_optimizer *sgd = reel_sgd(t, (reel_sgd_options){ .lr = 1 });
    reel_layer_spec dense = { .kind = REEL_LAYER_DENSE, .units = 2 };
    reel_model *m = reel_sequential(t, dense);
    EXPECT_LINE(t, reel_optimizer_set_lr(sgd, NAN));
    EXPECT_LINE(t, reel_sequential(t, REEL_DENSE(-2)));
    EXPECT_LINE(t, reel_compile(m, (reel_compile_options){ .loss = "none such" }));
    EXPECT_LINE(t, reel_model_build(m, REEL_SHAPE(-1), false));
    reel_tape_free(t);
}

Test(sites, a_call_keeps_its_line_through_a_rewind_and_a_question_for_a_shape)
{
    reel_tape *t = new_tape();
    reel_var W = reel_param(t, "W", REEL_SHAPE(2), reel_zeros());
    reel_site before = reel_enter(t, "there.c", 7);
    reel_rewind(t);
    cr_expect_eq(reel_shape_of(W).dim[0], 2);
    reel_fail(t, REEL_BAD_ARGUMENT, "there", "wrong");
    reel_leave(t, before);
    cr_expect_str_eq(reel_tape_error(t), "there at there.c:7: wrong");
    reel_tape_clear(t);
    EXPECT_LINE(t, reel_mse(W, reel_fill(t, REEL_SHAPE(3), 0)));
    reel_tape_free(t);
}

static int inner_line;

static reel_var asks_then_fails(void *self, reel_var x, reel_var state[])
{
    (void)self;
    if (reel_shape_of(x).dim[0] == 2) {
        inner_line = __LINE__ + 1;
        return state[0] = reel_matmul(x, x);
    }
    return state[0];
}

Test(sites, an_error_in_a_cell_of_the_program_names_the_line_within_the_cell)
{
    reel_tape *t = new_tape();
    reel_cell cell = { .step = asks_then_fails, .states = 1, .width = { 3 } };
    reel_unroll(cell, reel_fill(t, REEL_SHAPE(1, 2, 3), 1), (reel_unroll_options){ 0 });
    expect_line(t, inner_line);
    reel_tape_free(t);
}

static reel_var gives_another_width(void *self, reel_var x, reel_var state[])
{
    (void)self;
    int64_t width = reel_shape_of(x).dim[1];
    state[0] = reel_fill(x.tape, REEL_SHAPE(2, width + 1), 0);
    return state[0];
}

Test(sites, what_the_unrolling_finds_wrong_names_its_line_though_the_cell_asked_on_its_own)
{
    reel_tape *t = new_tape();
    reel_var x = reel_fill(t, REEL_SHAPE(1, 2, 3), 1);
    reel_cell cell = { .step = gives_another_width, .states = 1, .width = { 3 } };
    EXPECT_LINE(t, reel_unroll(cell, x, (reel_unroll_options){ 0 }));
    reel_tape_free(t);
}

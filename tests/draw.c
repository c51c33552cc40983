/* draw.c: drawings of a graph, whole and with its loops folded. */
#define _XOPEN_SOURCE 700 /* open_memstream */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "layers/layers.h"
#include "ops/ops.h"

static reel_var record(reel_tape *t, int64_t steps, bool gradient)
{
    reel_rewind(t);
    reel_cell cell = { 0 };
    static reel_cell lstm;
    if (reel_param_count(t) == 0) {
        lstm = reel_lstm(t, "lstm", 3, 4, (reel_lstm_options){ 0 });
    }
    cell = lstm;
    float x[64 * 2 * 3] = { 0 };
    reel_rollout r =
        reel_unroll(cell, reel_input(t, REEL_SHAPE(steps, 2, 3), x), (reel_unroll_options){ 0 });
    reel_var loss = reel_mean_all(reel_square(r.outputs));
    return gradient ? reel_gradient(loss, reel_find_param(t, "lstm.W_h")) : loss;
}

static char *drawing(reel_var v, void (*draw)(reel_var, FILE *))
{
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    draw(v, out);
    fclose(out);
    return text;
}

static int count(const char *text, const char *what)
{
    int n = 0;
    for (; (text = strstr(text, what)); text++) {
        n++;
    }
    return n;
}

static void folded(reel_var v, FILE *out)
{
    reel_draw_folded(v, out);
}

static void whole(reel_var v, FILE *out)
{
    reel_draw(v, out);
}

Test(draw, a_folded_drawing_does_not_grow_with_the_steps)
{
    reel_tape *t = reel_tape_new((reel_tape_options){ .threads = 1 });
    for (int gradient = 0; gradient < 2; gradient++) {
        char *few = drawing(record(t, 6, gradient), folded);
        char *many = drawing(record(t, 60, gradient), folded);
        char *all = drawing(record(t, 60, gradient), whole);
        cr_assert_eq(count(few, "label=\"sigmoid"), count(many, "label=\"sigmoid"));
        cr_assert_eq(count(few, "subgraph"), count(many, "subgraph"));
        cr_assert_eq(count(few, " -> "), count(many, " -> "), "%d:\n%s%s", gradient, few, many);
        cr_assert_eq(count(all, "label=\"sigmoid\""), 180);
        cr_assert(count(few, "steps\"") > 0 &&
                      count(many, "60 steps\"") + count(many, "59 steps\"") > 0,
                  "%s", many);
        free(few);
        free(many);
        free(all);
    }
    reel_tape_free(t);
}

Test(draw, carried_values_are_dashed_and_gradients_shaded)
{
    reel_tape *t = reel_tape_new((reel_tape_options){ .threads = 1 });
    char *forward = drawing(record(t, 9, false), folded);
    cr_assert(count(forward, "dashed") >= 2, "h and c are carried");
    cr_assert_eq(count(forward, "#f3dfc8"), 0);
    cr_assert_eq(count(forward, "shape=box"), 3);
    cr_assert(count(forward, "[2,16]") > 0, "shapes stand on the edges");
    char *backward = drawing(record(t, 9, true), folded);
    cr_assert(count(backward, "#f3dfc8") > 0);
    free(forward);
    free(backward);
    reel_tape_free(t);
}

Test(draw, without_marks_folded_is_the_whole)
{
    reel_tape *t = reel_tape_new((reel_tape_options){ .threads = 1 });
    reel_var x = reel_scalar(t, 1), y = reel_add(reel_tanh(x), reel_tanh(x));
    char *all = drawing(y, whole), *fold = drawing(y, folded);
    cr_assert_eq(count(all, " -> "), count(fold, " -> "));
    cr_assert_eq(count(all, "label="), count(fold, "label="));
    free(all);
    free(fold);
    reel_tape_free(t);
}

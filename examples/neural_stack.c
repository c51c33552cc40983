/* neural_stack: a network with a memory outside itself, as a program's own cell: the stack of Joulin &
 * Mikolov (2015), pushed and popped by degrees so that gradients go through it.
 *
 *     h' = tanh(x·W_x + h·W_h + top·W_t + b)
 *     [push pop stay] = softmax(4·h'·A)
 *     stack'[i] = push·stack[i-1] + pop·stack[i+1] + stay·stack[i],  stack[-1] = σ(4·h'·D)
 *
 * Its task: read a word of 0s and 1s, then a mark, then write the word backwards. The gradients are
 * checked first, to second order; then it learns words of up to 6 letters and is asked for words of up
 * to 10, which it writes too if it has learnt to use the stack.
 *
 *     neural_stack [--short]
 *
 * Exit status 1: a gradient is wrong, or of some length less than GOAL of the letters are right.
 */
#include <reel.h>
#include <stdio.h>
#include <string.h>

#define GOAL 0.99

enum { HIDDEN = 24, DEPTH = 12, SYMBOLS = 3, MARK = 2 }; /* what comes in: 0, 1, the mark */
enum { SHARP = 4 }; /* large logits: a stack that is half pushed blurs */

typedef struct {
    reel_var W_x, W_h, W_t, b, A, D, out;
    int64_t depth;
} stack_cell;

static reel_var step(void *self, reel_var x, reel_var state[])
{
    const stack_cell *c = self;
    reel_var h = state[0], stack = state[1], act[3]; /* stack [batch, depth], the top first */
    reel_var top = reel_slice(stack, -1, 0, 2);
    reel_var from_state = reel_add(reel_matmul(h, c->W_h), reel_matmul(top, c->W_t));
    h = reel_tanh(reel_add(reel_affine(x, c->W_x, c->b), from_state));
    reel_split(reel_softmax(reel_scale(reel_matmul(h, c->A), SHARP), -1), -1, 3, act);
    reel_var pushed = reel_sigmoid(reel_scale(reel_matmul(h, c->D), SHARP));
    reel_var below = reel_concat(-1, pushed, reel_slice(stack, -1, 0, c->depth - 1));
    reel_var above = reel_pad(reel_slice(stack, -1, 1, c->depth), -1, 0, 1);
    reel_var moved = reel_add(reel_mul(act[0], below), reel_mul(act[1], above));
    state[1] = reel_add(moved, reel_mul(act[2], stack));
    state[0] = h;
    return reel_matmul(reel_concat(-1, h, reel_slice(state[1], -1, 0, 2)), c->out);
}

static stack_cell make(reel_tape *t, int64_t hidden, int64_t depth)
{
    return (stack_cell){
        .W_x = reel_param(t, "W_x", REEL_SHAPE(SYMBOLS, hidden), reel_glorot()),
        .W_h = reel_param(t, "W_h", REEL_SHAPE(hidden, hidden), reel_orthogonal(1)),
        .W_t = reel_param(t, "W_t", REEL_SHAPE(2, hidden), reel_glorot()),
        .b = reel_param(t, "b", REEL_SHAPE(hidden), reel_zeros()),
        .A = reel_param(t, "A", REEL_SHAPE(hidden, 3), reel_glorot()),
        .D = reel_param(t, "D", REEL_SHAPE(hidden, 1), reel_glorot()),
        .out = reel_param(t, "out", REEL_SHAPE(hidden + 2, 2), reel_glorot()),
        .depth = depth,
    };
}

static reel_cell cell_of(stack_cell *c)
{
    int64_t hidden = reel_shape_of(c->b).dim[0];
    return (reel_cell){ .self = c, .step = step, .states = 2, .width = { hidden, c->depth } };
}

/* ---- the gradients ------------------------------------------------------------------------- */

static reel_var checked_loss(reel_tape *t, void *self)
{
    reel_rollout r =
        reel_unroll(cell_of(self), reel_find_param(t, "x"), (reel_unroll_options){ 0 });
    return reel_mean_all(reel_square(r.outputs));
}

static bool check_gradients(void)
{
    reel_tape *t = reel_tape_new((reel_tape_options){ .dtype = REEL_F64, .seed = 5 });
    stack_cell c = make(t, 4, 3);
    reel_param(t, "x", REEL_SHAPE(4, 2, SYMBOLS), reel_normal(0, 1));
    reel_gradcheck_report report;
    bool good =
        reel_gradcheck(t, checked_loss, &c, (reel_gradcheck_options){ .order = 2 }, &report);
    reel_gradcheck_print(&report, stdout);
    reel_tape_free(t);
    return good;
}

/* ---- the task ------------------------------------------------------------------------------ */

enum { BATCH = 32, LONGEST = 10, STEPS = 2 * LONGEST };

/* One batch of words of `length` letters: `in` [2·length, BATCH, SYMBOLS], and at each step the
 * letter to write, or -1 while reading. The first mark is also the first call for a letter. */
static void draw_words(int length, uint64_t *random, float *in, int32_t *target)
{
    for (int i = 0; i < 2 * length * BATCH * SYMBOLS; i++) {
        in[i] = 0;
    }
    for (int t = 0; t < length; t++) {
        for (int row = 0; row < BATCH; row++) {
            *random = *random * 6364136223846793005u + 1442695040888963407u;
            int letter = (int)(*random >> 63), back = 2 * length - 1 - t;
            in[(t * BATCH + row) * SYMBOLS + letter] = 1;
            in[(back * BATCH + row) * SYMBOLS + MARK] = 1;
            target[t * BATCH + row] = -1;
            target[back * BATCH + row] = letter;
        }
    }
}

static reel_var logits_of(stack_cell *c, int length, const float *in)
{
    reel_var x = reel_input(c->b.tape, REEL_SHAPE(2 * length, BATCH, SYMBOLS), in);
    return reel_unroll(cell_of(c), x, (reel_unroll_options){ 0 }).outputs;
}

static float in[STEPS * BATCH * SYMBOLS], logits[STEPS * BATCH * 2];
static int32_t target[STEPS * BATCH];

static double train(stack_cell *c, reel_optimizer *adam, int length, uint64_t *random)
{
    reel_tape *t = c->b.tape;
    reel_rewind(t);
    draw_words(length, random, in, target);
    reel_var loss = reel_cross_entropy_ex(
        logits_of(c, length, in), reel_indices(t, REEL_SHAPE(2 * length, BATCH), target),
        (reel_cross_entropy_options){ .ignore = true, .ignore_index = -1 });
    reel_backward(loss);
    reel_clip_norm(t, 5);
    reel_optimizer_step(adam);
    return reel_item(loss);
}

/* The share of letters written right. */
static double accuracy(stack_cell *c, int length, uint64_t *random)
{
    int right = 0, n = 2 * length * BATCH;
    reel_rewind(c->b.tape);
    draw_words(length, random, in, target);
    reel_read(logits_of(c, length, in), logits, (size_t)n * 2);
    for (int i = 0; i < n; i++) {
        right += target[i] >= 0 && (logits[2 * i + 1] > logits[2 * i]) == target[i];
    }
    return right / (double)(length * BATCH);
}

enum { TRAINED = 6 };

static void learn(stack_cell *c, int updates, uint64_t *random)
{
    reel_optimizer *adam = reel_adam(c->b.tape, (reel_adam_options){ .lr = 3e-3 });
    for (int i = 1; i <= updates; i++) {
        int length = 1 + (i - 1) % TRAINED;
        double loss = train(c, adam, length, random);
        if (i % (updates / 5) == 0) {
            printf("update %d, words of %d letters: loss %.4f\n", i, length, loss);
        }
    }
}

/* Whether the goal is reached for words of every length. */
static bool examine(stack_cell *c, uint64_t *random)
{
    bool reached = true;
    for (int length = 1; length <= LONGEST; length++) {
        double right = accuracy(c, length, random);
        printf("%2d letters%s: %5.1f %% written right\n", length,
               length > TRAINED ? " (never seen)" : "", 100 * right);
        reached = reached && right >= GOAL;
    }
    return reached;
}

int main(int count, char **argument)
{
    bool is_short = count > 1 && strcmp(argument[1], "--short") == 0;
    if (!check_gradients()) {
        return 1;
    }
    reel_tape *t = reel_tape_new((reel_tape_options){ .seed = 1, .threads = 1 });
    stack_cell c = make(t, HIDDEN, DEPTH);
    uint64_t random = 1;
    learn(&c, is_short ? 1500 : 4000, &random);
    bool good = examine(&c, &random);
    if (reel_tape_status(t) != REEL_OK) {
        fprintf(stderr, "neural_stack: %s\n", reel_tape_error(t));
        good = false;
    } else if (!good) {
        fprintf(stderr, "neural_stack: less than %g %% right\n", 100 * GOAL);
    }
    reel_tape_free(t);
    return !good;
}

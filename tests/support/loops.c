/* loops.c: the loops of a generated program: its cell, step by step. */
#include <stdlib.h>
#include <string.h>

#include "run.h"

/* ---- data ------------------------------------------------------------------------------------ */

reel_var run_numbers(run *r, reel_shape shape)
{
    size_t n = (size_t)reel_shape_size(shape);
    double *numbers = malloc((n + 1) * sizeof *numbers);
    for (size_t i = 0; i < n; i++) {
        numbers[i] = random_real(&r->data, -1, 1);
    }
    reel_var v = reel_input_f64(r->t, shape, numbers);
    free(numbers);
    return v;
}

/* ---- one step of a cell ---------------------------------------------------------------------- */

typedef struct {
    run *r;
    const program_loop *loop;
    reel_var constant[MOST_LINES];
    int calls;
    reel_var captured, sum[MOST_STEPS], factor[MOST_STEPS];
} stepper;

static reel_var inner_step(void *self, reel_var x, reel_var state[])
{
    reel_var W = *(reel_var *)self;
    return state[0] = reel_tanh(reel_matmul(reel_concat(-1, state[0], x), W));
}

static reel_var inner_loop(reel_var a, reel_var b, reel_var W)
{
    reel_cell cell = { .self = &W, .step = inner_step, .states = 1 };
    cell.width[0] = reel_shape_of(a).dim[1];
    reel_var x = reel_stack(0, a, b, a, b, b);
    return reel_unroll(cell, x, (reel_unroll_options){ 0 }).state[0];
}

static reel_var layer_norm(reel_var v)
{
    reel_var centred = reel_sub(v, reel_mean_keep(v, -1));
    return reel_mul(centred, reel_rsqrt(reel_shift(reel_var_keep(v, -1), 0.1)));
}

static reel_var blend(reel_var gate, reel_var b, reel_var c)
{
    reel_var z = reel_sigmoid(gate);
    return reel_add(reel_mul(z, b), reel_mul(reel_shift(reel_neg(z), 1), c));
}

static reel_var outer(reel_var a, reel_var b, reel_var c)
{
    return reel_matmul(a, reel_matmul_ex(b, c, (reel_matmul_options){ .transpose_a = true }));
}

typedef reel_var (*one_input)(reel_var);
typedef reel_var (*two_inputs)(reel_var, reel_var);

static const one_input unary_ops[LINE_KINDS] = {
    [LINE_TANH] = reel_tanh,
    [LINE_SIGMOID] = reel_sigmoid,
    [LINE_RELU] = reel_relu,
    [LINE_SOFTPLUS] = reel_softplus,
    [LINE_SIN] = reel_sin,
    [LINE_SQUARE] = reel_square,
    [LINE_EXP] = reel_exp,
    [LINE_LAYER_NORM] = layer_norm,
    [LINE_STOP_GRADIENT] = reel_stop_gradient,
    [LINE_CHECKPOINT] = reel_checkpoint,
};

static const two_inputs binary_ops[LINE_KINDS] = {
    [LINE_ADD] = reel_add,
    [LINE_SUB] = reel_sub,
    [LINE_MUL] = reel_mul,
    [LINE_MAXIMUM] = reel_maximum,
};

/* The weight of a product; in odd steps of some loops another one of its shape. */
static reel_var weight_of(const stepper *s, int param)
{
    const program *p = s->r->p;
    bool other = s->loop->style != BY_UNROLL && s->loop->odd == OTHER_WEIGHTS && s->calls % 2;
    for (int k = 0; other && k < p->params; k++) {
        if (k != param && p->param[k].rows == p->param[param].rows &&
            p->param[k].columns == p->param[param].columns && p->param[k].steps == 0) {
            return s->r->param[k];
        }
    }
    return s->r->param[param];
}

static reel_var product(const stepper *s, reel_var a, int param, bool transposed)
{
    const program *p = s->r->p;
    bool turn = s->loop->style != BY_UNROLL && s->loop->odd == TRANSPOSED_WEIGHTS && s->calls % 2 &&
                p->param[param].rows == p->param[param].columns;
    return reel_matmul_ex(a, weight_of(s, param),
                          (reel_matmul_options){ .transpose_b = transposed != turn });
}

static reel_var record_line(const stepper *s, const program_line *line, const reel_var v[])
{
    const reel_var *param = s->r->param;
    reel_var a = v[line->in[0]], b = v[line->in[1]], c = v[line->in[2]];
    if (unary_ops[line->kind]) {
        return unary_ops[line->kind](a);
    }
    if (binary_ops[line->kind]) {
        return binary_ops[line->kind](a, b);
    }
    switch (line->kind) {
    case LINE_MATMUL:
        return product(s, a, line->param, false);
    case LINE_MATMUL_TRANSPOSED:
        return product(s, a, line->param, true);
    case LINE_AFFINE:
        return reel_affine(a, weight_of(s, line->param), param[line->bias]);
    case LINE_OUTER:
        return outer(a, b, c);
    case LINE_CONCAT:
        return reel_concat(-1, a, b);
    case LINE_CONCAT_THREE:
        return reel_concat(1, a, b, c);
    case LINE_SLICE:
        return reel_slice(a, -1, line->begin, line->begin + line->width);
    case LINE_BLEND:
        return blend(a, b, c);
    case LINE_WHERE_LESS:
        return reel_where(reel_less(a, reel_scalar(s->r->t, 0.1234567)), b, c);
    case LINE_SCALE:
        return reel_scale(a, line->number);
    case LINE_SOFTMAX:
        return reel_softmax(a, -1);
    case LINE_SUM_KEEP:
        return reel_sum_keep(a, -1);
    case LINE_FLIP:
        return reel_flip(a, -1);
    case LINE_DROPOUT:
        return reel_dropout(a, line->number);
    case LINE_INNER_LOOP:
        return inner_loop(a, b, param[line->param]);
    default:
        return a;
    }
}

static int64_t shuffled(const program_loop *loop, int64_t step)
{
    random_source r = { (uint64_t)step * 7 + (uint64_t)loop->cell.lines };
    return random_below(&r, (int)loop->steps);
}

/* How many steps ago what step i reads was made. */
static int64_t lag_of(const program_loop *loop, int64_t i)
{
    int64_t lag = loop->lag == LAG_ONE ? 1 : loop->lag == LAG_TWO ? 2 : 1 + shuffled(loop, i);
    return lag < i + 1 ? lag : i + 1;
}

/* The line, or in odd steps of some loops another one as wide. */
static int line_of_sum(const stepper *s, int line)
{
    const program_cell *cell = &s->loop->cell;
    for (int k = 0; s->loop->odd == OTHER_WEIGHTS && s->calls % 2 && k < cell->lines; k++) {
        if (k != line && cell->line[k].width == cell->line[line].width) {
            return k;
        }
    }
    return line;
}

/* As a reverse sweep carries the gradient of a weight: this step's b meets an earlier step's a. */
static void add_to_sum(stepper *s, const reel_var v[])
{
    s->factor[s->calls] = v[line_of_sum(s, s->loop->sum_a)];
    reel_var a = s->factor[s->calls + 1 - lag_of(s->loop, s->calls)], b = v[s->loop->sum_b];
    reel_var term = reel_matmul_ex(a, b, (reel_matmul_options){ .transpose_a = true });
    reel_var before =
        s->calls > 0 ? s->sum[s->calls - 1] : reel_fill(s->r->t, reel_shape_of(term), 0.3);
    s->sum[s->calls] = reel_accumulate(before, term);
}

static reel_var cell_step(void *self, reel_var x, reel_var state[])
{
    stepper *s = self;
    const program_cell *cell = &s->loop->cell;
    reel_var v[MOST_LINES];
    for (int k = 0; k < cell->lines; k++) {
        const program_line *line = &cell->line[k];
        v[k] = line->kind == LINE_INPUT      ? x
               : line->kind == LINE_STATE    ? state[line->begin]
               : line->kind == LINE_CONSTANT ? s->constant[k]
                                             : record_line(s, line, v);
    }
    for (int k = 0; k < cell->states; k++) {
        state[k] = v[cell->next[k]];
    }
    if (s->calls == s->loop->captured_step && s->loop->captured >= 0) {
        s->captured = v[s->loop->captured];
    }
    if (s->loop->sum_a >= 0) {
        add_to_sum(s, v);
    }
    s->calls++;
    return v[cell->output];
}

/* ---- loops ----------------------------------------------------------------------------------- */

static void prepare_constants(stepper *s)
{
    const program_cell *cell = &s->loop->cell;
    for (int k = 0; k < cell->lines; k++) {
        const program_line *line = &cell->line[k];
        if (line->kind == LINE_CONSTANT) {
            reel_var v = s->r->param[line->param];
            v = reel_expand(line->number > 0 ? reel_sin(v) : v,
                            REEL_SHAPE(s->r->p->batch, line->width));
            s->constant[k] = v;
        }
    }
}

static reel_var loop_input(run *r, int number)
{
    const program_loop *loop = &r->p->loop[number];
    int64_t batch = r->p->batch;
    switch (loop->source) {
    case X_PARAM:
        return r->param[loop->x_param];
    case X_LOOP:
        return r->rollout[number - 1].outputs;
    case X_EMBEDDING: {
        int32_t rows[MOST_STEPS * MOST_BATCH];
        for (int64_t i = 0; i < loop->steps * batch; i++) {
            rows[i] = random_below(&r->data, 7);
        }
        return reel_gather(r->param[loop->x_param],
                           reel_indices(r->t, REEL_SHAPE(loop->steps, batch), rows));
    }
    case X_LEAVES:
    case X_DATA:
        break;
    }
    return run_numbers(r, REEL_SHAPE(loop->steps, batch, loop->width));
}

static reel_rollout unroll(stepper *s, reel_var x)
{
    run *r = s->r;
    const program_loop *loop = s->loop;
    reel_cell cell = { .self = s, .step = cell_step, .states = loop->cell.states };
    reel_unroll_options options = { .reverse = loop->reverse, .all_states = loop->all_states };
    int32_t lengths[MOST_BATCH];
    for (int k = 0; k < cell.states; k++) {
        cell.width[k] = loop->cell.line[1 + k].width;
        options.initial[k] =
            loop->initial[k] == NO_PARAM ? (reel_var){ 0 } : r->param[loop->initial[k]];
    }
    for (int64_t i = 0; loop->lengths && i < r->p->batch; i++) {
        lengths[i] = random_below(&r->data, (int)loop->steps + 1);
    }
    options.lengths = loop->lengths ? lengths : NULL;
    if (loop->resets) {
        reel_var zero = reel_scalar(r->t, 0.4);
        options.resets = reel_less(zero, run_numbers(r, REEL_SHAPE(loop->steps, r->p->batch)));
    }
    return reel_unroll(cell, x, options);
}

/* What a step reads of x. */
static reel_var x_of_step(stepper *s, reel_var x, reel_var other, int64_t step)
{
    const program_loop *loop = s->loop;
    switch (loop->source == X_LEAVES ? IN_ORDER : loop->order) {
    case ONE_LATER:
        return reel_at(x, (step + 1) % loop->steps);
    case EACH_TWICE:
        return reel_at(x, step / 2);
    case SHUFFLED:
        return reel_at(x, shuffled(loop, step));
    case FROM_TWO_TENSORS:
        return reel_at(step % 2 ? other : x, step);
    case IN_ORDER:
        break;
    }
    return loop->source == X_LEAVES ? run_numbers(s->r, REEL_SHAPE(s->r->p->batch, loop->width))
                                    : reel_at(x, step);
}

static void start_states(const run *r, const program_loop *loop, reel_var state[])
{
    for (int k = 0; k < loop->cell.states; k++) {
        state[k] = loop->initial[k] == NO_PARAM
                       ? reel_fill(r->t, REEL_SHAPE(r->p->batch, loop->cell.line[1 + k].width), 0.1)
                       : r->param[loop->initial[k]];
    }
}

/* What a program without reel_unroll would write. */
static reel_rollout loop_by_hand(stepper *s, reel_var x)
{
    run *r = s->r;
    const program_loop *loop = s->loop;
    reel_rollout out = { 0 };
    reel_var history[MOST_STEPS + 1][REEL_MAX_STATES], outputs[MOST_STEPS];
    reel_var other = loop->order == FROM_TWO_TENSORS && x.tape ? reel_sin(x) : x;
    start_states(r, loop, history[0]);
    for (int64_t i = 0; i < loop->steps; i++) {
        int64_t step = loop->reverse ? loop->steps - 1 - i : i;
        reel_var *state = history[i + 1];
        if (loop->style == BY_MARKED_LOOP) {
            reel_step_begin(r->t, loop->first_mark + step);
        }
        memcpy(state, history[i + 1 - lag_of(loop, i)], (size_t)loop->cell.states * sizeof *state);
        if (i == loop->odd_step && loop->cell.states > 0) {
            state[0] = reel_sin(reel_shift(state[0], 0.5));
        }
        outputs[step] = cell_step(s, x_of_step(s, x, other, step), state);
        if (loop->style == BY_MARKED_LOOP) {
            reel_step_end(r->t);
        }
    }
    out.outputs = reel_stack_n(0, (int)loop->steps, outputs);
    memcpy(out.state, history[loop->steps], (size_t)loop->cell.states * sizeof out.state[0]);
    return out;
}

void run_loop(run *r, int number)
{
    const program_loop *loop = &r->p->loop[number];
    stepper s = { .r = r, .loop = loop };
    prepare_constants(&s);
    reel_var x = loop->source == X_LEAVES ? (reel_var){ 0 } : loop_input(r, number);
    reel_rollout *out = &r->rollout[number];
    *out = loop->style == BY_UNROLL ? unroll(&s, x) : loop_by_hand(&s, x);
    r->captured[number] = s.captured;
    memcpy(r->sum[number], s.sum, sizeof s.sum);
    run_watch(r, "outputs", number, out->outputs);
    run_watch(r, "captured", number, s.captured);
    run_watch(r, "sum", number, s.sum[loop->steps - 1]);
    for (int k = 0; k < loop->cell.states; k++) {
        run_watch(r, "final state", 10 * number + k, out->state[k]);
        run_watch(r, "all of state", 10 * number + k, out->states[k]);
    }
}

/* program.c: runs a generated program on a tape and notes everything it reads. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "generator.h"
#include "layers/layers.h"
#include "ops/ops.h"

#define MOST_WATCHED 48
#define MOST_STEPS 16
#define MOST_BATCH 20

/* ---- a run ----------------------------------------------------------------------------------- */

typedef struct {
    char label[LABEL_SIZE];
    reel_var value;
    size_t result; /* where it was read last */
} watched;

typedef struct {
    const program *p;
    reel_tape *t;
    random_source data;
    results out;
    reel_var param[MOST_PARAMS];
    reel_rollout rollout[MOST_LOOPS];
    reel_var captured[MOST_LOOPS], sum[MOST_LOOPS][MOST_STEPS];
    int watches;
    watched watch[MOST_WATCHED];
} run;

static bool has_bit(uint64_t bits, int k)
{
    return bits >> (k % 64) & 1u;
}

/* ---- reading --------------------------------------------------------------------------------- */

static void read_value(run *r, const char *label, reel_var v)
{
    reel_shape shape = reel_shape_of(v);
    if (shape.rank >= 0) {
        result *one = results_add(&r->out, label, (size_t)reel_shape_size(shape));
        one->status = reel_read_f64(v, one->numbers, one->n);
    }
}

/* A value that is read at the end at the latest. */
static void watch(run *r, const char *name, int number, reel_var v)
{
    /* A cell may hand a parameter on: that one does change when it is written. */
    if (r->watches == MOST_WATCHED || v.tape == NULL || reel_param_name(v)) {
        return;
    }
    watched *w = &r->watch[r->watches];
    snprintf(w->label, sizeof w->label, "%s %d", name, number);
    w->value = has_bit(r->p->kept, r->watches) ? reel_keep(v) : v;
    if (has_bit(r->p->early, r->watches)) {
        read_value(r, w->label, v);
    }
    r->watches++;
}

/* ---- data ------------------------------------------------------------------------------------ */

static reel_var some_numbers(run *r, reel_shape shape)
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

static reel_shape param_shape(const program *p, int k)
{
    if (p->param[k].steps) {
        return REEL_SHAPE(p->param[k].steps, p->param[k].rows, p->param[k].columns);
    }
    return p->param[k].rows ? REEL_SHAPE(p->param[k].rows, p->param[k].columns)
                            : REEL_SHAPE(p->param[k].columns);
}

static void find_params(run *r)
{
    bool first = reel_param_count(r->t) == 0;
    for (int k = 0; k < r->p->params; k++) {
        char name[16];
        snprintf(name, sizeof name, "p%d", k);
        int64_t rows = r->p->param[k].steps ? 1 : r->p->param[k].rows;
        double deviation = 0.7 / sqrt(rows > 0 ? (double)rows : 1);
        r->param[k] = first
                          ? reel_param(r->t, name, param_shape(r->p, k), reel_normal(0, deviation))
                          : reel_find_param(r->t, name);
    }
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
    return some_numbers(r, REEL_SHAPE(loop->steps, batch, loop->width));
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
        options.resets = reel_less(zero, some_numbers(r, REEL_SHAPE(loop->steps, r->p->batch)));
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
    return loop->source == X_LEAVES ? some_numbers(s->r, REEL_SHAPE(s->r->p->batch, loop->width))
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

static void run_loop(run *r, int number)
{
    const program_loop *loop = &r->p->loop[number];
    stepper s = { .r = r, .loop = loop };
    prepare_constants(&s);
    reel_var x = loop->source == X_LEAVES ? (reel_var){ 0 } : loop_input(r, number);
    reel_rollout *out = &r->rollout[number];
    *out = loop->style == BY_UNROLL ? unroll(&s, x) : loop_by_hand(&s, x);
    r->captured[number] = s.captured;
    memcpy(r->sum[number], s.sum, sizeof s.sum);
    watch(r, "outputs", number, out->outputs);
    watch(r, "captured", number, s.captured);
    watch(r, "sum", number, s.sum[loop->steps - 1]);
    for (int k = 0; k < loop->cell.states; k++) {
        watch(r, "final state", 10 * number + k, out->state[k]);
        watch(r, "all of state", 10 * number + k, out->states[k]);
    }
}

/* ---- the loss -------------------------------------------------------------------------------- */

static reel_var mean_square(reel_var v)
{
    return v.tape ? reel_mean_all(reel_square(v)) : v;
}

static reel_var term_of(run *r, const program_term *term)
{
    const program_loop *loop = &r->p->loop[term->loop];
    const reel_rollout *rollout = &r->rollout[term->loop];
    switch (term->kind) {
    case TERM_DENSE:
        if (term->param == NO_PARAM) {
            break;
        }
        return mean_square(
            reel_log_softmax(reel_matmul(rollout->outputs, r->param[term->param]), -1));
    case TERM_STEP:
        return mean_square(reel_at(rollout->outputs, term->number));
    case TERM_SLICE:
        return mean_square(reel_slice(rollout->outputs, 0, term->number, loop->steps));
    case TERM_STATES:
        if (rollout->states[term->number].tape) {
            return mean_square(rollout->states[term->number]);
        } /* fall through */
    case TERM_FINAL:
        return mean_square(rollout->state[term->number]);
    case TERM_CAPTURED:
        return mean_square(r->captured[term->loop]);
    case TERM_SUM:
        return mean_square(r->sum[term->loop][loop->steps - 1]);
    case TERM_SUM_STEP:
        return mean_square(r->sum[term->loop][term->number]);
    case TERM_PARAM:
        return mean_square(r->param[term->param]);
    case TERM_OUTPUTS:
    case TERM_KINDS:
        break;
    }
    return mean_square(rollout->outputs);
}

static reel_var loss_of(run *r)
{
    reel_var loss = reel_scalar(r->t, 0.25);
    for (int k = 0; k < r->p->terms; k++) {
        reel_var term = term_of(r, &r->p->term[k]);
        if (term.tape) {
            loss = reel_add(loss, reel_scale(term, 1 + 0.3 * k));
        } else if (reel_tape_status(r->t) != REEL_OK) {
            return (reel_var){ r->t, 0 }; /* the loop broke off before the term was there */
        }
    }
    return loss;
}

/* ---- derivatives ----------------------------------------------------------------------------- */

/* Parameters, and with `captured` what was captured as well. */
static int variables(const run *r, reel_var x[], bool captured)
{
    int n = 0;
    for (int k = 0; k < r->p->wanted; k++) {
        x[n++] = r->param[k];
    }
    for (int k = 0; captured && k < r->p->loops; k++) {
        if (r->captured[k].tape) {
            x[n++] = r->captured[k];
        }
    }
    return n;
}

static void directions(run *r, int n, const reel_var x[], reel_var v[])
{
    for (int k = 0; k < n; k++) {
        v[k] = some_numbers(r, reel_shape_of(x[k]));
    }
}

static void watch_all(run *r, const char *name, int n, const reel_var v[])
{
    for (int k = 0; k < n; k++) {
        watch(r, name, k, v[k]);
    }
}

static reel_var penalty(const run *r, reel_var loss)
{
    reel_var x[MOST_PARAMS + MOST_LOOPS], dx[MOST_PARAMS + MOST_LOOPS];
    int n = variables(r, x, false);
    reel_gradients(loss, n, x, dx);
    for (int k = 0; k < n; k++) {
        loss = reel_add(loss, reel_scale(reel_mean_all(reel_square(dx[k])), 0.5));
    }
    return loss;
}

static void differentiate(run *r, reel_var loss)
{
    reel_var x[MOST_PARAMS + MOST_LOOPS], v[MOST_PARAMS + MOST_LOOPS],
        out[MOST_PARAMS + MOST_LOOPS];
    int n = variables(r, x, r->p->derivative == BY_GRADIENTS);
    switch (r->p->derivative) {
    case BY_BACKWARD_TWICE:
        reel_backward(reel_scale(loss, 0.5)); /* fall through */
    case BY_BACKWARD:
        reel_backward(loss);
        break;
    case BY_GRADIENTS:
        reel_gradients(loss, n, x, out);
        watch_all(r, "gradient", n, out);
        break;
    case BY_PENALTY:
        loss = penalty(r, loss);
        watch(r, "penalty", 0, loss);
        reel_backward(loss);
        break;
    case BY_HVP:
        directions(r, n, x, v);
        reel_hvp(loss, n, x, v, out);
        watch_all(r, "Hessian product", n, out);
        break;
    case BY_JVP:
        directions(r, n, x, v);
        watch(r, "Jacobian product", 0, reel_jvp(r->rollout[0].outputs, n, x, v));
        break;
    case NO_DERIVATIVE:
    case DERIVATIVE_KINDS:
        break;
    }
}

static void read_gradients(run *r)
{
    for (int k = 0; k < r->p->params; k++) {
        char label[LABEL_SIZE];
        snprintf(label, sizeof label, "gradient of p%d", k);
        result *one = results_add(&r->out, label, (size_t)reel_shape_size(param_shape(r->p, k)));
        reel_read_grad_f64(r->param[k], one->numbers, one->n);
    }
}

/* ---- after a parameter changed --------------------------------------------------------------- */

/* Either the old numbers or the error that says why not; kept values are always there. */
static void expect_old_numbers(run *r, int k, const double *old, bool must)
{
    size_t n = (size_t)reel_shape_size(reel_shape_of(r->watch[k].value));
    double *now = calloc(n + 1, sizeof *now);
    reel_status status = reel_read_f64(r->watch[k].value, now, n);
    if (status == REEL_STALE_VALUE && !must) {
        reel_tape_clear(r->t);
    } else if (status != REEL_OK || memcmp(old, now, n * sizeof *now) != 0) {
        snprintf(r->out.error, sizeof r->out.error, "%s after a write: %s", r->watch[k].label,
                 status == REEL_OK ? "other numbers than before" : reel_tape_error(r->t));
        reel_tape_clear(r->t);
    }
    free(now);
}

/* It stays changed: the next run, on other data, starts from there. */
static void change_param(run *r, int k)
{
    size_t n = (size_t)reel_shape_size(param_shape(r->p, k));
    double *numbers = calloc(n + 1, sizeof *numbers);
    reel_read_f64(r->param[k], numbers, n);
    for (size_t i = 0; i < n; i++) {
        numbers[i] = 0.7 * numbers[i] + 0.1;
    }
    reel_write_param_f64(r->param[k], numbers, n);
    free(numbers);
}

static void write_and_read_again(run *r)
{
    change_param(r, r->p->written);
    for (int k = 0; k < r->watches && r->out.error[0] == '\0'; k++) {
        const double *old = r->out.list[r->watch[k].result].numbers;
        expect_old_numbers(r, k, old, has_bit(r->p->kept, k));
    }
}

/* What the first loop made has to be held by then. */
static void rewrite(run *r)
{
    for (int k = 0; k < r->watches; k++) {
        read_value(r, "before a write", reel_keep(r->watch[k].value));
    }
    change_param(r, r->p->rewritten);
}

static void read_all(run *r)
{
    for (int i = 0; i < r->watches; i++) {
        int k = r->p->read_downwards ? r->watches - 1 - i : i;
        watched *w = &r->watch[(k + r->p->read_first) % r->watches];
        w->result = r->out.count;
        read_value(r, w->label, w->value);
    }
}

/* ---- the whole ------------------------------------------------------------------------------- */

results program_run(const program *p, reel_tape *t, uint64_t data_seed)
{
    run r = { .p = p, .t = t, .data = { data_seed } };
    reel_rewind(t);
    reel_zero_grad(t);
    find_params(&r);
    for (int k = 0; k < p->loops; k++) {
        run_loop(&r, k);
        if (k == 0 && p->rewritten != NO_PARAM) {
            rewrite(&r);
        }
    }
    reel_var loss = loss_of(&r);
    watch(&r, "loss", 0, loss);
    for (int k = 0; k < r.watches; k++) {
        if (has_bit(p->before, k)) {
            read_value(&r, r.watch[k].label, r.watch[k].value);
        }
    }
    differentiate(&r, loss);
    read_all(&r);
    read_gradients(&r);
    snprintf(r.out.error, sizeof r.out.error, "%s", reel_tape_error(t));
    if (p->written != NO_PARAM && r.out.error[0] == '\0') {
        write_and_read_again(&r);
    }
    return r.out;
}

/* generator.c: makes programs. Values of a cell are matrices [batch, width]; every choice below
 * keeps them so, and keeps polynomials in the states of degree one where they become states
 * again, so that nothing grows without bound over the steps. */
#include "generator.h"

#include <string.h>

/* ---- random numbers -------------------------------------------------------------------------- */

uint64_t random_word(random_source *r)
{
    uint64_t z = r->state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

int random_below(random_source *r, int n)
{
    return n > 0 ? (int)(random_word(r) % (uint64_t)n) : 0;
}

bool random_chance(random_source *r, int percent)
{
    return random_below(r, 100) < percent;
}

double random_real(random_source *r, double lo, double hi)
{
    return lo + (hi - lo) * (double)(random_word(r) >> 11) * 0x1p-53;
}

/* ---- parameters ------------------------------------------------------------------------------ */

typedef struct {
    program *p;
    random_source *r;
    program_cell *cell;
} maker;

/* Small enough to be fast, and a few large enough for the kernels that take many columns at a
 * time. */
#define WIDTHS 6
static const int64_t widths[2][WIDTHS] = { { 1, 2, 3, 3, 4, 5 }, { 1, 8, 16, 24, 31, 40 } };

static int64_t some_width(const program *p, random_source *r)
{
    return widths[p->large][random_below(r, WIDTHS)];
}

static int new_param(program *p, int64_t rows, int64_t columns, int64_t steps)
{
    int k = p->params < MOST_PARAMS ? p->params++ : MOST_PARAMS - 1;
    p->param[k].rows = rows;
    p->param[k].columns = columns;
    p->param[k].steps = steps;
    return k;
}

/* One that is there already half of the time, and always when there is no room for another. */
static int find_param(program *p, random_source *r, int64_t rows, int64_t columns)
{
    bool full = p->params == MOST_PARAMS;
    for (int tries = 0; tries < (full ? 2 * MOST_PARAMS : 3); tries++) {
        int k = full ? tries % MOST_PARAMS : random_below(r, p->params);
        if (p->params && p->param[k].rows == rows && p->param[k].columns == columns &&
            p->param[k].steps == 0) {
            return k;
        }
    }
    return full ? NO_PARAM : new_param(p, rows, columns, 0);
}

/* ---- lines of a cell ------------------------------------------------------------------------- */

static int add_line(maker *m, program_line line)
{
    program_cell *cell = m->cell;
    if (cell->lines == MOST_LINES) {
        return cell->lines - 1;
    }
    cell->line[cell->lines] = line;
    return cell->lines++;
}

static const program_line *line_at(const maker *m, int k)
{
    return &m->cell->line[k];
}

/* Later lines are likelier, so that chains grow long. */
static int some_value(maker *m)
{
    int a = random_below(m->r, m->cell->lines), b = random_below(m->r, m->cell->lines);
    return random_chance(m->r, 70) && b > a ? b : a;
}

static int product(maker *m, int operand, int64_t width)
{
    int64_t in = line_at(m, operand)->width;
    program_line line = {
        .in = { operand }, .width = width, .bias = NO_PARAM, .degree = line_at(m, operand)->degree
    };
    int kind = random_below(m->r, 10);
    line.kind = kind < 5 ? LINE_MATMUL : kind < 8 ? LINE_AFFINE : LINE_MATMUL_TRANSPOSED;
    bool transposed = line.kind == LINE_MATMUL_TRANSPOSED;
    line.param = find_param(m->p, m->r, transposed ? width : in, transposed ? in : width);
    line.bias = line.kind == LINE_AFFINE ? find_param(m->p, m->r, 0, width) : NO_PARAM;
    if (line.param == NO_PARAM || (line.kind == LINE_AFFINE && line.bias == NO_PARAM)) {
        return operand;
    }
    return add_line(m, line);
}

/* A value of this width: one that is there, or a product that makes one. */
static int value_of_width(maker *m, int64_t width)
{
    for (int tries = 0; tries < 6; tries++) {
        int k = some_value(m);
        if (line_at(m, k)->width == width) {
            return k;
        }
    }
    int k = product(m, some_value(m), width);
    if (line_at(m, k)->width == width) {
        return k;
    }
    for (k = m->cell->lines - 1; k > 0 && line_at(m, k)->width != width; k--) {
    }
    return k;
}

static int join(maker *m)
{
    int parts = random_chance(m->r, 35) ? 3 : 2;
    program_line line = { .kind = parts == 3 ? LINE_CONCAT_THREE : LINE_CONCAT,
                          .param = NO_PARAM,
                          .bias = NO_PARAM };
    for (int i = 0; i < parts; i++) {
        /* Half of the parts are x or a state, which stand at the front. */
        line.in[i] =
            random_chance(m->r, 50) ? random_below(m->r, 1 + m->cell->states) : some_value(m);
        line.width += line_at(m, line.in[i])->width;
        line.degree = line_at(m, line.in[i])->degree > line.degree ? line_at(m, line.in[i])->degree
                                                                   : line.degree;
    }
    return line.width <= (m->p->large ? 128 : 24) ? add_line(m, line) : line.in[0];
}

static int unary(maker *m, line_kind kind, int a)
{
    const program_line *from = line_at(m, a);
    program_line line = { .kind = kind,
                          .in = { a },
                          .param = NO_PARAM,
                          .bias = NO_PARAM,
                          .width = from->width,
                          .degree = from->degree };
    switch (kind) {
    case LINE_TANH:
    case LINE_SIGMOID:
    case LINE_SIN:
    case LINE_SOFTMAX:
    case LINE_LAYER_NORM:
        line.degree = 0;
        break;
    case LINE_SQUARE:
        line.degree *= 2;
        break;
    case LINE_EXP:
        line.degree = from->degree > 0 ? 3 : 1;
        break;
    case LINE_SUM_KEEP:
        line.width = 1;
        break;
    case LINE_SCALE:
        line.number = random_real(m->r, -1, 1);
        break;
    case LINE_DROPOUT:
        line.number = random_real(m->r, 0.1, 0.6);
        break;
    default:
        break;
    }
    if (line.degree > 2) {
        line.kind = LINE_TANH;
        line.degree = 0;
    }
    return add_line(m, line);
}

static int some_unary(maker *m)
{
    static const line_kind kinds[] = {
        LINE_TANH,       LINE_TANH,     LINE_TANH,   LINE_SIGMOID,       LINE_SIGMOID, LINE_RELU,
        LINE_SOFTPLUS,   LINE_SIN,      LINE_SQUARE, LINE_EXP,           LINE_SCALE,   LINE_SOFTMAX,
        LINE_LAYER_NORM, LINE_SUM_KEEP, LINE_FLIP,   LINE_STOP_GRADIENT, LINE_DROPOUT, LINE_DROPOUT,
    };
    line_kind kind = kinds[random_below(m->r, (int)(sizeof kinds / sizeof kinds[0]))];
    kind = random_chance(m->r, 2) ? LINE_CHECKPOINT : kind;
    return unary(m, kind, some_value(m));
}

static int binary(maker *m)
{
    static const line_kind kinds[] = { LINE_ADD, LINE_ADD, LINE_SUB,
                                       LINE_MUL, LINE_MUL, LINE_MAXIMUM };
    int a = some_value(m), b = value_of_width(m, line_at(m, a)->width);
    const program_line *x = line_at(m, a), *y = line_at(m, b);
    program_line line = { .kind = kinds[random_below(m->r, 6)],
                          .in = { a, b },
                          .param = NO_PARAM,
                          .bias = NO_PARAM,
                          .width = x->width };
    line.degree = line.kind == LINE_MUL   ? x->degree + y->degree
                  : x->degree > y->degree ? x->degree
                                          : y->degree;
    if (y->width != x->width && y->width != 1) {
        return a;
    }
    if (line.degree > 2) {
        line.kind = LINE_ADD;
        line.degree = 2;
    }
    return add_line(m, line);
}

static int largest_degree(const maker *m, const int in[3])
{
    int degree = 0;
    for (int i = 0; i < 3; i++) {
        degree = line_at(m, in[i])->degree > degree ? line_at(m, in[i])->degree : degree;
    }
    return degree;
}

static int ternary(maker *m)
{
    int a = some_value(m);
    int64_t width = line_at(m, a)->width;
    int b = value_of_width(m, width), c = value_of_width(m, width);
    if (line_at(m, b)->width != width || line_at(m, c)->width != width) {
        return a;
    }
    program_line line = { .in = { a, b, c }, .param = NO_PARAM, .bias = NO_PARAM, .width = width };
    line.degree = largest_degree(m, line.in);
    switch (random_below(m->r, 6)) {
    case 0:
        line.kind = LINE_WHERE_LESS;
        break;
    case 1:
        if (line.degree == 0) {
            line.kind = LINE_OUTER;
            line.width = line_at(m, c)->width;
            break;
        } /* fall through */
    default:
        line.kind = LINE_BLEND;
    }
    return add_line(m, line);
}

static int slice(maker *m)
{
    int a = some_value(m);
    int64_t width = line_at(m, a)->width;
    program_line line = { .kind = LINE_SLICE,
                          .in = { a },
                          .param = NO_PARAM,
                          .bias = NO_PARAM,
                          .degree = line_at(m, a)->degree };
    line.begin = random_below(m->r, (int)width);
    line.width = 1 + random_below(m->r, (int)(width - line.begin));
    return add_line(m, line);
}

/* Merged gates: one wide product and its equal parts. */
static int gates(maker *m, int operand)
{
    int parts = 2 + random_below(m->r, 3);
    int64_t width = some_width(m->p, m->r);
    int all = product(m, operand, parts * width), k = all;
    for (int i = 0; i < parts && line_at(m, all)->width == parts * width; i++) {
        k = add_line(m, (program_line){ .kind = LINE_SLICE,
                                        .in = { all },
                                        .param = NO_PARAM,
                                        .bias = NO_PARAM,
                                        .degree = line_at(m, all)->degree,
                                        .width = width,
                                        .begin = i * width });
        k = random_chance(m->r, 60) ? unary(m, i % 2 ? LINE_TANH : LINE_SIGMOID, k) : k;
    }
    return k;
}

static int inner_loop(maker *m)
{
    int a = some_value(m), b = value_of_width(m, line_at(m, a)->width);
    int64_t width = line_at(m, a)->width;
    int W = find_param(m->p, m->r, 2 * width, width);
    if (line_at(m, b)->width != width || W == NO_PARAM) {
        return a;
    }
    return add_line(m, (program_line){ .kind = LINE_INNER_LOOP,
                                       .in = { a, b },
                                       .param = W,
                                       .bias = NO_PARAM,
                                       .width = width });
}

static void some_line(maker *m)
{
    int choice = random_below(m->r, 100);
    if (choice < 14) {
        product(m, join(m), some_width(m->p, m->r));
    } else if (choice < 20) {
        gates(m, random_chance(m->r, 60) ? join(m) : some_value(m));
    } else if (choice < 36) {
        product(m,
                random_chance(m->r, 50) ? random_below(m->r, 1 + m->cell->states) : some_value(m),
                some_width(m->p, m->r));
    } else if (choice < 62) {
        some_unary(m);
    } else if (choice < 84) {
        binary(m);
    } else if (choice < 92) {
        ternary(m);
    } else if (choice < 98) {
        slice(m);
    } else {
        inner_loop(m);
    }
}

/* ---- cells ----------------------------------------------------------------------------------- */

static void add_sources(maker *m, int64_t x_width)
{
    program_cell *cell = m->cell;
    program_line plain = { .param = NO_PARAM, .bias = NO_PARAM };
    plain.kind = LINE_INPUT;
    plain.width = x_width;
    add_line(m, plain);
    cell->states = random_chance(m->r, 8) ? 0 : 1 + random_below(m->r, MOST_CELL_STATES);
    for (int k = 0; k < cell->states; k++) {
        plain.kind = LINE_STATE;
        plain.begin = k;
        plain.degree = 1;
        plain.width =
            k > 0 && random_chance(m->r, 60) ? cell->line[k].width : some_width(m->p, m->r);
        add_line(m, plain);
    }
    for (int k = random_below(m->r, 3); k > 0; k--) {
        int64_t width = some_width(m->p, m->r);
        int param = find_param(m->p, m->r, random_chance(m->r, 50) ? m->p->batch : 0, width);
        if (param != NO_PARAM) {
            add_line(m, (program_line){ .kind = LINE_CONSTANT,
                                        .param = param,
                                        .bias = NO_PARAM,
                                        .width = width,
                                        .number = random_below(m->r, 2) });
        }
    }
}

/* [width] vectors are no matrices: only `add` and the like may read them; they become values of the
 * cell by being added to one, so a constant is expanded to [batch, width] when recorded. */
static int next_state(maker *m, int k)
{
    int64_t width = m->cell->line[1 + k].width;
    int value = value_of_width(m, width);
    for (int tries = 0; tries < 3 && line_at(m, value)->kind == LINE_STATE; tries++) {
        value = value_of_width(m, width);
    }
    if (line_at(m, value)->width != width) {
        return 1 + k;
    }
    bool squash = line_at(m, value)->degree > 1 || random_chance(m->r, 40);
    return squash ? unary(m, LINE_TANH, value) : value;
}

static void make_cell(maker *m, int64_t x_width)
{
    add_sources(m, x_width);
    int wanted = m->cell->lines + 3 + random_below(m->r, 13);
    if (m->cell->states && random_chance(m->r, 70)) {
        product(m, random_chance(m->r, 60) ? join(m) : 1, some_width(m->p, m->r));
    }
    wanted = wanted < MOST_LINES - 8 ? wanted : MOST_LINES - 8;
    for (int tries = 0; tries < 40 && m->cell->lines < wanted; tries++) {
        some_line(m);
    }
    for (int k = 0; k < m->cell->states; k++) {
        m->cell->next[k] = next_state(m, k);
    }
    int states = m->cell->states;
    m->cell->output = states && random_chance(m->r, 50) ? m->cell->next[random_below(m->r, states)]
                                                        : some_value(m);
}

/* ---- loops ----------------------------------------------------------------------------------- */

static loop_source some_source(random_source *r, bool first)
{
    int choice = random_below(r, 100);
    if (!first && choice < 60) {
        return X_LOOP;
    }
    return choice < 75 ? X_PARAM : choice < 88 ? X_DATA : choice < 95 ? X_EMBEDDING : X_LEAVES;
}

static void make_loop(program *p, random_source *r, program_loop *loop, const program_loop *before,
                      int most_steps)
{
    int style = random_below(r, 10);
    loop->style = style < 5 ? BY_UNROLL : style < 9 ? BY_MARKED_LOOP : BY_PLAIN_LOOP;
    loop->source = some_source(r, before == NULL);
    int fewest = random_chance(r, 75) ? 4 : 1;
    loop->steps =
        loop->source == X_LOOP ? before->steps : fewest + random_below(r, most_steps + 1 - fewest);
    loop->width =
        loop->source == X_LOOP ? before->cell.line[before->cell.output].width : some_width(p, r);
    if (loop->source == X_LEAVES && loop->style == BY_UNROLL) {
        loop->style = BY_MARKED_LOOP;
    }
    loop->x_param = NO_PARAM;
    if (loop->source == X_PARAM && p->params < MOST_PARAMS) {
        loop->x_param = new_param(p, p->batch, loop->width, loop->steps);
    } else if (loop->source == X_PARAM) {
        loop->source = X_DATA;
    } else if (loop->source == X_EMBEDDING) {
        loop->x_param = find_param(p, r, 7, loop->width);
        loop->source = loop->x_param == NO_PARAM ? X_DATA : X_EMBEDDING;
    }
    maker m = { p, r, &loop->cell };
    make_cell(&m, loop->width);
    for (int k = 0; k < MOST_CELL_STATES; k++) {
        bool given = k < loop->cell.states && random_chance(r, 40);
        loop->initial[k] =
            given ? find_param(p, r, p->batch, loop->cell.line[1 + k].width) : NO_PARAM;
    }
    loop->order = random_chance(r, 60) ? IN_ORDER : (loop_order)random_below(r, 5);
    loop->lag = random_chance(r, 70) ? LAG_ONE : (loop_lag)random_below(r, 3);
    loop->odd = random_chance(r, 75) ? SAME_WEIGHTS : (odd_weights)random_below(r, 3);
    bool sums = random_chance(r, 25);
    loop->sum_a = sums ? random_below(r, loop->cell.lines) : -1;
    loop->sum_b = sums ? random_below(r, loop->cell.lines) : -1;
    loop->lengths = random_chance(r, 25);
    loop->resets = random_chance(r, 12);
    loop->reverse = random_chance(r, 25);
    loop->all_states = random_chance(r, 20);
    loop->first_mark = random_chance(r, 70) ? 0 : random_below(r, 9) - 4;
    loop->odd_step = random_chance(r, 20) ? random_below(r, (int)loop->steps) : -1;
    loop->captured = random_chance(r, 60) ? random_below(r, loop->cell.lines) : -1;
    loop->captured_step = random_below(r, (int)loop->steps);
}

/* ---- the whole ------------------------------------------------------------------------------- */

static program_term some_term(program *p, random_source *r)
{
    program_term term = { .kind = (term_kind)random_below(r, TERM_KINDS), .param = NO_PARAM };
    term.loop = random_chance(r, 50) ? p->loops - 1 : random_below(r, p->loops);
    const program_loop *loop = &p->loop[term.loop];
    term.number = random_below(r, (int)loop->steps);
    if (term.kind == TERM_DENSE) {
        term.param =
            find_param(p, r, loop->cell.line[loop->cell.output].width, some_width(p, r) + 1);
    } else if (term.kind == TERM_PARAM) {
        term.param = random_below(r, p->params);
    } else if (term.kind == TERM_FINAL || term.kind == TERM_STATES) {
        term.number = random_below(r, loop->cell.states);
    }
    return term;
}

void program_make(program *p, uint64_t seed)
{
    memset(p, 0, sizeof *p);
    p->seed = seed;
    random_source source = { seed * 0x2545f4914f6cdd1du + 1 }, *r = &source;
    int choice = random_below(r, 100);
    p->derivative = choice < 40   ? BY_BACKWARD
                    : choice < 50 ? BY_BACKWARD_TWICE
                    : choice < 68 ? BY_GRADIENTS
                    : choice < 83 ? BY_PENALTY
                    : choice < 88 ? BY_HVP
                    : choice < 93 ? BY_JVP
                                  : NO_DERIVATIVE;
    bool second = p->derivative >= BY_PENALTY && p->derivative <= BY_JVP;
    p->large = random_chance(r, 4);
    p->batch = 1 + random_below(r, p->large ? 20 : 4);
    p->loops = 1 + (random_chance(r, 40) ? 1 : 0) + (random_chance(r, 10) ? 1 : 0);
    for (int k = 0; k < p->loops; k++) {
        make_loop(p, r, &p->loop[k], k ? &p->loop[k - 1] : NULL, second ? 7 : 12);
    }
    p->terms = 1 + random_below(r, 5);
    p->term[0] = (program_term){ .kind = TERM_OUTPUTS, .loop = p->loops - 1, .param = NO_PARAM };
    for (int k = random_chance(r, 60) ? 1 : 0; k < p->terms; k++) {
        p->term[k] = some_term(p, r);
    }
    p->wanted = p->params ? 1 + random_below(r, p->params) : 0;
    p->early = random_chance(r, 40) ? random_word(r) & random_word(r) & random_word(r) : 0;
    p->before = random_chance(r, 60) ? random_word(r) & random_word(r) : 0;
    p->read_first = random_below(r, 8);
    p->read_downwards = random_chance(r, 50);
    p->kept = random_chance(r, 40) ? random_word(r) & random_word(r) : 0;
    bool rewrites = p->loops > 1 && p->params && p->derivative == NO_DERIVATIVE;
    p->rewritten = rewrites && random_chance(r, 60) ? random_below(r, p->params) : NO_PARAM;
    p->written = p->params && random_chance(r, 40) ? random_below(r, p->params) : NO_PARAM;
}

/* generator.h: random programs for testing the planner. A seed makes a program: parameters, loops
 * over generated cells, a loss that reads here and there, a kind of derivative, and what is read
 * before and after it. The same program runs on any tape and on any data; what it read is a list of
 * named numbers that two tapes must agree on.
 *
 *     program p;
 *     program_make(&p, seed);
 *     results on_one = program_run(&p, one_tape, data_seed), on_other = …;
 *     results_difference(&on_one, &on_other, where);
 *     program_print(&p, stderr);          // readable; to shrink, edit the struct before running
 */
#ifndef REEL_TEST_GENERATOR_H
#define REEL_TEST_GENERATOR_H

#include <stdio.h>

#include "graph/graph.h"

/* ---- random numbers (splitmix64, Steele et al. 2014) ----------------------------------------- */

typedef struct {
    uint64_t state;
} random_source;
uint64_t random_word(random_source *);
int random_below(random_source *, int n); /* 0 … n - 1 */
bool random_chance(random_source *, int percent);
double random_real(random_source *, double lo, double hi);

/* ---- programs -------------------------------------------------------------------------------- */

#define MOST_PARAMS 24
#define MOST_LINES 40
#define MOST_CELL_STATES 3
#define MOST_LOOPS 3
#define MOST_TERMS 10
#define NO_PARAM (-1)

/* name, how many earlier values it takes */
#define LINE_TABLE(X)                                                                              \
    X(INPUT, "x", 0)                                                                               \
    X(STATE, "state", 0)                                                                           \
    X(CONSTANT, "constant", 0) /* a parameter, or made from one before the loop */                 \
    X(MATMUL, "matmul", 1)                                                                         \
    X(MATMUL_TRANSPOSED, "matmul_transposed", 1)                                                   \
    X(AFFINE, "affine", 1)                                                                         \
    X(OUTER, "matmul_outer", 3) /* a·(bᵀ·c): no parameter in it */                             \
    X(CONCAT, "concat", 2)                                                                         \
    X(CONCAT_THREE, "concat_three", 3)                                                             \
    X(SLICE, "slice", 1)                                                                           \
    X(ADD, "add", 2)                                                                               \
    X(SUB, "sub", 2)                                                                               \
    X(MUL, "mul", 2)                                                                               \
    X(MAXIMUM, "maximum", 2)                                                                       \
    X(BLEND, "blend", 3)           /* σ(a)∘b + (1 - σ(a))∘c */                               \
    X(WHERE_LESS, "where_less", 3) /* b where a < 0.1234567, else c: a and b could tie */          \
    X(TANH, "tanh", 1)                                                                             \
    X(SIGMOID, "sigmoid", 1)                                                                       \
    X(RELU, "relu", 1)                                                                             \
    X(SOFTPLUS, "softplus", 1)                                                                     \
    X(SIN, "sin", 1)                                                                               \
    X(SQUARE, "square", 1)                                                                         \
    X(EXP, "exp", 1)                                                                               \
    X(SCALE, "scale", 1)                                                                           \
    X(SOFTMAX, "softmax", 1)                                                                       \
    X(LAYER_NORM, "layer_norm", 1)                                                                 \
    X(SUM_KEEP, "sum_keep", 1)                                                                     \
    X(FLIP, "flip", 1)                                                                             \
    X(STOP_GRADIENT, "stop_gradient", 1)                                                           \
    X(DROPOUT, "dropout", 1)                                                                       \
    X(CHECKPOINT, "checkpoint", 1)                                                                 \
    X(INNER_LOOP, "inner_loop", 2) /* a little recurrent network over a, b, a, b */

typedef enum {
#define LINE_ENUM(kind, name, inputs) LINE_##kind,
    LINE_TABLE(LINE_ENUM)
#undef LINE_ENUM
        LINE_KINDS
} line_kind;

/* One value of a cell, [batch, width], made from earlier ones. */
typedef struct {
    line_kind kind;
    int in[3];            /* numbers of earlier lines */
    int param, bias;      /* into program.param, or NO_PARAM */
    int64_t width, begin; /* begin: of a slice; the number of a state */
    double number;        /* factor, probability */
    int degree;           /* how fast the value may grow with the states; kept small */
} program_line;

typedef struct {
    int lines, states;
    program_line line[MOST_LINES];
    int next[MOST_CELL_STATES], output;
} program_cell;

typedef enum { BY_UNROLL, BY_MARKED_LOOP, BY_PLAIN_LOOP } loop_style;
typedef enum { X_PARAM, X_DATA, X_EMBEDDING, X_LOOP, X_LEAVES } loop_source;

/* What keeps a loop written by hand from being one body T times. */
typedef enum { IN_ORDER, ONE_LATER, EACH_TWICE, SHUFFLED, FROM_TWO_TENSORS } loop_order;
typedef enum { LAG_ONE, LAG_TWO, LAG_RANDOM } loop_lag;
typedef enum { SAME_WEIGHTS, TRANSPOSED_WEIGHTS, OTHER_WEIGHTS } odd_weights;

typedef struct {
    loop_style style;
    loop_source source; /* X_LOOP: the outputs of the loop before; X_LEAVES: one leaf a step */
    int64_t steps, width;
    int64_t first_mark; /* number of the first step of a marked loop */
    loop_order order;   /* of a loop by hand: which step of x each step reads */
    loop_lag lag;       /* how many steps ago the state was made that a step reads */
    odd_weights odd;    /* what products of odd steps do */
    int sum_a, sum_b;   /* lines; Σ aᵀ·b is carried through the loop; or -1 */
    int odd_step;       /* at this step something is added to state 0; -1: none */
    int x_param, initial[MOST_CELL_STATES]; /* parameters, or NO_PARAM */
    bool lengths, resets, reverse, all_states;
    int captured, captured_step; /* a line of the cell that is used outside, at one step; or -1 */
    program_cell cell;
} program_loop;

/* What a loss adds up. */
typedef enum {
    TERM_OUTPUTS,  /* mean of squares of all outputs */
    TERM_DENSE,    /* outputs·W, softmax over the classes */
    TERM_STEP,     /* one step of the outputs */
    TERM_SLICE,    /* some steps of the outputs */
    TERM_FINAL,    /* the final state `number` */
    TERM_STATES,   /* all states, or else as TERM_FINAL */
    TERM_CAPTURED, /* the captured value */
    TERM_SUM,      /* the carried sum */
    TERM_SUM_STEP, /* the same after the step `number` */
    TERM_PARAM,    /* a parameter that the loops read, too */
    TERM_KINDS
} term_kind;
typedef struct {
    term_kind kind;
    int loop, number, param;
} program_term;

typedef enum {
    BY_BACKWARD,
    BY_BACKWARD_TWICE, /* two losses one after the other */
    BY_GRADIENTS,      /* in some parameters and captured values */
    BY_PENALTY,        /* backward of loss + squares of gradients: second order */
    BY_HVP,
    BY_JVP,
    NO_DERIVATIVE,
    DERIVATIVE_KINDS
} derivative_kind;

typedef struct {
    uint64_t seed;
    int64_t batch;
    bool large;
    int params;
    struct {
        int64_t rows, columns; /* rows 0: a vector */
        int64_t steps;         /* > 0: [steps, rows, columns] */
    } param[MOST_PARAMS];
    int loops, terms;
    program_loop loop[MOST_LOOPS];
    program_term term[MOST_TERMS];
    derivative_kind derivative;
    int wanted;             /* of BY_GRADIENTS and so on: this many parameters from the front */
    uint64_t early, before; /* bit k: watched value k is read at once; before the derivative */
    uint64_t kept;          /* bit k: reel_keep */
    int read_first;         /* the last round of reads begins here, and goes … */
    bool read_downwards;    /* … down */
    int rewritten;          /* a parameter that changes between the first loop and the second */
    int written;            /* a parameter that changes at the end; what was kept is read again */
} program;

void program_make(program *, uint64_t seed);
void program_print(const program *, FILE *);

/* ---- running (program.c) --------------------------------------------------------------------- */

#define LABEL_SIZE 40
typedef struct {
    char label[LABEL_SIZE];
    size_t n;
    double *numbers;
    reel_status status; /* of the call that read them */
} result;

typedef struct {
    size_t count, capacity;
    result *list;
    char error[512]; /* of the tape, when it is over; "" if all went well */
} results;

/* Rewinds the tape, makes the parameters on the first call, records, differentiates and reads. */
results program_run(const program *, reel_tape *, uint64_t data_seed);

/* ---- results (results.c) --------------------------------------------------------------------- */

/* Room for n numbers at the end of the list. */
result *results_add(results *, const char *label, size_t n);
void results_free(results *);

/* The largest difference in any named value, relative to the largest number in it (or 1e-4 where
 * that is less); infinity where names, counts or errors differ. `where` gets the label and both
 * numbers. */
#define WHERE_SIZE 1400
double results_difference(const results *, const results *, char where[WHERE_SIZE]);

#endif

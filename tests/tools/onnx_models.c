/* onnx_models.c: what bench/onnx_check.py compares with ONNX Runtime.
 *
 *     onnx_models samples DIR          every good sample of every op, exported
 *     onnx_models draw DIR COUNT SEED  models drawn at random, some with their gradients, exported
 *     onnx_models loops DIR COUNT SEED  the same with their loops as Scan
 *     onnx_models stacks DIR COUNT SEED  stacks of cells as the operators RNN, LSTM and GRU
 *     onnx_models run MODEL.onnx [f64]  imports a model, runs it on MODEL.in, prints the outputs
 *
 * support/onnx_case.h has the format. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "io/onnx.h"
#include "layers/layers.h"
#include "ops/ops.h"
#include "support/onnx_case.h"
#include "support/sample.h"

static bool check(reel_tape *t, const char *what)
{
    if (reel_tape_status(t) != REEL_OK) {
        fprintf(stderr, "%s: %s\n", what, reel_tape_error(t));
        return false;
    }
    return true;
}

/* ---- samples --------------------------------------------------------------------------------- */

static void write_sample(const char *directory, const reel_op *op, const reel_sample *sample,
                         int number)
{
    reel_tape *t = reel_tape_new((reel_tape_options){ .threads = 1 });
    reel_var x[REEL_SAMPLE_INPUTS];
    for (int i = 0; i < sample->inputs; i++) {
        x[i] = sample_input(t, op, sample, i, SAMPLE_PLAIN);
    }
    reel_var y = sample->inputs ? reel_record(op, sample->inputs, x, sample->attributes)
                                : reel_record_on(t, op, sample->attributes);
    char name[128];
    snprintf(name, sizeof name, "%s_%d", op->name, number);
    onnx_case_write(directory, name, sample->inputs, x, 1, &y, (reel_onnx_options){ 0 });
    reel_tape_free(t);
}

static void write_samples(const char *directory)
{
    for (const reel_op *const *op = reel_ops(); *op; op++) {
        for (int i = 0; i < sample_count(*op); i++) {
            if ((*op)->samples[i].fails == NULL && !(*op)->random) {
                write_sample(directory, *op, &(*op)->samples[i], i);
            }
        }
    }
}

/* ---- models drawn at random ------------------------------------------------------------------ */

static uint64_t state;
static int64_t draw(int64_t lo, int64_t hi) /* both included */
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return lo + (int64_t)((state >> 33) % (uint64_t)(hi - lo + 1));
}

static reel_var random_input(reel_tape *t, reel_shape shape)
{
    size_t n = (size_t)reel_shape_size(shape);
    float *values = malloc((n + 1) * sizeof *values);
    for (size_t i = 0; i < n; i++) {
        values[i] = (float)draw(-2000, 2000) / 1000;
    }
    reel_var x = reel_input(t, shape, values);
    free(values);
    return x;
}

static reel_cell draw_cell(reel_tape *t, const char *name, int64_t in, int64_t hidden)
{
    switch (draw(0, 2)) {
    case 0:
        return reel_rnn(t, name, in, hidden,
                        (reel_rnn_options){ .activation = draw(0, 1) ? REEL_RELU : REEL_TANH });
    case 1:
        return reel_gru(t, name, in, hidden, (reel_gru_options){ .reset_after = draw(0, 1) });
    default:
        return reel_lstm(t, name, in, hidden,
                         (reel_lstm_options){ .peephole = draw(0, 1),
                                              .layer_norm = draw(0, 3) == 0,
                                              .projection = draw(0, 1) ? draw(1, 4) : 0 });
    }
}

enum { MOST_STEPS = 12 };

/* Of up to so many steps. */
static void draw_network(const char *directory, int number, int64_t most, reel_onnx_options to)
{
    reel_tape *t = reel_tape_new((reel_tape_options){ .seed = (uint64_t)number, .threads = 1 });
    int64_t steps = draw(1, most), batch = draw(1, 4), in = draw(1, 6), out = draw(2, 5);
    int32_t lengths[4], targets[4 * MOST_STEPS];
    for (int i = 0; i < 4; i++) {
        lengths[i] = (int32_t)draw(0, steps);
    }
    for (int i = 0; i < 4 * most; i++) {
        targets[i] = (int32_t)draw(0, out - 1);
    }
    reel_var x[2] = { random_input(t, REEL_SHAPE(steps, batch, in)),
                      reel_indices(t, REEL_SHAPE(steps, batch), targets) };
    reel_var h = x[0];
    for (int64_t layer = 0, layers = draw(1, 2); layer < layers; layer++) {
        char name[16];
        snprintf(name, sizeof name, "cell%d", (int)layer);
        reel_shape shape = reel_shape_of(h);
        reel_unroll_options options = { .lengths = draw(0, 1) ? lengths : NULL,
                                        .reverse = draw(0, 1) };
        h = reel_unroll(draw_cell(t, name, shape.dim[2], draw(1, 7)), h, options).outputs;
    }
    reel_layer dense =
        reel_dense(t, "out", reel_shape_of(h).dim[2], out, (reel_dense_options){ 0 });
    reel_var logits = reel_apply(dense, h);
    reel_var y[4] = { reel_softmax(logits, -1), reel_cross_entropy(logits, x[1]) };
    reel_var with[2] = { x[0], reel_find_param(t, "out.W") };
    reel_gradients(y[1], 2, with, y + 2);
    char name[32];
    snprintf(name, sizeof name, "model_%d", number);
    onnx_case_write(directory, name, 2, x, 4, y, to);
    reel_tape_free(t);
}

static void draw_model(const char *directory, int number)
{
    draw_network(directory, number, MOST_STEPS / 2, (reel_onnx_options){ 0 });
}

static void draw_loop(const char *directory, int number)
{
    draw_network(directory, number, MOST_STEPS, (reel_onnx_options){ .loops = REEL_ONNX_SCAN });
}

/* ---- import ---------------------------------------------------------------------------------- */

static reel_var read_tensor(reel_tape *t, FILE *in, const char *wanted)
{
    char name[256], kind;
    reel_shape shape = { 0 };
    rewind(in);
    while (fscanf(in, "%255s %c %d", name, &kind, &shape.rank) == 3) {
        for (int i = 0; i < shape.rank; i++) {
            if (fscanf(in, "%" SCNd64, &shape.dim[i]) != 1) {
                exit(1);
            }
        }
        size_t n = (size_t)reel_shape_size(shape);
        double *numbers = malloc((n + 1) * sizeof *numbers);
        int32_t *indices = malloc((n + 1) * sizeof *indices);
        for (size_t i = 0; i < n && fscanf(in, "%lf", &numbers[i]) == 1; i++) {
            indices[i] = kind == 'i' ? (int32_t)numbers[i] : 0;
        }
        reel_var v = { t, 0 };
        if (strcmp(name, wanted) == 0) {
            v = kind == 'i' ? reel_indices(t, shape, indices) : reel_input_f64(t, shape, numbers);
        }
        free(numbers);
        free(indices);
        if (v.id) {
            return v;
        }
    }
    fprintf(stderr, "no numbers for the input %s\n", wanted);
    exit(1);
}

static bool run_model(const char *path, reel_dtype dtype)
{
    char beside[1024];
    snprintf(beside, sizeof beside, "%.*s.in", (int)(strlen(path) - strlen(".onnx")), path);
    FILE *in = fopen(beside, "r");
    reel_tape *t = reel_tape_new((reel_tape_options){ .dtype = dtype, .threads = 1 });
    reel_onnx *model = reel_onnx_load(t, path, (reel_onnx_load_options){ 0 });
    reel_var x[MOST_PORTS], y[MOST_PORTS];
    int inputs = reel_onnx_input_count(model), outputs = reel_onnx_output_count(model);
    for (int i = 0; in && i < inputs && i < MOST_PORTS; i++) {
        x[i] = read_tensor(t, in, reel_onnx_input_name(model, i));
    }
    reel_onnx_run(model, inputs, x, outputs, y);
    for (int i = 0; reel_tape_status(t) == REEL_OK && i < outputs; i++) {
        onnx_case_print(stdout, reel_onnx_output_name(model, i), y[i]);
    }
    bool fine = check(t, path);
    reel_onnx_free(model);
    reel_tape_free(t);
    if (in) {
        fclose(in);
    }
    return fine;
}

/* ---- stacks of standard operators ------------------------------------------------------------ */

static reel_cell stack_cell(reel_tape *t, const char *type, const char *name, int64_t in,
                            int64_t hidden, bool variant)
{
    if (strcmp(type, "RNN") == 0) {
        return reel_rnn(t, name, in, hidden,
                        (reel_rnn_options){ .activation = variant ? REEL_RELU : REEL_TANH });
    }
    if (strcmp(type, "GRU") == 0) {
        return reel_gru(t, name, in, hidden, (reel_gru_options){ .reset_after = variant });
    }
    return reel_lstm(t, name, in, hidden, (reel_lstm_options){ .peephole = variant });
}

/* Biases and peepholes that start at zero would hide their order. */
static void stir_parameters(reel_tape *t)
{
    for (size_t i = 0; i < reel_param_count(t); i++) {
        reel_var v = reel_param_at(t, i);
        size_t n = (size_t)reel_shape_size(reel_shape_of(v));
        float *values = malloc((n + 1) * sizeof *values);
        for (size_t k = 0; k < n; k++) {
            values[k] = (float)draw(-1000, 1000) / 1200;
        }
        reel_write_param(v, values, n);
        free(values);
    }
}

typedef struct {
    int n;
    reel_onnx_layer layer[3];
    reel_cell cell[3][2];
    reel_layer out;
} drawn_stack;

static void draw_layers(reel_tape *t, drawn_stack *s, int64_t in)
{
    static const char *const types[] = { "RNN", "LSTM", "GRU" };
    static const char *const names[][2] = { { "a", "a_reverse" },
                                            { "b", "b_reverse" },
                                            { "c", "c_reverse" } };
    s->n = (int)draw(1, 3);
    for (int i = 0; i < s->n; i++) {
        bool variant = draw(0, 1), both = draw(0, 1);
        int64_t hidden = draw(1, 6);
        const char *type = types[draw(0, 2)];
        s->layer[i] = (reel_onnx_layer){ .type = type, .forward = names[i][0] };
        s->layer[i].activation = strcmp(type, "RNN") == 0 && variant ? "Relu" : NULL;
        s->layer[i].reverse = both ? names[i][1] : NULL;
        for (int d = 0; d <= both; d++) {
            s->cell[i][d] = stack_cell(t, type, names[i][d], in, hidden, variant);
        }
        in = hidden * (1 + both);
    }
    s->out = reel_dense(t, "out", in, 3, (reel_dense_options){ 0 });
    stir_parameters(t);
}

static void draw_stack(const char *directory, int number)
{
    int64_t steps = draw(1, 6), batch = draw(1, 4), in = draw(1, 5);
    reel_tape *t = reel_tape_new((reel_tape_options){ .seed = 1, .threads = 1 });
    drawn_stack s;
    int32_t lengths[4];
    char path[1024], name[32];
    draw_layers(t, &s, in);
    for (int64_t i = 0; i < batch; i++) {
        lengths[i] = (int32_t)draw(1, steps);
    }
    reel_var x = random_input(t, REEL_SHAPE(steps, batch, in)), h = x;
    for (int i = 0; i < s.n; i++) {
        reel_var way[2];
        int ways = s.layer[i].reverse ? 2 : 1;
        for (int d = 0; d < ways; d++) {
            reel_unroll_options options = { .lengths = lengths, .reverse = d };
            way[d] = reel_unroll(s.cell[i][d], h, options).outputs;
        }
        h = reel_concat_n(-1, ways, way);
    }
    snprintf(name, sizeof name, "stack_%d", number);
    snprintf(path, sizeof path, "%s/%s.onnx", directory, name);
    reel_onnx_export_layers(t, s.n, s.layer, "out", path);
    FILE *file = onnx_case_open(directory, name, ".in", "w");
    onnx_case_print(file, "x", x);
    onnx_case_print(file, "lengths", reel_indices(t, REEL_SHAPE(batch), lengths));
    fclose(file);
    file = onnx_case_open(directory, name, ".out", "w");
    onnx_case_print(file, "y", reel_apply(s.out, h));
    fclose(file);
    if (check(t, name)) {
        printf("%s\n", name);
    }
    reel_tape_free(t);
}

typedef void (*drawer)(const char *directory, int number);

static drawer drawer_of(const char *word)
{
    static const struct {
        const char *word;
        drawer draw;
    } all[] = { { "draw", draw_model }, { "loops", draw_loop }, { "stacks", draw_stack } };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (strcmp(all[i].word, word) == 0) {
            return all[i].draw;
        }
    }
    return NULL;
}

int main(int count, char **words)
{
    drawer draw_one = count == 5 ? drawer_of(words[1]) : NULL;
    if (count == 3 && strcmp(words[1], "samples") == 0) {
        write_samples(words[2]);
    } else if (draw_one) {
        state = strtoull(words[4], NULL, 10);
        for (int i = 0; i < atoi(words[3]); i++) {
            draw_one(words[2], i);
        }
    } else if (count >= 3 && strcmp(words[1], "run") == 0) {
        return !run_model(words[2], count > 3 ? REEL_F64 : REEL_F32);
    } else {
        fprintf(stderr, "usage: onnx_models samples DIR | draw|loops|stacks DIR COUNT SEED | "
                        "run MODEL.onnx [f64]\n");
        return 2;
    }
    return 0;
}

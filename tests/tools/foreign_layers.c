/* foreign_layers.c: layers of other frameworks in reel, for bench/foreign_check.py. Each line of
 * the input is a job of fields KEY=VALUE:
 *
 *     way       import: weights are read; export: they are made up and written
 *     framework pytorch or keras          kind      "LSTM", …
 *     in hidden layers bidirectional projection reset_after relu heads f64      numbers
 *     files     names in the file of layer 0, its backward direction, layer 1, …, by commas
 *     weights x y   paths: of the weights, the input (array x), and the output (array y)
 *
 * and is answered by a line "ok", or the error. */
#include <math.h>
#include <reel.h>
#include <stdlib.h>
#include <string.h>

enum { LINE = 4096, MOST_CELLS = 16, NAME = 64 };

typedef struct {
    char line[LINE];
    reel_tape *tape;
    reel_foreign_layer rows[MOST_CELLS + 1];
    char names[MOST_CELLS][NAME], files[LINE];
    int count; /* of rows */
    bool keras;
} job;

/* ---- the job's fields ---------------------------------------------------------------------- */

static void text_of(const job *j, const char *key, char out[LINE])
{
    char wanted[NAME];
    snprintf(wanted, sizeof wanted, " %s=", key);
    const char *at = strstr(j->line, wanted);
    snprintf(out, LINE, "%.*s", at ? (int)strcspn(at + strlen(wanted), " \n") : 0,
             at ? at + strlen(wanted) : "");
}

static int64_t number_of(const job *j, const char *key)
{
    char text[LINE];
    text_of(j, key, text);
    return atoll(text);
}

static bool field_is(const job *j, const char *key, const char *value)
{
    char text[LINE];
    text_of(j, key, text);
    return strcmp(text, value) == 0;
}

/* The next row, with a name of its own on the tape. */
static const char *add_row(job *j, int layer, bool reverse)
{
    static char kind[LINE];
    text_of(j, "kind", kind);
    char *name = j->names[j->count];
    snprintf(name, NAME, "layer%d.%s", layer, reverse ? "backward" : "forward");
    const char *file = j->files;
    for (int i = 0; i < j->count; i++) {
        file += strlen(file) + 1;
    }
    j->rows[j->count++] = (reel_foreign_layer){ .kind = kind,
                                                .tape = name,
                                                .file = file,
                                                .layer = j->keras ? 0 : layer,
                                                .reverse = !j->keras && reverse,
                                                .heads = number_of(j, "heads") };
    return name;
}

/* ---- layers -------------------------------------------------------------------------------- */

static bool starts(const job *j, const char *with)
{
    char kind[LINE];
    text_of(j, "kind", kind);
    return strncmp(kind, with, strlen(with)) == 0;
}

static reel_cell make_cell(const job *j, const char *name, int64_t in)
{
    int64_t hidden = number_of(j, "hidden");
    if (starts(j, "LSTM")) {
        reel_lstm_options options = { .projection = number_of(j, "projection") };
        return reel_lstm(j->tape, name, in, hidden, options);
    }
    if (starts(j, "GRU")) {
        reel_gru_options options = { .reset_after = number_of(j, "reset_after") != 0 };
        return reel_gru(j->tape, name, in, hidden, options);
    }
    reel_activation activation = number_of(j, "relu") ? REEL_RELU : REEL_TANH;
    return reel_rnn(j->tape, name, in, hidden, (reel_rnn_options){ .activation = activation });
}

typedef struct {
    reel_cell cells[MOST_CELLS];
    reel_layer layer;
} network;

static void make_cells(job *j, network *n)
{
    int64_t in = number_of(j, "in"), layers = number_of(j, "layers");
    int64_t directions = number_of(j, "bidirectional") + 1, width = number_of(j, "projection");
    width = width ? width : number_of(j, "hidden");
    for (int layer = 0; layer < layers; layer++) {
        for (int direction = 0; direction < directions; direction++) {
            int at = j->count;
            n->cells[at] = make_cell(j, add_row(j, layer, direction), in);
        }
        in = width * directions;
    }
}

static reel_var run_cells(const job *j, const network *n, reel_var x)
{
    int64_t layers = number_of(j, "layers"), directions = number_of(j, "bidirectional") + 1;
    for (int64_t layer = 0; layer < layers; layer++) {
        const reel_cell *cells = &n->cells[layer * directions];
        reel_var forward = reel_unroll(cells[0], x, (reel_unroll_options){ 0 }).outputs;
        if (directions == 2) {
            reel_unroll_options reverse = { .reverse = true };
            reel_var backward = reel_unroll(cells[1], x, reverse).outputs;
            forward = reel_concat(-1, forward, backward);
        }
        x = forward;
    }
    return x;
}

static reel_var param_of(const job *j, const char *part)
{
    char name[2 * NAME];
    snprintf(name, sizeof name, "%s.%s", j->names[0], part);
    return reel_find_param(j->tape, name);
}

static void make_param(const job *j, const char *part, reel_shape shape)
{
    char name[2 * NAME];
    snprintf(name, sizeof name, "%s.%s", j->names[0], part);
    reel_param(j->tape, name, shape, reel_zeros());
}

static void make_norm(job *j)
{
    add_row(j, 0, false);
    make_param(j, "gain", REEL_SHAPE(number_of(j, "in")));
    make_param(j, "bias", REEL_SHAPE(number_of(j, "in")));
}

static void make_attention(job *j)
{
    static const char *const W[] = { "W_q", "W_k", "W_v", "W_o" },
                             *b[] = { "b_q", "b_k", "b_v", "b_o" };
    int64_t width = number_of(j, "in");
    add_row(j, 0, false);
    for (int i = 0; i < 4; i++) {
        make_param(j, W[i], REEL_SHAPE(width, width));
        make_param(j, b[i], REEL_SHAPE(width));
    }
}

/* Self-attention of x [steps, batch, width], as written in Vaswani et al. 2017. */
static reel_var attend(const job *j, reel_var x)
{
    int64_t heads = number_of(j, "heads"), size = number_of(j, "in") / heads;
    reel_var q = reel_affine(x, param_of(j, "W_q"), param_of(j, "b_q"));
    reel_var k = reel_affine(x, param_of(j, "W_k"), param_of(j, "b_k"));
    reel_var v = reel_affine(x, param_of(j, "W_v"), param_of(j, "b_v"));
    reel_var all = { 0 };
    for (int64_t h = 0; h < heads; h++) {
        reel_var qh = reel_transpose(reel_slice(q, -1, h * size, (h + 1) * size), 0, 1);
        reel_var kh = reel_permute(reel_slice(k, -1, h * size, (h + 1) * size), 1, 2, 0);
        reel_var vh = reel_transpose(reel_slice(v, -1, h * size, (h + 1) * size), 0, 1);
        reel_var scores =
            reel_mul(reel_matmul(qh, kh), reel_scalar(j->tape, 1 / sqrt((double)size)));
        reel_var head = reel_transpose(reel_matmul(reel_softmax(scores, -1), vh), 0, 1);
        all = h ? reel_concat(-1, all, head) : head;
    }
    return reel_affine(all, param_of(j, "W_o"), param_of(j, "b_o"));
}

static void make(job *j, network *n)
{
    int64_t in = number_of(j, "in"), hidden = number_of(j, "hidden");
    if (starts(j, "Linear") || starts(j, "Dense")) {
        n->layer = reel_dense(j->tape, add_row(j, 0, false), in, hidden, (reel_dense_options){ 0 });
    } else if (starts(j, "Embedding")) {
        reel_embedding_options options = { 0 };
        n->layer = reel_embedding(j->tape, add_row(j, 0, false), in, hidden, options);
    } else if (starts(j, "Layer")) {
        make_norm(j);
    } else if (starts(j, "Multi")) {
        make_attention(j);
    } else {
        make_cells(j, n);
    }
}

static reel_var run(const job *j, const network *n, reel_archive *input)
{
    reel_array x;
    reel_archive_find(input, "x", &x);
    if (starts(j, "Embedding")) { /* int32 */
        return reel_apply(n->layer, reel_indices(j->tape, x.shape, x.data));
    }
    reel_var given = reel_input_array(j->tape, x);
    if (starts(j, "Layer")) {
        double epsilon = j->keras ? 1e-3 : 1e-5;
        return reel_layer_norm(given, param_of(j, "gain"), param_of(j, "bias"), epsilon);
    }
    if (starts(j, "Multi")) {
        return attend(j, given);
    }
    return n->layer.apply ? reel_apply(n->layer, given) : run_cells(j, n, given);
}

/* ---- a job --------------------------------------------------------------------------------- */

static void make_up(reel_tape *t)
{
    uint64_t state = 88172645463325252u;
    for (size_t i = 0; i < reel_param_count(t); i++) {
        reel_var p = reel_param_at(t, i);
        size_t count = (size_t)reel_shape_size(reel_shape_of(p));
        double *numbers = malloc((count + 1) * sizeof *numbers);
        for (size_t k = 0; k < count; k++) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            numbers[k] = (double)(state >> 11) * 0x1p-53 - 0.5;
        }
        reel_write_param_f64(p, numbers, count);
        free(numbers);
    }
}

static void write_output(const job *j, reel_var y)
{
    char path[LINE];
    size_t count = (size_t)reel_shape_size(reel_shape_of(y));
    double *numbers = malloc((count + 1) * sizeof *numbers);
    reel_archive *output = reel_archive_new((reel_archive_options){ 0 });
    text_of(j, "y", path);
    if (reel_read_f64(y, numbers, count) == REEL_OK) {
        reel_archive_lend(output, "y", (reel_array){ REEL_ARRAY_F64, reel_shape_of(y), numbers });
        reel_archive_write(output, path);
    }
    if (reel_archive_status(output) != REEL_OK) {
        printf("%s ", reel_archive_error(output));
    }
    reel_archive_free(output);
    free(numbers);
}

static void do_job(job *j)
{
    char weights[LINE], input[LINE];
    network n = { 0 };
    j->keras = field_is(j, "framework", "keras");
    j->tape = reel_tape_new(
        (reel_tape_options){ .dtype = number_of(j, "f64") ? REEL_F64 : REEL_F32, .threads = 1 });
    text_of(j, "files", j->files);
    for (char *comma = strchr(j->files, ','); comma; comma = strchr(comma + 1, ',')) {
        *comma = '\0';
    }
    text_of(j, "weights", weights);
    text_of(j, "x", input);
    make(j, &n);
    reel_foreign_options options = { .framework = j->keras ? REEL_KERAS : REEL_PYTORCH,
                                     .layers = j->rows };
    if (field_is(j, "way", "import")) {
        reel_import(j->tape, weights, options);
    } else {
        make_up(j->tape);
        reel_export(j->tape, weights, options);
    }
    reel_archive *x = reel_archive_open(input, (reel_archive_options){ 0 });
    if (reel_tape_status(j->tape) == REEL_OK) {
        write_output(j, run(j, &n, x));
    }
    printf("%s\n", reel_tape_status(j->tape) == REEL_OK ? "ok" : reel_tape_error(j->tape));
    fflush(stdout);
    reel_archive_free(x);
    reel_tape_free(j->tape);
}

int main(void)
{
    static job j;
    j.line[0] = ' ';
    while (fgets(j.line + 1, LINE - 1, stdin)) {
        do_job(&j);
        j = (job){ .line = " " };
    }
    return EXIT_SUCCESS;
}

/* classify.c: a class for each row of a CSV file, by dense layers, or for each sequence, by an LSTM: a
 * row that is one, or the rows that a column says belong together. */
#include "command.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tables.h"

typedef struct {
    common_options common;
    const char *target, *columns, *sequence, *out, *model;
    int64_t steps, units, epochs, patience, batch_size;
    double lr, validation;
} settings;

static const settings defaults = {
    .units = 32, .epochs = 200, .patience = 20, .batch_size = 32, .lr = 3e-3, .validation = 0.2
};

#define AT(field) offsetof(settings, field)
static const option options[] = {
    { "target", OPTION_TEXT, AT(target), "NAME", "the column of classes, texts or numbers" },
    { "columns", OPTION_TEXT, AT(columns), "A,B", "to learn from; default: all others" },
    { "steps", OPTION_COUNT, AT(steps), "N", "a row is a sequence of N steps; 0: it is none", 0,
      1e6 },
    { "sequence", OPTION_TEXT, AT(sequence), "NAME",
      "rows equal in this column are one sequence, in their order" },
    { "units", OPTION_COUNT, AT(units), "N", "of each layer", 1, 65536 },
    { "epochs", OPTION_COUNT, AT(epochs), "N", "at most", 1, 1e6 },
    { "patience", OPTION_COUNT, AT(patience), "N", "epochs without improvement", 1, 1e6 },
    { "batch-size", OPTION_COUNT, AT(batch_size), "N", "rows in an update", 1, 1e6 },
    { "lr", OPTION_NUMBER, AT(lr), "X", "learning rate of Adam", 1e-12, 1e3 },
    { "validation", OPTION_NUMBER, AT(validation), "SHARE", "of the rows, drawn at random", 0.01,
      0.9 },
    { "out", OPTION_TEXT, AT(out), "FILE", "where the model goes; default: nowhere" },
    { "model", OPTION_TEXT, AT(model), "FILE", "classify by this model, without training" },
    { 0 },
};

static const char *misuse(const void *from)
{
    const settings *o = from;
    return o->steps && o->sequence
               ? "--steps and --sequence are two ways to have sequences: one of them"
           : o->target || o->model ? NULL
                                   : "--target NAME says which column holds the classes";
}

/* Rows, or sequences, in an order drawn at random, and what is known of them. */
typedef struct {
    column_list columns;
    const char *sequence; /* the column of their ids; NULL: rows are for themselves */
    sequence_list sequences;
    int32_t *class; /* of each row; to be freed */
    int64_t rows, training, steps, classes;
    const char *const *class_name;
    reel_normalizer inputs;
    reel_data x, y;
} table_data;

/* ---- rows ---------------------------------------------------------------------------------- */

/* [rows, features] as [rows, steps, features / steps] */
static bool as_sequences(reel_tape *t, const table_data *in, reel_data *x)
{
    if (in->steps == 0) {
        return true;
    }
    if (in->columns.count % in->steps != 0) {
        reel_fail(t, REEL_BAD_ARGUMENT, "classify", "%d columns are no %lld equal steps",
                  in->columns.count, (long long)in->steps);
        return false;
    }
    x->shape = REEL_SHAPE(x->shape.dim[0], in->steps, in->columns.count / in->steps);
    return true;
}

static bool all_but_target(session *s, const settings *o, const reel_table *table, table_data *in)
{
    bool good = true;
    for (int64_t i = 0; good && i < table->columns; i++) {
        bool is_target = strcmp(table->name[i], o->target) == 0;
        good = is_target || columns_add(s->tape, &in->columns, table->name[i]);
    }
    if (good && in->columns.count == 0) {
        reel_fail(s->tape, REEL_BAD_ARGUMENT, "classify", "there is no column to learn from");
    }
    return good && in->columns.count > 0;
}

/* The columns to learn from and, with `target`, the classes: one each row, or each sequence. */
static bool take_rows(session *s, const reel_table *table, const char *target, table_data *in)
{
    int64_t column = target ? reel_table_find(table, target) : -1;
    int32_t *class = in->class = target ? malloc((size_t)table->rows * sizeof *class) : NULL;
    if (target && !class) {
        reel_fail(s->tape, REEL_OUT_OF_MEMORY, "classify", "out of memory");
        return false;
    }
    for (int64_t r = 0; class && r < table->rows; r++) {
        class[r] = (int32_t)table->values[r * table->columns + column];
    }
    in->rows = table->rows;
    in->x = reel_table_data(s->tape, table, in->columns.count, in->columns.name);
    in->y = reel_data_i32(class, REEL_SHAPE(in->rows));
    bool good = in->x.f64 != NULL;
    if (good && in->sequence) {
        good = sequences_of(s->tape, s->argument[0], in->sequence, in->x, class, &in->sequences);
        in->rows = in->sequences.count;
        in->x = in->sequences.x;
        in->y = reel_data_i32(in->sequences.class, REEL_SHAPE(in->rows));
    }
    return good;
}

/* At random: the last are kept for validation. */
static bool shuffle_rows(session *s, table_data *in)
{
    int64_t *order = malloc((size_t)in->rows * sizeof *order);
    if (!order) {
        reel_fail(s->tape, REEL_OUT_OF_MEMORY, "classify", "out of memory");
        return false;
    }
    reel_shuffle(order, in->rows, (uint64_t)s->common->seed, 0);
    in->x = reel_data_take(s->tape, in->x, in->rows, order);
    in->y = reel_data_take(s->tape, in->y, in->rows, order);
    free(order);
    return reel_tape_status(s->tape) == REEL_OK;
}

static bool enough(session *s, const table_data *in)
{
    if (in->training >= 1 && in->training < in->rows && in->classes >= 2) {
        return true;
    }
    reel_fail(s->tape, REEL_BAD_ARGUMENT, "classify",
              "%lld %s of %lld classes are too few to train on and to validate with",
              (long long)in->rows, in->sequence ? "sequences" : "rows", (long long)in->classes);
    return false;
}

/* The columns that are named, and the target's. */
static const reel_table *read_table(session *s, const settings *o, const column_list *columns)
{
    const char *names[MOST_COLUMNS + 2] = { NULL };
    int n = 0;
    for (; n < columns->count; n++) {
        names[n] = columns->name[n];
    }
    names[n] = o->target;
    return reel_read_csv(s->tape, s->argument[0],
                         (reel_csv_options){ .columns = o->columns ? names : NULL,
                                             .skip = o->sequence,
                                             .text_column = o->target });
}

static bool read_rows(session *s, const settings *o, table_data *in)
{
    if (o->columns && !columns_of_option(s->tape, o->columns, &in->columns)) {
        return false;
    }
    const reel_table *table = read_table(s, o, &in->columns);
    if (!table || (!o->columns && !all_but_target(s, o, table, in))) {
        return false;
    }
    in->sequence = o->sequence;
    if (!take_rows(s, table, o->target, in)) {
        return false;
    }
    in->training = (int64_t)floor((double)in->rows * (1 - o->validation));
    in->steps = o->steps;
    in->classes = table->text_count;
    in->class_name = table->text;
    if (!enough(s, in) || !shuffle_rows(s, in)) {
        return false;
    }
    in->inputs =
        reel_normalizer_fit(s->tape, REEL_STANDARD, reel_data_slice(in->x, 0, in->training));
    in->x = reel_normalize(s->tape, in->inputs, in->x);
    return as_sequences(s->tape, in, &in->x);
}

/* ---- how good it is ------------------------------------------------------------------------ */

static double share_of_most_frequent(const table_data *in)
{
    double most = 0;
    for (int64_t c = 0; c < in->classes; c++) {
        double count = 0;
        for (int64_t r = in->training; r < in->rows; r++) {
            count += in->y.i32[r] == c;
        }
        most = count > most ? count : most;
    }
    return most / (double)(in->rows - in->training);
}

static double measure(const table_data *in, const char *name, const double *logits)
{
    reel_metric *m = reel_metric_new(name, (reel_metric_options){ .classes = in->classes }, NULL);
    reel_metric_batch batch = { .rows = (size_t)(in->rows - in->training),
                                .columns = (size_t)in->classes,
                                .predictions = logits,
                                .labels = in->y.i32 + in->training };
    double result = reel_metric_update(m, batch) == REEL_OK ? reel_metric_result(m) : NAN;
    reel_metric_free(m);
    return result;
}

static bool report_quality(session *s, reel_model *m, const table_data *in)
{
    size_t n = (size_t)((in->rows - in->training) * in->classes);
    double *logits = malloc(n * sizeof *logits);
    reel_data x = reel_data_slice(in->x, in->training, in->rows);
    bool good = logits && reel_predict_f64(m, x, logits, n) == REEL_OK;
    if (good) {
        report_number(&s->report, "validation_rows", (double)(in->rows - in->training));
        report_number(&s->report, "accuracy", measure(in, "accuracy", logits));
        report_number(&s->report, "f1", measure(in, "f1", logits));
        report_number(&s->report, "accuracy_of_the_most_frequent_class",
                      share_of_most_frequent(in));
    }
    free(logits);
    return good;
}

/* ---- training ------------------------------------------------------------------------------ */

static bool save(session *s, reel_model *m, const table_data *in, const char *path)
{
    char steps[32], *columns = join_lines(in->columns.name, in->columns.count);
    char *classes = join_lines(in->class_name, in->classes);
    snprintf(steps, sizeof steps, "%lld", (long long)in->steps);
    reel_text texts[] = { { "columns", columns },
                          { "classes", classes },
                          { "steps", steps },
                          { in->sequence ? "sequence" : NULL, in->sequence },
                          { 0 } };
    reel_model_extras extras = { .inputs = in->inputs, .texts = texts };
    bool good = columns && classes && reel_model_save(m, path, extras) == REEL_OK;
    free(columns);
    free(classes);
    if (good) {
        report_text(&s->report, "model", path, strlen(path));
    }
    return good;
}

static reel_model *make_model(reel_tape *t, const settings *o, int64_t classes)
{
    reel_layer_spec rows[] = { REEL_DENSE(o->units, .activation = REEL_RELU),
                               REEL_DENSE(o->units, .activation = REEL_RELU), REEL_DENSE(classes) };
    reel_layer_spec sequences[] = { REEL_LSTM(o->units), REEL_DENSE(classes) };
    reel_model *m = o->steps || o->sequence ? reel_sequential_n(t, 2, sequences)
                                            : reel_sequential_n(t, 3, rows);
    reel_compile(m, (reel_compile_options){
                        .lr = o->lr, .loss = "cross_entropy", .metrics = { "accuracy" } });
    return m;
}

static bool train(session *s, const settings *o, const table_data *in)
{
    reel_model *m = make_model(s->tape, o, in->classes);
    int64_t batch = o->batch_size < in->training ? o->batch_size : in->training;
    reel_fit_options how = training_options(s, o->epochs, batch, o->validation);
    reel_early_stopping_options stop = { .patience = (int)o->patience, .restore_best = true };
    how.callbacks[0] = reel_early_stopping(m, stop);
    how.bucket = in->sequence != NULL;
    const reel_history *h = reel_fit(m, in->x, in->y, how);
    if (!h || !report_quality(s, m, in)) {
        return false;
    }
    report_texts(&s->report, "classes", in->class_name, in->classes);
    report_number(&s->report, "epochs", h->epochs);
    return !o->out || save(s, m, in, o->out);
}

/* ---- a model that is there ----------------------------------------------------------------- */

/* Of rows the class, of sequences the id before it. */
static void report_classes(session *s, const table_data *in, const char *const *class)
{
    if (!report_is_for_a_reader(&s->report)) {
        if (in->sequence) {
            report_texts(&s->report, "sequences", in->sequences.id, in->rows);
        }
        report_texts(&s->report, "predictions", class, in->rows);
        return;
    }
    for (int64_t r = 0; r < in->rows; r++) {
        if (in->sequence) {
            fprintf(s->report.out, "%s\t", in->sequences.id[r]);
        }
        fprintf(s->report.out, "%s\n", class[r]);
    }
}

static int64_t likeliest(const float *logits, int64_t classes)
{
    int64_t best = 0;
    for (int64_t c = 1; c < classes; c++) {
        best = logits[c] > logits[best] ? c : best;
    }
    return best;
}

static bool predict(session *s, reel_model *m, const table_data *in)
{
    size_t n = (size_t)(in->rows * in->classes);
    float *logits = malloc(n * sizeof *logits);
    const char **class = malloc((size_t)in->rows * sizeof *class);
    bool good = logits && class && reel_predict(m, in->x, logits, n) == REEL_OK;
    for (int64_t r = 0; good && r < in->rows; r++) {
        class[r] = in->class_name[likeliest(logits + r * in->classes, in->classes)];
    }
    if (good) {
        report_classes(s, in, class);
    }
    free(logits);
    free(class);
    return good;
}

static bool read_rows_of_model(session *s, const reel_model_extras *with, table_data *in)
{
    if (!columns_of_model(s->tape, with, &in->columns)) {
        return false;
    }
    in->steps = (int64_t)number_of(with, "steps", 0);
    if (with->inputs.features != in->columns.count || in->classes < 1) {
        reel_fail(s->tape, REEL_BAD_FILE, "classify", "the model is not one of classify's");
        return false;
    }
    const reel_table *table =
        reel_read_csv(s->tape, s->argument[0], (reel_csv_options){ .columns = in->columns.name });
    if (!table) {
        return false;
    }
    in->sequence = text_of(with, "sequence");
    if (!take_rows(s, table, NULL, in)) {
        return false;
    }
    in->x = reel_normalize(s->tape, with->inputs, in->x);
    return as_sequences(s->tape, in, &in->x);
}

/* Names of classes, cut out of `lines`; NULL, with an error, where there are none. Both to be freed. */
static const char **class_names(session *s, char *lines, table_data *in)
{
    int64_t room = 1;
    for (const char *at = lines; at && *at; at++) {
        room += *at == '\n';
    }
    const char **names = lines ? malloc((size_t)room * sizeof *names) : NULL;
    if (!names) {
        reel_fail(s->tape, REEL_BAD_FILE, "classify", "the model does not name its classes");
        return NULL;
    }
    in->classes = split_lines(lines, names, room);
    in->class_name = names;
    return names;
}

static bool fits(session *s, reel_model *m, const table_data *in)
{
    reel_shape out = reel_predict_shape(m, in->x);
    if (out.rank == 2 && out.dim[1] != in->classes) {
        reel_fail(s->tape, REEL_BAD_FILE, "classify", "the model tells %lld classes, names %lld",
                  (long long)out.dim[1], (long long)in->classes);
    }
    return reel_tape_status(s->tape) == REEL_OK && out.rank == 2;
}

static bool classify_by(session *s, const char *path, table_data *in)
{
    reel_model_extras with;
    reel_model *m = reel_model_load(s->tape, path, &with);
    if (!m) {
        return false;
    }
    const char *text = text_of(&with, "classes");
    char *lines = text ? join_lines(&text, 1) : NULL;
    const char **names = class_names(s, lines, in);
    bool good = names && read_rows_of_model(s, &with, in) && fits(s, m, in) && predict(s, m, in);
    free(names);
    free(lines);
    return good;
}

static bool run(session *s, const void *from)
{
    const settings *o = from;
    table_data in = { 0 };
    bool good = o->model ? classify_by(s, o->model, &in) : read_rows(s, o, &in) && train(s, o, &in);
    columns_free(&in.columns);
    free(in.class);
    free(in.sequences.class);
    return good;
}

const command classify = {
    .name = "classify",
    .argument = { "CSV" },
    .summary = "learn the class of each row or sequence, or tell it by a model",
    .more = "Accuracy and f1 (the mean over classes) are those of the rows or sequences kept for\n"
            "validation.",
    .options = options,
    .defaults = &defaults,
    .size = sizeof defaults,
    .misuse = misuse,
    .run = run,
};

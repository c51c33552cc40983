/* forecast.c: the next values of a column of a CSV file, by an LSTM. */
#include "command.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tables.h"

typedef struct {
    common_options common;
    const char *column, *columns, *out, *model;
    int64_t steps, horizon, units, epochs, patience, batch_size;
    double lr, validation;
} settings;

static const settings defaults = { .steps = 24,
                                   .horizon = 1,
                                   .units = 64,
                                   .epochs = 100,
                                   .patience = 10,
                                   .batch_size = 32,
                                   .lr = 3e-3,
                                   .validation = 0.2 };

#define AT(field) offsetof(settings, field)
static const option options[] = {
    { "column", OPTION_TEXT, AT(column), "NAME", "what is forecast" },
    { "columns", OPTION_TEXT, AT(columns), "A,B", "others to learn from" },
    { "steps", OPTION_COUNT, AT(steps), "N", "rows that a forecast looks back", 1, 1e6 },
    { "horizon", OPTION_COUNT, AT(horizon), "N", "values that it gives", 1, 1e5 },
    { "units", OPTION_COUNT, AT(units), "N", "of the LSTM", 1, 65536 },
    { "epochs", OPTION_COUNT, AT(epochs), "N", "at most", 1, 1e6 },
    { "patience", OPTION_COUNT, AT(patience), "N", "epochs without improvement", 1, 1e6 },
    { "batch-size", OPTION_COUNT, AT(batch_size), "N", "windows in an update", 1, 1e6 },
    { "lr", OPTION_NUMBER, AT(lr), "X", "learning rate of Adam", 1e-12, 1e3 },
    { "validation", OPTION_NUMBER, AT(validation), "SHARE", "of the windows, the last ones", 0.01,
      0.9 },
    { "out", OPTION_TEXT, AT(out), "FILE", "where the model goes; default: nowhere" },
    { "model", OPTION_TEXT, AT(model), "FILE", "forecast by this model, without training" },
    { 0 },
};

static const char *misuse(const void *from)
{
    const settings *o = from;
    return o->column || o->model ? NULL : "--column NAME says what is forecast";
}

/* What is known of the series; the forecast column comes first. */
typedef struct {
    column_list columns;
    reel_data series; /* [rows, columns] */
    reel_normalizer inputs;
    int64_t steps, horizon;
} series;

/* ---- errors of the validation windows ------------------------------------------------------ */

typedef struct {
    double mae, rmse, naive_mae;
} errors;

/* Of predictions [n, horizon], both normalised, in the column's own unit. The naive forecast is the
 * last value seen. */
static errors errors_of(const series *in, const reel_dataset *d, int64_t begin, const float *y)
{
    int64_t windows = reel_data_rows(d->y), features = in->columns.count;
    double scale = in->inputs.scale[0], count = (double)((windows - begin) * in->horizon);
    errors e = { 0 };
    for (int64_t w = begin; w < windows; w++) {
        double last = reel_data_at(d->x, ((w + 1) * in->steps - 1) * features);
        for (int64_t h = 0; h < in->horizon; h++) {
            double value = reel_data_at(d->y, w * in->horizon + h);
            double off = y[(w - begin) * in->horizon + h] - value;
            e.mae += fabs(off) * scale / count;
            e.rmse += off * off * scale * scale / count;
            e.naive_mae += fabs(last - value) * scale / count;
        }
    }
    e.rmse = sqrt(e.rmse);
    return e;
}

static bool report_errors(session *s, reel_model *m, const series *in, const reel_dataset *d,
                          int64_t begin)
{
    int64_t windows = reel_data_rows(d->y);
    size_t n = (size_t)((windows - begin) * in->horizon);
    float *y = malloc((n + 1) * sizeof *y);
    bool good = y && reel_predict(m, reel_data_slice(d->x, begin, windows), y, n) == REEL_OK;
    if (good) {
        errors e = errors_of(in, d, begin, y);
        report_number(&s->report, "validation_windows", (double)(windows - begin));
        report_number(&s->report, "mae", e.mae);
        report_number(&s->report, "rmse", e.rmse);
        report_number(&s->report, "naive_mae", e.naive_mae);
    }
    free(y);
    return good;
}

/* ---- training ------------------------------------------------------------------------------ */

static bool save(session *s, reel_model *m, const series *in, const char *path)
{
    char horizon[32], steps[32], *columns = join_lines(in->columns.name, in->columns.count);
    if (!columns) {
        return false;
    }
    snprintf(horizon, sizeof horizon, "%lld", (long long)in->horizon);
    snprintf(steps, sizeof steps, "%lld", (long long)in->steps);
    reel_text texts[] = {
        { "columns", columns }, { "steps", steps }, { "horizon", horizon }, { 0 }
    };
    reel_model_extras extras = { .inputs = in->inputs, .texts = texts };
    bool good = reel_model_save(m, path, extras) == REEL_OK;
    free(columns);
    if (good) {
        report_text(&s->report, "model", path, strlen(path));
    }
    return good;
}

static reel_model *make_model(reel_tape *t, const settings *o)
{
    reel_model *m = reel_sequential(t, REEL_LSTM(o->units), REEL_DENSE(o->horizon));
    reel_compile(m, (reel_compile_options){ .lr = o->lr, .loss = "mse" });
    return m;
}

static reel_model *train(session *s, const settings *o, const series *in, const reel_dataset *d,
                         int64_t training)
{
    reel_model *m = make_model(s->tape, o);
    int64_t batch = o->batch_size < training ? o->batch_size : training;
    reel_fit_options how = training_options(s, o->epochs, batch, o->validation);
    reel_early_stopping_options stop = { .patience = (int)o->patience, .restore_best = true };
    how.callbacks[0] = reel_early_stopping(m, stop);
    const reel_history *h = reel_fit(m, d->x, d->y, how);
    if (!h || !report_errors(s, m, in, d, training)) {
        return NULL;
    }
    report_number(&s->report, "epochs", h->epochs);
    return !o->out || save(s, m, in, o->out) ? m : NULL;
}

/* Normalised by what is to be trained on, cut into windows. */
static reel_model *train_on(session *s, const settings *o, series *in)
{
    int64_t rows = reel_data_rows(in->series), windows = rows - in->steps - in->horizon + 1;
    int64_t training = (int64_t)floor((double)windows * (1 - o->validation));
    if (training < 1 || training == windows) {
        reel_fail(s->tape, REEL_BAD_ARGUMENT, "forecast",
                  "%lld rows are too few for windows of %lld + %lld rows to train on and to "
                  "validate with",
                  (long long)rows, (long long)in->steps, (long long)in->horizon);
        return NULL;
    }
    reel_data seen = reel_data_slice(in->series, 0, training + in->steps + in->horizon - 1);
    in->inputs = reel_normalizer_fit(s->tape, REEL_STANDARD, seen);
    reel_dataset d = reel_forecast_dataset(s->tape, reel_normalize(s->tape, in->inputs, in->series),
                                           in->steps, in->horizon, 0);
    return train(s, o, in, &d, training);
}

/* ---- a model that is there ----------------------------------------------------------------- */

static reel_model *load(session *s, const settings *o, series *in)
{
    reel_model_extras with;
    reel_model *m = reel_model_load(s->tape, o->model, &with);
    if (!m || !columns_of_model(s->tape, &with, &in->columns)) {
        return NULL;
    }
    in->steps = (int64_t)number_of(&with, "steps", 0);
    in->horizon = (int64_t)number_of(&with, "horizon", 0);
    in->inputs = with.inputs;
    if (in->steps < 1 || in->horizon < 1 || with.inputs.features != in->columns.count) {
        reel_fail(s->tape, REEL_BAD_FILE, "forecast", "%s is not a model of forecast's", o->model);
        return NULL;
    }
    if (o->column && strcmp(o->column, in->columns.name[0]) != 0) {
        reel_fail(s->tape, REEL_BAD_ARGUMENT, "forecast", "the model forecasts \"%s\"",
                  in->columns.name[0]);
        return NULL;
    }
    return m;
}

/* ---- the forecast -------------------------------------------------------------------------- */

static bool report_forecast(session *s, reel_model *m, const series *in)
{
    int64_t rows = reel_data_rows(in->series);
    reel_data last =
        reel_normalize(s->tape, in->inputs, reel_data_slice(in->series, rows - in->steps, rows));
    last.shape = REEL_SHAPE(1, in->steps, in->columns.count);
    size_t n = (size_t)in->horizon;
    double *y = malloc(n * sizeof *y);
    bool good = y && reel_predict_f64(m, last, y, n) == REEL_OK;
    for (size_t i = 0; good && i < n; i++) {
        y[i] = y[i] * in->inputs.scale[0] + in->inputs.center[0];
    }
    if (good) {
        report_text(&s->report, "column", in->columns.name[0], strlen(in->columns.name[0]));
        report_numbers(&s->report, "forecast", y, in->horizon);
    }
    free(y);
    return good;
}

static bool read_series(session *s, series *in)
{
    reel_csv_options how = { .columns = in->columns.name };
    const reel_table *table = reel_read_csv(s->tape, s->argument[0], how);
    if (!table) {
        return false;
    }
    in->series = reel_table_data(s->tape, table, 0, NULL);
    if (table->rows < in->steps) {
        reel_fail(s->tape, REEL_BAD_ARGUMENT, "forecast", "%s has %lld rows, a forecast needs %lld",
                  s->argument[0], (long long)table->rows, (long long)in->steps);
    }
    return reel_tape_status(s->tape) == REEL_OK;
}

static bool name_columns(session *s, const settings *o, series *in)
{
    column_list others = { 0 };
    bool good = columns_add(s->tape, &in->columns, o->column) &&
                (!o->columns || columns_of_option(s->tape, o->columns, &others));
    for (int i = 0; good && i < others.count; i++) {
        bool again = strcmp(others.name[i], o->column) == 0;
        good = again || columns_add(s->tape, &in->columns, others.name[i]);
    }
    in->columns.text = others.text;
    in->steps = o->steps;
    in->horizon = o->horizon;
    return good;
}

static bool run(session *s, const void *from)
{
    const settings *o = from;
    series in = { 0 };
    reel_model *m = NULL;
    bool good;
    if (o->model) {
        m = load(s, o, &in);
        good = m && read_series(s, &in);
    } else {
        good = name_columns(s, o, &in) && read_series(s, &in) && (m = train_on(s, o, &in)) != NULL;
    }
    good = good && report_forecast(s, m, &in);
    columns_free(&in.columns);
    return good;
}

const command forecast = {
    .name = "forecast",
    .argument = { "CSV" },
    .summary = "forecast the next values of a column",
    .more =
        "Rows are points in time, one after another. The errors are those of the windows kept for\n"
        "validation, in the column's own unit; naive mae is that of repeating the last value.",
    .options = options,
    .defaults = &defaults,
    .size = sizeof defaults,
    .misuse = misuse,
    .run = run,
};

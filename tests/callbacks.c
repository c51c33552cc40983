/* Callbacks: what ready ones do to training, what hooks see, and what happens when one fails. */
#define _XOPEN_SOURCE 700 /* posix_openpt */
#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "reel.h"
#include "train/events.h"

enum { ROWS = 24 };

static float x[ROWS][2], y[ROWS][1];
static reel_data X, Y;

static reel_tape *setup(reel_model **m, double lr)
{
    for (int r = 0; r < ROWS; r++) {
        x[r][0] = (float)(r % 5) / 5;
        x[r][1] = (float)(r % 7) / 7;
        y[r][0] = x[r][0] - 2 * x[r][1] + 0.25f * (float)(r % 2);
    }
    X = REEL_DATA(&x[0][0], ROWS, 2);
    Y = REEL_DATA(&y[0][0], ROWS, 1);
    reel_tape *t = reel_tape_new((reel_tape_options){ .seed = 4 });
    *m = reel_sequential(t, REEL_DENSE(1));
    reel_compile(*m, (reel_compile_options){ .optimizer = "sgd", .lr = lr, .loss = "mse" });
    return t;
}

static void temporary(char path[64])
{
    strcpy(path, "/tmp/reel_callbacks_XXXXXX");
    int file = mkstemp(path);
    cr_assert(file >= 0);
    close(file);
}

/* ---- a callback that plays numbers ---------------------------------------------------------- */

typedef struct {
    const double *values; /* logged as "played", one an epoch */
    int epochs;
} player;

static reel_status play(void *self, reel_training *t)
{
    const player *p = self;
    return reel_training_add_log(t, "played", p->values[t->epoch]);
}

static const double bumpy[] = { 5, 4, 4.5, 4.2, 3.9, 4, 4.1, 4.2, 4.3, 4.4, 4.5, 4.6 };
enum { BUMPY = sizeof bumpy / sizeof *bumpy };

/* ---- ending early ----------------------------------------------------------------------------- */

static int epochs_with(reel_early_stopping_options o, const double *values, int count)
{
    reel_model *m;
    reel_tape *t = setup(&m, 0.01);
    player p = { values, count };
    o.monitor = "played";
    reel_fit_options options = {
        .epochs = count,
        .callbacks = { { .name = "player", .self = &p, .on_epoch_end = play },
                       reel_early_stopping(m, o) },
    };
    reel_history *h = reel_fit(m, X, Y, options);
    cr_assert_not_null(h, "%s", reel_tape_error(t));
    int epochs = h->epochs;
    cr_expect(epochs == count || strcmp(h->stopped_by, "early_stopping") == 0);
    reel_tape_free(t);
    return epochs;
}

/* The counts are Keras 3's for the same numbers. */
Test(callbacks, early_stopping_waits_for_patience_epochs_without_improvement)
{
    cr_expect_eq(epochs_with((reel_early_stopping_options){ .patience = 1 }, bumpy, BUMPY), 3);
    cr_expect_eq(epochs_with((reel_early_stopping_options){ .patience = 2 }, bumpy, BUMPY), 4);
    cr_expect_eq(epochs_with((reel_early_stopping_options){ .patience = 3 }, bumpy, BUMPY), 8);
    cr_expect_eq(
        epochs_with((reel_early_stopping_options){ .patience = 3, .min_delta = 0.2 }, bumpy, BUMPY),
        5);
    cr_expect_eq(
        epochs_with((reel_early_stopping_options){ .patience = 3, .maximize = true }, bumpy, BUMPY),
        4);
    cr_expect_eq(epochs_with((reel_early_stopping_options){ .patience = 2, .start_from_epoch = 3 },
                             bumpy, BUMPY),
                 7);
    cr_expect_eq(epochs_with((reel_early_stopping_options){ .patience = 20 }, bumpy, BUMPY), BUMPY);
}

typedef struct {
    float W[BUMPY][2];
} recorder;

static reel_status record(void *self, reel_training *t)
{
    recorder *r = self;
    return reel_read(reel_find_param(reel_model_tape(t->model), "layer_0.W"), r->W[t->epoch], 2);
}

Test(callbacks, early_stopping_restores_the_best_epochs_parameters)
{
    reel_model *m;
    reel_tape *t = setup(&m, 0.1);
    player p = { bumpy, BUMPY };
    recorder r;
    reel_early_stopping_options o = { .monitor = "played", .patience = 3, .restore_best = true };
    reel_fit_options options = {
        .epochs = BUMPY,
        .callbacks = { { .name = "player", .self = &p, .on_epoch_end = play },
                       { .name = "recorder", .self = &r, .on_epoch_end = record },
                       reel_early_stopping(m, o) },
    };
    cr_assert_not_null(reel_fit(m, X, Y, options), "%s", reel_tape_error(t));
    float W[2];
    reel_read(reel_find_param(t, "layer_0.W"), W, 2);
    cr_expect_eq(W[0], r.W[4][0], "epoch 4 was the best");
    cr_expect_eq(W[1], r.W[4][1]);
    cr_expect_neq(W[0], r.W[7][0], "epoch 7 was the last");
    reel_tape_free(t);
}

Test(callbacks, terminate_on_nan_ends_training_at_the_batch)
{
    reel_model *m;
    reel_tape *t = setup(&m, 1e20);
    reel_fit_options options = { .epochs = 50, .batch_size = 8 };
    options.callbacks[0] = reel_terminate_on_nan(m);
    reel_history *h = reel_fit(m, X, Y, options);
    cr_assert_not_null(h, "%s", reel_tape_error(t));
    cr_expect_str_eq(h->stopped_by, "terminate_on_nan");
    cr_expect(h->epochs <= 2 && !isfinite(reel_history_at(h, "loss", -1)));
    reel_tape_free(t);
}

/* ---- the rate ----------------------------------------------------------------------------------- */

Test(callbacks, reduce_lr_on_plateau_multiplies_the_rate_after_patience_epochs)
{
    static const double expected[] = { 0.1,  0.1,   0.1,   0.1,  0.05, 0.05,
                                       0.05, 0.025, 0.025, 0.02, 0.02, 0.02 };
    reel_model *m;
    reel_tape *t = setup(&m, 0.1);
    player p = { bumpy, BUMPY };
    reel_reduce_lr_options o = {
        .monitor = "played", .factor = 0.5, .patience = 2, .min_lr = 0.02
    };
    reel_fit_options options = {
        .epochs = BUMPY,
        .callbacks = { { .name = "player", .self = &p, .on_epoch_end = play },
                       reel_reduce_lr_on_plateau(m, o) },
    };
    reel_history *h = reel_fit(m, X, Y, options);
    cr_assert_not_null(h, "%s", reel_tape_error(t));
    for (int e = 0; e < BUMPY; e++) {
        double lr = reel_history_at(h, "learning_rate", e);
        cr_expect(fabs(lr - expected[e]) < 1e-12, "epoch %d: %g, expected %g", e, lr, expected[e]);
    }
    reel_tape_free(t);
}

static double halve(void *self, int epoch, double lr)
{
    (void)self;
    return epoch == 0 ? lr : epoch < 4 ? lr / 2 : NAN;
}

Test(callbacks, lr_scheduler_sets_each_epochs_rate_and_may_not_give_nan)
{
    reel_model *m;
    reel_tape *t = setup(&m, 0.08);
    reel_fit_options options = { .epochs = 4, .callbacks = { reel_lr_scheduler(m, halve, NULL) } };
    reel_history *h = reel_fit(m, X, Y, options);
    cr_assert_not_null(h, "%s", reel_tape_error(t));
    cr_expect_eq(reel_history_at(h, "learning_rate", 0), 0.08);
    cr_expect_eq(reel_history_at(h, "learning_rate", 3), 0.01);
    options.initial_epoch = 4;
    cr_expect_null(reel_fit(m, X, Y, options));
    cr_expect(strstr(reel_tape_error(t), "callback lr_scheduler failed in on_epoch_begin, epoch 5: "
                                         "the schedule gives a rate of nan"),
              "%s", reel_tape_error(t));
    reel_tape_free(t);
}

/* ---- files ---------------------------------------------------------------------------------------- */

Test(callbacks, csv_logger_writes_what_the_history_holds)
{
    reel_model *m;
    reel_tape *t = setup(&m, 0.1);
    char path[64];
    temporary(path);
    reel_fit_options options = { .epochs = 3, .validation_split = 0.25 };
    options.callbacks[0] = reel_csv_logger(m, path, (reel_csv_logger_options){ 0 });
    reel_history *h = reel_fit(m, X, Y, options);
    cr_assert_not_null(h, "%s", reel_tape_error(t));
    FILE *file = fopen(path, "r");
    char header[64];
    cr_assert(file && fgets(header, sizeof header, file));
    cr_expect_str_eq(header, "epoch,loss,val_loss\n");
    for (int e = 0; e < 3; e++) {
        int epoch;
        double loss, val_loss;
        cr_assert_eq(fscanf(file, "%d,%lf,%lf", &epoch, &loss, &val_loss), 3);
        cr_expect(epoch == e && loss == h->loss[e] && val_loss == h->val_loss[e]);
    }
    fclose(file);
    unlink(path);
    reel_tape_free(t);
}

Test(callbacks, a_full_disk_under_a_logger_ends_the_fit_with_an_error)
{
    reel_model *m;
    reel_tape *t = setup(&m, 0.1);
    reel_fit_options options = { .epochs = 3 };
    options.callbacks[0] = reel_csv_logger(m, "/dev/full", (reel_csv_logger_options){ 0 });
    cr_expect_null(reel_fit(m, X, Y, options));
    cr_expect_eq(reel_tape_status(t), REEL_FILE_ERROR);
    cr_expect(strstr(reel_tape_error(t), "callback csv_logger failed in on_epoch_end, epoch 1: "
                                         "cannot write /dev/full: No space left on device"),
              "%s", reel_tape_error(t));
    reel_tape_clear(t);
    options.callbacks[0] = (reel_callback){ 0 };
    cr_expect_not_null(reel_fit(m, X, Y, options), "the model is intact: %s", reel_tape_error(t));
    reel_tape_free(t);
}

typedef struct {
    int calls;
    char last[64];
} saved;

static reel_status save(void *self, reel_tape *t, const char *path)
{
    saved *s = self;
    (void)t;
    s->calls++;
    snprintf(s->last, sizeof s->last, "%s", path);
    return REEL_OK;
}

Test(callbacks, model_checkpoint_saves_the_best_epochs_under_their_number)
{
    reel_model *m;
    reel_tape *t = setup(&m, 0.1);
    player p = { bumpy, BUMPY };
    saved all = { 0 }, best = { 0 };
    reel_model_checkpoint_options each = { .every = 4, .save = save, .self = &all };
    reel_model_checkpoint_options few = {
        .best_only = true, .monitor = "played", .save = save, .self = &best
    };
    reel_fit_options options = {
        .epochs = BUMPY,
        .callbacks = { { .name = "player", .self = &p, .on_epoch_end = play },
                       reel_model_checkpoint(m, "m-{epoch}.safetensors", each),
                       reel_model_checkpoint(m, "best-{epoch:03}", few) },
    };
    cr_assert_not_null(reel_fit(m, X, Y, options), "%s", reel_tape_error(t));
    cr_expect_eq(all.calls, 3);
    cr_expect_str_eq(all.last, "m-12.safetensors");
    cr_expect_eq(best.calls, 3, "4, 3.9 and the first");
    cr_expect_str_eq(best.last, "best-005");
    reel_tape_free(t);
}

/* ---- TensorBoard ------------------------------------------------------------------------------------ */

/* The check value of the polynomial's catalogue (Koopman 2002), and iSCSI's 32 zeros (RFC 3720). */
Test(callbacks, checksums_of_event_files_are_crc32c)
{
    static const unsigned char zeros[32] = { 0 };
    cr_expect_eq(reel__crc32c("123456789", 9), 0xe3069283u);
    cr_expect_eq(reel__crc32c(zeros, 32), 0x8a9136aau);
}

static uint64_t little_endian(const unsigned char *bytes, int n)
{
    uint64_t v = 0;
    while (n-- > 0) {
        v = v << 8 | bytes[n];
    }
    return v;
}

static uint32_t unmasked(uint64_t masked)
{
    uint32_t rotated = (uint32_t)masked - 0xa282ead8u;
    return rotated >> 17 | rotated << 15;
}

/* Walks the records; counts those whose message holds the text. */
static int records_with(const unsigned char *at, const unsigned char *end, const char *text)
{
    int found = 0;
    while (at < end) {
        cr_assert(end - at >= 12);
        uint64_t length = little_endian(at, 8);
        cr_assert_eq(reel__crc32c(at, 8), unmasked(little_endian(at + 8, 4)));
        at += 12;
        cr_assert((uint64_t)(end - at) >= length + 4);
        cr_assert_eq(reel__crc32c(at, length), unmasked(little_endian(at + length, 4)));
        for (size_t i = 0; i + strlen(text) <= length; i++) {
            if (memcmp(at + i, text, strlen(text)) == 0) {
                found++;
                break;
            }
        }
        at += length + 4;
    }
    return found;
}

static size_t read_event_file(const char *dir, unsigned char *out, size_t room)
{
    char path[300] = "";
    DIR *folder = opendir(dir);
    cr_assert_not_null(folder, "%s", dir);
    for (struct dirent *entry; (entry = readdir(folder));) {
        if (strncmp(entry->d_name, "events.out.tfevents.", 20) == 0) {
            snprintf(path, sizeof path, "%.40s/%.200s", dir, entry->d_name);
        }
    }
    closedir(folder);
    FILE *file = fopen(path, "rb");
    cr_assert_not_null(file, "%s", path);
    size_t n = fread(out, 1, room, file);
    fclose(file);
    unlink(path);
    rmdir(dir);
    return n;
}

Test(callbacks, tensorboard_writes_records_with_scalars_histograms_and_the_graph)
{
    static unsigned char bytes[65536];
    reel_model *m;
    reel_tape *t = setup(&m, 0.1);
    char dir[] = "/tmp/reel_board_XXXXXX", part[64];
    cr_assert_not_null(mkdtemp(dir));
    reel_tensorboard_options board = { .histograms_every = 2, .graph = true, .batches_every = 3 };
    reel_fit_options options = { .epochs = 4, .batch_size = 9, .validation_split = 0.25 };
    options.callbacks[0] = reel_tensorboard(m, dir, board);
    reel_history *h = reel_fit(m, X, Y, options);
    cr_assert_not_null(h, "%s", reel_tape_error(t));
    snprintf(part, sizeof part, "%s/train", dir);
    const unsigned char *end = bytes + read_event_file(part, bytes, sizeof bytes);
    cr_expect_eq(records_with(bytes, end, "brain.Event:2"), 1);
    cr_expect_eq(records_with(bytes, end, "epoch_loss"), 4);
    cr_expect_eq(records_with(bytes, end, "batch_loss"), 2);
    cr_expect_eq(records_with(bytes, end, "layer_0.W"), 2);
    cr_expect_eq(records_with(bytes, end, "Placeholder"), 1);
    float loss = (float)h->loss[3];
    char value[5] = { 0x15 };
    memcpy(value + 1, &loss, sizeof loss);
    cr_expect_eq(
        records_with(bytes, end, (char[6]){ value[0], value[1], value[2], value[3], value[4] }), 1);
    snprintf(part, sizeof part, "%s/validation", dir);
    end = bytes + read_event_file(part, bytes, sizeof bytes);
    cr_expect_eq(records_with(bytes, end, "epoch_loss"), 4);
    rmdir(dir);
    options.callbacks[0] = reel_tensorboard(m, "/dev/null/logs", board);
    cr_expect_null(reel_fit(m, X, Y, options));
    cr_expect(strstr(reel_tape_error(t), "callback tensorboard failed in on_train_begin"), "%s",
              reel_tape_error(t));
    reel_tape_free(t);
}

static reel_var squares_of_steps(reel_tape *t, void *self, reel_batch *batch)
{
    (void)t;
    const reel_cell *cell = self;
    reel_rollout r = reel_unroll(*cell, batch->x, (reel_unroll_options){ 0 });
    return reel_mean_keep(r.state[0], 1);
}

Test(callbacks, tensorboard_draws_what_a_functional_model_records_with_its_loop_folded)
{
    enum { BOARD_ROWS = 6, BOARD_STEPS = 9 };
    static unsigned char bytes[65536];
    static float in[BOARD_ROWS][BOARD_STEPS][2], wanted[BOARD_ROWS][1];
    char dir[] = "/tmp/reel_board_XXXXXX", part[64];
    cr_assert_not_null(mkdtemp(dir));
    reel_tape *t = reel_tape_new((reel_tape_options){ .threads = 1 });
    reel_cell cell = reel_rnn(t, "rnn", 2, 3, (reel_rnn_options){ 0 });
    reel_model *m = reel_model_new(t, squares_of_steps, &cell);
    reel_compile(m, (reel_compile_options){ .loss = "mse" });
    reel_fit_options options = { .epochs = 2, .batch_size = 3 };
    options.callbacks[0] = reel_tensorboard(m, dir, (reel_tensorboard_options){ .graph = true });
    cr_assert_not_null(reel_fit(m, REEL_DATA(&in[0][0][0], BOARD_ROWS, BOARD_STEPS, 2),
                                REEL_DATA(&wanted[0][0], BOARD_ROWS, 1), options),
                       "%s", reel_tape_error(t));
    snprintf(part, sizeof part, "%s/train", dir);
    const unsigned char *end = bytes + read_event_file(part, bytes, sizeof bytes);
    cr_expect_eq(records_with(bytes, end, "rnn.W_h"), 1);
    cr_expect_eq(records_with(bytes, end, "9_steps_"), 1);
    cr_expect_eq(records_with(bytes, end, "/tanh_"), 1);
    cr_expect_eq(records_with(bytes, end, "_output_shapes"), 1);
    rmdir(dir);
    reel_tape_free(t);
}

/* ---- hooks -------------------------------------------------------------------------------------------- */

typedef struct {
    char log[256];
    const char *failing;
} witness;

static reel_status note(witness *w, const char *what)
{
    strncat(w->log, what, sizeof w->log - strlen(w->log) - 1);
    return w->failing && strcmp(w->failing, what) == 0 ? REEL_BAD_ARGUMENT : REEL_OK;
}

#define HOOK(name, mark)                                                                           \
    static reel_status name(void *self, reel_training *t)                                          \
    {                                                                                              \
        (void)t;                                                                                   \
        return note(self, mark);                                                                   \
    }
HOOK(train_begin, "T")
HOOK(train_end, "t")
HOOK(epoch_begin, "E")
HOOK(epoch_end, "e")
HOOK(batch_begin, "B")
HOOK(batch_end, "b")
HOOK(validation_begin, "V")
HOOK(validation_end, "v")

static reel_callback witness_of(witness *w)
{
    return (reel_callback){ .name = "witness",
                            .self = w,
                            .on_train_begin = train_begin,
                            .on_train_end = train_end,
                            .on_epoch_begin = epoch_begin,
                            .on_epoch_end = epoch_end,
                            .on_batch_begin = batch_begin,
                            .on_batch_end = batch_end,
                            .on_validation_begin = validation_begin,
                            .on_validation_end = validation_end };
}

Test(callbacks, every_hook_is_called_in_order)
{
    reel_model *m;
    reel_tape *t = setup(&m, 0.1);
    witness w = { .log = "" };
    reel_fit_options options = { .epochs = 2, .batch_size = 9, .validation_split = 0.25 };
    options.callbacks[0] = witness_of(&w);
    cr_assert_not_null(reel_fit(m, X, Y, options), "%s", reel_tape_error(t));
    cr_expect_str_eq(w.log, "TEBbBbVveEBbBbVvet");
    reel_tape_free(t);
}

Test(callbacks, one_that_fails_ends_the_fit_and_is_named)
{
    static const struct {
        const char *failing, *log, *message;
    } cases[] = {
        { "T", "Tt", "callback witness failed in on_train_begin, epoch 1: argument out of range" },
        { "B", "TEBt", "callback witness failed in on_batch_begin, epoch 1" },
        { "e", "TEBbVvet", "callback witness failed in on_epoch_end, epoch 1" },
        { "v", "TEBbVvt", "callback witness failed in on_validation_end, epoch 1" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        reel_model *m;
        reel_tape *t = setup(&m, 0.1);
        witness w = { .failing = cases[i].failing };
        reel_fit_options options = { .epochs = 2, .batch_size = 18, .validation_split = 0.25 };
        options.callbacks[3] = witness_of(&w);
        cr_expect_null(reel_fit(m, X, Y, options));
        cr_expect_str_eq(w.log, cases[i].log);
        cr_expect(strstr(reel_tape_error(t), cases[i].message), "%s", reel_tape_error(t));
        reel_tape_clear(t);
        cr_expect(isfinite(reel_evaluate(m, X, Y, (reel_evaluate_options){ 0 }).loss));
        reel_tape_free(t);
    }
}

static reel_status skip_two(void *self, reel_training *t)
{
    (void)self;
    t->epoch += 2;
    return REEL_OK;
}

static double loss_from(int skip, int epochs)
{
    reel_model *m;
    reel_tape *t = setup(&m, 0.1);
    reel_fit_options options = { .epochs = epochs, .batch_size = 8 };
    if (skip) {
        cr_assert_not_null(reel_fit(m, X, Y, (reel_fit_options){ .epochs = 2, .batch_size = 8 }));
        options.callbacks[0] = (reel_callback){ .name = "skip", .on_train_begin = skip_two };
    }
    reel_history *h = reel_fit(m, X, Y, options);
    cr_assert_not_null(h, "%s", reel_tape_error(t));
    cr_expect_eq(h->epochs, epochs - skip);
    double loss = reel_history_at(h, "loss", -1);
    reel_tape_free(t);
    return loss;
}

Test(callbacks, epochs_that_are_done_may_be_skipped_and_the_order_goes_on)
{
    cr_expect_eq(loss_from(2, 5), loss_from(0, 5));
}

Test(callbacks, a_monitor_that_is_not_logged_is_named_with_what_is)
{
    reel_model *m;
    reel_tape *t = setup(&m, 0.1);
    reel_fit_options options = { .epochs = 2 };
    options.callbacks[0] =
        reel_early_stopping(m, (reel_early_stopping_options){ .monitor = "val_acc" });
    cr_expect_null(reel_fit(m, X, Y, options));
    cr_expect(strstr(reel_tape_error(t), "there is no \"val_acc\" among loss"), "%s",
              reel_tape_error(t));
    reel_tape_clear(t);
    options.callbacks[0] = reel_early_stopping(m, (reel_early_stopping_options){ .patience = -1 });
    cr_expect_null(reel_fit(m, X, Y, options));
    cr_expect(strstr(reel_tape_error(t), "patience is -1, must be at least 0"), "%s",
              reel_tape_error(t));
    reel_tape_free(t);
}

/* ---- Ctrl-C ---------------------------------------------------------------------------------------------- */

static volatile sig_atomic_t outside;

static void outer_handler(int number)
{
    (void)number;
    outside = 1;
}

static reel_status interrupt(void *self, reel_training *t)
{
    (void)self;
    return t->step == 3 ? (raise(SIGINT), REEL_OK) : REEL_OK;
}

Test(callbacks, an_interrupt_stops_after_the_step_and_the_old_handler_returns)
{
    reel_model *m;
    reel_tape *t = setup(&m, 0.1);
    witness w = { .log = "" };
    signal(SIGINT, outer_handler);
    reel_fit_options options = {
        .epochs = 9,
        .batch_size = 12,
        .catch_interrupt = true,
        .callbacks = { { .name = "interrupt", .on_batch_end = interrupt }, witness_of(&w) },
    };
    reel_history *h = reel_fit(m, X, Y, options);
    cr_assert_not_null(h, "%s", reel_tape_error(t));
    cr_expect_str_eq(h->stopped_by, "interrupt");
    cr_expect_eq(h->epochs, 2);
    cr_expect_str_eq(w.log, "TEBbBbeEBbet");
    cr_expect_eq(outside, 0);
    raise(SIGINT);
    cr_expect_eq(outside, 1);
    reel_tape_free(t);
}

/* ---- going on after a crash ---------------------------------------------------------------------------- */

static reel_status crash(void *self, reel_training *t)
{
    (void)self;
    return t->epoch == 3 ? REEL_INTERNAL : REEL_OK;
}

static double with_adam(const char *path, bool crashing, reel_status *status)
{
    reel_model *m;
    reel_tape *t = setup(&m, 0.1);
    reel_compile(m, (reel_compile_options){ .optimizer = "adam", .loss = "mse" });
    reel_fit_options options = { .epochs = 6, .batch_size = 8 };
    if (path) {
        options.callbacks[0] = reel_backup_and_restore(m, path, (reel_backup_options){ 0 });
    }
    if (crashing) {
        options.callbacks[1] = (reel_callback){ .name = "crash", .on_batch_end = crash };
    }
    reel_history *h = reel_fit(m, X, Y, options);
    double loss = reel_history_at(h, "loss", -1);
    *status = reel_tape_status(t);
    reel_tape_free(t);
    return loss;
}

Test(callbacks, backup_goes_on_to_the_same_bits_after_a_crash)
{
    char path[64];
    reel_status status;
    temporary(path);
    unlink(path);
    with_adam(path, true, &status);
    cr_expect_eq(status, REEL_INTERNAL);
    cr_assert_eq(access(path, F_OK), 0);
    double resumed = with_adam(path, false, &status);
    cr_expect_eq(status, REEL_OK);
    cr_expect_eq(resumed, with_adam(NULL, false, &status));
    cr_expect_neq(access(path, F_OK), 0, "it is removed in the end");
}

Test(callbacks, an_interrupt_leaves_a_checkpoint)
{
    reel_model *m;
    reel_tape *t = setup(&m, 0.1);
    char path[64];
    temporary(path);
    unlink(path);
    reel_fit_options options = {
        .epochs = 9,
        .batch_size = 12,
        .catch_interrupt = true,
        .interrupt_checkpoint = path,
        .callbacks = { { .name = "interrupt", .on_batch_end = interrupt } },
    };
    cr_assert_not_null(reel_fit(m, X, Y, options), "%s", reel_tape_error(t));
    reel_training_state state = { .optimizer = reel_model_optimizer(m) };
    cr_assert_eq(reel_load_checkpoint(t, path, &state), REEL_OK, "%s", reel_tape_error(t));
    cr_expect(state.epoch == 1 && state.step == 3);
    unlink(path);
    reel_tape_free(t);
}

Test(callbacks, model_checkpoint_writes_what_reel_load_reads)
{
    reel_model *m;
    reel_tape *t = setup(&m, 0.1);
    char path[80];
    temporary(path);
    unlink(path);
    strcat(path, ".safetensors");
    reel_fit_options options = { .epochs = 2 };
    options.callbacks[0] = reel_model_checkpoint(m, path, (reel_model_checkpoint_options){ 0 });
    cr_assert_not_null(reel_fit(m, X, Y, options), "%s", reel_tape_error(t));
    double loss = reel_evaluate(m, X, Y, (reel_evaluate_options){ 0 }).loss;
    reel_fit(m, X, Y, (reel_fit_options){ .epochs = 2 });
    cr_assert_eq(reel_load(t, path, (reel_load_options){ 0 }), REEL_OK, "%s", reel_tape_error(t));
    cr_expect_eq(reel_evaluate(m, X, Y, (reel_evaluate_options){ 0 }).loss, loss);
    unlink(path);
    reel_tape_free(t);
}

/* ---- progress --------------------------------------------------------------------------------------------- */

static void printed(int verbose, char text[2048])
{
    reel_model *m;
    reel_tape *t = setup(&m, 0.1);
    FILE *file = tmpfile();
    reel_fit_options options = {
        .epochs = 2, .batch_size = 4, .verbose = verbose, .progress = file, .validation_split = 0.25
    };
    cr_assert_not_null(reel_fit(m, X, Y, options), "%s", reel_tape_error(t));
    rewind(file);
    text[fread(text, 1, 2047, file)] = '\0';
    fclose(file);
    reel_tape_free(t);
}

static int lines_of(const char *text)
{
    int lines = 0;
    for (; *text; text++) {
        lines += *text == '\n';
    }
    return lines;
}

Test(callbacks, progress_is_one_line_an_epoch_away_from_a_terminal)
{
    char text[2048];
    printed(0, text);
    cr_expect_str_eq(text, "");
    printed(1, text);
    cr_expect_eq(lines_of(text), 2);
    cr_expect(strstr(text, "5/5 ━━━━━━━━━━━━━━━━━━━━ "), "%s", text);
    cr_expect(strstr(text, "s/step - loss: ") && strstr(text, " - val_loss: "), "%s", text);
    cr_expect_null(strchr(text, '\r'));
    printed(2, text);
    cr_expect_eq(lines_of(text), 2);
    cr_expect_eq(strncmp(text, "Epoch 1/2 - ", 12), 0);
}

/* A terminal that nobody sees: what is written to the slave is read from the master. */
static FILE *open_terminal(int *master)
{
    *master = posix_openpt(O_RDWR | O_NOCTTY);
    if (*master < 0 || grantpt(*master) != 0 || unlockpt(*master) != 0) {
        return NULL;
    }
    int slave = open(ptsname(*master), O_RDWR | O_NOCTTY);
    return slave < 0 ? NULL : fdopen(slave, "w");
}

/* It hands over what was written in pieces: until `last` is there, or nothing comes for ten seconds. */
static void read_terminal(int master, const char *last, char *text, size_t size)
{
    size_t used = 0;
    struct pollfd wait = { .fd = master, .events = POLLIN };
    text[0] = '\0';
    while (!strstr(text, last) && used + 1 < size && poll(&wait, 1, 10000) > 0) {
        ssize_t n = read(master, text + used, size - 1 - used);
        if (n <= 0) {
            return;
        }
        used += (size_t)n;
        text[used] = '\0';
    }
}

Test(callbacks, progress_on_a_terminal_is_a_bar_that_is_drawn_again_in_its_place)
{
    static char text[16384];
    int master;
    reel_model *m;
    reel_tape *t = setup(&m, 0.1);
    FILE *terminal = open_terminal(&master);
    if (!terminal) {
        cr_skip("there are no pseudo-terminals here");
    }
    reel_fit_options options = { .epochs = 1, .batch_size = 4, .verbose = 1, .progress = terminal };
    cr_assert_not_null(reel_fit(m, X, Y, options), "%s", reel_tape_error(t));
    fflush(terminal);
    read_terminal(master, "6/6", text, sizeof text);
    cr_expect(strstr(text, "Epoch 1/1"), "%s", text);
    cr_expect(strstr(text, "━"), "%s", text);
    cr_expect(strstr(text, "ms/step - loss: ") || strstr(text, "us/step - loss: "), "%s", text);
    int drawn = 0;
    for (const char *at = text; (at = strchr(at, '\r')); at++) {
        drawn += at[1] != '\n';
    }
    cr_expect_geq(drawn, 2, "%d times: %s", drawn, text);
    fclose(terminal);
    close(master);
    reel_tape_free(t);
}

/* callback_tensorboard.c: training as TensorBoard shows it. */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <string.h>
#include <time.h>

#include "events.h"
#include "training.h"

typedef struct {
    reel_model *model;
    const char *dir;
    reel_tensorboard_options options;
    reel__events train, validation;
    reel__room values;
    bool drawn; /* a functional model's graph, after its first batch */
} board;

static reel_status fail(const board *b, reel_training *t, const char *what)
{
    snprintf(t->message, sizeof t->message, "cannot %s in %.150s: %s", what, b->dir,
             strerror(errno));
    return REEL_FILE_ERROR;
}

static void release(void *self)
{
    board *b = self;
    if (b->train.tape) {
        reel__events_close(&b->train);
    }
    if (b->validation.tape) {
        reel__events_close(&b->validation);
    }
    reel__room_free(b->model->tape, &b->values);
}

static bool open_part(board *b, reel__events *events, const char *part)
{
    char dir[1024];
    snprintf(dir, sizeof dir, "%.1000s/%s", b->dir, part);
    return events->file || reel__events_open(events, b->model->tape, dir);
}

static reel_status begin(void *self, reel_training *t)
{
    board *b = self;
    return open_part(b, &b->train, "train") ? REEL_OK : fail(b, t, "make an event file");
}

/* Of a functional model: the batch that was just recorded. */
static bool write_recorded(board *b)
{
    return reel__events_drawing(&b->train, b->model->latest);
}

static bool write_graph(board *b)
{
    const reel_model *m = b->model;
    reel__event_node *nodes =
        reel__room_for(m->tape, &b->values, (size_t)(m->count + 1) * sizeof *nodes);
    if (!nodes) {
        return false;
    }
    nodes[0] = (reel__event_node){ .name = "data", .op = "Placeholder" };
    for (int k = 0; k < m->count; k++) {
        const reel_layer_spec *spec = &m->layer[k].spec;
        nodes[k + 1] = (reel__event_node){ .name = spec->name,
                                           .op = reel__layer_kind_name(spec->kind),
                                           .input = &nodes[k].name,
                                           .inputs = 1 };
    }
    return reel__events_graph(&b->train, m->count + 1, nodes);
}

static bool write_histograms(board *b, int epoch)
{
    reel_tape *tape = b->model->tape;
    bool good = true;
    for (size_t i = 0; good && i < reel_param_count(tape); i++) {
        reel_var v = reel_param_at(tape, i);
        size_t n = (size_t)reel_shape_size(reel_shape_of(v));
        double *values = reel__room_for(tape, &b->values, n * sizeof *values);
        good = values && reel_read_f64(v, values, n) == REEL_OK &&
               reel__events_histogram(&b->train, epoch, reel_param_name(v), values, n);
    }
    return good;
}

/* Keras puts numbers of validation beside those of training, under the same name. */
static bool write_log(board *b, const char *name, double value, int epoch)
{
    bool validation = strncmp(name, "val_", 4) == 0;
    reel__events *events = validation ? &b->validation : &b->train;
    char tag[128];
    if (validation && !open_part(b, events, "validation")) {
        return false;
    }
    events->wall_time = b->train.wall_time;
    snprintf(tag, sizeof tag, "epoch_%.100s", validation ? name + 4 : name);
    return reel__events_scalar(events, epoch, tag, value);
}

static void set_time(board *b)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    b->train.wall_time = (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static reel_status batch_end(void *self, reel_training *t)
{
    board *b = self;
    int every = b->options.batches_every;
    set_time(b);
    if (b->options.graph && b->model->build && !b->drawn) {
        b->drawn = true;
        if (!write_recorded(b)) {
            return fail(b, t, "draw the graph");
        }
    }
    if (every > 0 && t->step % every == 0 &&
        !reel__events_scalar(&b->train, t->step, "batch_loss", t->batch_loss)) {
        return fail(b, t, "write");
    }
    return REEL_OK;
}

static reel_status epoch_end(void *self, reel_training *t)
{
    board *b = self;
    int every = b->options.histograms_every;
    bool good = true, first = b->options.graph && t->epoch == 0 && !b->model->build;
    set_time(b);
    for (int i = 0; good && i < t->count; i++) {
        good = write_log(b, t->name[i], t->value[i], t->epoch);
    }
    good = good && (!first || write_graph(b));
    good = good && (every <= 0 || t->epoch % every != 0 || write_histograms(b, t->epoch));
    good = good && reel__events_flush(&b->train) &&
           (!b->validation.file || reel__events_flush(&b->validation));
    return good ? REEL_OK : fail(b, t, "write");
}

static reel_status train_end(void *self, reel_training *t)
{
    board *b = self;
    bool good = reel__events_close(&b->train);
    if (b->validation.tape) {
        good = reel__events_close(&b->validation) && good;
    }
    return good ? REEL_OK : fail(b, t, "write");
}

reel_callback reel_tensorboard(reel_model *model, const char *log_dir,
                               reel_tensorboard_options options)
{
    if (!model) {
        return (reel_callback){ 0 };
    }
    if (!log_dir || !log_dir[0] || strlen(log_dir) > 900) {
        reel_fail(model->tape, REEL_BAD_ARGUMENT, "tensorboard", "the folder's name is %s",
                  log_dir && log_dir[0] ? "too long" : "empty");
        return (reel_callback){ 0 };
    }
    board *b = reel__tape_store(model->tape, sizeof *b);
    if (!b || !(b->dir = reel__tape_store_text(model->tape, log_dir)) ||
        !reel__tape_on_free(model->tape, release, b)) {
        return (reel_callback){ 0 };
    }
    b->model = model;
    b->options = options;
    return (reel_callback){ .name = "tensorboard",
                            .self = b,
                            .on_train_begin = begin,
                            .on_batch_end = batch_end,
                            .on_epoch_end = epoch_end,
                            .on_train_end = train_end };
}

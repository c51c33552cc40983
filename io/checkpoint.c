/* checkpoint.c: parameters, optimiser, counters and random numbers in one archive. */
#include "checkpoint.h"

#include <stdlib.h>
#include <string.h>

#include "parameters.h"

#define PARAMS "param/"
#define OPTIMIZER "optimizer/"
#define STATE "state/"
#define EXTRA "extra/"
#define VERSION_KEY "reel.checkpoint"
#define OPTIMIZER_KEY "reel.optimizer"

/* ---- counters ------------------------------------------------------------------------------ */

/* Everything that is one number of 8 bytes. */
typedef struct {
    reel_training_state training;
    uint64_t seed, stream; /* the tape's: what the next random op draws from */
} counters;

typedef struct {
    const char *name;
    reel_array_type type;
    size_t offset;
} field;

static const field fields[] = {
    { "epoch", REEL_ARRAY_I64, offsetof(counters, training.epoch) },
    { "step", REEL_ARRAY_I64, offsetof(counters, training.step) },
    { "position", REEL_ARRAY_I64, offsetof(counters, training.position) },
    { "shuffle_seed", REEL_ARRAY_U64, offsetof(counters, training.shuffle_seed) },
    { "best", REEL_ARRAY_F64, offsetof(counters, training.best) },
    { "best_epoch", REEL_ARRAY_I64, offsetof(counters, training.best_epoch) },
    { "seed", REEL_ARRAY_U64, offsetof(counters, seed) },
    { "stream", REEL_ARRAY_U64, offsetof(counters, stream) },
};
enum { FIELDS = sizeof fields / sizeof *fields, FIELD_BYTES = 8 };

static bool lend_counters(reel_archive *a, const counters *c)
{
    for (size_t i = 0; i < FIELDS; i++) {
        reel_array one = { fields[i].type, { 0 }, (const char *)c + fields[i].offset };
        if (!reel__lend_as(a, STATE, fields[i].name, one)) {
            return false;
        }
    }
    return true;
}

static bool find_counters(reel_tape *t, const reel_archive *a, counters *c)
{
    for (size_t i = 0; i < FIELDS; i++) {
        char name[64];
        reel_array one;
        snprintf(name, sizeof name, STATE "%s", fields[i].name);
        if (!reel_archive_find(a, name, &one) || one.type != fields[i].type ||
            reel_array_bytes(one) != FIELD_BYTES) {
            reel_fail(t, REEL_BAD_FILE, "load_checkpoint", "%s is missing or no number", name);
            return false;
        }
        memcpy((char *)c + fields[i].offset, one.data, FIELD_BYTES);
    }
    return true;
}

/* ---- the optimiser ------------------------------------------------------------------------- */

static reel_array array_of(const reel_state_entry *entry)
{
    static const reel_array_type types[] = {
        [REEL_STATE_F32] = REEL_ARRAY_F32,
        [REEL_STATE_F64] = REEL_ARRAY_F64,
        [REEL_STATE_I64] = REEL_ARRAY_I64,
    };
    return (reel_array){ types[entry->dtype], entry->shape, entry->data };
}

static bool lend_optimizer(reel_archive *a, reel_optimizer *optimizer)
{
    size_t count = reel_optimizer_state_count(optimizer);
    for (size_t i = 0; i < count; i++) {
        reel_state_entry entry;
        if (reel_optimizer_state_at(optimizer, i, &entry) != REEL_OK ||
            !reel__lend_as(a, OPTIMIZER, entry.name, array_of(&entry))) {
            return false;
        }
    }
    return reel_archive_set_text(a, OPTIMIZER_KEY, reel_optimizer_name(optimizer)) == REEL_OK;
}

/* Version 1 wrote "schedule/step" where it is "schedule.step" now. */
static void name_as_version_1(char *name)
{
    char *dot = strchr(name, '.');
    if (dot && !strchr(name, '/')) {
        *dot = '/';
    }
}

static bool find_entry(const reel_archive *a, const reel_state_entry *entry, reel_array *saved)
{
    char name[1024];
    const char *version = reel_archive_text(a, VERSION_KEY);
    int length = snprintf(name, sizeof name, OPTIMIZER "%s", entry->name);
    if (version && strcmp(version, "1") == 0) {
        name_as_version_1(name + strlen(OPTIMIZER));
    }
    return length < (int)sizeof name && reel_archive_find(a, name, saved);
}

static bool entry_fits(const reel_state_entry *entry, const reel_array *saved)
{
    bool same_kind = entry->dtype == REEL_STATE_I64 ? saved->type == REEL_ARRAY_I64
                                                    : reel__is_floating(saved->type);
    return same_kind && reel_shape_equal(saved->shape, entry->shape);
}

/* "W/m" of parameter W; not "schedule.step", which an older reel may not have saved. */
static bool is_of_param(const reel_archive *params, const char *name)
{
    char param[1024];
    const char *slash = strrchr(name, '/');
    int length = slash ? (int)(slash - name) : 0;
    snprintf(param, sizeof param, "%.*s", length, name);
    return slash && reel__archive_index(params, param) < params->count;
}

/* What is in the file fits; what belongs to a parameter is there. */
static bool check_entry(const reel_archive *a, const reel_archive *params,
                        const reel_state_entry *entry)
{
    reel_array saved;
    return find_entry(a, entry, &saved) ? entry_fits(entry, &saved)
                                        : !is_of_param(params, entry->name);
}

static bool check_optimizer(reel_tape *t, const reel_archive *a, const reel_archive *params,
                            reel_optimizer *optimizer)
{
    const char *saved_name = reel_archive_text(a, OPTIMIZER_KEY);
    const char *name = reel_optimizer_name(optimizer);
    if (!saved_name || !name || strcmp(saved_name, name) != 0) {
        reel_fail(t, REEL_BAD_ARGUMENT, "load_checkpoint",
                  "the file has the state of %s, the optimiser is %s",
                  saved_name ? saved_name : "no optimiser", name ? name : "none");
        return false;
    }
    size_t count = reel_optimizer_state_count(optimizer);
    for (size_t i = 0; i < count; i++) {
        reel_state_entry entry;
        if (reel_optimizer_state_at(optimizer, i, &entry) != REEL_OK) {
            return false;
        }
        if (!check_entry(a, params, &entry)) {
            reel_fail(t, REEL_BAD_SHAPE, "load_checkpoint",
                      "the optimiser's %s is missing or does not fit %s", entry.name,
                      REEL_SHAPE_TEXT(entry.shape));
            return false;
        }
    }
    return count > 0;
}

static void write_entry(const reel_state_entry *entry, reel_array saved)
{
    if (entry->dtype == REEL_STATE_I64) {
        memcpy(entry->data, saved.data, entry->count * sizeof(int64_t));
    } else if (entry->dtype == REEL_STATE_F64) {
        reel_array_read_f64(saved, entry->data, entry->count);
    } else {
        reel_array_read(saved, entry->data, entry->count);
    }
}

static void write_optimizer(const reel_archive *a, reel_optimizer *optimizer)
{
    size_t count = reel_optimizer_state_count(optimizer);
    for (size_t i = 0; i < count; i++) {
        reel_state_entry entry;
        reel_array saved;
        if (reel_optimizer_state_at(optimizer, i, &entry) == REEL_OK &&
            find_entry(a, &entry, &saved)) {
            write_entry(&entry, saved);
        }
    }
}

/* ---- the program's own --------------------------------------------------------------------- */

static bool lend_extra(reel_archive *a, const reel_archive *extra)
{
    for (size_t i = 0; i < extra->count; i++) {
        if (!reel__lend_as(a, EXTRA, extra->entries[i].name, extra->entries[i].array)) {
            return false;
        }
    }
    for (size_t i = 0; i < extra->text_count; i++) {
        size_t room = strlen(extra->texts[i].key) + sizeof EXTRA;
        char *key = reel__archive_take(a, room);
        if (!key) {
            return false;
        }
        snprintf(key, room, EXTRA "%s", extra->texts[i].key);
        reel_archive_set_text(a, key, extra->texts[i].value);
    }
    return a->failure.status == REEL_OK;
}

static void add_extra(const reel_archive *a, reel_archive *extra)
{
    size_t front = strlen(EXTRA);
    for (size_t i = 0; i < a->count; i++) {
        if (reel__starts_with(a->entries[i].name, EXTRA)) {
            reel_archive_add(extra, a->entries[i].name + front, a->entries[i].array);
        }
    }
    for (size_t i = 0; i < a->text_count; i++) {
        if (reel__starts_with(a->texts[i].key, EXTRA)) {
            reel_archive_set_text(extra, a->texts[i].key + front, a->texts[i].value);
        }
    }
}

/* ---- saving -------------------------------------------------------------------------------- */

static bool fill(reel_archive *a, reel_tape *t, const counters *c, const reel_text *texts)
{
    char version[16];
    snprintf(version, sizeof version, "%d", REEL_CHECKPOINT_VERSION);
    const reel_training_state *training = &c->training;
    return reel_archive_set_text(a, VERSION_KEY, version) == REEL_OK && reel__add_texts(a, texts) &&
           reel__lend_params(a, PARAMS, t) && lend_counters(a, c) &&
           (!training->optimizer || lend_optimizer(a, training->optimizer)) &&
           (!training->extra || lend_extra(a, training->extra));
}

reel_status reel_save_checkpoint(reel_tape *t, const char *path, const reel_training_state *state,
                                 reel_checkpoint_options options)
{
    if (!t) {
        return REEL_BAD_HANDLE;
    }
    if (!state || options.keep < 0) {
        reel_fail(t, REEL_BAD_ARGUMENT, "save_checkpoint",
                  state ? "keep is %d, must be at least 1" : "there is no state (keep %d)",
                  options.keep);
        return REEL_BAD_ARGUMENT;
    }
    reel_archive *a = reel__tape_archive(t);
    if (!a) {
        return REEL_OUT_OF_MEMORY;
    }
    counters c = { .training = *state, .seed = t->options.seed, .stream = t->stream };
    bool filled = fill(a, t, &c, options.texts);
    reel_status status = filled ? reel__archive_write(a, path, options.keep) : a->failure.status;
    if (!filled && status == REEL_OK) {
        status = reel__tape_failed(t); /* the optimiser's */
    }
    reel__pass_error(t, "save_checkpoint", a);
    reel_archive_free(a);
    reel__forget_site(t);
    return status;
}

/* ---- loading ------------------------------------------------------------------------------- */

static bool check_version(reel_tape *t, const reel_archive *a)
{
    const char *text = reel_archive_text(a, VERSION_KEY);
    char *end = NULL;
    long version = text ? strtol(text, &end, 10) : 0;
    if (!text || *end || version < 1) {
        reel_fail(t, REEL_BAD_FILE, "load_checkpoint", "the file is no checkpoint");
        return false;
    }
    if (version > REEL_CHECKPOINT_VERSION) {
        reel_fail(t, REEL_UNSUPPORTED, "load_checkpoint",
                  "the checkpoint is of version %ld, this reel reads up to version %d", version,
                  REEL_CHECKPOINT_VERSION);
        return false;
    }
    return true;
}

/* What can fail comes before what changes anything. */
static reel_status load_checked(reel_tape *t, const reel_archive *a, const reel__match *m,
                                reel_training_state *state)
{
    counters c = { .training = *state };
    if (!find_counters(t, a, &c) ||
        (state->optimizer && !check_optimizer(t, a, m->params, state->optimizer))) {
        return reel__tape_failed(t);
    }
    if (state->extra) {
        add_extra(a, state->extra);
        if (reel__pass_error(t, "load_checkpoint", state->extra) != REEL_OK) {
            return reel_archive_status(state->extra);
        }
    }
    reel_status status = reel__match_write(m);
    if (status != REEL_OK) {
        return status;
    }
    if (state->optimizer) {
        write_optimizer(a, state->optimizer);
    }
    t->options.seed = c.seed;
    t->stream = c.stream;
    *state = c.training;
    return REEL_OK;
}

reel_status reel__load_checkpoint_archive(reel_tape *t, const reel_archive *a,
                                          reel_training_state *state)
{
    if (reel__pass_error(t, "load_checkpoint", a) != REEL_OK || !check_version(t, a)) {
        return reel__tape_failed(t);
    }
    reel__match m;
    reel_load_options options = { .prefix = PARAMS };
    reel_status status = reel__match_begin(&m, "load_checkpoint", t, a, &options);
    if (status == REEL_OK) {
        status = load_checked(t, a, &m, state);
    }
    reel__match_end(&m);
    return status;
}

reel_status reel_load_checkpoint(reel_tape *t, const char *path, reel_training_state *state)
{
    if (!t) {
        return REEL_BAD_HANDLE;
    }
    if (!state) {
        reel_fail(t, REEL_BAD_ARGUMENT, "load_checkpoint", "there is no state to fill");
        return REEL_BAD_ARGUMENT;
    }
    reel_archive *a =
        reel_archive_open(path, (reel_archive_options){ .allocator = t->options.allocator });
    reel_status status = reel__load_checkpoint_archive(t, a, state);
    reel_archive_free(a);
    return status;
}

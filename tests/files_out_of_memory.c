/* Every allocation of saving and loading fails once: an error, nothing changed, every byte comes
 * back. */
#include <criterion/criterion.h>
#include <reel.h>
#include <stdlib.h>
#include <string.h>

#include "support/files.h"

typedef struct {
    size_t calls, bytes; /* requests so far; bytes handed out */
    size_t fail_at;      /* this request fails, counted from 1; 0: none */
} meter;

static void *metered_resize(void *self, void *old, size_t old_size, size_t new_size)
{
    meter *m = self;
    if (new_size == 0) {
        m->bytes -= old_size;
        free(old);
        return NULL;
    }
    if (++m->calls == m->fail_at) {
        return NULL;
    }
    void *block = realloc(old, new_size);
    m->bytes += new_size - old_size;
    return block;
}

static const reel_foreign_layer rows[] = { { "GRU", "gru", "there" }, { 0 } };

/* ---- what is tried ------------------------------------------------------------------------- */

typedef reel_status (*attempt)(reel_tape *, const char *path, reel_training_state *);

static reel_status save(reel_tape *t, const char *path, reel_training_state *at)
{
    (void)at;
    return reel_save(t, path, (reel_save_options){ 0 });
}

static reel_status load(reel_tape *t, const char *path, reel_training_state *at)
{
    (void)at;
    return reel_load(t, path, (reel_load_options){ 0 });
}

static reel_status save_checkpoint(reel_tape *t, const char *path, reel_training_state *at)
{
    return reel_save_checkpoint(t, path, at, (reel_checkpoint_options){ .keep = 2 });
}

static reel_status load_checkpoint(reel_tape *t, const char *path, reel_training_state *at)
{
    return reel_load_checkpoint(t, path, at);
}

static reel_status export_weights(reel_tape *t, const char *path, reel_training_state *at)
{
    (void)at;
    return reel_export(t, path, (reel_foreign_options){ .layers = rows });
}

static reel_status import_weights(reel_tape *t, const char *path, reel_training_state *at)
{
    (void)at;
    return reel_import(t, path, (reel_foreign_options){ .layers = rows });
}

/* ---- trying -------------------------------------------------------------------------------- */

static double sum_of(reel_tape *t)
{
    double sum = 0;
    reel_flat flat;
    reel_flat_begin(t, &flat);
    for (size_t i = 0; i < flat.count; i++) {
        sum += ((const double *)flat.values)[i];
    }
    return sum;
}

/* With the request `fail_at` failing; false when there were not so many. */
static bool fails(attempt call, const char *path, size_t fail_at)
{
    meter m = { 0 };
    reel_tape *t = reel_tape_new((reel_tape_options){
        .dtype = REEL_F64, .seed = fail_at, .threads = 1, .allocator = { metered_resize, &m } });
    reel_gru(t, "gru", 2, 3, (reel_gru_options){ .reset_after = true });
    reel_training_state at = { .optimizer = reel_adam(t, (reel_adam_options){ 0 }) };
    cr_assert_eq(reel_optimizer_step(at.optimizer), REEL_OK);
    double before = sum_of(t);
    m.fail_at = m.calls + fail_at;
    reel_status status = call(t, path, &at);
    bool failed = m.calls >= m.fail_at;
    m.fail_at = 0;
    cr_expect_eq(status, failed ? REEL_OUT_OF_MEMORY : REEL_OK, "request %zu: %s", fail_at,
                 reel_tape_error(t));
    cr_expect(!failed || sum_of(t) == before, "request %zu changed a parameter", fail_at);
    reel_tape_clear(t);
    cr_expect_eq(call(t, path, &at), REEL_OK, "request %zu: %s", fail_at, reel_tape_error(t));
    reel_tape_free(t);
    cr_expect_eq(m.bytes, 0, "request %zu: %zu bytes did not come back", fail_at, m.bytes);
    return failed;
}

static void fail_each(attempt write, attempt read, const char *name)
{
    char path[FILES_PATH];
    files_begin(path, name);
    size_t written = 1, got = 1;
    while (fails(write, path, written)) {
        written++;
    }
    while (fails(read, path, got)) {
        got++;
    }
    cr_expect(written > 3 && got > 3);
    files_end(path);
}

Test(files_out_of_memory, saving_and_loading)
{
    fail_each(save, load, "model.safetensors");
    fail_each(save, load, "model.npz");
    fail_each(save, load, "model.h5");
}

Test(files_out_of_memory, checkpoints)
{
    fail_each(save_checkpoint, load_checkpoint, "run.checkpoint");
}

Test(files_out_of_memory, weights_of_others)
{
    fail_each(export_weights, import_weights, "theirs.safetensors");
}

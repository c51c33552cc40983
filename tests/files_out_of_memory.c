/* Every allocation of saving and loading fails once: an error, nothing changed, every byte comes
 * back. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "support/failing_memory.h"
#include "support/files.h"
#include "support/optional.h"

TestSuite(files_out_of_memory, .init = needs_every_format);

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
static bool fails(attempt call, const char *path, long fail_at)
{
    failing_memory m = { .fail_at = -1 };
    reel_tape *t = reel_tape_new((reel_tape_options){
        .dtype = REEL_F64, .threads = 1, .allocator = { failing_memory_resize, &m } });
    reel_gru(t, "gru", 2, 3, (reel_gru_options){ .reset_after = true });
    reel_training_state at = { .optimizer = reel_adam(t, (reel_adam_options){ 0 }) };
    cr_assert_eq(reel_optimizer_step(at.optimizer), REEL_OK);
    double before = sum_of(t);
    m.fail_at = m.calls + fail_at;
    reel_status status = call(t, path, &at);
    bool failed = m.calls > m.fail_at;
    m.fail_at = -1;
    cr_expect_eq(status, failed ? REEL_OUT_OF_MEMORY : REEL_OK, "request %ld: %s", fail_at,
                 reel_tape_error(t));
    cr_expect(!failed || sum_of(t) == before, "request %ld changed a parameter", fail_at);
    reel_tape_clear(t);
    cr_expect_eq(call(t, path, &at), REEL_OK, "request %ld: %s", fail_at, reel_tape_error(t));
    reel_tape_free(t);
    cr_expect_eq(m.held, 0, "request %ld: %zu bytes did not come back", fail_at, m.held);
    return failed;
}

static void fail_each(attempt write, attempt read, const char *name)
{
    char path[FILES_PATH];
    files_begin(path, name);
    long written = 0, got = 0;
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

/* Checkpoints: training that goes on where it was, files of every version, and what is refused.
 * That another process computes the same bits is shown by plain/resume.c, that a kill leaves a
 * whole file by plain/kill_while_saving.c. */
#define _DEFAULT_SOURCE /* setrlimit, SIGXFSZ */
#include <criterion/criterion.h>
#include <limits.h>
#include <reel.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "support/files.h"
#include "support/optional.h"
#include "support/trainer.h"

TestSuite(checkpoint, .init = needs_jansson);

static const reel_checkpoint_options plain = { 0 };

static void save(const trainer *self, const char *path)
{
    cr_assert_eq(reel_save_checkpoint(self->tape, path, &self->at, plain), REEL_OK, "%s",
                 reel_tape_error(self->tape));
}

Test(checkpoint, training_goes_on_as_if_it_had_not_stopped)
{
    char path[FILES_PATH];
    files_begin(path, "run.checkpoint");
    trainer whole = trainer_begin(REEL_F32, 1), first = trainer_begin(REEL_F32, 1),
            second = trainer_begin(REEL_F32, 2);
    cr_assert(trainer_steps(&whole, 20) && trainer_steps(&first, 10));
    save(&first, path);
    cr_assert(trainer_steps(&second, 3), "what was done before does not matter");
    cr_assert_eq(reel_load_checkpoint(second.tape, path, &second.at), REEL_OK, "%s",
                 reel_tape_error(second.tape));
    cr_expect_eq(trainer_hash(&second), trainer_hash(&first));
    cr_expect_eq(second.at.step, 10);
    cr_assert(trainer_steps(&second, 10));
    cr_expect_eq(trainer_hash(&second), trainer_hash(&whole));
    trainer_end(&whole);
    trainer_end(&first);
    trainer_end(&second);
    files_end(path);
}

Test(checkpoint, saving_changes_nothing)
{
    char path[FILES_PATH];
    files_begin(path, "run.checkpoint");
    trainer with = trainer_begin(REEL_F64, 1), without = trainer_begin(REEL_F64, 1);
    for (int i = 0; i < 6; i++) {
        cr_assert(trainer_steps(&with, 1) && trainer_steps(&without, 1));
        save(&with, path);
    }
    cr_expect_eq(trainer_hash(&with), trainer_hash(&without));
    trainer_end(&with);
    trainer_end(&without);
    files_end(path);
}

/* ---- versions ------------------------------------------------------------------------------ */

static void expect_version_one(reel_tape *t, const reel_training_state *at)
{
    cr_expect(at->epoch == 3 && at->step == 40 && at->position == 5 && at->best_epoch == 2);
    cr_expect_eq(at->shuffle_seed, 123456789012345678u);
    cr_expect_eq(at->best, 0.25);
    reel_array loss;
    float numbers[3];
    cr_assert(reel_archive_find(at->extra, "loss", &loss));
    reel_array_read(loss, numbers, 3);
    cr_expect(numbers[0] == 3 && numbers[1] == 2 && numbers[2] == 1);
    cr_expect_str_eq(reel_archive_text(at->extra, "note"), "version one");
    cr_expect_eq(reel_tape_options_of(t).seed, 11);
    cr_expect_eq(reel_optimizer_lr(at->optimizer), 0.5);
}

static void expect_old_file(const char *path)
{
    reel_tape *t = reel_tape_new((reel_tape_options){ .seed = 5, .threads = 1 });
    reel_var W = reel_param(t, "W", REEL_SHAPE(2, 3), reel_zeros());
    reel_optimizer *sgd = reel_sgd(t, (reel_sgd_options){ .lr = 0.1, .momentum = 0.5 });
    reel_training_state at = { .optimizer = sgd,
                               .extra = reel_archive_new((reel_archive_options){ 0 }) };
    cr_assert_eq(reel_load_checkpoint(t, path, &at), REEL_OK, "%s", reel_tape_error(t));
    expect_version_one(t, &at);
    float numbers[6];
    reel_read(W, numbers, 6);
    cr_expect_eq(numbers[5], 0.5f);
    reel_backward(reel_sum_all(W));
    reel_optimizer_step(sgd); /* the velocity was 1: 0.5 - 0.5·1.5 */
    reel_read(W, numbers, 6);
    cr_expect_eq(numbers[5], -0.25f);
    reel_archive_free(at.extra);
    reel_tape_free(t);
}

/* Made by tools/write_checkpoint.c, each when its version was the newest. */
Test(checkpoint, a_file_of_every_version_loads)
{
    expect_old_file(REEL_GOLDEN_DIR "/io_checkpoint_v1.safetensors");
    expect_old_file(REEL_GOLDEN_DIR "/io_checkpoint_v2.safetensors");
}

/* "schedule/step" was the schedule's place and the parameter's count of updates. */
Test(checkpoint, parameters_may_be_called_as_what_optimisers_remember)
{
    static const char *const names[] = { "schedule", "plateau", "lr", "schedule.step", "step" };
    enum { NAMES = sizeof names / sizeof *names };
    char path[FILES_PATH];
    files_begin(path, "run.checkpoint");
    double rates[2];
    for (int pass = 0; pass < 2; pass++) {
        reel_tape *t = reel_tape_new((reel_tape_options){ .seed = 1, .threads = 1 });
        reel_var loss = { 0 }, W[NAMES];
        for (int i = 0; i < NAMES; i++) {
            W[i] = reel_param(t, names[i], REEL_SHAPE(2), reel_constant(1));
        }
        reel_optimizer *adam = reel_adam(t, (reel_adam_options){ .lr = 0.1 });
        reel_optimizer_schedule(adam, reel_exponential_lr(0.5));
        reel_training_state at = { .optimizer = adam };
        if (pass == 1) {
            cr_assert_eq(reel_load_checkpoint(t, path, &at), REEL_OK, "%s", reel_tape_error(t));
        }
        for (int step = 0; step < 3; step++) {
            reel_rewind(t);
            loss = reel_sum_all(W[0]);
            for (int i = 1; i < NAMES; i++) {
                loss = reel_add(loss, reel_sum_all(W[i]));
            }
            reel_backward(loss);
            reel_optimizer_step(adam);
            reel_schedule_step(adam);
        }
        rates[pass] = reel_optimizer_lr(adam);
        cr_assert_eq(reel_save_checkpoint(t, path, &at, plain), REEL_OK, "%s", reel_tape_error(t));
        reel_tape_free(t);
    }
    cr_expect_float_eq(rates[1], rates[0] / 8, 1e-12, "the schedule went on");
    files_end(path);
}

static void expect_version_refused(const char *version, reel_status status, const char *message)
{
    char path[FILES_PATH];
    files_begin(path, "run.checkpoint");
    reel_archive *a = reel_archive_new((reel_archive_options){ 0 });
    reel_archive_set_text(a, version ? "reel.checkpoint" : "other", version ? version : "");
    reel_archive_write(a, path);
    reel_archive_free(a);
    reel_tape *t = reel_tape_new((reel_tape_options){ 0 });
    reel_training_state at = { 0 };
    cr_expect_eq(reel_load_checkpoint(t, path, &at), status);
    cr_expect(strstr(reel_tape_error(t), message), "%s", reel_tape_error(t));
    reel_tape_free(t);
    files_end(path);
}

Test(checkpoint, a_file_of_a_later_version_is_refused_with_both_versions_named)
{
    expect_version_refused("7", REEL_UNSUPPORTED,
                           "the checkpoint is of version 7, this reel reads up to version 2");
    expect_version_refused("one", REEL_BAD_FILE, "the file is no checkpoint");
    expect_version_refused("0", REEL_BAD_FILE, "the file is no checkpoint");
    expect_version_refused(NULL, REEL_BAD_FILE, "the file is no checkpoint");
    expect_version_refused("1", REEL_BAD_FILE, "state/epoch is missing or no number");
}

/* ---- what does not fit --------------------------------------------------------------------- */

static void expect_refused(trainer *self, const char *path, const char *message)
{
    uint64_t before = trainer_hash(self);
    reel_training_state at = self->at;
    cr_expect_neq(reel_load_checkpoint(self->tape, path, &at), REEL_OK);
    cr_expect(strstr(reel_tape_error(self->tape), message), "%s", reel_tape_error(self->tape));
    reel_tape_clear(self->tape);
    cr_expect_eq(memcmp(&at, &self->at, sizeof at), 0, "the state is as it was");
    cr_expect_eq(trainer_hash(self), before, "the parameters are as they were");
}

Test(checkpoint, another_model_or_optimiser_is_refused_and_nothing_changes)
{
    char path[FILES_PATH];
    files_begin(path, "run.checkpoint");
    trainer saved = trainer_begin(REEL_F32, 1), other = trainer_begin(REEL_F32, 2);
    cr_assert(trainer_steps(&saved, 2) && trainer_steps(&other, 3));
    save(&saved, path);
    reel_optimizer *adam = other.at.optimizer;
    other.at.optimizer = reel_sgd(other.tape, (reel_sgd_options){ .momentum = 0.9 });
    expect_refused(&other, path, "the file has the state of adam, the optimiser is sgd");
    other.at.optimizer = adam;
    reel_param(other.tape, "more", REEL_SHAPE(2), reel_zeros());
    expect_refused(&other, path, "the file does not fit: more [2] is missing");
    saved.at.optimizer = NULL;
    reel_param(saved.tape, "more", REEL_SHAPE(2), reel_zeros());
    save(&saved, path);
    expect_refused(&other, path, "the file has the state of no optimiser, the optimiser is adam");
    trainer_end(&saved);
    trainer_end(&other);
    files_end(path);
}

Test(checkpoint, a_file_cut_anywhere_is_refused_and_nothing_changes)
{
    char path[FILES_PATH];
    files_begin(path, "run.checkpoint");
    trainer saved = trainer_begin(REEL_F32, 1), other = trainer_begin(REEL_F32, 2);
    cr_assert(trainer_steps(&saved, 2) && trainer_steps(&other, 1));
    save(&saved, path);
    size_t size;
    unsigned char *bytes = files_read(path, &size);
    for (size_t cut = 0; cut < size; cut += 101) {
        files_write(path, bytes, cut);
        expect_refused(&other, path, "run.checkpoint: ");
    }
    free(bytes);
    trainer_end(&saved);
    trainer_end(&other);
    files_end(path);
}

Test(checkpoint, misuse_is_an_error_with_a_message)
{
    reel_tape *t = reel_tape_new((reel_tape_options){ 0 });
    reel_training_state at = { 0 };
    cr_expect_eq(reel_save_checkpoint(t, "x", NULL, plain), REEL_BAD_ARGUMENT);
    cr_expect(strstr(reel_tape_error(t), "there is no state"));
    reel_tape_clear(t);
    cr_expect_eq(reel_save_checkpoint(t, "x", &at, (reel_checkpoint_options){ .keep = -1 }),
                 REEL_BAD_ARGUMENT);
    cr_expect(strstr(reel_tape_error(t), "keep is -1, must be at least 1"));
    reel_tape_clear(t);
    cr_expect_eq(reel_load_checkpoint(t, "x", NULL), REEL_BAD_ARGUMENT);
    reel_tape_clear(t);
    cr_expect_eq(reel_save_checkpoint(t, NULL, &at, plain), REEL_BAD_ARGUMENT);
    cr_expect(strstr(reel_tape_error(t), "a path is needed"), "%s", reel_tape_error(t));
    reel_tape_free(t);
}

/* ---- older files --------------------------------------------------------------------------- */

static int64_t step_in(const char *path, const char *ending)
{
    char name[FILES_PATH + 8];
    snprintf(name, sizeof name, "%s%s", path, ending);
    reel_archive *a = reel_archive_open(name, (reel_archive_options){ 0 });
    reel_array step;
    double value = -1;
    if (reel_archive_find(a, "state/step", &step)) {
        reel_array_read_f64(step, &value, 1);
    }
    reel_archive_free(a);
    return (int64_t)value;
}

Test(checkpoint, the_last_k_are_kept)
{
    char path[FILES_PATH];
    files_begin(path, "run.checkpoint");
    trainer self = trainer_begin(REEL_F32, 1);
    for (int i = 1; i <= 5; i++) {
        cr_assert(trainer_steps(&self, 1));
        reel_save_checkpoint(self.tape, path, &self.at, (reel_checkpoint_options){ .keep = 3 });
        cr_expect_str_eq(reel_tape_error(self.tape), "");
        cr_expect_eq(files_count(path), i < 3 ? i : 3);
    }
    cr_expect_eq(step_in(path, ""), 5);
    cr_expect_eq(step_in(path, ".1"), 4);
    cr_expect_eq(step_in(path, ".2"), 3);
    trainer_end(&self);
    files_end(path);
}

Test(checkpoint, all_are_kept_where_so_many_are_asked_for)
{
    char path[FILES_PATH];
    files_begin(path, "run.checkpoint");
    trainer self = trainer_begin(REEL_F32, 1);
    for (int i = 1; i <= 3; i++) {
        cr_assert(trainer_steps(&self, 1));
        reel_save_checkpoint(self.tape, path, &self.at,
                             (reel_checkpoint_options){ .keep = INT_MAX });
        cr_expect_eq(files_count(path), i, "%s", reel_tape_error(self.tape));
    }
    cr_expect_eq(step_in(path, ".2"), 1);
    trainer_end(&self);
    files_end(path);
}

Test(checkpoint, a_full_disk_leaves_all_the_old_files)
{
    char path[FILES_PATH];
    files_begin(path, "run.checkpoint");
    trainer self = trainer_begin(REEL_F32, 1);
    reel_checkpoint_options three = { .keep = 3 };
    for (int i = 0; i < 2; i++) {
        cr_assert(trainer_steps(&self, 1));
        reel_save_checkpoint(self.tape, path, &self.at, three);
    }
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit old;
    getrlimit(RLIMIT_FSIZE, &old);
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){ 1000, old.rlim_max });
    reel_status status = reel_save_checkpoint(self.tape, path, &self.at, three);
    setrlimit(RLIMIT_FSIZE, &old);
    cr_expect_eq(status, REEL_FILE_ERROR);
    cr_expect(strstr(reel_tape_error(self.tape), "run.checkpoint: cannot write all of it"));
    reel_tape_clear(self.tape);
    cr_expect_eq(files_count(path), 2);
    cr_expect(step_in(path, "") == 2 && step_in(path, ".1") == 1);
    trainer_end(&self);
    files_end(path);
}

/* kill_while_saving.c: 200 times a process that saves one of two models over and over is killed at
 * a random moment: the file is always there and always one of the two, whole. */
#define _DEFAULT_SOURCE
#include <reel.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/files.h"

enum { KILLS = 200, NUMBERS = 40000, SAVES = 100 };

static reel_tape *model(double value)
{
    reel_tape *t = reel_tape_new((reel_tape_options){ .threads = 1 });
    reel_param(t, "W", REEL_SHAPE(NUMBERS), reel_constant(value));
    return t;
}

static void save_for_ever(const char *path, int keep)
{
    reel_tape *models[2] = { model(1), model(2) };
    reel_training_state at = { 0 };
    for (int i = 0;; i++) {
        if (reel_save_checkpoint(models[i % 2], path, &at,
                                 (reel_checkpoint_options){ .keep = keep }) != REEL_OK) {
            fprintf(stderr, "%s\n", reel_tape_error(models[i % 2]));
            _exit(EXIT_FAILURE);
        }
    }
}

/* All numbers of the file are 1, or all are 2. */
static bool is_whole(const char *path)
{
    static float W[NUMBERS];
    reel_tape *t = model(0);
    reel_training_state at = { 0 };
    bool whole = reel_load_checkpoint(t, path, &at) == REEL_OK &&
                 reel_read(reel_find_param(t, "W"), W, NUMBERS) == REEL_OK &&
                 (W[0] == 1 || W[0] == 2);
    for (int i = 0; whole && i < NUMBERS; i++) {
        whole = W[i] == W[0];
    }
    if (!whole) {
        fprintf(stderr, "%s\n", reel_tape_error(t));
    }
    reel_tape_free(t);
    return whole;
}

/* False where the process did not live until it was killed, or the file is not whole. */
static bool survives(const char *path, int i)
{
    pid_t child = fork();
    if (child == 0) {
        save_for_ever(path, i % 2 ? 3 : 1);
    }
    usleep((useconds_t)(rand() % 8000));
    kill(child, SIGKILL);
    int status;
    waitpid(child, &status, 0);
    return WIFSIGNALED(status) && is_whole(path);
}

/* Two processes save to one file at once; neither fails. */
static bool shared(const char *path)
{
    pid_t children[2];
    bool fine = true;
    for (int i = 0; i < 2; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            reel_tape *t = model(i + 1);
            reel_training_state at = { 0 };
            reel_status status = REEL_OK;
            for (int k = 0; k < SAVES && status == REEL_OK; k++) {
                status = reel_save_checkpoint(t, path, &at, (reel_checkpoint_options){ 0 });
            }
            _exit(status == REEL_OK ? EXIT_SUCCESS : EXIT_FAILURE);
        }
    }
    for (int i = 0; i < 2; i++) {
        int status;
        waitpid(children[i], &status, 0);
        fine = fine && WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS;
    }
    return fine && is_whole(path);
}

/* Checkpoints need jansson; the exit status of a program that has nothing to test. */
#ifdef REEL_HAVE_JANSSON
enum { HAVE_JANSSON = 1, SKIPPED = 77 };
#else
enum { HAVE_JANSSON = 0, SKIPPED = 77 };
#endif

int main(void)
{
    if (!HAVE_JANSSON) {
        puts("skipped: this build is without jansson");
        return SKIPPED;
    }
    char path[FILES_PATH];
    files_begin(path, "run.checkpoint");
    reel_tape *first = model(1);
    reel_training_state at = { 0 };
    bool fine = reel_save_checkpoint(first, path, &at, (reel_checkpoint_options){ 0 }) == REEL_OK;
    srand(1);
    for (int i = 0; i < KILLS && fine; i++) {
        fine = survives(path, i);
    }
    /* the file, two older ones, and at most one that was being written */
    int files = files_count(path);
    printf("%d kills, %s, %d files remain\n", KILLS, fine ? "whole each time" : "damaged", files);
    bool both = shared(path);
    printf("two savers at once: %s\n", both ? "whole" : "damaged");
    reel_tape_free(first);
    files_end(path);
    return fine && both && files <= 4 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* resume.c: 2N steps of training, against N steps, a save, a new process, a load and N more: the
 * same bits, in f32 and f64, with dropout and Adam.
 *
 *     resume                        the test
 *     resume PATH TYPE              loads PATH, trains on, prints the hash (what the test
 *     starts) */
#define _POSIX_C_SOURCE 200809L
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "support/files.h"
#include "support/trainer.h"

enum { N = 25 };

static int train_on(const char *path, reel_dtype dtype)
{
    trainer second = trainer_begin(dtype, 999); /* the file knows the seed */
    bool fine =
        reel_load_checkpoint(second.tape, path, &second.at) == REEL_OK && trainer_steps(&second, N);
    if (!fine) {
        fprintf(stderr, "%s\n", reel_tape_error(second.tape));
    }
    printf("%" PRIx64 "\n", trainer_hash(&second));
    trainer_end(&second);
    return fine ? EXIT_SUCCESS : EXIT_FAILURE;
}

static uint64_t hash_of_new_process(const char *program, const char *path, reel_dtype dtype)
{
    char command[4 * FILES_PATH];
    uint64_t hash = 0;
    snprintf(command, sizeof command, "'%s' '%s' %d", program, path, dtype);
    FILE *output = popen(command, "r");
    if (!output || fscanf(output, "%" SCNx64, &hash) != 1 || pclose(output) != 0) {
        fprintf(stderr, "%s failed\n", command);
        exit(EXIT_FAILURE);
    }
    return hash;
}

static bool same_bits(const char *program, reel_dtype dtype)
{
    char path[FILES_PATH];
    files_begin(path, "run.checkpoint");
    trainer whole = trainer_begin(dtype, 1), first = trainer_begin(dtype, 1);
    bool fine = trainer_steps(&whole, 2 * N) && trainer_steps(&first, N) &&
                reel_save_checkpoint(first.tape, path, &first.at, (reel_checkpoint_options){ 0 }) ==
                    REEL_OK;
    uint64_t expected = trainer_hash(&whole);
    uint64_t got = fine ? hash_of_new_process(program, path, dtype) : 0;
    printf("%s: %" PRIx64 " without a break, %" PRIx64 " with one\n",
           dtype == REEL_F64 ? "f64" : "f32", expected, got);
    trainer_end(&whole);
    trainer_end(&first);
    files_end(path);
    return fine && expected == got;
}

/* Checkpoints need jansson; the exit status of a program that has nothing to test. */
#ifdef REEL_HAVE_JANSSON
enum { HAVE_JANSSON = 1, SKIPPED = 77 };
#else
enum { HAVE_JANSSON = 0, SKIPPED = 77 };
#endif

int main(int count, char **arguments)
{
    if (!HAVE_JANSSON) {
        puts("skipped: this build is without jansson");
        return SKIPPED;
    }
    if (count == 3) {
        return train_on(arguments[1], (reel_dtype)atoi(arguments[2]));
    }
    bool f32 = same_bits(arguments[0], REEL_F32), f64 = same_bits(arguments[0], REEL_F64);
    return f32 && f64 ? EXIT_SUCCESS : EXIT_FAILURE;
}

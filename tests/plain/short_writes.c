/* short_writes.c: a system whose write() takes a few bytes at a time, is interrupted, or fails in the
 * middle: files come out the same to the byte, or the old one stays. The program's own write() stands
 * before the C library's; it is its streams alone that do not see it. */
#define _DEFAULT_SOURCE
#include <errno.h>
#include <reel.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "support/files.h"

enum { NUMBERS = 3000, FAILURES = 40 };

static long calls, room = -1; /* bytes that may still be written; -1: any number */
static bool meddle;

/* Of the numbers 1 … 1000. */
static size_t draw(void)
{
    static uint64_t state = 1;
    state = state * 6364136223846793005u + 1442695040888963407u;
    return 1 + (size_t)(state >> 33) % 1000;
}

ssize_t write(int file, const void *data, size_t size)
{
    struct iovec part = { (void *)(uintptr_t)data, size };
    if (meddle) {
        calls++;
        if (draw() <= 200) {
            errno = EINTR;
            return -1;
        }
        if (room == 0) {
            errno = EIO;
            return -1;
        }
        size_t most = draw();
        part.iov_len = size < most ? size : most;
        if (room > 0 && part.iov_len > (size_t)room) {
            part.iov_len = (size_t)room;
        }
        room -= room > 0 ? (long)part.iov_len : 0;
    }
    return writev(file, &part, 1);
}

static reel_tape *tape_of(double value)
{
    reel_tape *t = reel_tape_new((reel_tape_options){ .threads = 1 });
    reel_param(t, "W", REEL_SHAPE(NUMBERS), reel_constant(value));
    return t;
}

static reel_status save(reel_tape *t, const char *path)
{
    reel_training_state at = { 0 };
    return strstr(path, ".checkpoint")
               ? reel_save_checkpoint(t, path, &at, (reel_checkpoint_options){ 0 })
               : reel_save(t, path, (reel_save_options){ 0 });
}

static bool is_file(const char *path, const unsigned char *bytes, size_t size)
{
    size_t found;
    unsigned char *there = files_read(path, &found);
    bool same = found == size && memcmp(there, bytes, size) == 0;
    free(there);
    return same;
}

/* Whole in many pieces. */
static bool comes_out_whole(reel_tape *t, const char *path)
{
    size_t size;
    bool fine = save(t, path) == REEL_OK;
    unsigned char *bytes = files_read(path, &size);
    calls = 0;
    meddle = true;
    fine = fine && save(t, path) == REEL_OK && calls > 2 && is_file(path, bytes, size);
    meddle = false;
    free(bytes);
    return fine;
}

static bool fails_whole(reel_tape *t, reel_tape *other, const char *path)
{
    size_t size;
    unsigned char *bytes = files_read(path, &size);
    bool fine = true;
    for (size_t i = 0; i < FAILURES && fine; i++) {
        room = (long)(1 + i * (size - 2) / FAILURES);
        meddle = true;
        fine = save(other, path) == REEL_FILE_ERROR;
        meddle = false;
        fine = fine && strstr(reel_tape_error(other), strerror(EIO)) && files_count(path) == 1 &&
               is_file(path, bytes, size);
        reel_tape_clear(other);
    }
    room = -1;
    free(bytes);
    return fine && save(other, path) == REEL_OK && save(t, path) == REEL_OK;
}

int main(void)
{
    static const char *const names[] = { "model.safetensors", "model.npz", "model.h5",
                                         "run.checkpoint" };
    bool fine = true;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[FILES_PATH];
        files_begin(path, names[i]);
        reel_tape *t = tape_of(1), *other = tape_of(2);
        if (save(t, path) == REEL_UNSUPPORTED) {
            printf("%s: %s\n", names[i], reel_tape_error(t));
        } else {
            bool whole = comes_out_whole(t, path), kept = whole && fails_whole(t, other, path);
            printf("%s: %s, %d failures in the middle: %s %s\n", names[i],
                   whole ? "whole" : "damaged", FAILURES, kept ? "the old file" : "lost",
                   reel_tape_error(t));
            fine = fine && whole && kept;
        }
        reel_tape_free(t);
        reel_tape_free(other);
        files_end(path);
    }
    return fine ? EXIT_SUCCESS : EXIT_FAILURE;
}

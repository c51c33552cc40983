/* full_disk.c: every file that reel writes, on a disk of 256 kB that is too small for the new one:
 * an error that says so, the old file as it was, nothing left beside it, and the next save works.
 *
 * The disk is a tmpfs in a mount namespace of the process's own. Where the system allows none the
 * size of a file is limited instead (EFBIG, not ENOSPC), and the output says so. */
#define _GNU_SOURCE
#include <errno.h>
#include <reel.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "support/files.h"

#ifdef __linux__
#include <sched.h>
#include <sys/mount.h>
#endif

enum { DISK = 256 << 10, SMALL = 10000, LARGE = 60000 }; /* bytes; floats of a model */

/* ---- what is written ------------------------------------------------------------------------- */

static reel_tape *tape_of(int numbers)
{
    reel_tape *t = reel_tape_new((reel_tape_options){ .threads = 1 });
    reel_param(t, "out.W", REEL_SHAPE(100, numbers / 100), reel_constant(numbers));
    reel_param(t, "out.b", REEL_SHAPE(numbers / 100), reel_constant(numbers));
    return t;
}

static reel_status save(reel_tape *t, const char *path)
{
    return reel_save(t, path, (reel_save_options){ 0 });
}

static reel_status save_npy(reel_tape *t, const char *path)
{
    static float numbers[LARGE];
    reel_archive *a = reel_archive_new((reel_archive_options){ 0 });
    int64_t n = reel_shape_size(reel_shape_of(reel_find_param(t, "out.W")));
    reel_archive_lend(a, "x", (reel_array){ REEL_ARRAY_F32, REEL_SHAPE(n), numbers });
    reel_status status = reel_archive_write(a, path);
    if (status != REEL_OK) {
        reel_fail(t, status, "save", "%s", reel_archive_error(a));
    }
    reel_archive_free(a);
    return status;
}

static reel_status save_checkpoint(reel_tape *t, const char *path)
{
    reel_training_state at = { 0 };
    return reel_save_checkpoint(t, path, &at, (reel_checkpoint_options){ 0 });
}

static reel_status export_weights(reel_tape *t, const char *path)
{
    static const reel_foreign_layer rows[] = { { "Linear", .tape = "out", .file = "out" }, { 0 } };
    return reel_export(t, path, (reel_foreign_options){ .layers = rows });
}

static reel_status save_model(reel_tape *t, const char *path)
{
    int64_t n = reel_shape_size(reel_shape_of(reel_find_param(t, "out.b")));
    reel_model *m = reel_sequential(t, REEL_DENSE(n));
    reel_model_build(m, REEL_SHAPE(100), false);
    return reel_model_save(m, path, (reel_model_extras){ 0 });
}

static reel_status save_vocabulary(reel_tape *t, const char *path)
{
    static char text[12 * LARGE];
    int64_t n = reel_shape_size(reel_shape_of(reel_find_param(t, "out.W")));
    size_t length = 0;
    for (int64_t i = 0; i < n / 2; i++) {
        length += (size_t)sprintf(text + length, "w%07lld ", (long long)i);
    }
    reel_vocabulary *v = reel_word_vocabulary(t, text, length, (reel_vocabulary_options){ 0 });
    return reel_vocabulary_save(v, path);
}

static reel_status emit(reel_tape *t, const char *path)
{
    static const float zeros[100];
    reel_var x = reel_input(t, REEL_SHAPE(1, 100), zeros);
    reel_recorded r = { .inputs = 1, .outputs = 1, .input = { x } };
    r.output[0] = reel_matmul(x, reel_find_param(t, "out.W"));
    return reel_emit_c(t, r, path, (reel_emit_c_options){ 0 });
}

typedef struct {
    const char *name;
    reel_status (*write)(reel_tape *, const char *path);
    int small, large;
} writer;

static const writer writers[] = {
    { "model.safetensors", save, SMALL, LARGE },
    { "model.npz", save, SMALL, LARGE },
    { "array.npy", save_npy, SMALL, LARGE },
    { "model.h5", save, SMALL, LARGE },
    { "run.checkpoint", save_checkpoint, SMALL, LARGE },
    { "theirs.safetensors", export_weights, SMALL, LARGE },
    { "whole.safetensors", save_model, SMALL, LARGE },
    { "words.json", save_vocabulary, SMALL, LARGE },
    { "model.c", emit, SMALL / 5, LARGE / 2 },
};

/* ---- the disk -------------------------------------------------------------------------------- */

#ifdef __linux__
static bool say(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    bool said = file && fputs(text, file) >= 0;
    return file && fclose(file) == 0 && said;
}

static bool mount_disk(const char *folder)
{
    char size[32], map[64];
    unsigned user = (unsigned)getuid(), group = (unsigned)getgid();
    if (unshare(CLONE_NEWNS) != 0) {
        if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) {
            return false;
        }
        snprintf(map, sizeof map, "0 %u 1", user);
        say("/proc/self/setgroups", "deny");
        if (!say("/proc/self/uid_map", map)) {
            return false;
        }
        snprintf(map, sizeof map, "0 %u 1", group);
        say("/proc/self/gid_map", map);
    }
    snprintf(size, sizeof size, "size=%d", DISK);
    return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("reel", folder, "tmpfs", 0, size) == 0;
}

static void unmount_disk(const char *folder)
{
    umount(folder);
}
#else
static bool mount_disk(const char *folder)
{
    (void)folder;
    return false;
}

static void unmount_disk(const char *folder)
{
    (void)folder;
}
#endif

/* Without a disk of its own: no file longer than what is left of one. */
static void limit_files(bool on)
{
    static struct rlimit before;
    static bool saved;
    if (!saved) {
        getrlimit(RLIMIT_FSIZE, &before);
        saved = true;
    }
    struct rlimit limit = before;
    limit.rlim_cur = on ? DISK / 2 : before.rlim_cur;
    setrlimit(RLIMIT_FSIZE, &limit);
}

/* ---- the test -------------------------------------------------------------------------------- */

static bool same_file(const char *path, const unsigned char *bytes, size_t size)
{
    size_t found;
    unsigned char *there = files_read(path, &found);
    bool same = found == size && memcmp(there, bytes, size) == 0;
    free(there);
    return same;
}

static bool complain(const writer *w, const char *what, const reel_tape *t)
{
    printf("%s: %s: \"%s\"\n", w->name, what, reel_tape_error(t));
    return false;
}

static bool survives(const writer *w, const char *path, bool full)
{
    reel_tape *t = tape_of(w->small), *u = tape_of(w->large);
    bool fine = w->write(t, path) == REEL_OK || complain(w, "the small one fails", t);
    if (!fine && reel_tape_status(t) == REEL_UNSUPPORTED) {
        fine = true; /* a library is missing */
    } else if (fine) {
        size_t size;
        unsigned char *bytes = files_read(path, &size);
        limit_files(!full);
        reel_status status = w->write(u, path);
        limit_files(false);
        const char *reason = strerror(full ? ENOSPC : EFBIG);
        fine = (status == REEL_FILE_ERROR && strstr(reel_tape_error(u), reason)) ||
               complain(w, "no error for a full disk", u);
        fine = fine && (same_file(path, bytes, size) || complain(w, "the old file changed", u));
        fine = fine && (files_count(path) == 1 || complain(w, "something is left", u));
        fine = fine && (w->write(t, path) == REEL_OK || complain(w, "the next one fails", t));
        printf("%s: %s\n", w->name, reel_tape_error(u));
        free(bytes);
    }
    remove(path);
    reel_tape_free(t);
    reel_tape_free(u);
    return fine;
}

int main(void)
{
    char path[FILES_PATH], folder[FILES_PATH];
    files_begin(path, "");
    snprintf(folder, sizeof folder, "%s", path);
    signal(SIGXFSZ, SIG_IGN);
    bool full = mount_disk(folder), fine = true;
    printf(full ? "a disk of %d bytes\n" : "no disk of its own is allowed: files end at %d bytes\n",
           full ? DISK : DISK / 2);
    for (size_t i = 0; i < sizeof writers / sizeof *writers; i++) {
        snprintf(path, sizeof path, "%.200s%s", folder, writers[i].name);
        fine = survives(&writers[i], path, full) && fine;
    }
    if (full) {
        unmount_disk(folder);
    }
    files_end(folder);
    return fine ? EXIT_SUCCESS : EXIT_FAILURE;
}

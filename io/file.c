/* file.c: mapping a file, and replacing one as a whole.
 *
 * What is written goes to .NAME.saving in the folder of NAME. The file is locked while it is
 * written, so that a process that was killed leaves at most one behind, which the next one takes
 * over, and two that save at once take two. */
#define _DEFAULT_SOURCE /* flock */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"

reel_status reel__failed(reel__failure *failure, reel_status status, const char *format, ...)
{
    if (failure->status == REEL_OK) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(failure->text, sizeof failure->text, format, arguments);
        va_end(arguments);
        failure->status = status;
    }
    return failure->status;
}

static bool system_refused(reel__failure *failure, const char *what)
{
    char reason[128] = "";
    int number = errno;
    if (strerror_r(number, reason, sizeof reason) != 0) {
        snprintf(reason, sizeof reason, "error %d", number);
    }
    reel__failed(failure, REEL_FILE_ERROR, "cannot %s: %s", what, reason);
    return false;
}

/* ---- reading ------------------------------------------------------------------------------- */

static bool map_open_file(reel__mapping *mapping, int file, reel__failure *failure)
{
    struct stat about;
    if (fstat(file, &about) != 0) {
        return system_refused(failure, "ask about it");
    }
    if (!S_ISREG(about.st_mode)) {
        reel__failed(failure, REEL_FILE_ERROR, "not a regular file");
        return false;
    }
    if (about.st_size == 0) {
        return true;
    }
    void *bytes = mmap(NULL, (size_t)about.st_size, PROT_READ, MAP_PRIVATE, file, 0);
    if (bytes == MAP_FAILED) {
        return system_refused(failure, "map it");
    }
    *mapping = (reel__mapping){ bytes, (size_t)about.st_size };
    return true;
}

bool reel__map_file(reel__mapping *mapping, const char *path, reel__failure *failure)
{
    *mapping = (reel__mapping){ 0 };
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe must not be waited for */
    if (file < 0) {
        return system_refused(failure, "open it");
    }
    bool mapped = map_open_file(mapping, file, failure);
    close(file);
    return mapped;
}

void reel__unmap_file(reel__mapping *mapping)
{
    if (mapping->bytes) {
        munmap((void *)mapping->bytes, mapping->size);
    }
    *mapping = (reel__mapping){ 0 };
}

/* Advice about a part of a mapping, rounded down to whole pages at both ends. */
static void advise(const reel__mapping *mapping, const void *from, size_t bytes, int advice)
{
    static const uintptr_t page = 65536; /* or a part of that */
    uintptr_t start = (uintptr_t)mapping->bytes, begin = (uintptr_t)from & ~(page - 1);
    uintptr_t end = ((uintptr_t)from + bytes) & ~(page - 1);
    bool within = mapping->bytes && (uintptr_t)from >= start && bytes <= mapping->size &&
                  (uintptr_t)from - start <= mapping->size - bytes;
    begin = begin < start ? start : begin; /* which is a page's */
    if (within && begin < end) {
        madvise((void *)begin, end - begin, advice);
    }
}

void reel__fetch_mapped(const reel__mapping *mapping, const void *from, size_t bytes)
{
#ifdef MADV_POPULATE_READ
    advise(mapping, from, bytes, MADV_POPULATE_READ);
#else
    advise(mapping, from, bytes, MADV_WILLNEED);
#endif
}

void reel__drop_mapped(const reel__mapping *mapping, const void *from, size_t bytes)
{
    advise(mapping, from, bytes, MADV_DONTNEED);
}

/* ---- replacing ----------------------------------------------------------------------------- */

enum { NAMES = 32, ROOM_FOR_ENDINGS = 32 };

/* Length of the folder in front of the name, its slash included. */
static size_t folder_length(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? (size_t)(slash - path) + 1 : 0;
}

static void name_temporary(reel__replacement *r, int number)
{
    size_t folder = folder_length(r->path);
    snprintf(r->temporary, r->room, "%.*s.%s.saving", (int)folder, r->path, r->path + folder);
    if (number) {
        size_t length = strlen(r->temporary);
        snprintf(r->temporary + length, r->room - length, "%d", number);
    }
}

static bool same_file(int file, const char *path)
{
    struct stat here, there;
    return fstat(file, &here) == 0 && stat(path, &there) == 0 && here.st_dev == there.st_dev &&
           here.st_ino == there.st_ino;
}

/* Opens and locks r->temporary. -1 where another process is at it (EWOULDBLOCK) or it cannot be. */
static int open_temporary(const reel__replacement *r)
{
    for (;;) {
        int file = open(r->temporary, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
        if (file < 0) {
            return -1;
        }
        bool locked = flock(file, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
        if (locked && same_file(file, r->temporary)) {
            return file;
        }
        close(file); /* locked: its owner has renamed it in the meantime */
        if (!locked) {
            errno = EWOULDBLOCK;
            return -1;
        }
    }
}

static void keep_mode(const reel__replacement *r)
{
    struct stat old;
    if (stat(r->path, &old) == 0 && fchmod(r->file, old.st_mode & 07777) != 0) {
        return; /* the file then has the mode of a new one */
    }
}

static bool open_some_temporary(reel__replacement *r)
{
    for (int number = 0; number < NAMES; number++) {
        name_temporary(r, number);
        r->file = open_temporary(r);
        if (r->file >= 0) {
            keep_mode(r);
            return ftruncate(r->file, 0) == 0 || system_refused(r->failure, "empty it");
        }
        if (errno != EWOULDBLOCK) {
            return system_refused(r->failure, "create a file beside it");
        }
    }
    errno = EWOULDBLOCK;
    return system_refused(r->failure, "lock a file beside it");
}

static void forget(reel__replacement *r)
{
    if (r->path) {
        r->allocator.resize(r->allocator.self, r->path, 2 * r->room, 0);
    }
    r->path = r->temporary = NULL;
}

void reel__replace_abandon(reel__replacement *r)
{
    if (r->file >= 0) {
        unlink(r->temporary);
        close(r->file);
        r->file = -1;
    }
    forget(r);
}

bool reel__replace_begin(reel__replacement *r, const char *path, reel_allocator allocator,
                         reel__failure *failure)
{
    *r = (reel__replacement){ .allocator = allocator,
                              .failure = failure,
                              .file = -1,
                              .room = strlen(path) + ROOM_FOR_ENDINGS };
    struct stat old;
    if (!path[folder_length(path)]) {
        reel__failed(failure, REEL_BAD_ARGUMENT, "the path names no file");
        return false;
    }
    if (stat(path, &old) == 0 && !S_ISREG(old.st_mode)) { /* /dev/null would become a file */
        reel__failed(failure, REEL_FILE_ERROR, "not a regular file");
        return false;
    }
    r->path = allocator.resize(allocator.self, NULL, 0, 2 * r->room);
    if (!r->path) {
        reel__failed(failure, REEL_OUT_OF_MEMORY, "out of memory");
        return false;
    }
    r->temporary = r->path + r->room;
    memcpy(r->path, path, strlen(path) + 1);
    if (!open_some_temporary(r)) {
        reel__replace_abandon(r);
        return false;
    }
    return true;
}

bool reel__replace_write(reel__replacement *r, const void *data, size_t size)
{
    const char *from = data;
    while (size > 0) {
        size_t most = (size_t)1 << 30; /* what one call takes everywhere */
        ssize_t written = write(r->file, from, size < most ? size : most);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            errno = written == 0 ? ENOSPC : errno;
            return system_refused(r->failure, "write all of it");
        }
        from += written;
        size -= (size_t)written;
    }
    return true;
}

FILE *reel__replace_stream(reel__replacement *r)
{
    int copy = dup(r->file);
    FILE *stream = copy >= 0 ? fdopen(copy, "w") : NULL;
    if (!stream) {
        system_refused(r->failure, "open it");
        if (copy >= 0) {
            close(copy);
        }
    }
    return stream;
}

/* ---- what stood there before --------------------------------------------------------------- */

static void name_older(const reel__replacement *r, int age, char *out)
{
    if (age == 0) {
        snprintf(out, r->room, "%s", r->path);
    } else {
        snprintf(out, r->room, "%s.%d", r->path, age);
    }
}

/* PATH.1 becomes PATH.2 and so on; PATH gets the second name PATH.1, so that at no moment there is
 * no file of its name. */
static bool shift_older(reel__replacement *r, int keep)
{
    char *names = r->allocator.resize(r->allocator.self, NULL, 0, 2 * r->room);
    if (!names) {
        reel__failed(r->failure, REEL_OUT_OF_MEMORY, "out of memory");
        return false;
    }
    char *from = names, *to = names + r->room;
    bool shifted = true;
    int oldest = 0; /* of the ages that will be */
    do {
        name_older(r, ++oldest, to);
    } while (oldest < keep - 1 && access(to, F_OK) == 0);
    for (int age = oldest; age >= 1 && shifted; age--) {
        name_older(r, age - 1, from);
        name_older(r, age, to);
        if (age > 1) {
            shifted = rename(from, to) == 0 || errno == ENOENT;
        } else {
            shifted =
                (unlink(to) == 0 || errno == ENOENT) && (link(from, to) == 0 || errno == ENOENT);
        }
    }
    shifted = shifted || system_refused(r->failure, "keep the older one");
    r->allocator.resize(r->allocator.self, names, 2 * r->room, 0);
    return shifted;
}

static bool sync_folder(reel__replacement *r)
{
    size_t length = folder_length(r->path);
    snprintf(r->temporary, r->room, "%.*s.", (int)length, r->path); /* no longer a file's name */
    int folder = open(r->temporary, O_RDONLY | O_CLOEXEC | O_DIRECTORY);
    if (folder < 0) {
        return system_refused(r->failure, "open its folder");
    }
    /* Some file systems sync no folders. */
    bool synced =
        fsync(folder) == 0 || errno == EINVAL || system_refused(r->failure, "sync its folder");
    close(folder);
    return synced;
}

bool reel__replace_end(reel__replacement *r, int keep)
{
    if ((fsync(r->file) != 0 && !system_refused(r->failure, "sync it")) ||
        (keep > 1 && !shift_older(r, keep)) ||
        (rename(r->temporary, r->path) != 0 && !system_refused(r->failure, "rename it"))) {
        reel__replace_abandon(r);
        return false;
    }
    close(r->file);
    bool synced = sync_folder(r);
    forget(r);
    return synced;
}

bool reel__replace_file(const char *path, const void *data, size_t size, reel_allocator allocator,
                        reel__failure *failure)
{
    reel__replacement r;
    if (!reel__replace_begin(&r, path, allocator, failure)) {
        return false;
    }
    if (!reel__replace_write(&r, data, size)) {
        reel__replace_abandon(&r);
        return false;
    }
    return reel__replace_end(&r, 1);
}

/* files.c: files for tests that read and write them. */
#define _POSIX_C_SOURCE 200809L
#include "support/files.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void expect(bool fine, const char *what)
{
    if (!fine) {
        perror(what);
        abort();
    }
}

void files_begin(char path[FILES_PATH], const char *name)
{
    const char *root = getenv("TMPDIR");
    char folder[FILES_PATH / 2];
    snprintf(folder, sizeof folder, "%.80s/reel-test-XXXXXX", root ? root : "/tmp");
    expect(mkdtemp(folder) != NULL, folder);
    snprintf(path, FILES_PATH, "%s/%s", folder, name);
}

static void folder_of(const char *path, char folder[FILES_PATH])
{
    snprintf(folder, FILES_PATH, "%.*s", (int)(strrchr(path, '/') - path), path);
}

/* Counts what is in the path's folder, and removes it where asked to. */
static int visit(const char *path, bool removing)
{
    char folder[FILES_PATH], name[2 * FILES_PATH + 2];
    int count = 0;
    folder_of(path, folder);
    DIR *open = opendir(folder);
    expect(open != NULL, folder);
    for (const struct dirent *entry = readdir(open); entry; entry = readdir(open)) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            count++;
            snprintf(name, sizeof name, "%s/%s", folder, entry->d_name);
            expect(!removing || remove(name) == 0, name);
        }
    }
    closedir(open);
    return count;
}

int files_count(const char *path)
{
    return visit(path, false);
}

void files_end(const char *path)
{
    char folder[FILES_PATH];
    visit(path, true);
    folder_of(path, folder);
    expect(rmdir(folder) == 0, folder);
}

void files_write(const char *path, const void *bytes, size_t size)
{
    remove(path); /* some file systems sync a file that is written over */
    FILE *file = fopen(path, "wb");
    expect(file && fwrite(bytes, 1, size, file) == size && fclose(file) == 0, path);
}

unsigned char *files_read(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    expect(file && fseek(file, 0, SEEK_END) == 0, path);
    *size = (size_t)ftell(file);
    unsigned char *bytes = malloc(*size + 1);
    rewind(file);
    expect(bytes && fread(bytes, 1, *size, file) == *size && fclose(file) == 0, path);
    return bytes;
}

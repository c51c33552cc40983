/* main.c: for fuzzers that are built without libFuzzer: tries every file of the folders given, once.
 *
 *     NAME tests/fuzz/corpus/NAME */
#define _POSIX_C_SOURCE 200809L
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "support/files.h"
#include "support/fuzz.h"

static void try_file(const char *path)
{
    size_t size;
    unsigned char *bytes = files_read(path, &size);
    uint8_t *exact = malloc(size ? size : 1); /* for the sanitizer to see its end */
    for (size_t i = 0; i < size; i++) {
        exact[i] = bytes[i];
    }
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    free(bytes);
}

static int try_folder(const char *folder)
{
    char path[2 * FILES_PATH];
    int count = 0;
    DIR *open = opendir(folder);
    for (const struct dirent *e = open ? readdir(open) : NULL; e; e = readdir(open)) {
        if (e->d_name[0] != '.') {
            snprintf(path, sizeof path, "%.200s/%.200s", folder, e->d_name);
            try_file(path);
            count++;
        }
    }
    if (open) {
        closedir(open);
    }
    printf("%s: %d files\n", folder, count);
    return count;
}

int main(int count, char **folders)
{
    int tried = 0;
    for (int i = 1; i < count; i++) {
        tried += try_folder(folders[i]);
    }
    return tried > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* files.h: files for tests that read and write them. */
#ifndef REEL_TEST_FILES_H
#define REEL_TEST_FILES_H

#include <stdbool.h>
#include <stddef.h>

enum { FILES_PATH = 256 };

/* A path of this name in a new, empty folder of the process's own; files_end removes the folder
 * with all that is in it. */
void files_begin(char path[FILES_PATH], const char *name);
void files_end(const char *path);
/* How many files the path's folder holds. */
int files_count(const char *path);

/* Writes what is given; reads the whole file into new memory. Both end the program when they
 * cannot. */
void files_write(const char *path, const void *bytes, size_t size);
unsigned char *files_read(const char *path, size_t *size);

#endif

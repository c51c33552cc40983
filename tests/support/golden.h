/* golden.h: reads the text files of tests/golden, numbers made by the script of the same name.
 *
 * A line that begins with # is a comment (the versions of what made the numbers); every other
 * line is a row of fields between tabs:
 *
 *     op  label  hash of the sample  shape ("4,5"; "-" is a scalar)  hexadecimal values, spaces
 */
#ifndef REEL_TEST_GOLDEN_H
#define REEL_TEST_GOLDEN_H

#include "graph/graph.h"

typedef struct {
    uint64_t hash;
    reel_shape shape;
    size_t count;
    double *values;
} golden_row;

/* Finds one row of tests/golden/FILE. False when there is none; free with golden_free. */
bool golden_find(const char *file, const char *name, const char *label, golden_row *out);
void golden_free(golden_row *);

#endif

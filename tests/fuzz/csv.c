/* csv.c: tables of numbers. The first byte chooses how they are read, the rest is the file. */
#include <reel.h>
#include <stdlib.h>

#include "support/fuzz.h"

static void read(const char *path, reel_csv_options options)
{
    reel_tape *t = reel_tape_new((reel_tape_options){ .threads = 1 });
    const reel_table *table = reel_read_csv(t, path, options);
    fuzz_expect_message(t, !table);
    double sum = 0;
    for (int64_t i = 0; table && i < table->rows * table->columns; i++) {
        sum += table->values[i];
    }
    for (int64_t i = 0; table && i < table->columns; i++) {
        if (reel_table_find(table, table->name[i]) > i) {
            abort();
        }
    }
    (void)sum;
    reel_tape_free(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const char *const one[] = { "b", NULL }, *const two[] = { "b", "a", NULL };
    static const char *const *const columns[] = { NULL, NULL, one, two };
    static const char *const text[] = { NULL, NULL, "a", "b" };
    if (size == 0) {
        return 0;
    }
    reel_csv_options options = { .separator = bytes[0] & 1 ? ';' : '\0',
                                 .no_header = bytes[0] & 2,
                                 .allow_missing = bytes[0] & 4,
                                 .columns = columns[bytes[0] >> 3 & 3],
                                 .text_column = text[bytes[0] >> 5 & 3] };
    read(fuzz_file(bytes + 1, size - 1), options);
    return 0;
}

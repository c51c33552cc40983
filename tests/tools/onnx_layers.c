/* onnx_layers.c: every layer, exported for bench/onnx_check.py.
 *
 *     onnx_layers write DIR [scan]   support/onnx_case.h has the format; loops as Scan
 *     onnx_layers shows              what each case shows: its name, then names of public functions
 */
#include <string.h>

#include "support/onnx_case.h"
#include "support/recordings.h"

typedef struct {
    const char *directory;
    reel_onnx_options options;
} destination;

static void write_case(const recording_row *row, void *self)
{
    const destination *to = self;
    recording r = recording_begin(row);
    if (reel_tape_status(r.t) != REEL_OK || r.outputs == 0) {
        fprintf(stderr, "%s: %s\n", row->name, reel_tape_error(r.t));
    } else {
        onnx_case_write(to->directory, row->name, r.inputs, r.x, r.outputs, r.y, to->options);
    }
    recording_end(&r);
}

static void print_shown(const recording_row *row, void *unused)
{
    (void)unused;
    printf("%s %.*s %s\n", row->name, (int)strcspn(row->name, "-"), row->name,
           row->shows ? row->shows : "");
}

int main(int count, char **words)
{
    if (count >= 3 && strcmp(words[1], "write") == 0) {
        destination to = { .directory = words[2] };
        to.options.loops = count > 3 ? REEL_ONNX_SCAN : REEL_ONNX_UNROLLED;
        recordings_for_each(write_case, &to);
    } else if (count == 2 && strcmp(words[1], "shows") == 0) {
        recordings_for_each(print_shown, NULL);
    } else {
        fprintf(stderr, "usage: onnx_layers write DIR [scan] | shows\n");
        return 2;
    }
    return 0;
}

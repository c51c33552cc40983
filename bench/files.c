/* files.c: how fast a big safetensors file is written and read, beside dd and cat:
 *
 *     files [MEGABYTES [FOLDER]]
 *
 * Each figure is the best of five. The file, 1000 MB unless told otherwise, is removed at the
 * end. */
#define _POSIX_C_SOURCE 200809L
#include <reel.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"

enum { TENSORS = 50, ROUNDS = 5, COMMAND = 1024 };

static double seconds_of_command(const char *format, const char *path, long megabytes)
{
    char command[COMMAND];
    snprintf(command, sizeof command, format, path, megabytes);
    double start = bench_clock();
    if (system(command) != 0) {
        fprintf(stderr, "%s failed\n", command);
        exit(EXIT_FAILURE);
    }
    return (bench_clock() - start) / 1000;
}

static double seconds_to_save(reel_tape *t, const char *path)
{
    double start = bench_clock();
    reel_save(t, path, (reel_save_options){ 0 });
    bench_expect_fine(t);
    return (bench_clock() - start) / 1000;
}

static double seconds_to_load(reel_tape *t, const char *path)
{
    double start = bench_clock();
    reel_load(t, path, (reel_load_options){ 0 });
    bench_expect_fine(t);
    return (bench_clock() - start) / 1000;
}

/* Opening maps the file and checks its header. */
static double seconds_to_open(const char *path)
{
    double start = bench_clock();
    reel_archive_free(reel_archive_open(path, (reel_archive_options){ 0 }));
    return (bench_clock() - start) / 1000;
}

static double least(double a, double b)
{
    return a == 0 || b < a ? b : a;
}

static reel_tape *model(long megabytes)
{
    reel_tape *t = reel_tape_new((reel_tape_options){ 0 });
    for (int i = 0; i < TENSORS; i++) {
        char name[32];
        snprintf(name, sizeof name, "layer%d.W", i);
        reel_param(t, name, REEL_SHAPE(megabytes * 1000000 / TENSORS / 4000, 1000),
                   reel_constant(i));
    }
    bench_expect_fine(t);
    return t;
}

/* Linux only: what the process held at most since the last reset; 0 elsewhere. */
static double peak_megabytes(void)
{
    char line[256];
    double kilobytes = 0;
    FILE *status = fopen("/proc/self/status", "r");
    while (status && fgets(line, sizeof line, status)) {
        if (strncmp(line, "VmHWM:", 6) == 0) {
            kilobytes = atof(line + 6);
        }
    }
    if (status) {
        fclose(status);
    }
    return kilobytes * 1024 / 1e6;
}

static void reset_peak(void)
{
    FILE *clear = fopen("/proc/self/clear_refs", "w");
    if (clear) {
        fputs("5", clear);
        fclose(clear);
    }
}

int main(int count, char **arguments)
{
    long megabytes = count > 1 ? atol(arguments[1]) : 1000;
    const char *folder = count > 2 ? arguments[2] : ".";
    char path[COMMAND / 2], copy[COMMAND / 2];
    snprintf(path, sizeof path, "%.200s/bench-files.safetensors", folder);
    snprintf(copy, sizeof copy, "%.200s/bench-files.copy", folder);
    double save = 0, dd = 0, load = 0, cat = 0, opened = 0;
    reel_tape *t = model(megabytes);
    for (int i = 0; i < ROUNDS; i++) {
        dd = least(
            dd, seconds_of_command("dd if=/dev/zero of='%s' bs=1M count=%ld conv=fsync status=none",
                                   copy, megabytes * 1000000 / (1 << 20)));
        remove(copy);
        remove(path); /* dd writes a new file, too */
        save = least(save, seconds_to_save(t, path));
    }
    reset_peak();
    double before = peak_megabytes();
    for (int i = 0; i < ROUNDS; i++) {
        cat = least(cat, seconds_of_command("cat '%s' > /dev/null", path, 0));
        load = least(load, seconds_to_load(t, path));
        opened = least(opened, seconds_to_open(path));
    }
    printf("saving  %6.2f GB/s, dd with fsync %6.2f: ratio %.2f (at least 0.8 is wanted)\n",
           (double)megabytes / save / 1000, (double)megabytes / dd / 1000, dd / save);
    printf("loading %6.2f GB/s, cat           %6.2f: ratio %.2f (at least 0.9 is wanted)\n",
           (double)megabytes / load / 1000, (double)megabytes / cat / 1000, cat / load);
    printf("opening alone takes %.2g s\n", opened);
    printf("peak memory grows by %.0f MB while loading %ld MB\n", peak_megabytes() - before,
           megabytes);
    reel_tape_free(t);
    remove(path);
    return EXIT_SUCCESS;
}

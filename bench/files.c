/* files.c: how fast a big safetensors file is written and read, beside dd with fsync and cat from
 * the page cache:
 *
 *     files save MEGABYTES PATH     writes a file and leaves it
 *     files load MEGABYTES PATH     reads it into parameters that are there
 *
 * Times are the best of three, in seconds; "grown" is what the process held more at its peak than
 * before it loaded, in MB. */
#define _POSIX_C_SOURCE 200809L
#include <reel.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"

enum { TENSORS = 50, ROUNDS = 3, COMMAND = 1024 };

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

static double megabytes_of(const char *path)
{
    FILE *file = fopen(path, "rb");
    double size = file && fseek(file, 0, SEEK_END) == 0 ? (double)ftell(file) / 1e6 : 0;
    if (file) {
        fclose(file);
    }
    return size;
}

static void save(reel_tape *t, const char *path, long megabytes)
{
    char copy[COMMAND / 2];
    double own = 0, dd = 0;
    snprintf(copy, sizeof copy, "%.400s.copy", path);
    for (int i = 0; i < ROUNDS; i++) {
        dd = least(
            dd, seconds_of_command("dd if=/dev/zero of='%s' bs=1M count=%ld conv=fsync status=none",
                                   copy, megabytes * 1000000 / (1 << 20)));
        remove(copy);
        remove(path); /* dd writes a new file, too */
        own = least(own, seconds_to_save(t, path));
    }
    printf("{\"seconds\": %.4g, \"dd\": %.4g, \"megabytes\": %.6g}\n", own, dd, megabytes_of(path));
}

static void load(reel_tape *t, const char *path)
{
    double own = 0, cat = 0, opened = 0;
    reset_peak();
    double before = peak_megabytes();
    for (int i = 0; i < ROUNDS; i++) {
        cat = least(cat, seconds_of_command("cat '%s' > /dev/null", path, 0));
        own = least(own, seconds_to_load(t, path));
        opened = least(opened, seconds_to_open(path));
    }
    printf("{\"seconds\": %.4g, \"cat\": %.4g, \"open\": %.2g, \"grown\": %.4g, \"megabytes\": "
           "%.6g}\n",
           own, cat, opened, peak_megabytes() - before, megabytes_of(path));
}

int main(int count, char **arguments)
{
    long megabytes = count == 4 ? atol(arguments[2]) : 0;
    if (megabytes < 1) {
        fprintf(stderr, "usage: %s save | load MEGABYTES PATH\n", arguments[0]);
        return 2;
    }
    reel_tape *t = model(megabytes);
    if (strcmp(arguments[1], "save") == 0) {
        save(t, arguments[3], megabytes);
    } else {
        load(t, arguments[3]);
    }
    reel_tape_free(t);
    return EXIT_SUCCESS;
}

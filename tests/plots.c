/* Pictures: made where gnuplot is there, and where it is not the numbers and how to go on. */
#define _DEFAULT_SOURCE
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "reel.h"

static const double one[] = { 1, 0.5, 0.25 }, two[] = { 1.5, 0.75, 0.6 };
static const char *const names[] = { "loss", "val_loss" };
static const double *const series[] = { one, two };
static const reel_history history = {
    .epochs = 3, .loss = one, .val_loss = two, .count = 2, .name = names, .values = series
};

static bool read_file(const char *path, char *text, size_t size)
{
    FILE *file = fopen(path, "rb");
    if (!file) {
        return false;
    }
    text[fread(text, 1, size - 1, file)] = '\0';
    fclose(file);
    return true;
}

/* The picture begins as its kind does, and nothing else is left. */
static void expect_picture(reel_tape *t, reel_status status, const char *path, const char *start)
{
    char text[64] = "", other[128];
    if (status == REEL_UNSUPPORTED && strstr(reel_tape_error(t), "is not installed")) {
        cr_skip("gnuplot is not installed");
    }
    cr_assert_eq(status, REEL_OK, "%s", reel_tape_error(t));
    cr_assert(read_file(path, text, sizeof text));
    cr_expect_eq(strncmp(text, start, strlen(start)), 0, "%s", path);
    snprintf(other, sizeof other, "%s.dat", path);
    cr_expect_neq(access(other, F_OK), 0);
    unlink(path);
}

Test(plots, every_kind_makes_a_picture)
{
    static const double counts[] = { 5, 1, 0, 2, 7, 1, 0, 0, 9 };
    static const char *const words[] = { "a", "it's \"b\"", "c_1" };
    reel_tape *t = reel_tape_new((reel_tape_options){ 0 });
    char path[] = "/tmp/reel_plots_XXXXXX";
    char png[64], svg[64];
    cr_assert_not_null(mkdtemp(path));
    snprintf(png, sizeof png, "%s/it's.png", path);
    snprintf(svg, sizeof svg, "%s/a b.svg", path);
    reel_plot_options o = { .title = "a \"title\" \\ of_many" };
    expect_picture(t, reel_plot_history(t, &history, png, o), png, "\x89PNG");
    expect_picture(t, reel_plot_history(t, &history, svg, o), svg, "<?xml");
    reel_forecast f = { .past = 3,
                        .values = one,
                        .steps = 3,
                        .forecast = two,
                        .lower = one,
                        .upper = two,
                        .actual = one };
    expect_picture(t, reel_plot_forecast(t, f, png, o), png, "\x89PNG");
    expect_picture(t, reel_plot_confusion(t, 3, counts, words, png, o), png, "\x89PNG");
    expect_picture(t, reel_plot_attention(t, 1, 3, one, NULL, words, svg, o), svg, "<?xml");
    expect_picture(t, reel_plot_line(t, 3, one, two, true, png, o), png, "\x89PNG");
    rmdir(path);
    reel_tape_free(t);
}

Test(plots, without_gnuplot_the_numbers_stay_and_the_error_says_how)
{
    reel_tape *t = reel_tape_new((reel_tape_options){ 0 });
    char dir[] = "/tmp/reel_plots_XXXXXX", path[64], data[80], script[80], text[4096];
    cr_assert_not_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/h.png", dir);
    snprintf(data, sizeof data, "%s.dat", path);
    snprintf(script, sizeof script, "%s.gnuplot", path);
    setenv("PATH", "/nowhere", 1);
    cr_expect_eq(reel_plot_history(t, &history, path, (reel_plot_options){ 0 }), REEL_UNSUPPORTED);
    cr_expect(strstr(reel_tape_error(t), "gnuplot is not installed; the numbers are in ") &&
                  strstr(reel_tape_error(t), script),
              "%s", reel_tape_error(t));
    cr_assert(read_file(data, text, sizeof text));
    cr_expect_str_eq(text, "1 1 1.5\n2 0.5 0.75\n3 0.25 0.6\n");
    cr_assert(read_file(script, text, sizeof text));
    cr_expect(strstr(text, "title \"val_loss\""), "%s", text);
    unlink(data);
    unlink(script);
    rmdir(dir);
    reel_tape_free(t);
}

Test(plots, a_path_or_numbers_that_cannot_be_are_refused)
{
    reel_tape *t = reel_tape_new((reel_tape_options){ 0 });
    reel_plot_options o = { 0 };
    cr_expect_eq(reel_plot_history(t, &history, "h.bmp", o), REEL_BAD_ARGUMENT);
    cr_expect(strstr(reel_tape_error(t), "the path must end in .png, .svg or .pdf: h.bmp"));
    reel_tape_clear(t);
    cr_expect_eq(reel_plot_history(t, &history, "/nowhere/h.png", o), REEL_FILE_ERROR);
    cr_expect(strstr(reel_tape_error(t), "cannot write /nowhere/h.png.dat: No such file"));
    reel_tape_clear(t);
    cr_expect_eq(reel_plot_history(t, NULL, "h.png", o), REEL_BAD_ARGUMENT);
    reel_tape_free(t);
}

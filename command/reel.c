/* reel.c: the main jobs of the library without a compiler: `reel COMMAND …`, `reel --help`. */
#include "command.h"

#include <stdlib.h>
#include <string.h>

static const command *const commands[] = { &train_lm, &sample,  &forecast, &classify,
                                           &inspect,  &convert, &emit_c,   NULL };

static const char *command_name(const void *self, int i)
{
    (void)self;
    return commands[i] ? commands[i]->name : NULL;
}

static void print_commands(FILE *out)
{
    fprintf(out, "reel COMMAND …, where COMMAND is one of\n\n");
    for (int i = 0; commands[i]; i++) {
        fprintf(out, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
    }
    fprintf(out, "\nreel COMMAND --help tells its options, reel --version the library's version.\n"
                 "Exit status: 0 fine, 1 failed, 2 wrong use.\n");
}

static const command *find_command(const char *name)
{
    for (int i = 0; commands[i]; i++) {
        if (strcmp(commands[i]->name, name) == 0) {
            return commands[i];
        }
    }
    const char *near = nearest_name(name, command_name, NULL);
    fprintf(stderr, "reel: no command is called %s", name);
    fprintf(stderr, near ? "; did you mean %s?\n" : "\n", near);
    return NULL;
}

static int run(const command *c, const void *settings, const char *const arguments[])
{
    const common_options *common = settings;
    session s = { .common = common, .argument = arguments };
    s.tape = reel_tape_new(
        (reel_tape_options){ .seed = (uint64_t)common->seed, .threads = (int)common->threads });
    if (!s.tape) {
        fprintf(stderr, "reel %s: out of memory\n", c->name);
        return EXIT_FAILED;
    }
    report_begin(&s.report, stdout, common->json);
    bool good = c->run(&s, settings);
    if (reel_tape_status(s.tape) != REEL_OK) {
        fprintf(stderr, "reel: %s\n", reel_tape_error(s.tape));
        good = false;
    }
    if (good) {
        report_end(&s.report);
    }
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "reel %s: the report cannot be written\n", c->name);
        good = false;
    }
    reel_tape_free(s.tape);
    return good ? EXIT_FINE : EXIT_FAILED;
}

static int parse_and_run(const command *c, int argc, char **argv)
{
    const char *arguments[3] = { NULL };
    void *settings = malloc(c->size);
    int status = EXIT_FAILED;
    if (!settings) {
        fprintf(stderr, "reel %s: out of memory\n", c->name);
    } else if (!parse_options(c, argc, argv, settings, arguments)) {
        status = EXIT_USAGE;
    } else if (((const common_options *)settings)->help) {
        print_help(c, stdout);
        status = EXIT_FINE;
    } else if (c->misuse && c->misuse(settings)) {
        fprintf(stderr, "reel %s: %s\n", c->name, c->misuse(settings));
        status = EXIT_USAGE;
    } else {
        status = run(c, settings, arguments);
    }
    free(settings);
    return status;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        print_commands(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        print_commands(stdout);
        return EXIT_FINE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("reel %s\n", REEL_VERSION);
        return EXIT_FINE;
    }
    const command *c = find_command(argv[1]);
    return c ? parse_and_run(c, argc - 2, argv + 2) : EXIT_USAGE;
}

/* options.c: the command line, as a table. */
#include "options.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum { PATH, FLAG, WHOLE, REAL } kind;

typedef struct {
    const char *name, *argument;
    kind kind;
    size_t field;
    double initial, least, most;
    const char *help;
} option;

#define FIELD(name) offsetof(options, name)
static const option table[] = {
    { "--text", "FILE", PATH, FIELD(text), 0, 0, 0, "the text to learn, in any language" },
    { "--seconds", "N", REAL, FIELD(seconds), 0, 1, 1e9,
      "for everything (120; with --full no limit)" },
    { "--full", NULL, FLAG, FIELD(full), 0, 0, 0,
      "train on to --target, or until nothing is gained" },
    { "--target", "P", REAL, FIELD(target), 3.2, 1, 256,
      "the held-out perplexity that ends --full" },
    { "--updates", "N", WHOLE, FIELD(updates), 0, 1, 1e9,
      "train for N updates, whatever the time" },
    { "--embedding", "N", WHOLE, FIELD(embedding), 64, 1, 4096, "width of a character's vector" },
    { "--hidden", "N", WHOLE, FIELD(hidden), 256, 1, 8192, "width of an LSTM layer" },
    { "--layers", "N", WHOLE, FIELD(layers), 2, 1, 8, "LSTM layers, one upon the other" },
    { "--steps", "N", WHOLE, FIELD(steps), 100, 1, 10000, "characters a gradient goes back" },
    { "--batch", "N", WHOLE, FIELD(batch), 32, 1, 10000, "places of the text read side by side" },
    { "--lr", "X", REAL, FIELD(lr), 0.015, 1e-9, 10, "Adam's learning rate after the warm-up" },
    { "--clip", "X", REAL, FIELD(clip), 1, 1e-9, 1e9, "largest norm of the gradient" },
    { "--temperature", "X", REAL, FIELD(temperature), 0.7, 0, 100,
      "of samples; 0 takes the likeliest" },
    { "--sample", "N", WHOLE, FIELD(sample), 600, 0, 1e6, "characters to write at the end" },
    { "--threads", "N", WHOLE, FIELD(threads), 0, 0, 1024, "0: all cores" },
    { "--seed", "N", WHOLE, FIELD(seed), 1, 0, 4294967295.0, "of parameters and samples" },
};
#define OPTION_COUNT (sizeof table / sizeof table[0])

static void *field(options *o, const option *entry)
{
    return (char *)o + entry->field;
}

static void print_help(void)
{
    printf("char_lm: learns to write a text, character by character.\n\n"
           "  char_lm --text FILE [option …]\n\n");
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const option *entry = &table[i];
        printf("  %-13s %-5s %s", entry->name, entry->argument ? entry->argument : "", entry->help);
        if (entry->kind >= WHOLE && entry->initial != 0) {
            printf(" (%g)", entry->initial);
        }
        printf("\n");
    }
    printf(
        "\nThe last twentieth of the text is held out: it is never trained on, and the perplexity\n"
        "on it says how well the model reads what it has not seen.\n");
}

static const option *find(const char *name)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (strcmp(table[i].name, name) == 0) {
            return &table[i];
        }
    }
    return NULL;
}

static bool parse_number(options *o, const option *entry, const char *value)
{
    char *end;
    double number = strtod(value, &end);
    if (end == value || *end || !(number >= entry->least && number <= entry->most) ||
        (entry->kind == WHOLE && number != floor(number))) {
        fprintf(stderr, "char_lm: %s takes a%s number from %g to %g, not \"%s\"\n", entry->name,
                entry->kind == WHOLE ? " whole" : "", entry->least, entry->most, value);
        return false;
    }
    *(double *)field(o, entry) = number;
    return true;
}

static bool parse_value(options *o, const option *entry, const char *value)
{
    if (value == NULL) {
        fprintf(stderr, "char_lm: %s wants %s\n", entry->name, entry->argument);
        return false;
    }
    if (entry->kind == PATH) {
        *(const char **)field(o, entry) = value;
        return true;
    }
    return parse_number(o, entry, value);
}

static bool parse_one(options *o, char **arguments, int *at)
{
    const option *entry = find(arguments[*at]);
    if (entry == NULL) {
        fprintf(stderr, "char_lm: there is no option %s; --help lists them\n", arguments[*at]);
        return false;
    }
    if (entry->kind == FLAG) {
        *(bool *)field(o, entry) = true;
        return true;
    }
    return parse_value(o, entry, arguments[++*at]);
}

static void set_defaults(options *o)
{
    *o = (options){ 0 };
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (table[i].kind >= WHOLE) {
            *(double *)field(o, &table[i]) = table[i].initial;
        }
    }
}

options_verdict options_parse(options *o, int count, char **arguments)
{
    set_defaults(o);
    for (int i = 1; i < count; i++) {
        if (strcmp(arguments[i], "--help") == 0) {
            print_help();
            return OPTIONS_HELP;
        }
        if (!parse_one(o, arguments, &i)) {
            return OPTIONS_WRONG;
        }
    }
    if (o->text == NULL) {
        fprintf(stderr, "char_lm: which text? Give it with --text FILE; --help tells more\n");
        return OPTIONS_WRONG;
    }
    if (o->seconds == 0 && !o->full && o->updates == 0) {
        o->seconds = 120;
    }
    return OPTIONS_RUN;
}

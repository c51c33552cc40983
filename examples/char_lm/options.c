/* options.c: the command line, as a table. */
#include "options.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum { PATH, FLAG, WHOLE, REAL } kind;

typedef enum { CHARACTERS, WORDS, AWD, MODELS } kind_of_model;

typedef struct {
    const char *name, *argument;
    kind kind;
    size_t field;
    double initial[MODELS], least, most; /* a default for each kind of model */
    const char *help;
} option;

#define FIELD(name) offsetof(options, name)
#define ALL(x)                                                                                     \
    {                                                                                              \
        x, x, x                                                                                    \
    }
static const option table[] = {
    { "--text", "FILE", PATH, FIELD(text), ALL(0), 0, 0, "the text to learn, in any language" },
    { "--words", NULL, FLAG, FIELD(words), ALL(0), 0, 0, "word by word instead of by the letter" },
    { "--awd", NULL, FLAG, FIELD(awd), ALL(0), 0, 0, "words by an AWD-LSTM (Merity et al. 2018)" },
    { "--seconds", "N", REAL, FIELD(seconds), ALL(0), 1, 1e9,
      "for everything (120; with --full no limit)" },
    { "--full", NULL, FLAG, FIELD(full), ALL(0), 0, 0,
      "train on to --target, or until nothing is gained" },
    { "--target",
      "P",
      REAL,
      FIELD(target),
      { 3.2, 45, 45 },
      1,
      1e6,
      "held-out perplexity: ends --full, and to miss it is a failure" },
    { "--updates", "N", WHOLE, FIELD(updates), ALL(0), 1, 1e9,
      "train for N updates, whatever the time" },
    { "--vocabulary", "N", WHOLE, FIELD(vocabulary), ALL(5000), 2, 1e6,
      "of --words: the most frequent ones" },
    { "--embedding",
      "N",
      WHOLE,
      FIELD(embedding),
      { 64, 200, 200 },
      1,
      4096,
      "width of a symbol's vector" },
    { "--hidden", "N", WHOLE, FIELD(hidden), { 256, 300, 300 }, 1, 8192, "width of an LSTM layer" },
    { "--layers", "N", WHOLE, FIELD(layers), ALL(2), 1, 8, "LSTM layers, one upon the other" },
    { "--steps",
      "N",
      WHOLE,
      FIELD(steps),
      { 100, 35, 35 },
      1,
      10000,
      "symbols a gradient goes back" },
    { "--batch", "N", WHOLE, FIELD(batch), ALL(32), 1, 10000,
      "places of the text read side by side" },
    { "--lr",
      "X",
      REAL,
      FIELD(lr),
      { 0.015, 0.006, 10 },
      1e-9,
      100,
      "learning rate: Adam's after the warm-up, of --awd NT-ASGD's" },
    { "--clip", "X", REAL, FIELD(clip), { 1, 1, 0.25 }, 1e-9, 1e9, "largest norm of the gradient" },
    { "--temperature", "X", REAL, FIELD(temperature), ALL(0.7), 0, 100,
      "of samples; 0 takes the likeliest" },
    { "--sample",
      "N",
      WHOLE,
      FIELD(sample),
      { 600, 120, 120 },
      0,
      1e6,
      "symbols to write at the end" },
    { "--threads", "N", WHOLE, FIELD(threads), ALL(0), 0, 1024, "0: all cores" },
    { "--seed", "N", WHOLE, FIELD(seed), ALL(1), 0, 4294967295.0, "of parameters and samples" },
};
#define OPTION_COUNT (sizeof table / sizeof table[0])

static void *field(options *o, const option *entry)
{
    return (char *)o + entry->field;
}

static bool is_number(const option *entry)
{
    return entry->kind >= WHOLE;
}

/* One number, or those of characters, --words and --awd. */
static void print_defaults(const option *entry)
{
    const double *of = entry->initial;
    if (is_number(entry) && (of[WORDS] != of[CHARACTERS] || of[AWD] != of[CHARACTERS])) {
        printf(" (%g, %g, %g)", of[CHARACTERS], of[WORDS], of[AWD]);
    } else if (is_number(entry) && of[CHARACTERS] != 0) {
        printf(" (%g)", of[CHARACTERS]);
    }
    printf("\n");
}

static void print_help(void)
{
    printf("char_lm: learns to write a text, character by character or word by word.\n\n"
           "  char_lm --text FILE [option …]\n\n");
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const option *entry = &table[i];
        printf("  %-13s %-5s %s", entry->name, entry->argument ? entry->argument : "", entry->help);
        print_defaults(entry);
    }
    printf(
        "\nThe last twentieth of the text is held out: it is never trained on, and the perplexity\n"
        "on it says how well the model reads what it has not seen. With --awd it also tells when "
        "to\n"
        "begin to average.\n");
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

static void forget_all(options *o)
{
    *o = (options){ 0 };
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (is_number(&table[i])) {
            *(double *)field(o, &table[i]) = NAN;
        }
    }
}

/* What was not said is what suits the kind of model. */
static void set_defaults(options *o)
{
    o->words = o->words || o->awd;
    o->demanding = o->full || !isnan(o->target);
    kind_of_model which = o->awd ? AWD : o->words ? WORDS : CHARACTERS;
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        double *number = is_number(&table[i]) ? field(o, &table[i]) : NULL;
        if (number && isnan(*number)) {
            *number = table[i].initial[which];
        }
    }
}

options_verdict options_parse(options *o, int count, char **arguments)
{
    forget_all(o);
    for (int i = 1; i < count; i++) {
        if (strcmp(arguments[i], "--help") == 0) {
            print_help();
            return OPTIONS_HELP;
        }
        if (!parse_one(o, arguments, &i)) {
            return OPTIONS_WRONG;
        }
    }
    set_defaults(o);
    if (o->text == NULL) {
        fprintf(stderr, "char_lm: which text? Give it with --text FILE; --help tells more\n");
        return OPTIONS_WRONG;
    }
    if (o->seconds == 0 && !o->full && o->updates == 0) {
        o->seconds = 120;
    }
    return OPTIONS_RUN;
}

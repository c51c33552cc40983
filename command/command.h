/* command.h: the `reel` program: what its commands share.
 *
 *     reel train-lm book.txt --out book.safetensors
 *     reel sample book.safetensors --length 200
 *
 * A command is a row: its name, its options as a table, and a function. Options are parsed into a
 * struct of the command's own, so a command reads them as fields. What a command finds out it reports
 * by name; the report is lines for a reader, or one JSON object with --json. It is written against
 * <reel.h> alone, as any program would be.
 */
#ifndef REEL_COMMAND_H
#define REEL_COMMAND_H

#include <reel.h>

#include <stddef.h>

enum { EXIT_FINE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* ---- options (options.c) ------------------------------------------------------------------- */

typedef enum { OPTION_FLAG, OPTION_COUNT, OPTION_NUMBER, OPTION_TEXT, OPTION_LIST } option_type;

enum { MOST_ITEMS = 64 };
typedef struct {
    int count;
    const char *item[MOST_ITEMS + 1]; /* NULL behind the last */
} option_list;

/* Where in the struct the value goes, by type: bool, int64_t, double, const char *, option_list. */
typedef struct {
    const char *name; /* without the dashes */
    option_type type;
    size_t offset;
    const char *value, *help; /* "FILE", "where the model goes" */
    double least, most;       /* of counts and numbers; 0 and 0: at least 0 */
} option;

/* ---- the report (report.c) ----------------------------------------------------------------- */

typedef struct {
    FILE *out;
    bool json;
    int fields;
} report;
/* A name is words joined by underscores. */
void report_begin(report *, FILE *, bool json);
void report_text(report *, const char *name, const char *value, size_t bytes);
void report_number(report *, const char *name, double value);
void report_numbers(report *, const char *name, const double *values, int64_t n);
void report_texts(report *, const char *name, const char *const *texts, int64_t n);
/* Lines for a reader that JSON has as fields, or does without. */
bool report_is_for_a_reader(const report *);
void report_end(report *);

/* ---- commands ------------------------------------------------------------------------------ */

/* What every command's struct begins with. */
typedef struct {
    bool json, quiet, help;
    int64_t seed, threads;
} common_options;

typedef struct {
    reel_tape *tape;
    report report;
    const common_options *common;
    const char *const *argument; /* as many as the command asks for */
} session;

typedef struct {
    const char *name;
    const char *argument[3]; /* what they are called: "FILE"; up to a NULL; all are needed */
    const char *summary;
    const char *more;                            /* below the options in the help; NULL: nothing */
    const option *options;                       /* up to one without a name */
    const void *defaults;                        /* of the struct … */
    size_t size;                                 /* … and its size */
    const char *(*misuse)(const void *settings); /* what is wrong with them, or NULL; may be NULL */
    bool (*run)(session *, const void *settings); /* false: failed, with the reason on the tape */
} command;

extern const command train_lm, sample, forecast, classify, inspect, convert, emit_c;

/* Fills settings from the arguments behind the command's name; the others go to arguments[]. False
 * with a message on stderr. */
bool parse_options(const command *, int argc, char **argv, void *settings,
                   const char *arguments[3]);
void print_help(const command *, FILE *);
/* The nearest of names at(0), at(1) … NULL; NULL where nothing is near. */
const char *nearest_name(const char *name, const char *(*at)(const void *self, int i),
                         const void *self);

/* ---- what several commands do (model_files.c) ---------------------------------------------- */

/* For fit: progress goes to stderr, so that stdout is the report; Ctrl-C ends training. */
reel_fit_options training_options(const session *, int64_t epochs, int64_t batch_size,
                                  double validation);
/* What the model's file has under a key of the command's; NULL: nothing. */
const char *text_of(const reel_model_extras *, const char *key);
double number_of(const reel_model_extras *, const char *key, double otherwise);
/* Names joined by line ends, as a text of a model's file holds them; NULL without memory. */
char *join_lines(const char *const *names, int64_t n);
/* Cut in place; how many, of which `room` are filled in. */
int64_t split_lines(char *text, const char *names[], int64_t room);
/* Numbers of an epoch, the best by validation. */
void report_history(session *, const reel_history *);

#endif

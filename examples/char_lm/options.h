/* options.h: what the command line says. */
#ifndef CHAR_LM_OPTIONS_H
#define CHAR_LM_OPTIONS_H

#include <stdbool.h>

typedef struct {
    const char *text; /* the file to learn */
    bool words;       /* instead of characters */
    bool awd;         /* the AWD-LSTM, of words */
    double vocabulary;
    double seconds; /* for everything, evaluation and samples included; 0: no limit */
    double updates; /* stop after so many instead; 0: by time */
    bool full;      /* on until `target` is reached or nothing more is gained */
    double target;  /* held-out perplexity of a symbol */
    bool demanding; /* without it the run has failed */
    double embedding, hidden, layers;
    double steps, batch; /* a window: symbols in a row × rows side by side */
    double lr, clip;
    double temperature, sample;
    double threads, seed;
} options;

typedef enum { OPTIONS_RUN, OPTIONS_HELP, OPTIONS_WRONG } options_verdict;

/* Fills in defaults, then what the arguments say. Prints the help or what is wrong. */
options_verdict options_parse(options *, int count, char **arguments);

#endif

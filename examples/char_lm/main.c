/* char_lm: a character model learns a text with LSTMs that are composed from primitive operations.
 *
 *     char_lm --text book.txt              two minutes, then it writes
 *     char_lm --text book.txt --full       until it reads the held-out part at --target
 *
 * options.c   the command line         model.c     the network: everything reel does here
 * text.c      a file as symbols        train.c     the run: windows, learning rate, evaluations
 * sample.c    writing                  progress.c  the line that says how it goes
 */
#include <stdio.h>
#include <stdlib.h>

#include "model.h"
#include "options.h"
#include "progress.h"
#include "sample.h"
#include "train.h"

static void print_set_up(const options *o, const text *t, const reel_tape *tape)
{
    reel_tape_statistics statistics = reel_tape_statistics_of(tape);
    printf("text   %s: %zu characters, %d different ones; the last %zu are held out\n", o->text,
           t->length, t->symbols, t->length - t->training);
    printf("model  embedding %g, %g LSTM layers of %g, dense to %d: %zu parameters\n", o->embedding,
           o->layers, o->hidden, t->symbols, statistics.parameters);
    printf("run    %g rows × %g steps an update, Adam %g, clip %g, seed %g, ", o->batch, o->steps,
           o->lr, o->clip, o->seed);
    if (o->full) {
        printf("down to perplexity %g\n", o->target);
    } else if (o->updates > 0) {
        printf("%g updates\n", o->updates);
    } else {
        printf("%g seconds\n", o->seconds);
    }
    fflush(stdout);
}

static void log_message(void *self, const char *message)
{
    (void)self;
    fprintf(stderr, "char_lm: %s\n", message);
}

static void write_samples(const model *m, const text *t, const options *o)
{
    printf("\nWhat it writes at temperature %g:\n\n", o->temperature);
    sample_options s = { .temperature = o->temperature,
                         .length = (long)o->sample,
                         .seed = (uint64_t)o->seed };
    sample_write(m, t, s, stdout);
}

static bool run(const options *o, const text *t, reel_tape *tape, double started)
{
    model m = model_new(tape, t->symbols, (int)o->embedding, (int)o->hidden, (int)o->layers);
    if (reel_tape_status(tape) != REEL_OK) {
        return false;
    }
    print_set_up(o, t, tape);
    train_result result;
    if (!train(&m, t, o, started, &result)) {
        return false;
    }
    if (o->sample > 0) {
        write_samples(&m, t, o);
    }
    return reel_tape_status(tape) == REEL_OK;
}

static bool run_on_tape(const options *o, const text *t, double started)
{
    reel_tape *tape = reel_tape_new((reel_tape_options){
        .seed = (uint64_t)o->seed, .threads = (int)o->threads, .log = log_message });
    if (tape == NULL) {
        fprintf(stderr, "char_lm: out of memory\n");
        return false;
    }
    bool fine = run(o, t, tape, started);
    if (!fine) {
        const char *message = reel_tape_error(tape);
        fprintf(stderr, "char_lm: %s\n", *message ? message : "out of memory");
    }
    reel_tape_free(tape);
    return fine;
}

int main(int count, char **arguments)
{
    double started = clock_now();
    options o;
    options_verdict verdict = options_parse(&o, count, arguments);
    if (verdict != OPTIONS_RUN) {
        return verdict == OPTIONS_HELP ? EXIT_SUCCESS : 2;
    }
    text t;
    const char *reason;
    if (!text_load(&t, o.text, &reason)) {
        fprintf(stderr, "char_lm: %s %s\n", o.text, reason);
        text_free(&t);
        return EXIT_FAILURE;
    }
    bool fine = run_on_tape(&o, &t, started);
    text_free(&t);
    return fine ? EXIT_SUCCESS : EXIT_FAILURE;
}

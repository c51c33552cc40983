/* char_lm: a model of characters, or of words, learns a text with LSTMs that are composed from
 * primitive operations.
 *
 *     char_lm --text book.txt              two minutes, then it writes
 *     char_lm --text book.txt --full       until it reads the held-out part at --target
 *     char_lm --text book.txt --words      by words; with --awd by an AWD-LSTM
 *
 * options.c   the command line         model.c     the network: everything reel does here
 * text.c      a file as symbols        tied.c      the one for words
 * words.c     a file as words          train.c     the run: windows, evaluations, the end
 * sample.c    writing                  learner.c   optimisers and learning rates
 * progress.c  how it goes, in a line   evaluate.c  held-out perplexity
 */
#include <stdio.h>
#include <stdlib.h>

#include "model.h"
#include "options.h"
#include "progress.h"
#include "sample.h"
#include "train.h"
#include "words.h"

/* Merity et al. 2018, with less dropout: this network is smaller than theirs. */
static const regularisers awd = { .symbols = 0.05,
                                  .input = 0.2,
                                  .between = 0.15,
                                  .output = 0.2,
                                  .weights = 0.2,
                                  .alpha = 2,
                                  .beta = 1 };

static const char *unit(const text *t)
{
    return t->word ? "words" : "characters";
}

static void print_set_up(const options *o, const text *t, const reel_tape *tape)
{
    reel_tape_statistics statistics = reel_tape_statistics_of(tape);
    printf("text   %s: %zu %s, %d different ones; the last %zu are held out\n", o->text, t->length,
           unit(t), t->symbols, t->length - t->training);
    printf("model  embedding %g, %g LSTM layers of %g, dense to %d%s: %zu parameters\n",
           o->embedding, o->layers, o->hidden, t->symbols, o->words ? ", tied" : "",
           statistics.parameters);
    printf("run    %g rows × %g steps an update, %s %g, clip %g, seed %g, ", o->batch, o->steps,
           o->awd ? "NT-ASGD" : "Adam", o->lr, o->clip, o->seed);
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

static model make_model(const options *o, const text *t, reel_tape *tape)
{
    int embedding = (int)o->embedding, hidden = (int)o->hidden, layers = (int)o->layers;
    if (o->words) {
        regularisers regular = o->awd ? awd : (regularisers){ 0 };
        return model_new_tied(tape, t->symbols, embedding, hidden, layers, regular);
    }
    return model_new(tape, t->symbols, embedding, hidden, layers);
}

static bool run(const options *o, const text *t, reel_tape *tape, double started)
{
    model m = make_model(o, t, tape);
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
    if (o->demanding && !(result.last <= o->target)) {
        fprintf(stderr, "char_lm: the held-out perplexity is %.2f, not %g\n", result.last,
                o->target);
        return false;
    }
    return reel_tape_status(tape) == REEL_OK;
}

/* An exit status: 2 where there is nothing to learn from. */
static int run_on_tape(const options *o, reel_tape *tape, double started)
{
    text t;
    const char *reason = NULL;
    bool loaded = o->words ? words_load(&t, tape, o->text, (int)o->vocabulary, &reason)
                           : text_load(&t, o->text, &reason);
    if (!loaded) {
        fprintf(stderr, "char_lm: %s %s\n", o->text, reason);
    }
    bool fine = loaded && run(o, &t, tape, started);
    if (reel_tape_status(tape) != REEL_OK) {
        fprintf(stderr, "char_lm: %s\n", reel_tape_error(tape));
    }
    text_free(&t);
    return fine ? EXIT_SUCCESS : loaded ? EXIT_FAILURE : 2;
}

int main(int count, char **arguments)
{
    double started = clock_now();
    options o;
    options_verdict verdict = options_parse(&o, count, arguments);
    if (verdict != OPTIONS_RUN) {
        return verdict == OPTIONS_HELP ? EXIT_SUCCESS : 2;
    }
    reel_tape *tape = reel_tape_new((reel_tape_options){
        .seed = (uint64_t)o.seed, .threads = (int)o.threads, .log = log_message });
    if (tape == NULL) {
        fprintf(stderr, "char_lm: out of memory\n");
        return EXIT_FAILURE;
    }
    int status = run_on_tape(&o, tape, started);
    reel_tape_free(tape);
    return status;
}

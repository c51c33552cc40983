/* train.c: the run: windows, learning rate, evaluations, and when to stop. */
#include "train.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>

#include "evaluate.h"
#include "learner.h"
#include "progress.h"
#include "sample.h"

#define GLANCE 4          /* windows of a row in an evaluation on the way */
#define FULL_INTERVAL 500 /* updates between evaluations with --full */
#define PATIENCE 2        /* evaluations without gain before --full halves it */
#define HALVINGS 5        /* of it before --full gives up */
#define GAIN 0.998        /* what counts as gain: a perplexity lower by 0.2 % */
#define LEAST 0.3         /* of --seconds is for training, however long the rest takes */
#define SINGLY 40         /* how much longer a symbol takes alone than in a window */

typedef struct {
    const model *model;
    const text *text;
    const options *options;
    learner learner;
    reader reader;
    carry carry;
    window window;
    progress progress;
    double started, training_began;
    double reserve;     /* seconds that the last evaluation and the samples will take */
    double next_glance; /* the part done, or with --full the update, of the next one */
    double best;
    int without_gain;
} run;

static bool is_fine(const run *r)
{
    return reel_tape_status(r->model->tape) == REEL_OK;
}

/* ---- time ---------------------------------------------------------------------------------- */

/* How much of the training lies behind, from 0 to 1; -1 where the end is not known beforehand. */
static double part_done(const run *r)
{
    const options *o = r->options;
    double by_updates = o->updates > 0 ? (double)r->progress.updates / o->updates : -1;
    double length = r->started + o->seconds - r->reserve - r->training_began;
    length = fmax(length, LEAST * o->seconds);
    double by_time = o->seconds > 0 ? (clock_now() - r->training_began) / length : -1;
    return fmin(fmax(by_updates, by_time), 1);
}

static double seconds_left(const run *r, double done)
{
    return done > 0.01 ? (clock_now() - r->training_began) * (1 - done) / done : -1;
}

/* ---- evaluation ---------------------------------------------------------------------------- */

static double look(run *r, long windows)
{
    double symbols;
    learner_average(&r->learner);
    double perplexity = evaluate(r->model, r->text, r->options, windows, &symbols);
    learner_average(&r->learner);
    return perplexity;
}

/* The first evaluation also tells how long the last one will take. */
static double first_evaluation(run *r)
{
    double symbols, began = clock_now();
    double perplexity = evaluate(r->model, r->text, r->options, GLANCE, &symbols);
    double pace = (clock_now() - began) / symbols;
    double unseen = (double)(r->text->length - r->text->training);
    r->reserve = 1.2 * pace * unseen + SINGLY * pace * (r->options->sample + SAMPLE_LEAD_IN);
    printf("%6d held-out perplexity %.1f, untrained\n", 0, perplexity);
    fflush(stdout);
    return perplexity;
}

static void show_evaluation(const run *r, double perplexity)
{
    printf("%6ld held-out perplexity %.2f%s", r->progress.updates, perplexity,
           r->learner.averaging ? ", averaged" : "");
    if (r->text->word) {
        printf("\n");
        return;
    }
    printf("  ");
    sample_options o = { .temperature = r->options->temperature, .seed = 1 };
    sample_write(r->model, r->text, o, stdout);
}

/* With --full: is this the end? */
static bool is_settled(run *r, double perplexity)
{
    if (perplexity < r->best * GAIN) {
        r->without_gain = 0;
    } else if (++r->without_gain >= PATIENCE) {
        r->without_gain = 0;
        r->learner.halvings++;
    }
    r->best = fmin(r->best, perplexity);
    return perplexity <= r->options->target || r->learner.halvings > HALVINGS;
}

/* Between evaluations, in the unit of next_glance; NT-ASGD wants to be told more often. */
static double interval(const run *r)
{
    return r->options->full ? FULL_INTERVAL : r->options->awd ? 0.04 : 0.2;
}

/* Looks at the held-out text when it is time to; true when training is to end. */
static bool look_up(run *r, double done)
{
    bool full = r->options->full;
    if ((full ? (double)r->progress.updates : done) < r->next_glance) {
        return false;
    }
    progress_pause(&r->progress);
    double perplexity = look(r, full ? LONG_MAX : GLANCE);
    learner_report(&r->learner, done, log(perplexity));
    show_evaluation(r, perplexity);
    progress_resume(&r->progress);
    r->next_glance += interval(r);
    return full && is_settled(r, perplexity);
}

/* ---- the loop ------------------------------------------------------------------------------ */

/* The next window; at the text's end it starts again, a little further on and without memory. */
static void next_window(run *r)
{
    size_t steps = (size_t)learner_steps(&r->learner);
    reader_next(&r->reader, (int)steps, &r->window);
    if (r->window.steps == (int)steps) {
        return;
    }
    size_t slack = r->reader.stride > steps ? r->reader.stride - steps : 0;
    size_t shifts = 1 + (slack < steps ? slack : steps);
    r->reader.position = (size_t)r->progress.updates % shifts;
    carry_forget(&r->carry);
    reader_next(&r->reader, (int)steps, &r->window);
}

static bool loop(run *r)
{
    for (double done = part_done(r); done < 1 && is_fine(r); done = part_done(r)) {
        if (look_up(r, done)) {
            break;
        }
        next_window(r);
        learner_set_rate(&r->learner, done, r->progress.updates, r->window.steps);
        double loss =
            model_train(r->model, &r->carry, &r->window, r->learner.optimizer, r->options->clip);
        progress_update(&r->progress, loss, (double)r->window.steps * r->window.rows, done,
                        seconds_left(r, done));
    }
    progress_pause(&r->progress);
    return is_fine(r);
}

static bool begin(run *r, double started)
{
    const options *o = r->options;
    r->started = started;
    r->best = INFINITY;
    r->next_glance = interval(r);
    r->learner = learner_new(r->model->tape, o);
    r->reader = reader_over(r->text->data, r->text->training, (int)o->batch);
    return carry_new(&r->carry, r->model, r->reader.rows) &&
           window_new(&r->window, learner_most_steps(o), r->reader.rows);
}

/* The averaged parameters, where there are such, are the ones that stay. */
static void last_evaluation(run *r, train_result *result)
{
    double symbols;
    result->updates = r->progress.updates;
    result->rate = progress_rate(&r->progress);
    learner_average(&r->learner);
    result->last = evaluate(r->model, r->text, r->options, LONG_MAX, &symbols);
    printf("%6ld held-out perplexity %.2f on all %.0f %s; it began at %.1f; %.0f tokens/s\n",
           result->updates, result->last, symbols, r->text->word ? "words" : "characters",
           result->first, result->rate);
}

bool train(const model *m, const text *t, const options *o, double started, train_result *result)
{
    run r = { .model = m, .text = t, .options = o };
    *result = (train_result){ 0 };
    bool fine = begin(&r, started);
    if (fine) {
        result->first = first_evaluation(&r);
        r.training_began = clock_now();
        progress_begin(&r.progress);
        fine = loop(&r);
    }
    if (fine) {
        last_evaluation(&r, result);
    }
    carry_free(&r.carry);
    window_free(&r.window);
    return fine && is_fine(&r);
}

/* train.c: the run: windows, learning rate, evaluations, and when to stop. */
#include "train.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>

#include "progress.h"
#include "sample.h"

#define WARM_UP 20        /* updates over which the learning rate rises */
#define GLANCE 4          /* windows of a row in an evaluation on the way */
#define FULL_INTERVAL 500 /* updates between evaluations with --full */
#define SLOW_DOWN 400.0   /* updates after which --full lowers the learning rate */
#define PATIENCE 2        /* evaluations without gain before --full halves it */
#define HALVINGS 5        /* of it before --full gives up */
#define GAIN 0.998        /* what counts as gain: a perplexity lower by 0.2 % */
#define LEAST 0.3         /* of --seconds is for training, however long the rest takes */
#define SINGLY 40         /* how much longer a character takes alone than in a window */

typedef struct {
    const model *model;
    const text *text;
    const options *options;
    reel_optimizer *adam;
    reader reader;
    carry carry;
    window window;
    progress progress;
    double started, training_began;
    double reserve;     /* seconds that the last evaluation and the samples will take */
    double next_glance; /* the part done, or with --full the update, of the next one */
    double best;
    int without_gain, halvings;
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

/* Rises for some updates, then follows half a cosine down to a twentieth (Loshchilov & Hutter
 * 2017); with --full it falls as 1/√updates, and is halved where nothing is gained any more. */
static double learning_rate(const run *r, double done)
{
    double update = (double)r->progress.updates + 1;
    double fall = r->options->full ? sqrt(fmin(1, SLOW_DOWN / update)) * ldexp(1, -r->halvings)
                                   : 0.05 + 0.95 * 0.5 * (1 + cos(3.14159265358979 * done));
    return r->options->lr * fmin(1, update / WARM_UP) * fall;
}

/* ---- evaluation ---------------------------------------------------------------------------- */

/* Perplexity on the held-out text, exp(total loss / characters): over all of it, or over the first
 * windows of every row. */
static double evaluate(const run *r, long windows, double *characters)
{
    const text *t = r->text;
    reader held_out =
        reader_over(t->data + t->training, t->length - t->training, (int)r->options->batch);
    carry c = { 0 };
    window w = { 0 };
    double loss = 0;
    *characters = 0;
    bool fine = carry_new(&c, r->model, held_out.rows) &&
                window_new(&w, (int)r->options->steps, held_out.rows);
    for (long i = 0; fine && is_fine(r) && i < windows; i++) {
        reader_next(&held_out, (int)r->options->steps, &w);
        if (w.steps == 0) {
            break;
        }
        double count = (double)w.steps * w.rows;
        loss += count * model_evaluate(r->model, &c, &w);
        *characters += count;
    }
    carry_free(&c);
    window_free(&w);
    return exp(loss / *characters);
}

static double glance(const run *r)
{
    double characters;
    return evaluate(r, GLANCE, &characters);
}

/* The first evaluation also tells how long the last one will take. */
static double first_evaluation(run *r)
{
    double characters, began = clock_now();
    double perplexity = evaluate(r, GLANCE, &characters);
    double pace = (clock_now() - began) / characters;
    double unseen = (double)(r->text->length - r->text->training);
    r->reserve = 1.2 * pace * unseen + SINGLY * pace * (r->options->sample + SAMPLE_LEAD_IN);
    printf("%6d held-out perplexity %.1f, untrained\n", 0, perplexity);
    fflush(stdout);
    return perplexity;
}

static void show_evaluation(const run *r, double perplexity)
{
    printf("%6ld held-out perplexity %.2f  ", r->progress.updates, perplexity);
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
        r->halvings++;
    }
    r->best = fmin(r->best, perplexity);
    return perplexity <= r->options->target || r->halvings > HALVINGS;
}

/* Looks at the held-out text when it is time to; true when training is to end. */
static bool look_up(run *r, double done)
{
    bool full = r->options->full;
    if ((full ? (double)r->progress.updates : done) < r->next_glance) {
        return false;
    }
    double characters;
    progress_pause(&r->progress);
    double perplexity = full ? evaluate(r, LONG_MAX, &characters) : glance(r);
    show_evaluation(r, perplexity);
    progress_resume(&r->progress);
    r->next_glance += full ? FULL_INTERVAL : 0.2;
    return full && is_settled(r, perplexity);
}

/* ---- the loop ------------------------------------------------------------------------------ */

/* The next window; at the text's end it starts again, a little further on and without memory. */
static void next_window(run *r)
{
    size_t steps = (size_t)r->options->steps;
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
        reel_optimizer_set_lr(r->adam, learning_rate(r, done));
        double loss = model_train(r->model, &r->carry, &r->window, r->adam, r->options->clip);
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
    r->next_glance = o->full ? FULL_INTERVAL : 0.2;
    r->adam = reel_adam(r->model->tape, (reel_adam_options){ .lr = o->lr });
    r->reader = reader_over(r->text->data, r->text->training, (int)o->batch);
    return carry_new(&r->carry, r->model, r->reader.rows) &&
           window_new(&r->window, (int)o->steps, r->reader.rows);
}

static void last_evaluation(const run *r, train_result *result)
{
    double characters;
    result->updates = r->progress.updates;
    result->rate = progress_rate(&r->progress);
    result->last = evaluate(r, LONG_MAX, &characters);
    printf(
        "%6ld held-out perplexity %.2f on all %.0f characters; it began at %.1f; %.0f tokens/s\n",
        result->updates, result->last, characters, result->first, result->rate);
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

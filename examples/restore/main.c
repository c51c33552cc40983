/* restore: many to many, synchronised. An LSTM in either direction reads a text that has lost its
 * capitals and its punctuation, and says of each character whether it was a capital and which mark
 * followed it.
 *
 *     restore [--short] [FILE]
 *
 * FILE is build/data/kjv.txt, the King James text, which ./dev data fetches. Next to the figures on
 * a held-out twentieth stand those of the majority: small letters, no marks. Exit status 1:
 * fewer of the majority's errors were avoided than was to be expected.
 */
#include <reel.h>

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "tally.h"
#include "text.h"

enum { STEPS = 120, EDGE = 20, BATCH = 32, EMBEDDING = 32, HIDDEN = 160, TASKS = 2 };

#define RATE 8e-3 /* of learning, at the start */

typedef struct {
    int updates;
    double avoided; /* the share of the majority's errors to be avoided */
} goal;

static const goal full = { 1500, 0.5 }, quick = { 120, 0.2 };

typedef struct {
    reel_tape *tape;
    reel_layer character, out[TASKS];
    reel_cell forwards, backwards;
} reader;

static reader make(reel_tape *t)
{
    return (reader){
        .tape = t,
        .character =
            reel_embedding(t, "character", CHARACTERS, EMBEDDING, (reel_embedding_options){ 0 }),
        .forwards = reel_lstm(t, "forwards", EMBEDDING, HIDDEN, (reel_lstm_options){ 0 }),
        .backwards = reel_lstm(t, "backwards", EMBEDDING, HIDDEN, (reel_lstm_options){ 0 }),
        .out = { reel_dense(t, "capital", 2 * HIDDEN, 2, (reel_dense_options){ 0 }),
                 reel_dense(t, "mark", 2 * HIDDEN, MARKS, (reel_dense_options){ 0 }) },
    };
}

/* ---- windows ------------------------------------------------------------------------------- */

/* Of each row all steps are read, and those between the edges are asked for: there both directions
 * know some of what lies around. */
enum { FRESH = STEPS - 2 * EDGE };

typedef struct {
    int32_t character[STEPS][BATCH], label[TASKS][FRESH * BATCH];
} window;

static void fill(const text *t, const int start[BATCH], window *w)
{
    for (int b = 0; b < BATCH; b++) {
        for (int step = 0; step < STEPS; step++) {
            w->character[step][b] = t->character[start[b] + step];
        }
        for (int step = 0; step < FRESH; step++) {
            w->label[0][step * BATCH + b] = t->capital[start[b] + EDGE + step];
            w->label[1][step * BATCH + b] = t->mark[start[b] + EDGE + step];
        }
    }
}

static void record(const reader *r, const window *w, reel_var logits[TASKS])
{
    reel_rewind(r->tape);
    reel_var x = reel_indices(r->tape, REEL_SHAPE(STEPS, BATCH), &w->character[0][0]);
    x = reel_apply(r->character, x);
    reel_var before = reel_unroll(r->forwards, x, (reel_unroll_options){ 0 }).outputs;
    reel_var after = reel_unroll(r->backwards, x, (reel_unroll_options){ .reverse = true }).outputs;
    reel_var seen = reel_slice(reel_concat(-1, before, after), 0, EDGE, EDGE + FRESH);
    seen = reel_dropout(seen, 0.1);
    for (int k = 0; k < TASKS; k++) {
        logits[k] = reel_apply(r->out[k], seen);
    }
}

/* ---- learning ------------------------------------------------------------------------------ */

static double train(const reader *r, reel_optimizer *adam, const window *w)
{
    reel_var logits[TASKS];
    record(r, w, logits);
    reel_var loss = reel_scalar(r->tape, 0);
    for (int k = 0; k < TASKS; k++) {
        reel_var labels = reel_indices(r->tape, REEL_SHAPE(FRESH, BATCH), w->label[k]);
        loss = reel_add(loss, reel_cross_entropy(logits[k], labels));
    }
    reel_backward(loss);
    reel_clip_norm(r->tape, 1);
    reel_optimizer_step(adam);
    return reel_item(loss);
}

static void learn(const reader *r, const text *t, int updates)
{
    static window w;
    reel_optimizer *adam = reel_adam(r->tape, (reel_adam_options){ .lr = RATE });
    uint32_t random = 1;
    double loss = 0;
    for (int i = 1; i <= updates; i++) {
        int start[BATCH];
        for (int b = 0; b < BATCH; b++) {
            random = random * 1664525 + 1013904223;
            start[b] = (int)((uint64_t)random * (uint64_t)(t->learnt - STEPS) >> 32);
        }
        fill(t, start, &w);
        reel_optimizer_set_lr(adam, RATE * (1 - 0.95 * i / updates));
        loss += train(r, adam, &w);
        if (i % 40 == 0) {
            printf("update %4d: loss %.4f\n", i, loss / 40);
            fflush(stdout);
            loss = 0;
        }
    }
}

/* ---- judging ------------------------------------------------------------------------------- */

/* Row 0 as it was restored. */
static void write(const text *t, int start, const float *capital, const float *mark)
{
    for (int step = 0; step < FRESH; step++) {
        int c = t->character[start + EDGE + step];
        putchar(capital[step * BATCH] > 0 ? toupper(c) : c);
        if (mark[step * BATCH] > 0) {
            putchar(marks[(int)mark[step * BATCH]]);
        }
    }
    printf("\n");
}

/* All of the held-out text, and the first of every 32nd piece in print. */
static double evaluate(const reader *r, const text *t)
{
    static window w;
    static float guess[TASKS][FRESH * BATCH];
    tally s[TASKS + 1] = { 0 };
    int rows = (t->count - t->learnt - STEPS) / FRESH;
    reel_set_training(r->tape, false);
    for (int first = 0; first + BATCH <= rows; first += BATCH) {
        int start[BATCH];
        reel_var logits[TASKS];
        for (int b = 0; b < BATCH; b++) {
            start[b] = t->learnt + (first + b) * FRESH;
        }
        fill(t, start, &w);
        record(r, &w, logits);
        for (int k = 0; k < TASKS; k++) {
            reel_read(reel_argmax(logits[k], -1), guess[k], FRESH * BATCH);
        }
        for (int i = 0; i < FRESH * BATCH; i++) {
            int32_t label[TASKS] = { w.label[0][i], w.label[1][i] };
            int32_t g[TASKS] = { (int32_t)guess[0][i], (int32_t)guess[1][i] };
            tally_add(&s[0], label[0], g[0]);
            tally_add(&s[1], label[1], g[1]);
            tally_add(&s[2], label[0] + 2 * label[1], g[0] + 2 * g[1]);
        }
        if (first % (16 * BATCH) == 0) {
            write(t, start[0], guess[0], guess[1]);
        }
    }
    tally_show("capitals", &s[0]);
    tally_show("punctuation", &s[1]);
    return tally_show("both", &s[2]);
}

int main(int count, char **argument)
{
    bool is_short = count > 1 && strcmp(argument[1], "--short") == 0;
    const char *path = count > 1 + is_short ? argument[1 + is_short] : "build/data/kjv.txt";
    const goal *g = is_short ? &quick : &full;
    text data;
    double avoided = 0;
    if (!text_read(path, &data)) {
        fprintf(stderr, "restore: %s is no text to learn from: ./dev data fetches one\n", path);
        text_free(&data);
        return 2;
    }
    reel_tape *t = reel_tape_new((reel_tape_options){ .seed = 1 });
    reader r = make(t);
    learn(&r, &data, g->updates);
    avoided = evaluate(&r, &data);
    bool fine = reel_tape_status(t) == REEL_OK;
    if (!fine) {
        fprintf(stderr, "restore: %s\n", reel_tape_error(t));
    }
    text_free(&data);
    reel_tape_free(t);
    return !fine || avoided < g->avoided;
}

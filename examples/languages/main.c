/* languages: many to one. A GRU reads a word letter by letter and says which of six languages it is
 * from.
 *
 *     languages [--short] [FOLDER]
 *
 * FOLDER with the word lists is build/data, which ./dev data fills. It ends with the confusion
 * matrix of the held-out words. Exit status 1: less was reached than was to be expected.
 */
#include <reel.h>

#include <stdio.h>
#include <string.h>

#include "words.h"

enum { BATCH = 64, LETTERS = 256, HIDDEN = 128, AT_ONCE = 600 };

typedef struct {
    int each, epochs;
    double right; /* what has to be reached */
} goal;

static const goal full = { 20000, 4, 0.85 }, quick = { 4000, 1, 0.75 };

typedef struct {
    reel_tape *tape;
    reel_layer letter, out;
    reel_cell forwards, backwards;
} reader;

static reader make(reel_tape *t)
{
    return (reader){
        .tape = t,
        .letter = reel_embedding(t, "letter", LETTERS, 32, (reel_embedding_options){ 0 }),
        .forwards = reel_gru(t, "forwards", 32, HIDDEN, (reel_gru_options){ 0 }),
        .backwards = reel_gru(t, "backwards", 32, HIDDEN, (reel_gru_options){ 0 }),
        .out = reel_dense(t, "out", 2 * HIDDEN, LANGUAGES, (reel_dense_options){ 0 }),
    };
}

/* Words of any length together: what lies behind a word's end does not count. */
static reel_var logits_of(const reader *r, const word *w, int count)
{
    static int32_t letters[MOST_LETTERS * AT_ONCE], lengths[AT_ONCE];
    int steps = 0;
    for (int i = 0; i < count; i++) {
        lengths[i] = w[i].length;
        steps = w[i].length > steps ? w[i].length : steps;
    }
    for (int s = 0; s < steps; s++) {
        for (int i = 0; i < count; i++) {
            letters[s * count + i] = w[i].letter[s];
        }
    }
    reel_var x = reel_apply(r->letter, reel_indices(r->tape, REEL_SHAPE(steps, count), letters));
    reel_unroll_options onwards = { .lengths = lengths },
                        back = { .lengths = lengths, .reverse = true };
    reel_var last = reel_unroll(r->forwards, x, onwards).state[0];
    reel_var first = reel_unroll(r->backwards, x, back).state[0];
    return reel_apply(r->out, reel_dropout(reel_concat(-1, last, first), 0.2));
}

static double train(const reader *r, reel_optimizer *adam, const word *w)
{
    int32_t languages[BATCH];
    for (int b = 0; b < BATCH; b++) {
        languages[b] = w[b].language;
    }
    reel_rewind(r->tape);
    reel_var logits = logits_of(r, w, BATCH);
    reel_var loss = reel_cross_entropy(logits, reel_indices(r->tape, REEL_SHAPE(BATCH), languages));
    reel_backward(loss);
    reel_clip_norm(r->tape, 1);
    reel_optimizer_step(adam);
    return reel_item(loss);
}

/* Counts [language][guess]; returns the share that is right. */
static double evaluate(const reader *r, const words *w, int confusion[LANGUAGES][LANGUAGES])
{
    float guess[AT_ONCE];
    int right = 0;
    memset(confusion, 0, sizeof(int[LANGUAGES][LANGUAGES]));
    reel_set_training(r->tape, false);
    for (int i = 0; i < w->held_out_count; i += AT_ONCE) {
        int n = w->held_out_count - i < AT_ONCE ? w->held_out_count - i : AT_ONCE;
        reel_rewind(r->tape);
        reel_read(reel_argmax(logits_of(r, w->held_out + i, n), -1), guess, (size_t)n);
        for (int k = 0; k < n; k++) {
            confusion[w->held_out[i + k].language][(int)guess[k]]++;
            right += w->held_out[i + k].language == (int)guess[k];
        }
    }
    reel_set_training(r->tape, true);
    return (double)right / w->held_out_count;
}

static void print_confusion(int confusion[LANGUAGES][LANGUAGES])
{
    printf("%-10s", "");
    for (int k = 0; k < LANGUAGES; k++) {
        printf("%9s", language_names[k]);
    }
    for (int k = 0; k < LANGUAGES; k++) {
        printf("\n%-10s", language_names[k]);
        for (int guess = 0; guess < LANGUAGES; guess++) {
            printf("%9d", confusion[k][guess]);
        }
    }
    printf("\n");
}

static double learn(reel_tape *t, const words *w, int epochs)
{
    reader r = make(t);
    reel_optimizer *adam = reel_adam(t, (reel_adam_options){ .lr = 2e-3 });
    int confusion[LANGUAGES][LANGUAGES], updates = w->learnt_count / BATCH;
    double right = 0;
    for (int epoch = 0; epoch < epochs; epoch++) {
        double loss = 0;
        for (int i = 0; i < updates; i++) {
            double done = (epoch + (double)i / updates) / epochs;
            reel_optimizer_set_lr(adam, 2e-3 * (1 - 0.95 * done));
            loss += train(&r, adam, w->learnt + i * BATCH) / updates;
        }
        right = evaluate(&r, w, confusion);
        printf("epoch %d: loss %.4f, %.2f %% of %d held-out words right\n", epoch + 1, loss,
               100 * right, w->held_out_count);
    }
    print_confusion(confusion);
    return right;
}

int main(int count, char **argument)
{
    bool is_short = count > 1 && strcmp(argument[1], "--short") == 0;
    const goal *g = is_short ? &quick : &full;
    words w;
    if (!words_read(count > 1 + is_short ? argument[1 + is_short] : "build/data", g->each, &w)) {
        return 2;
    }
    reel_tape *t = reel_tape_new((reel_tape_options){ .seed = 1 });
    double right = learn(t, &w, g->epochs);
    bool fine = reel_tape_status(t) == REEL_OK;
    if (!fine) {
        fprintf(stderr, "%s\n", reel_tape_error(t));
    }
    words_free(&w);
    reel_tape_free(t);
    return !fine || right < g->right;
}

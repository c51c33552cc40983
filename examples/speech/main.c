/* speech: recognising strings of one to five spoken digits, of voices that were never heard before.
 *
 *     speech [--short]
 *
 * espeak-ng, which ./dev data installs, says them in twenty voices to learn from and five others,
 * fast and slowly, high and low, and noise is added: corpus.c, sound.c. A spectrogram is what the
 * network sees: spectrogram.c. A bidirectional LSTM puts out a digit or nothing at each step, and
 * connectionist temporal classification (Graves et al. 2006) finds by itself which steps belong to
 * which digit: listener.c. Exit status 1: more words were wrong than was to be expected; 2: no
 * espeak-ng.
 */
#include <stdio.h>
#include <string.h>

#include "speech.h"

enum { BATCH = 32, TEXT = 64 };

typedef struct {
    int learnt, held_out; /* strings */
    int epochs;
    double wrong; /* at most such a share of the words */
} goal;

static const goal full = { 1200, 300, 12, 0.10 }, quick = { 320, 100, 12, 0.30 };

/* ---- learning ------------------------------------------------------------------------------- */

/* The strings lie in the order of their lengths: a batch has similar ones. The batches' order is
 * drawn. */
static double learn_epoch(const listener *l, reel_optimizer *adam, const corpus *c,
                          uint64_t *random)
{
    int batches = c->learnt_count / BATCH, order[256];
    double loss = 0;
    for (int i = 0; i < batches; i++) {
        int k = (int)(draw(random) % (uint64_t)(i + 1));
        order[i] = order[k];
        order[k] = i;
    }
    for (int i = 0; i < batches; i++) {
        reel_rewind(l->tape);
        reel_var batch = listener_loss(l, c->learnt + order[i] * BATCH, BATCH);
        reel_backward(batch);
        reel_clip_norm(l->tape, 1);
        reel_optimizer_step(adam);
        loss += reel_item(batch) / batches;
    }
    return loss;
}

/* ---- testing -------------------------------------------------------------------------------- */

static const char *text_of(const int32_t *label, int count, char *out)
{
    out[0] = 0;
    for (int i = 0; i < count; i++) {
        size_t used = strlen(out);
        snprintf(out + used, TEXT - used, i ? " %s" : "%s", label_names[label[i]]);
    }
    return out;
}

/* Substitutions, deletions and insertions for each word said; prints the first `shown` errors. */
static double word_error_rate(const listener *l, const utterance *u, int count, int shown)
{
    char said[TEXT], heard[TEXT];
    reel_metric *wer = reel_metric_new("wer", (reel_metric_options){ 0 }, NULL);
    for (int i = 0; i < count; i += BATCH) {
        int n = count - i < BATCH ? count - i : BATCH;
        reel_decoded *d = listen(l, u + i, n);
        for (int k = 0; d && k < n; k++) {
            const char *reference = text_of(u[i + k].label, u[i + k].digits, said);
            text_of(d->tokens + k * d->steps, d->lengths[k], heard);
            reel_metric_update_text(wer, heard, 1, &reference);
            if (shown > 0 && strcmp(said, heard) != 0) {
                printf("  said: %s; heard: %s\n", said, heard);
                shown--;
            }
        }
        reel_decoded_free(d);
    }
    double rate = reel_metric_result(wer);
    reel_metric_free(wer);
    return rate;
}

static double learn(reel_tape *t, const corpus *c, int epochs)
{
    listener l = listener_make(t);
    reel_optimizer *adam = reel_adam(t, (reel_adam_options){ .lr = 3e-3 });
    uint64_t random = 1;
    double wrong = 1;
    for (int epoch = 0; epoch < epochs; epoch++) {
        double done = (double)epoch / epochs;
        reel_optimizer_set_lr(adam, 3e-3 * (1 - done * done));
        double loss = learn_epoch(&l, adam, c, &random);
        wrong = word_error_rate(&l, c->held_out, c->held_out_count, epoch + 1 == epochs ? 5 : 0);
        printf("epoch %2d: loss %.4f; of strangers %.2f %% of the words are wrong\n", epoch + 1,
               loss, 100 * wrong);
        fflush(stdout);
    }
    return wrong;
}

int main(int count, char **argument)
{
    bool is_short = count > 1 && strcmp(argument[1], "--short") == 0;
    const goal *g = is_short ? &quick : &full;
    corpus c;
    if (!corpus_make(&c, g->learnt, g->held_out)) {
        fprintf(stderr, "speech: espeak-ng does not speak: ./dev data installs it\n");
        corpus_free(&c);
        return 2;
    }
    reel_tape *t = reel_tape_new((reel_tape_options){ .seed = 1 });
    double wrong = learn(t, &c, g->epochs);
    bool fine = reel_tape_status(t) == REEL_OK;
    if (!fine) {
        fprintf(stderr, "%s\n", reel_tape_error(t));
    }
    corpus_free(&c);
    reel_tape_free(t);
    return !fine || wrong > g->wrong;
}

/* spelling: many to many. How an English word is said, from letters to phonemes: an encoder, and a
 * decoder that attends to it.
 *
 *     spelling [--short] [FILE [SOURCE …]]
 *
 * FILE is build/data/phonemes.txt, 20,000 words as espeak-ng says them, which ./dev data makes; or
 * any other dictionary of lines "source<TAB>target", which is then learnt. A tenth is held out. Each
 * SOURCE is translated at the end. What the decoder looked at is drawn in build/spelling.png. Exit
 * status 1: without FILE, and more was wrong than was to be expected; 2: there is no dictionary.
 */
#include <stdio.h>
#include <string.h>

#include "report.h"

typedef struct {
    int epochs, each, batch; /* pairs in an epoch and in a batch */
    double lr;
    int held_out;          /* so many are tested at the end */
    double words, symbols; /* at most such a share of them may be wrong */
} goal;

static const goal full = { 16, 18000, 64, 2e-3, 2000, 0.30, 0.08 },
                  quick = { 3, 4000, 32, 3e-3, 500, 0.80, 0.30 };

static const char *const standard = "build/data/phonemes.txt";

static int least(int a, int b)
{
    return a < b ? a : b;
}

static void print_errors(const char *when, int count, error_rates e)
{
    printf("%s: of %d held out %.2f %% are wrong, %.2f %% of the symbols\n", when, count,
           100 * e.whole, 100 * e.symbols);
    fflush(stdout);
}

static double learn_epoch(translator *m, reel_optimizer *adam, const pair *p, int count, int batch)
{
    double loss = 0;
    for (int i = 0; i < count; i += batch) {
        int n = least(batch, count - i);
        reel_rewind(m->tape);
        reel_var l = translator_loss(m, p + i, n);
        reel_backward(l);
        reel_clip_norm(m->tape, 1);
        reel_optimizer_step(adam);
        loss += reel_item(l) * n / count;
    }
    return loss;
}

static void learn(translator *m, pairs *p, const goal *g)
{
    reel_optimizer *adam = reel_adam(m->tape, (reel_adam_options){ 0 });
    uint64_t random = 1;
    int each = least(p->learnt, g->each), some = least(p->held_out, 500);
    for (int epoch = 1; epoch <= g->epochs; epoch++) {
        double done = (epoch - 1.0) / g->epochs;
        reel_optimizer_set_lr(adam, g->lr * (1 - done * done));
        pairs_shuffle(p, 16 * g->batch, &random);
        double loss = learn_epoch(m, adam, p->pair, each, g->batch);
        char when[64];
        snprintf(when, sizeof when, "epoch %2d, loss %.4f", epoch, loss);
        print_errors(when, some, errors_of(m, p, some, 1));
    }
}

/* Both ways of decoding; what counts is the beam search. */
static error_rates test(translator *m, const pairs *p, const goal *g)
{
    int count = least(p->held_out, g->held_out);
    error_rates beam = errors_of(m, p, count, BEAMS);
    print_errors("greedy", count, errors_of(m, p, count, 1));
    print_errors("five beams", count, beam);
    return beam;
}

int main(int count, char **argument)
{
    bool is_short = count > 1 && strcmp(argument[1], "--short") == 0;
    int first = 1 + is_short;
    const char *path = count > first ? argument[first] : standard;
    const goal *g = is_short ? &quick : &full;
    reel_tape *t = reel_tape_new((reel_tape_options){ .seed = 1 });
    pairs p;
    if (!pairs_read(t, path, &p)) {
        const char *why = reel_tape_status(t) ? reel_tape_error(t) : "no file of pairs";
        fprintf(stderr, "spelling: %s: %s; ./dev data makes %s\n", path, why, standard);
        pairs_free(&p);
        reel_tape_free(t);
        return 2;
    }
    translator m =
        translator_make(t, reel_vocabulary_size(p.source), reel_vocabulary_size(p.target));
    learn(&m, &p, g);
    error_rates e = test(&m, &p, g);
    for (int i = first + 1; i < count; i++) {
        print_translation(&m, &p, argument[i]);
    }
    bool fine = reel_tape_status(t) == REEL_OK;
    if (fine) {
        draw_alignment(&m, &p, "build/spelling.png");
    } else {
        fprintf(stderr, "spelling: %s\n", reel_tape_error(t));
    }
    pairs_free(&p);
    reel_tape_free(t);
    return !fine || (count == first && (e.whole > g->words || e.symbols > g->symbols));
}

/* sample.c: one symbol at a time, drawn from what the model says about the next one. */
#include "sample.h"

#include <math.h>
#include <stdlib.h>

#include "words.h"

#define LINE_PATIENCE 300 /* how far beyond the length a line may run */

/* splitmix64 (Steele, Lea & Flood 2014), as a number in [0, 1). */
static double draw(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

static int32_t likeliest(const float *logits, int symbols)
{
    int32_t best = 0;
    for (int32_t i = 1; i < symbols; i++) {
        best = logits[i] > logits[best] ? i : best;
    }
    return best;
}

static double weight(float logit, float best, double temperature)
{
    return exp(((double)logit - (double)best) / temperature);
}

/* Draws from softmax(logits / temperature). */
static int32_t choose(const float *logits, int symbols, double temperature, uint64_t *state)
{
    int32_t best = likeliest(logits, symbols);
    if (temperature == 0) {
        return best;
    }
    double total = 0;
    for (int i = 0; i < symbols; i++) {
        total += weight(logits[i], logits[best], temperature);
    }
    double left = draw(state) * total;
    for (int32_t i = 0; i < symbols; i++) {
        left -= weight(logits[i], logits[best], temperature);
        if (left < 0) {
            return i;
        }
    }
    return best;
}

/* Reads some of the held-out text, so that the state is one the model knows: it has met zeros only
 * at the start of its training, and writes gibberish after them. */
static void read_lead_in(const model *m, const text *t, carry *c, float *logits)
{
    for (size_t i = 0; i < SAMPLE_LEAD_IN + LINE_PATIENCE && t->training + i < t->length; i++) {
        int32_t symbol = t->data[t->training + i];
        model_predict(m, c, symbol, logits);
        if (i >= SAMPLE_LEAD_IN && symbol == t->end_of_line) {
            break;
        }
    }
}

/* The unknown word is never written. */
static void write_on(const model *m, const text *t, sample_options o, carry *c, float *logits,
                     FILE *out)
{
    int32_t previous = -1;
    for (long i = 0; i < o.length + LINE_PATIENCE && reel_tape_status(m->tape) == REEL_OK; i++) {
        if (t->unknown >= 0) {
            logits[t->unknown] = -INFINITY;
        }
        int32_t symbol = choose(logits, t->symbols, o.temperature, &o.seed);
        if (i >= o.length && symbol == t->end_of_line) {
            break;
        }
        words_write(t, previous, symbol, out);
        model_predict(m, c, symbol, logits);
        previous = symbol;
    }
    fputc('\n', out);
}

bool sample_write(const model *m, const text *t, sample_options o, FILE *out)
{
    carry c = { 0 };
    float *logits = malloc((size_t)t->symbols * sizeof *logits);
    bool fine = logits && carry_new(&c, m, 1);
    if (fine) {
        read_lead_in(m, t, &c, logits);
        write_on(m, t, o, &c, logits, out);
    }
    free(logits);
    carry_free(&c);
    return fine;
}

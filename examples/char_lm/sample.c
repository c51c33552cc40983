/* sample.c: one character at a time, drawn from what the model says about the next one. */
#include "sample.h"

#include <math.h>
#include <stdlib.h>

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

/* Draws from softmax(logits / temperature). */
static int32_t choose(const float *logits, int symbols, double temperature, uint64_t *state)
{
    int32_t best = likeliest(logits, symbols);
    if (temperature == 0) {
        return best;
    }
    double total = 0;
    double weight[256];
    for (int i = 0; i < symbols; i++) {
        weight[i] = exp(((double)logits[i] - (double)logits[best]) / temperature);
        total += weight[i];
    }
    double left = draw(state) * total;
    for (int32_t i = 0; i < symbols; i++) {
        left -= weight[i];
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
    int32_t end_of_line = t->symbol['\n'];
    for (size_t i = 0; i < SAMPLE_LEAD_IN + LINE_PATIENCE && t->training + i < t->length; i++) {
        int32_t symbol = t->data[t->training + i];
        model_predict(m, c, symbol, logits);
        if (i >= SAMPLE_LEAD_IN && symbol == end_of_line) {
            break;
        }
    }
}

bool sample_write(const model *m, const text *t, sample_options o, FILE *out)
{
    carry c;
    if (!carry_new(&c, m, 1)) {
        return false;
    }
    float logits[256];
    read_lead_in(m, t, &c, logits);
    for (long i = 0; i < o.length + LINE_PATIENCE && reel_tape_status(m->tape) == REEL_OK; i++) {
        int32_t symbol = choose(logits, t->symbols, o.temperature, &o.seed);
        if (i >= o.length && symbol == t->symbol['\n']) {
            break;
        }
        fputc(t->byte[symbol], out);
        model_predict(m, &c, symbol, logits);
    }
    fputc('\n', out);
    carry_free(&c);
    return true;
}

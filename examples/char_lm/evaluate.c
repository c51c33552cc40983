/* evaluate.c: held-out perplexity. */
#include "evaluate.h"

#include <math.h>

double evaluate(const model *m, const text *t, const options *o, long windows, double *symbols)
{
    int steps = (int)o->steps;
    reader held_out = reader_over(t->data + t->training, t->length - t->training, (int)o->batch);
    carry c = { 0 };
    window w = { 0 };
    double loss = 0;
    *symbols = 0;
    bool fine = carry_new(&c, m, held_out.rows) && window_new(&w, steps, held_out.rows);
    for (long i = 0; fine && reel_tape_status(m->tape) == REEL_OK && i < windows; i++) {
        reader_next(&held_out, steps, &w);
        if (w.steps == 0) {
            break;
        }
        double count = (double)w.steps * w.rows;
        loss += count * model_evaluate(m, &c, &w);
        *symbols += count;
    }
    carry_free(&c);
    window_free(&w);
    return exp(loss / *symbols);
}

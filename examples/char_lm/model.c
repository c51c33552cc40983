/* model.c: the network. */
#include "model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

model model_new(reel_tape *t, int symbols, int embedding, int hidden, int layers)
{
    model m = { .tape = t, .symbols = symbols, .layers = layers };
    m.embedding = reel_embedding(t, "embedding", symbols, embedding, (reel_embedding_options){ 0 });
    for (int layer = 0; layer < layers; layer++) {
        char name[16];
        snprintf(name, sizeof name, "lstm%d", layer + 1);
        m.cell[layer] =
            reel_lstm(t, name, layer ? hidden : embedding, hidden, (reel_lstm_options){ 0 });
        m.width[layer] = hidden;
    }
    m.out = reel_dense(t, "out", hidden, symbols, (reel_dense_options){ 0 });
    return m;
}

/* ---- what is carried ----------------------------------------------------------------------- */

static size_t carry_part(const carry *c, int layer)
{
    return (size_t)c->rows * (size_t)c->width[layer];
}

/* Numbers in all layers below this one. */
static size_t carry_below(const carry *c, int layer)
{
    size_t numbers = 0;
    for (int below = 0; below < layer; below++) {
        numbers += 2 * carry_part(c, below);
    }
    return numbers;
}

static float *carry_of(const carry *c, int layer, int k)
{
    return c->value + carry_below(c, layer) + (k ? carry_part(c, layer) : 0);
}

bool carry_new(carry *c, const model *m, int rows)
{
    *c = (carry){ .rows = rows, .layers = m->layers };
    memcpy(c->width, m->width, sizeof c->width);
    c->value = calloc(carry_below(c, c->layers), sizeof *c->value);
    return c->value != NULL;
}

void carry_forget(carry *c)
{
    memset(c->value, 0, carry_below(c, c->layers) * sizeof *c->value);
}

void carry_free(carry *c)
{
    free(c->value);
    c->value = NULL;
}

/* ---- forward ------------------------------------------------------------------------------- */

typedef struct {
    reel_var logits;               /* [steps, rows, symbols] */
    reel_var state[MAX_LAYERS][2]; /* h and c after the last step: [rows, width] */
    reel_var last, dropped;        /* outputs of the last LSTM, and what dropout left of them */
} forward;

/* Vectors of the symbols [steps, rows]; a symbol that is dropped is dropped wherever it occurs. */
static reel_var embed(const model *m, reel_var symbols)
{
    reel_var x = reel_apply(m->embedding, symbols);
    if (m->regular.symbols > 0 && reel_is_training(m->tape)) {
        reel_var ones = reel_fill(m->tape, REEL_SHAPE(m->symbols, 1), 1);
        x = reel_mul(x, reel_gather(reel_dropout(ones, m->regular.symbols), symbols));
    }
    return reel_variational_dropout(x, m->regular.input);
}

static forward record_forward(const model *m, const carry *c, int steps, const int32_t *symbols)
{
    forward f;
    reel_tape *t = m->tape;
    reel_var x = embed(m, reel_indices(t, REEL_SHAPE(steps, c->rows), symbols));
    for (int layer = 0; layer < m->layers; layer++) {
        bool is_last = layer == m->layers - 1;
        reel_shape state = REEL_SHAPE(c->rows, c->width[layer]);
        reel_unroll_options start = { .initial = { reel_input(t, state, carry_of(c, layer, 0)),
                                                   reel_input(t, state, carry_of(c, layer, 1)) } };
        reel_rollout r = reel_unroll(m->cell[layer], x, start);
        f.last = r.outputs; /* [steps, rows, width] */
        x = reel_variational_dropout(f.last, is_last ? m->regular.output : m->regular.between);
        f.state[layer][0] = reel_keep(r.state[0]);
        f.state[layer][1] = reel_keep(r.state[1]);
    }
    f.dropped = x;
    f.logits = reel_apply(m->out, x);
    return f;
}

static void read_carry(const forward *f, carry *c)
{
    for (int layer = 0; layer < c->layers; layer++) {
        reel_read(f->state[layer][0], carry_of(c, layer, 0), carry_part(c, layer));
        reel_read(f->state[layer][1], carry_of(c, layer, 1), carry_part(c, layer));
    }
}

static reel_var record_loss(const model *m, const forward *f, const window *w)
{
    reel_var targets = reel_indices(m->tape, REEL_SHAPE(w->steps, w->rows), w->targets);
    return reel_cross_entropy(f->logits, targets);
}

static reel_var add_penalties(const model *m, const forward *f, reel_var loss)
{
    if (m->regular.alpha > 0) {
        loss = reel_add(loss, reel_activation_penalty(f->dropped, m->regular.alpha, NULL));
    }
    if (m->regular.beta > 0) {
        loss = reel_add(loss, reel_temporal_penalty(f->last, m->regular.beta, NULL));
    }
    return loss;
}

/* ---- the three uses ------------------------------------------------------------------------ */

double model_train(const model *m, carry *c, const window *w, reel_optimizer *optimizer,
                   double clip)
{
    reel_rewind(m->tape);
    reel_set_training(m->tape, true);
    forward f = record_forward(m, c, w->steps, w->symbols);
    reel_var loss = reel_keep(record_loss(m, &f, w));
    reel_backward(add_penalties(m, &f, loss));
    reel_clip_norm(m->tape, clip);
    reel_optimizer_step(optimizer);
    read_carry(&f, c); /* the states were marked with reel_keep: they outlive the update */
    return reel_item(loss);
}

double model_evaluate(const model *m, carry *c, const window *w)
{
    reel_rewind(m->tape);
    reel_set_training(m->tape, false);
    forward f = record_forward(m, c, w->steps, w->symbols);
    double loss = reel_item(record_loss(m, &f, w));
    read_carry(&f, c);
    return loss;
}

void model_predict(const model *m, carry *c, int32_t symbol, float *logits)
{
    reel_rewind(m->tape);
    reel_set_training(m->tape, false);
    forward f = record_forward(m, c, 1, &symbol);
    reel_read(f.logits, logits, (size_t)m->symbols);
    read_carry(&f, c);
}

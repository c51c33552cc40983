/* model.h: the network, and the three things done with it: a training step, reading, writing.
 *
 *     symbols → embedding → LSTM → … → LSTM → dense → logits of the next symbol
 */
#ifndef CHAR_LM_MODEL_H
#define CHAR_LM_MODEL_H

#include <reel.h>

#include "text.h"

enum { MAX_LAYERS = 8 };

/* What keeps a network from learning a text by heart (Merity et al. 2018); zeros: nothing. */
typedef struct {
    double symbols;                /* dropout of whole symbols of the vocabulary */
    double input, between, output; /* dropout with one mask for all steps of a window */
    double weights;                /* dropout of each W_h */
    double alpha, beta;            /* penalties on activations and on their change */
} regularisers;

typedef struct {
    reel_tape *tape;
    int symbols, layers;
    int width[MAX_LAYERS]; /* of each LSTM */
    reel_layer embedding, out;
    reel_cell cell[MAX_LAYERS];
    regularisers regular;
} model;

/* Mistakes are left on the tape. */
model model_new(reel_tape *, int symbols, int embedding, int hidden, int layers);
/* The output has the embedding's own vectors, so that the last LSTM is as wide as those; with
 * regularisers it is the AWD-LSTM (Merity et al. 2018). (tied.c) */
model model_new_tied(reel_tape *, int symbols, int embedding, int hidden, int layers, regularisers);

/* What flows from one window to the next: h and c of every layer, as plain data, so that gradients
 * end where a window begins (truncated backpropagation through time, Williams & Peng 1990). */
typedef struct {
    int rows, layers;
    int width[MAX_LAYERS];
    float *value; /* for each layer h, then c: [rows, width] */
} carry;
bool carry_new(carry *, const model *, int rows);
void carry_forget(carry *); /* back to zeros */
void carry_free(carry *);

/* One update; the mean loss of a symbol before it, in nats, without penalties. */
double model_train(const model *, carry *, const window *, reel_optimizer *, double clip);
/* The mean loss of a symbol, without learning. */
double model_evaluate(const model *, carry *, const window *);
/* Reads one symbol and gives the logits of the next one, [symbols]. */
void model_predict(const model *, carry *, int32_t symbol, float *logits);

#endif

/* model.h: the network, and the three things done with it: a training step, reading, writing.
 *
 *     symbols → embedding → LSTM → … → LSTM → dense → logits of the next symbol
 */
#ifndef CHAR_LM_MODEL_H
#define CHAR_LM_MODEL_H

#include <reel.h>

#include "text.h"

enum { MAX_LAYERS = 8 };

typedef struct {
    reel_tape *tape;
    int symbols, hidden, layers;
    reel_layer embedding, out;
    reel_cell cell[MAX_LAYERS];
} model;

/* Mistakes are left on the tape. */
model model_new(reel_tape *, int symbols, int embedding, int hidden, int layers);

/* What flows from one window to the next: h and c of every layer, as plain data, so that gradients
 * end where a window begins (truncated backpropagation through time, Williams & Peng 1990). */
typedef struct {
    int rows, hidden, layers;
    float *value; /* [layers, 2, rows, hidden] */
} carry;
bool carry_new(carry *, const model *, int rows);
void carry_forget(carry *); /* back to zeros */
void carry_free(carry *);

/* One update; the mean loss of a character before it, in nats. */
double model_train(const model *, carry *, const window *, reel_optimizer *, double clip);
/* The mean loss of a character, without learning. */
double model_evaluate(const model *, carry *, const window *);
/* Reads one symbol and gives the logits of the next one, [symbols]. */
void model_predict(const model *, carry *, int32_t symbol, float *logits);

#endif

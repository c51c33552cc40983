/* tied.c: the network for words, whose vectors are read and written by one table. */
#include "model.h"

#include <stdio.h>

model model_new_tied(reel_tape *t, int symbols, int embedding, int hidden, int layers,
                     regularisers regular)
{
    model m = { .tape = t, .symbols = symbols, .layers = layers, .regular = regular };
    m.embedding = reel_embedding(t, "embedding", symbols, embedding,
                                 (reel_embedding_options){ .table = reel_uniform(-1, 1) });
    for (int layer = 0; layer < layers; layer++) {
        char name[16];
        snprintf(name, sizeof name, "lstm%d", layer + 1);
        m.width[layer] = layer == layers - 1 ? embedding : hidden;
        int in = layer ? m.width[layer - 1] : embedding;
        m.cell[layer] = reel_lstm(t, name, in, m.width[layer], (reel_lstm_options){ 0 });
        if (regular.weights > 0) {
            m.cell[layer] = reel_weight_drop(t, m.cell[layer], "W_h", regular.weights);
        }
    }
    m.out = reel_tied_output(t, "out", m.embedding, (reel_tied_output_options){ 0 });
    return m;
}

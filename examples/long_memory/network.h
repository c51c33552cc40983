/* network.h: who tries to remember. */
#ifndef LONG_MEMORY_NETWORK_H
#define LONG_MEMORY_NETWORK_H

#include "task.h"

enum { MOST_LAYERS = 3 };

typedef struct {
    int layers, hidden;
    reel_cell cell[MOST_LAYERS];
    reel_layer out;
} network;

/* T: how long it should be able to remember, in steps. The output layer is left to the caller. */
typedef network (*make_network)(reel_tape *, int in, int hidden, int layers, int T);
network orthogonal_rnn(reel_tape *, int in, int hidden, int layers, int T);
network plain_rnn(reel_tape *, int in, int hidden, int layers, int T);
network lstm(reel_tape *, int in, int hidden, int layers, int T);
network indrnn(reel_tape *, int in, int hidden, int layers, int T);

/* What it says at the last `answered` steps, [answered, BATCH, out]. */
reel_var network_answer(const network *, reel_var x, int answered);

#endif

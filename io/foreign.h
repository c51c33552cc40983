/* foreign.h: weights of PyTorch and Keras, both ways.
 *
 *     reel_foreign_layer layers[] = {
 *         { "LSTM", .tape = "forward", .file = "encoder" },
 *         { "LSTM", .tape = "backward", .file = "encoder", .reverse = true },
 *         { "Linear", .tape = "out", .file = "head" },
 *         { 0 },
 *     };
 *     reel_foreign_options options = { .framework = REEL_PYTORCH, .layers = layers };
 *     reel_import(t, "theirs.safetensors", options); // save_file(model.state_dict(), …)
 *     reel_export(t, "ours.safetensors", options);   // model.load_state_dict(load_file(…))
 *
 * A row says which layer of a class of theirs is which on the tape. Gates are reordered, matrices
 * transposed and biases summed or split as the classes want it; outputs then agree but for
 * rounding.
 *
 *     PyTorch   RNN LSTM GRU, one row a layer and direction; RNNCell LSTMCell GRUCell Linear
 *               Embedding LayerNorm MultiheadAttention
 *     Keras 3   SimpleRNN LSTM GRU Dense Embedding LayerNormalization MultiHeadAttention
 *
 *     on the tape                     PyTorch                Keras
 *     W_x, W_h                        weight_ih, weight_hh   kernel, recurrent_kernel
 *     b                               bias_ih + bias_hh      bias
 *     W_p of reel_lstm's .projection  weight_hr
 *     b_h of reel_gru's .reset_after  bias_hh, last third    bias[1], last third
 *     W, b of reel_dense              weight, bias           kernel, bias
 *     table of reel_embedding         weight                 embeddings
 *     gain, bias of a layer norm      weight, bias           gamma, beta
 *     W_q W_k W_v W_o, b_q …          in_proj_weight …       query, key, value …
 *
 * An export writes bias_ih = b and zeros where bias_hh adds. A layer without biases in the file
 * gets zeros. PyTorch's GRU and Keras's with reset_after (its default) need reel_gru's
 * .reset_after.
 *
 * Keras: from a .weights.h5, .file is the layer's folder there, "layers/lstm" or
 * "layers/bidirectional/forward_layer"; otherwise (.npz) arrays are named by the variables' paths:
 * .file is "sequential/lstm/lstm_cell" for "sequential/lstm/lstm_cell/kernel". */
#ifndef REEL_FOREIGN_H
#define REEL_FOREIGN_H

#include "archive.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum { REEL_PYTORCH, REEL_KERAS } reel_framework;

typedef struct {
    const char *kind;        /* the class's name there: "LSTM" */
    const char *tape, *file; /* what stands before ".W_x", and before ".weight_ih_l0"; NULL or "":
                                 nothing */
    int layer;               /* of PyTorch's RNN, LSTM and GRU: 1 for weight_ih_l1 */
    bool reverse;            /* their backward direction: weight_ih_l0_reverse */
    int64_t heads;           /* of Keras's MultiHeadAttention */
} reel_foreign_layer;

typedef struct {
    reel_framework framework;
    const reel_foreign_layer *layers; /* up to one without a kind */
    /* Tensors of the file, and parameters of the tape, that no row names are left alone. Otherwise
     * each is an error. */
    bool partial;
} reel_foreign_options;

/* Everything is checked before a parameter changes; the error names all that does not fit. */
REEL_API reel_status reel_import(reel_tape *, const char *path, reel_foreign_options);
REEL_API reel_status reel_import_archive(reel_tape *, const reel_archive *, reel_foreign_options);
/* In the tape's type. The format goes by the path's ending as in reel_archive_write; Keras loads an
 * .h5 by model.load_weights. */
REEL_API reel_status reel_export(reel_tape *, const char *path, reel_foreign_options);

#ifdef __cplusplus
}
#endif

#endif

/* foreign_table.c: the table of layers. PyTorch: matrices [G·H, in], gates i f g o and r z n.
 * Keras: [in, G·H], gates i f c o and z r h. */
#include "foreign_table.h"

typedef reel__foreign_rule rule;

/* ---- PyTorch ------------------------------------------------------------------------------- */

static const rule torch_rnn[] = {
    { "W_x", "weight_ih", .transposed = true },
    { "W_h", "weight_hh", .transposed = true },
    { "b", "bias_ih", .bias = true },
    { "b", "bias_hh", .bias = true, .added = true },
    { 0 },
};

static const rule torch_lstm[] = {
    { "W_x", "weight_ih", .transposed = true },
    { "W_h", "weight_hh", .transposed = true },
    { "W_p", "weight_hr", .transposed = true, .optional = true },
    { "b", "bias_ih", .bias = true },
    { "b", "bias_hh", .bias = true, .added = true },
    { 0 },
};

static const rule torch_gru[] = {
    { "W_x", "weight_ih", .transposed = true },
    { "W_h", "weight_hh", .transposed = true },
    { "b", "bias_ih", .blocks = "012", .of = 3, .bias = true },
    { "b", "bias_hh", .blocks = "01.", .of = 3, .bias = true, .added = true },
    { "b_h", "bias_hh", .blocks = "2", .of = 3, .bias = true },
    { 0 },
};

static const rule torch_linear[] = {
    { "W", "weight", .transposed = true },
    { "b", "bias", .bias = true, .optional = true },
    { 0 },
};

static const rule torch_embedding[] = { { "table", "weight" }, { 0 } };

static const rule torch_layer_norm[] = {
    { "gain", "weight" },
    { "bias", "bias", .bias = true, .optional = true },
    { 0 },
};

#define TORCH_ATTENTION_REST                                                                       \
    { "b_q", "in_proj_bias", .blocks = "0", .of = 3, .bias = true, .optional = true },             \
        { "b_k", "in_proj_bias", .blocks = "1", .of = 3, .bias = true, .optional = true },         \
        { "b_v", "in_proj_bias", .blocks = "2", .of = 3, .bias = true, .optional = true },         \
        { "W_o", "out_proj.weight", .transposed = true },                                          \
        { "b_o", "out_proj.bias", .bias = true, .optional = true },                                \
    {                                                                                              \
        0                                                                                          \
    }

static const rule torch_attention[] = {
    { "W_q", "in_proj_weight", .blocks = "0", .of = 3, .transposed = true },
    { "W_k", "in_proj_weight", .blocks = "1", .of = 3, .transposed = true },
    { "W_v", "in_proj_weight", .blocks = "2", .of = 3, .transposed = true },
    TORCH_ATTENTION_REST,
};

/* of kdim and vdim */
static const rule torch_attention_apart[] = {
    { "W_q", "q_proj_weight", .transposed = true },
    { "W_k", "k_proj_weight", .transposed = true },
    { "W_v", "v_proj_weight", .transposed = true },
    TORCH_ATTENTION_REST,
};

/* ---- Keras --------------------------------------------------------------------------------- */

static const rule keras_rnn[] = {
    { "W_x", "kernel", "cell/vars/0" },
    { "W_h", "recurrent_kernel", "cell/vars/1" },
    { "b", "bias", "cell/vars/2", .bias = true },
    { 0 },
};

static const rule keras_gru_reset_after[] = {
    { "W_x", "kernel", "cell/vars/0", .blocks = "102", .of = 3 },
    { "W_h", "recurrent_kernel", "cell/vars/1", .blocks = "102", .of = 3 },
    { "b", "bias", "cell/vars/2", .blocks = "102", .of = 3, .row = 0, .rows = 2, .bias = true },
    { "b", "bias", "cell/vars/2", .blocks = "10.", .of = 3, .row = 1, .rows = 2, .bias = true,
      .added = true },
    { "b_h", "bias", "cell/vars/2", .blocks = "2", .of = 3, .row = 1, .rows = 2, .bias = true },
    { 0 },
};

static const rule keras_gru[] = {
    { "W_x", "kernel", "cell/vars/0", .blocks = "102", .of = 3 },
    { "W_h", "recurrent_kernel", "cell/vars/1", .blocks = "102", .of = 3 },
    { "b", "bias", "cell/vars/2", .blocks = "102", .of = 3, .bias = true },
    { 0 },
};

static const rule keras_dense[] = {
    { "W", "kernel", "vars/0" },
    { "b", "bias", "vars/1", .bias = true, .optional = true },
    { 0 },
};

static const rule keras_embedding[] = { { "table", "embeddings", "vars/0" }, { 0 } };

static const rule keras_layer_norm[] = {
    { "gain", "gamma", "vars/0" },
    { "bias", "beta", "vars/1", .bias = true, .optional = true },
    { 0 },
};

static const rule keras_attention[] = {
    { "W_q", "query/kernel", "query_dense/vars/0", .heads = SPLIT_LAST },
    { "b_q", "query/bias", "query_dense/vars/1", .heads = SPLIT_LAST, .bias = true,
      .optional = true },
    { "W_k", "key/kernel", "key_dense/vars/0", .heads = SPLIT_LAST },
    { "b_k", "key/bias", "key_dense/vars/1", .heads = SPLIT_LAST, .bias = true, .optional = true },
    { "W_v", "value/kernel", "value_dense/vars/0", .heads = SPLIT_LAST },
    { "b_v", "value/bias", "value_dense/vars/1", .heads = SPLIT_LAST, .bias = true,
      .optional = true },
    { "W_o", "attention_output/kernel", "output_dense/vars/0", .heads = SPLIT_FIRST },
    { "b_o", "attention_output/bias", "output_dense/vars/1", .bias = true, .optional = true },
    { 0 },
};

/* ---- all ----------------------------------------------------------------------------------- */

const reel__foreign_kind reel__foreign_kinds[] = {
    { REEL_PYTORCH, "RNN", true, torch_rnn },
    { REEL_PYTORCH, "LSTM", true, torch_lstm },
    { REEL_PYTORCH, "GRU", true, torch_gru },
    { REEL_PYTORCH, "RNNCell", false, torch_rnn },
    { REEL_PYTORCH, "LSTMCell", false, torch_lstm },
    { REEL_PYTORCH, "GRUCell", false, torch_gru },
    { REEL_PYTORCH, "Linear", false, torch_linear },
    { REEL_PYTORCH, "Embedding", false, torch_embedding },
    { REEL_PYTORCH, "LayerNorm", false, torch_layer_norm },
    { REEL_PYTORCH, "MultiheadAttention", false, torch_attention },
    { REEL_PYTORCH, "MultiheadAttention", false, torch_attention_apart },
    { REEL_KERAS, "SimpleRNN", false, keras_rnn },
    { REEL_KERAS, "LSTM", false, keras_rnn },
    { REEL_KERAS, "GRU", false, keras_gru_reset_after },
    { REEL_KERAS, "GRU", false, keras_gru },
    { REEL_KERAS, "Dense", false, keras_dense },
    { REEL_KERAS, "Embedding", false, keras_embedding },
    { REEL_KERAS, "LayerNormalization", false, keras_layer_norm },
    { REEL_KERAS, "MultiHeadAttention", false, keras_attention },
    { 0 },
};

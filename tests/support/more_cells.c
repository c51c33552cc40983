/* more_cells.c: the table of cells, each made with the options its case was computed for. */
#include "more_cells.h"

/* name, function, columns of x, its sizes in and hidden, reverse, linear; then the options */
#define CELLS(X)                                                                                   \
    X(coupled_lstm, coupled_lstm, 2, MORE_CELLS_IN, MORE_CELLS_HIDDEN, false, false, 0)            \
    X(coupled_lstm_peephole, coupled_lstm, 2, MORE_CELLS_IN, MORE_CELLS_HIDDEN, true, false,       \
      .peephole = true)                                                                            \
    X(multiplicative_lstm, multiplicative_lstm, 2, MORE_CELLS_IN, MORE_CELLS_HIDDEN, true, false,  \
      0)                                                                                           \
    X(phased_lstm, phased_lstm, 2, MORE_CELLS_IN, MORE_CELLS_HIDDEN, false, false, 0)              \
    X(phased_lstm_timed, phased_lstm, 3, MORE_CELLS_IN, MORE_CELLS_HIDDEN, true, false,            \
      .timed = true, .peephole = true)                                                             \
    X(slstm, slstm, 2, MORE_CELLS_IN, MORE_CELLS_HIDDEN, false, false, 0)                          \
    X(slstm_exponential_forget, slstm, 2, MORE_CELLS_IN, MORE_CELLS_HIDDEN, true, false,           \
      .exponential_forget = true)                                                                  \
    X(slstm_heads, slstm, 2, MORE_CELLS_IN, MORE_CELLS_HIDDEN, false, false, .heads = 2)           \
    X(mlstm, mlstm, 2, MORE_CELLS_IN, MORE_CELLS_HIDDEN, false, false, 0)                          \
    X(mlstm_heads, mlstm, 2, MORE_CELLS_IN, MORE_CELLS_HIDDEN, true, false, .heads = 2)            \
    X(mgu, mgu, 2, MORE_CELLS_IN, MORE_CELLS_HIDDEN, false, false, 0)                              \
    X(indrnn, indrnn, 2, MORE_CELLS_IN, MORE_CELLS_HIDDEN, true, false, 0)                         \
    X(indrnn_tanh, indrnn, 2, MORE_CELLS_IN, MORE_CELLS_HIDDEN, false, false,                      \
      .activation = REEL_TANH)                                                                     \
    X(clockwork, clockwork, 2, MORE_CELLS_IN, MORE_CELLS_HIDDEN, false, false, 0)                  \
    X(clockwork_periods, clockwork, 2, MORE_CELLS_IN, MORE_CELLS_HIDDEN, true, false,              \
      .modules = 2, .periods = (const int32_t[]){ 3, 2 })                                          \
    X(gru_layer_norm, gru, 2, MORE_CELLS_IN, MORE_CELLS_HIDDEN, false, false, .layer_norm = true)  \
    X(gru_layer_norm_reset_after, gru, 2, MORE_CELLS_IN, MORE_CELLS_HIDDEN, true, false,           \
      .layer_norm = true, .reset_after = true)                                                     \
    X(conv_lstm_line, conv_lstm, 6, 2, 2, false, false, .width = 3)                                \
    X(conv_lstm_picture, conv_lstm, 6, 1, 1, true, false, .height = 2, .width = 3,                 \
      .peephole = true)                                                                            \
    X(sru, sru, 2, MORE_CELLS_IN, MORE_CELLS_HIDDEN, true, false, 0)                               \
    X(sru_same_width, sru, 4, MORE_CELLS_HIDDEN, MORE_CELLS_HIDDEN, false, false, 0)               \
    X(sru_linear, sru, 2, MORE_CELLS_IN, MORE_CELLS_HIDDEN, false, true, .linear = true)           \
    X(qrnn, qrnn, 2, MORE_CELLS_IN, MORE_CELLS_HIDDEN, false, true, 0)                             \
    X(qrnn_1, qrnn, 2, MORE_CELLS_IN, MORE_CELLS_HIDDEN, true, true, .kernel = 1)                  \
    X(qrnn_3, qrnn, 2, MORE_CELLS_IN, MORE_CELLS_HIDDEN, true, true, .kernel = 3)                  \
    X(mingru, mingru, 2, MORE_CELLS_IN, MORE_CELLS_HIDDEN, false, true, 0)                         \
    X(mingru_positive, mingru, 2, MORE_CELLS_IN, MORE_CELLS_HIDDEN, true, true, .positive = true)  \
    X(minlstm, minlstm, 2, MORE_CELLS_IN, MORE_CELLS_HIDDEN, true, true, 0)                        \
    X(minlstm_positive, minlstm, 2, MORE_CELLS_IN, MORE_CELLS_HIDDEN, false, true,                 \
      .positive = true)                                                                            \
    X(lru, lru, 2, MORE_CELLS_IN, MORE_CELLS_HIDDEN, false, true, .out = 3)                        \
    X(lru_reverse, lru, 2, MORE_CELLS_IN, MORE_CELLS_HIDDEN, true, true, .out = 3)

#define MAKE(name, function, columns, in, hidden, reverse, linear, ...)                            \
    static reel_cell make_##name(reel_tape *t)                                                     \
    {                                                                                              \
        return reel_##function(t, "cell", in, hidden, (reel_##function##_options){ __VA_ARGS__ }); \
    }
CELLS(MAKE)

#define ROW(name, function, columns, in, hidden, reverse, linear, ...)                             \
    { #name, make_##name, columns, reverse, linear },
const more_cell more_cells[] = { CELLS(ROW) };
const int more_cells_count = sizeof more_cells / sizeof more_cells[0];

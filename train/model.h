/* model.h: models made of layers.
 *
 *     reel_model *m = reel_sequential(t, REEL_LSTM(64),
 *                                        REEL_DENSE(32, .activation = REEL_RELU),
 *                                        REEL_DENSE(1));
 *     reel_compile(m, (reel_compile_options){ .optimizer = "adam", .loss = "mse" });   // fit.h
 *     reel_history *h = reel_fit(m, X, Y, (reel_fit_options){ .epochs = 50 });
 *     reel_summary(m, stdout);
 *
 * A layer's sizes but its own are inferred from the first data, or from .input of the first layer.
 * Parameters are named layer_0.W_x, layer_2.b and so on, after the layer's place in the list, or
 * after its .name (in a tape's second model model_1.layer_0.W_x and so on); they belong to the
 * tape, and so does the model, which is freed with it.
 *
 * Data comes batch first ([rows, steps, features], data.h); inside a model sequences are time-major
 * like everywhere in reel. Floating data of three axes and more, and int32 data of two and more,
 * are sequences. The layer macros are compound literals, hence C; from C++20 they are written
 * alike.
 */
#ifndef REEL_MODEL_H
#define REEL_MODEL_H

#include "../layers/layers.h"
#include "data.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct reel_model reel_model;

/* ---- layers of a sequential model (model_layers.c) ----------------------------------------- */

typedef enum {
    REEL_LAYER_LSTM,
    REEL_LAYER_GRU,
    REEL_LAYER_RNN,
    REEL_LAYER_CELL,
    REEL_LAYER_DENSE,
    REEL_LAYER_EMBEDDING,
    REEL_LAYER_DROPOUT,
    REEL_LAYER_LAYER_NORM,
    REEL_LAYER_BIDIRECTIONAL,
    REEL_LAYER_TIME_DISTRIBUTED,
    REEL_LAYER_ACTIVATION,
    REEL_LAYER_SOFTMAX,
    REEL_LAYER_FLATTEN,
    REEL_LAYER_FUNCTION,
    REEL_LAYER_KINDS
} reel_layer_kind;

/* What the macros below make; each says which fields it reads. All read .name and .input. */
typedef struct reel_layer_spec {
    reel_layer_kind kind;
    int64_t vocabulary; /* of the embedding: how many symbols there are */
    int64_t units;      /* the macro's first argument where it is a size */
    double rate;        /* … where it is a probability */
    const struct reel_layer_spec *inner;
    /* [rows, steps, width] of the outputs rather than the last step's, [rows, width] */
    bool return_sequences;
    bool reverse;               /* go from each row's last step to its first */
    reel_activation activation; /* of RNN and dense layers */
    bool no_bias;               /* of dense layers */
    bool reset_after;           /* of the GRU; see layers.h */
    bool peephole, layer_norm;  /* of the LSTM */
    int64_t projection;         /* of the LSTM */
    double forget_bias;         /* of the LSTM */
    double dropout;             /* on the inputs of a recurrent layer, while training */
    double epsilon;             /* of layer norm; 0: 1e-5 */
    bool mask_zero;             /* of the embedding: symbol 0 has the vector zero */
    reel_merge merge;           /* of the bidirectional layer; not REEL_MERGE_SEPARATE */
    reel_cell (*cell)(reel_tape *, const char *name, int64_t in, void *self);
    reel_var (*function)(void *self, reel_var x);
    void *self; /* of .cell and .function */
    /* how parameters are called: NAME.W …; copied; NULL: layer_0, layer_1, … */
    const char *name;
    reel_shape
        input; /* of one row: REEL_SHAPE(50, 8) are steps and features; 0 steps: any number */
} reel_layer_spec;

#ifndef __cplusplus
#define REEL_LAYER_SPEC(...) ((reel_layer_spec){ __VA_ARGS__ })
#else
#define REEL_LAYER_SPEC(...) (reel_layer_spec{ __VA_ARGS__ })
#endif

/* Recurrent: units first. Of a row with a length the last step is its own last one. */
#define REEL_LSTM(...) REEL_LAYER_SPEC(.kind = REEL_LAYER_LSTM, .units = __VA_ARGS__)
#define REEL_GRU(...) REEL_LAYER_SPEC(.kind = REEL_LAYER_GRU, .units = __VA_ARGS__)
#define REEL_RNN(...) REEL_LAYER_SPEC(.kind = REEL_LAYER_RNN, .units = __VA_ARGS__)
#ifndef __cplusplus
/* A cell of one's own, from the function that makes it for a given width of input:
 * REEL_CELL(my_cell, .self = &options, .return_sequences = true). */
#define REEL_CELL(...) REEL_LAYER_SPEC(.kind = REEL_LAYER_CELL, .cell = __VA_ARGS__)
/* Both directions of a recurrent layer, merged by .merge; parameters NAME.forward.W_x,
 * NAME.backward.W_x (Schuster & Paliwal 1997). REEL_BIDIRECTIONAL(REEL_LSTM(32)) */
#define REEL_BIDIRECTIONAL(...)                                                                    \
    REEL_LAYER_SPEC(.kind = REEL_LAYER_BIDIRECTIONAL, .inner = &__VA_ARGS__)
/* A layer on each time step by itself: REEL_TIME_DISTRIBUTED(REEL_FLATTEN()) */
#define REEL_TIME_DISTRIBUTED(...)                                                                 \
    REEL_LAYER_SPEC(.kind = REEL_LAYER_TIME_DISTRIBUTED, .inner = &__VA_ARGS__)
/* Any function of one variable, without parameters: REEL_FUNCTION(f, .self = &mine). */
#define REEL_FUNCTION(...) REEL_LAYER_SPEC(.kind = REEL_LAYER_FUNCTION, .function = __VA_ARGS__)
#endif
/* On the last axis; units first. */
#define REEL_DENSE(...) REEL_LAYER_SPEC(.kind = REEL_LAYER_DENSE, .units = __VA_ARGS__)
/* Symbols 0 … vocabulary - 1 to vectors: REEL_EMBEDDING(5000, 64, .mask_zero = true). */
#define REEL_EMBEDDING(count, ...)                                                                 \
    REEL_LAYER_SPEC(.kind = REEL_LAYER_EMBEDDING, .vocabulary = (count), .units = __VA_ARGS__)
#define REEL_DROPOUT(...) REEL_LAYER_SPEC(.kind = REEL_LAYER_DROPOUT, .rate = __VA_ARGS__)
/* Over the last axis, with parameters gain and bias. */
#define REEL_LAYER_NORM(...) REEL_LAYER_SPEC(.kind = REEL_LAYER_LAYER_NORM, __VA_ARGS__)
#define REEL_ACTIVATION(...)                                                                       \
    REEL_LAYER_SPEC(.kind = REEL_LAYER_ACTIVATION, .activation = __VA_ARGS__)
/* Over the last axis. */
#define REEL_SOFTMAX_LAYER(...) REEL_LAYER_SPEC(.kind = REEL_LAYER_SOFTMAX, __VA_ARGS__)
/* [rows, …] to [rows, product of the rest] */
#define REEL_FLATTEN(...) REEL_LAYER_SPEC(.kind = REEL_LAYER_FLATTEN, __VA_ARGS__)

/* ---- models (model.c) ---------------------------------------------------------------------- */

/* The layers are copied. NULL, with a message on the tape, for a layer that cannot be. */
REEL_API reel_model *reel_sequential_n(reel_tape *, int n, const reel_layer_spec layers[]);
REEL_API reel_tape *reel_model_tape(const reel_model *); /* site: reel_model reel_model_tape(it) */

/* A batch as the tape sees it. */
typedef struct {
    int64_t rows;           /* B */
    reel_var x;             /* [T, B, …] of sequences, otherwise [B, …] */
    reel_var y;             /* the targets as they are, in the same order; absent in predict */
    const int32_t *lengths; /* of x: [B], or NULL */
    reel_var weights;       /* [B], or absent */
    /* To be set by the function where what it returns is [T, B, …]. */
    bool sequence;
} reel_batch;

/* The functional form: a function that records outputs out of a batch. With a loss in reel_compile
 * what it returns are the predictions; without, it is the loss itself (in predict, where
 * batch->y is absent, the predictions). The parameters are made by the program beforehand. */
typedef reel_var (*reel_build_fn)(reel_tape *, void *self, reel_batch *batch);
REEL_API reel_model *reel_model_new(reel_tape *, reel_build_fn, void *self);

/* Makes the parameters for rows of this shape, as the first data does otherwise; `symbols` for
 * int32 data. A model that is built keeps its shapes; REEL_OK when they are the same. */
REEL_API reel_status reel_model_build(reel_model *, reel_shape row, bool symbols);
/* Numbers in the model's parameters; 0 before it is built. */
REEL_API int64_t reel_model_parameters(const reel_model *);

/* ---- seeing (model_summary.c, model_plot.c) ------------------------------------------------- */

/* Keras's table: layers, output shapes, parameters and their sum. "?" stands for what only the
 * first data will tell. Of a functional model: the tape's parameters. */
REEL_API void reel_summary(reel_model *, FILE *);

/* A picture of the layers through Graphviz, by the path's ending: .svg, .png, .pdf, or .dot for the
 * source alone. Of a functional model: what it records for a batch like the latest one, as
 * reel_draw_folded draws it; before the first batch an error. Without Graphviz the source is left beside it, and the error (REEL_UNSUPPORTED)
 * says how to go on. */
REEL_API reel_status reel_plot_model(reel_model *, const char *path);

#ifdef __cplusplus
}
#endif

#ifndef __cplusplus
#define reel_sequential(tape, ...)                                                                 \
    reel_sequential_n((tape),                                                                      \
                      (int)(sizeof((reel_layer_spec[]){ __VA_ARGS__ }) / sizeof(reel_layer_spec)), \
                      (const reel_layer_spec[]){ __VA_ARGS__ })
#else
template <class... L> static inline reel_model *reel_sequential(reel_tape *tape, L... layer)
{
    const reel_layer_spec list[] = { layer... };
    return reel_sequential_n(tape, (int)sizeof...(layer), list);
}
#endif

#endif

/* training.h: what the files of train/ share about a model. Not installed. */
#ifndef REEL_TRAINING_H
#define REEL_TRAINING_H

#include "../graph/tape.h"
#include "../ops/ops.h"
#include "fit.h"
#include "metrics.h"

/* ---- values on their way through a model --------------------------------------------------- */

typedef struct {
    reel_var v;
    bool sequence;          /* [T, B, …], otherwise [B, …] */
    const int32_t *lengths; /* of a sequence: [B], or NULL */
} reel__signal;

/* ---- layers (model_layers.c) --------------------------------------------------------------- */

typedef struct reel__model_layer {
    reel_layer_spec spec; /* .name and .inner are this model's copies */
    struct reel__model_layer *inner;
    reel_layer layer;
    reel_cell cell, backward;
    reel_var gain, bias;
    size_t first_param, end_param; /* of the tape's parameters */
    reel_shape output;             /* of one row, when built; steps of a sequence first */
    bool sequence;
} reel__model_layer;

bool reel__model_layer_check(reel_tape *, const reel_layer_spec *, const char *name);
/* Parameters for inputs like this one; false with an error. */
bool reel__model_layer_make(reel__model_layer *, reel__signal in);
reel__signal reel__model_layer_apply(const reel__model_layer *, reel__signal in);
const char *reel__layer_kind_name(reel_layer_kind);

/* ---- losses and metrics (loss_by_name.c, metric_by_name.c) --------------------------------- */

typedef struct {
    const char *name, *long_name;
    reel_var (*each)(reel_var prediction, reel_var target); /* [..., width] to [...] */
    bool classes; /* targets may be int32 classes, one axis less */
} reel__loss;
const reel__loss *reel__loss_by_name(reel_tape *, const char *name); /* NULL with an error */

/* A streaming metric over rows of a prediction. */
typedef struct {
    const double *prediction; /* [width] */
    const double *target;     /* [width], or NULL */
    int64_t width, class;     /* where target is NULL */
} reel__metric_row;
typedef struct {
    const char *name, *long_name;
    double (*of_row)(const reel__metric_row *); /* its mean over rows … */
    double (*finish)(double mean);              /* … through this, unless NULL */
} reel__metric;

/* A metric of a model: one of this table, or one of metrics.h. */
typedef struct {
    const char *name;
    const reel__metric *own;
    reel_metric *general;
} reel__model_metric;
/* False with an error for a name that neither knows. */
bool reel__metric_by_name(reel_tape *, const char *name, reel__model_metric *out);
void reel__metric_free(reel__model_metric *);

/* ---- the model ----------------------------------------------------------------------------- */

/* Memory that grows and is kept from batch to batch. */
typedef struct {
    void *data;
    size_t bytes;
} reel__room;
void *reel__room_for(reel_tape *, reel__room *, size_t bytes);
void reel__room_free(reel_tape *, reel__room *);

typedef struct {
    reel_history public;
    size_t capacity; /* epochs */
    const char **names;
    double **series;
} reel__history;

struct reel_model {
    reel_tape *tape;
    int count;
    reel__model_layer *layer;
    reel_build_fn build; /* NULL: sequential */
    void *self;
    bool built, symbols;
    reel_shape row; /* the shape it was built for */

    bool compiled;
    reel_optimizer *optimizer;
    bool owns_optimizer;
    const reel__loss *loss;
    reel_loss_of loss_function;
    int metrics;
    reel__model_metric metric[REEL_MAX_METRICS];
    double clip_norm, clip_value;
    bool any_steps; /* a functional model that takes any number of them */
    /* of a functional model: what it returned last, and for how many rows; 0: it never was asked */
    reel_var latest;
    int64_t latest_rows;

    reel__history *history;
    reel__room x, y, weights, lengths, outputs, order;
};

bool reel__model_ready(reel_model *, const char *op); /* false for NULL; error unless compiled */
/* The outputs for a batch whose x is recorded. */
reel__signal reel__model_forward(reel_model *, reel_batch *, bool symbols);
bool reel__data_is_sequence(reel_data);
/* What a functional model makes of data like that of its latest batch; poisoned, with an error, before
 * the first. */
reel_var reel__model_sketch(reel_model *, const char *op);

/* Builds from the .input of the first layer, where it has one; true when the model is built. */
bool reel__model_build_from_input(reel_model *);
int64_t reel__layer_parameters(const reel_model *, const reel__model_layer *);

/* ---- batches (batch.c) --------------------------------------------------------------------- */

/* Rows of the data. */
typedef struct {
    reel_data x, y;
    const double *sample_weights; /* [rows of the data], or NULL */
    const double *class_weights;  /* [classes], or NULL */
    int classes;
    const int64_t *order; /* which row stands at place i, or NULL */
    int64_t begin, rows;  /* places of this batch */
    int64_t steps;        /* of x's, what stands behind them being padding in all rows; 0: all */
} reel__slice;

/* False with an error of `op`, for data that is empty, has no pointer or holds NaN. */
bool reel__data_check(reel_tape *, const char *op, const char *what, reel_data, bool allow_nan);
/* Is x a shape this model takes? Builds it at the first call. */
bool reel__data_fits(reel_model *, const char *op, reel_data x, reel_data y);

/* A batch on the tape. */
typedef struct {
    reel_var loss;       /* absent in predict */
    reel__signal output; /* where .own_loss is false */
    bool own_loss;       /* the model returned its loss: there are no predictions */
    reel_data target;    /* the batch's, in the order of the output */
    bool classes;        /* .target has one axis less than the output */
    int64_t positions;   /* the output without its last axis */
    double counted;      /* how many of them are no padding */
} reel__step;
bool reel__batch_outputs(reel_model *, const char *op, const reel__slice *, reel__step *);
/* The same, and the loss. */
bool reel__batch_loss(reel_model *, const char *op, const reel__slice *, reel__step *);
/* False in padding. */
bool reel__position_counts(const reel__step *, int64_t position);

/* ---- running sums of an epoch (score.c) ---------------------------------------------------- */

typedef struct {
    double loss, counted;
    double metric[REEL_MAX_METRICS], rows;
} reel__score;
/* Empty sums; the model's metrics of metrics.h start anew as well. */
void reel__score_begin(reel_model *, reel__score *);
/* Adds a batch whose loss and predictions can be read. */
bool reel__score_add(reel_model *, reel__score *, const reel__step *);
double reel__score_loss(const reel__score *);
double reel__score_metric(const reel_model *, const reel__score *, int metric);
/* Adds all rows of the slice, a batch at a time. */
bool reel__score_all(reel_model *, const char *op, reel__slice, int64_t batch_size, reel__score *);

/* ---- history.c ----------------------------------------------------------------------------- */

reel__history *reel__history_new(reel_model *, int epochs); /* becomes the model's */
/* Sets a series' number of the epoch in progress, which is the next one. */
bool reel__history_set(reel_model *, const char *name, double value);

#endif

/* fit.h: compile, fit, evaluate, predict.
 *
 *     reel_compile(m, (reel_compile_options){ .optimizer = "adam", .loss = "mse",
 *                                             .metrics = { "mae" } });
 *     reel_history *h = reel_fit(m, X, Y, (reel_fit_options){ .epochs = 50, .batch_size = 32,
 *                                                             .validation_split = 0.2 });
 *     if (!h) {
 *         fprintf(stderr, "%s\n", reel_tape_error(t));
 *     }
 *     printf("%g\n", reel_history_at(h, "val_mae", -1));
 *     reel_evaluation e = reel_evaluate(m, X_test, Y_test, (reel_evaluate_options){ 0 });
 *     reel_predict(m, X_test, predictions, count);
 *
 * Nothing is printed unless .verbose asks for it. The tape is rewound for every batch: handles
 * other than parameters' die. A misuse leaves a message on the tape and the model as it was.
 */
#ifndef REEL_FIT_H
#define REEL_FIT_H

#include "../optim/optim.h"
#include "model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- compile (compile.c) ------------------------------------------------------------------- */

#define REEL_MAX_METRICS 12

/* A loss of one's own: a scalar, or one number for each position ([B], or [T, B] of sequences),
 * which sample weights and lengths need. reel_mse and its like fit. */
typedef reel_var (*reel_loss_of)(reel_var prediction, reel_var target);

/* Losses by name:
 *   "mse", "mae", "mape", "msle", "huber" (delta 1), "log_cosh", "poisson", "hinge"
 *   "cross_entropy"            logits, and classes (int32) or distributions (floating); as PyTorch
 *   "sparse_categorical_crossentropy", "categorical_crossentropy", "binary_crossentropy"
 *                              probabilities, as Keras's, clipped at 1e-7 from 0 and 1
 *   "binary_cross_entropy_with_logits"
 * and long names as Keras has them ("mean_squared_error"). Metrics by name: the losses, and "rmse",
 * "accuracy" (by the targets: classes, one-hot rows, or 0 and 1), "binary_accuracy",
 * "sparse_categorical_accuracy", "categorical_accuracy", and those of metrics.h that take numbers:
 * "f1", "roc_auc", "r2" … Optimisers are those of reel_optimizer_by_name. */
typedef struct {
    const char *optimizer;          /* NULL: "adam" */
    double lr;                      /* 0: the optimiser's default */
    reel_optimizer *optimizer_made; /* of the same tape; instead of a name */
    const char *loss;               /* NULL, without .loss_function: what the model returns */
    reel_loss_of loss_function;     /* instead of a name */
    const char *metrics[REEL_MAX_METRICS];
    double clip_norm;  /* of the whole gradient; 0: none */
    double clip_value; /* of each element; 0: none */
    /* Where data has lengths, fit and evaluate hand a model no more steps of a batch than its longest
     * row has, rounded up to a 64th of the data's: the numbers are the same, the time is not.
     * Sequential models without functions and without a flattened sequence do so by themselves,
     * functional ones where they say that they take any number of steps. */
    bool any_steps;
} reel_compile_options;

/* An unknown name is an error that lists the known ones and the nearest. May be called again. */
REEL_API reel_status reel_compile(reel_model *, reel_compile_options);
REEL_API reel_optimizer *reel_model_optimizer(const reel_model *); /* NULL before reel_compile */

/* ---- history (history.c) ------------------------------------------------------------------- */

/* Every epoch's numbers. Belongs to the model; each fit makes a new one. */
typedef struct {
    int epochs;             /* finished */
    const double *loss;     /* [epochs] */
    const double *val_loss; /* [epochs], or NULL without validation */
    int count; /* series: "loss", metrics, "val_loss", "val_…", and what callbacks log */
    const char *const *name;
    const double *const *values; /* [count][epochs] */
    const char *stopped_by;      /* the callback that ended training early, "interrupt", or NULL */
} reel_history;

/* Epoch from 0, or from the end when negative; NAN for an unknown name or epoch. */
REEL_API double reel_history_at(const reel_history *, const char *name, int epoch);
REEL_API const double *reel_history_series(const reel_history *, const char *name); /* or NULL */
/* The latest fit's, that of one that failed too; NULL before the first. */
REEL_API const reel_history *reel_model_history(const reel_model *);
REEL_API void reel_history_print(const reel_history *, FILE *); /* one line an epoch */

/* ---- callbacks ------------------------------------------------------------------------------- */

/* What hooks see. */
typedef struct reel_training {
    reel_model *model;
    int epoch, epochs;      /* epoch: from 0; on_train_begin may set it, to skip what is done */
    int64_t batch, batches; /* batch: from 0, of this epoch */
    int64_t step;           /* updates made by this fit */
    double batch_loss; /* of the latest batch alone; the logs are means over the epoch so far */
    int count;         /* logs so far: of the batch in on_batch_end, of the epoch in the others */
    const char *const *name;
    const double *value;
    bool interrupted;  /* by SIGINT, with catch_interrupt */
    bool stop;         /* set it: training ends after this batch or epoch */
    char message[256]; /* a hook that fails says why */
} reel_training;
REEL_API double reel_training_log(const reel_training *, const char *name); /* NAN: none */
/* In on_epoch_end: adds a number to this epoch's logs and to the history. */
REEL_API reel_status reel_training_add_log(reel_training *, const char *name, double value);

/* Hooks that are NULL are left out. What is not REEL_OK ends the fit with an error that names
 * callback, hook and epoch; on_train_end is called all the same. */
typedef struct {
    const char *name;
    void *self;
    reel_status (*on_train_begin)(void *self, reel_training *);
    reel_status (*on_train_end)(void *self, reel_training *);
    reel_status (*on_epoch_begin)(void *self, reel_training *);
    reel_status (*on_epoch_end)(void *self, reel_training *);
    reel_status (*on_batch_begin)(void *self, reel_training *);
    reel_status (*on_batch_end)(void *self, reel_training *);
    reel_status (*on_validation_begin)(void *self, reel_training *);
    reel_status (*on_validation_end)(void *self, reel_training *);
} reel_callback;
#define REEL_MAX_CALLBACKS 12

/* ---- ready callbacks ------------------------------------------------------------------------- */

/*     reel_early_stopping_options patient = { .patience = 5 };
 *     reel_fit_options options = { .callbacks = { reel_early_stopping(m, patient) } };
 *
 * They live as long as the model and belong to one fit at a time. An option out of range leaves an
 * error on the tape, so that the fit does not start.
 *
 * What .monitor names is looked for in the logs at each epoch's end; NULL is "val_loss", or "loss"
 * without validation; a name that is not there makes the fit fail. It should fall, unless
 * .maximize is set or its name ends in "acc", "accuracy" or "auc". */

/* Ends training when there was no improvement for `patience` epochs (callback_stop.c). */
typedef struct {
    const char *monitor;
    bool maximize;
    int patience;      /* as Keras: with 0 the first epoch without improvement is the last */
    double min_delta;  /* less is no improvement; ≥ 0 */
    bool restore_best; /* parameters of the best epoch come back at the end */
    int start_from_epoch;
} reel_early_stopping_options;
REEL_API reel_callback reel_early_stopping(reel_model *, reel_early_stopping_options);

/* Ends training after a batch whose loss is NaN or infinite (callback_stop.c). */
REEL_API reel_callback reel_terminate_on_nan(reel_model *);

/* Multiplies the rate by `factor` after `patience` epochs without improvement, and logs
 * "learning_rate" (callback_rate.c). */
typedef struct {
    const char *monitor;
    bool maximize;
    double factor;    /* in (0, 1); 0: 0.1 */
    int patience;     /* 0: 10 */
    double min_delta; /* 0: 1e-4 */
    int cooldown;     /* epochs after a reduction that do not count */
    double min_lr;
} reel_reduce_lr_options;
REEL_API reel_callback reel_reduce_lr_on_plateau(reel_model *, reel_reduce_lr_options);

/* Sets the rate before each epoch to schedule(self, epoch from 0, rate now), and logs
 * "learning_rate" (callback_rate.c). */
typedef double (*reel_epoch_schedule)(void *self, int epoch, double lr);
REEL_API reel_callback reel_lr_scheduler(reel_model *, reel_epoch_schedule, void *self);

/* A line of numbers per epoch under a header of names; a failed write (a full disk) fails the fit
 * (callback_csv.c). */
typedef struct {
    bool append;    /* to a file that is there; no second header */
    char separator; /* 0: ',' */
} reel_csv_logger_options;
REEL_API reel_callback reel_csv_logger(reel_model *, const char *path, reel_csv_logger_options);

/* Saves the parameters after each epoch, or after each that is the best so far (callback_save.c). */
typedef reel_status (*reel_save_fn)(void *self, reel_tape *, const char *path);
typedef struct {
    const char *monitor;
    bool maximize;
    bool best_only;
    int every;         /* epochs; 0: 1 */
    reel_save_fn save; /* NULL: reel_save, whose format goes by the path's ending */
    void *self;        /* of .save */
} reel_model_checkpoint_options;
/* In the path {epoch} stands for the epoch's number, from 1, and {epoch:03} for 3 digits of it. */
REEL_API reel_callback reel_model_checkpoint(reel_model *, const char *path,
                                             reel_model_checkpoint_options);

/* Writes a checkpoint (io/checkpoint.h) after every epoch, and where one is found at the start goes on
 * from it: parameters, optimiser, the number of the epoch. Removed when training is over, unless it
 * failed or was interrupted, or `keep` is set (callback_backup.c). */
typedef struct {
    bool keep;
} reel_backup_options;
REEL_API reel_callback reel_backup_and_restore(reel_model *, const char *path, reel_backup_options);

/* Scalars of every epoch as event files that TensorBoard reads; also, where asked for, histograms of
 * all parameters and the model's graph: its layers, or what a functional model recorded for its first
 * batch, loops folded. Training goes to LOG_DIR/train, numbers named "val_…" to
 * LOG_DIR/validation, both named as Keras does: "epoch_loss" (callback_tensorboard.c). */
typedef struct {
    int histograms_every; /* epochs; 0: never */
    bool graph;
    int batches_every; /* also "batch_loss" after every so many updates; 0: never */
} reel_tensorboard_options;
REEL_API reel_callback reel_tensorboard(reel_model *, const char *log_dir,
                                        reel_tensorboard_options);

/* ---- fit (fit.c) --------------------------------------------------------------------------- */

typedef struct {
    int epochs;         /* 0: 1 */
    int initial_epoch;  /* the number of the first, when training goes on */
    int64_t batch_size; /* 0: 32; more than there are rows to train on is an error */
    bool no_shuffle;    /* rows are shuffled anew each epoch by Philox, unless this is set */
    /* batches of rows of like length (reel_bucket), shuffled anew each epoch: little padding is left
     * to leave out; without lengths an error */
    bool bucket;
    uint64_t seed; /* of the shuffling; 0: the tape's. Same seed: same order */
    /* in [0, 1): the last part of the rows, before any shuffling, is kept for validation; as Keras,
     * the rows to train on are the first floor(rows·(1 - split)) */
    double validation_split;
    reel_data validation_x, validation_y; /* instead of a part of X and Y */
    const double *validation_weights;
    int validation_every;         /* epochs; 0: 1 */
    const double *sample_weights; /* [rows] */
    /* [classes]: weights of rows or steps by their class; targets are int32, one-hot or 0 and 1 */
    const double *class_weights;
    int classes;
    reel_callback callbacks[REEL_MAX_CALLBACKS];
    int verbose; /* 0: silent; 1: a bar on a terminal, one line an epoch elsewhere; 2: one line */
    FILE *progress; /* NULL: stdout */
    /* SIGINT during the fit stops it after the step in progress; the handler before is put back.
     * One fit of the process at a time may ask for it. */
    bool catch_interrupt;
    const char *interrupt_checkpoint; /* with it: a checkpoint is written there; NULL: none */
    bool allow_nan;                   /* do not look for NaN in the data */
} reel_fit_options;

/* The loss of a batch is Σ w·l / positions, with w = sample weight · class weight, as in Keras 3; of
 * sequences with lengths only steps that are there count. An epoch's numbers are means over batches
 * weighted by positions. y may be left empty where the model returns its loss. NULL with an error;
 * parameters are then as the last finished step left them. */
REEL_API reel_history *reel_fit(reel_model *, reel_data x, reel_data y, reel_fit_options);

typedef struct {
    double loss;
    int count;
    const char *name[REEL_MAX_METRICS];
    double metric[REEL_MAX_METRICS]; /* in the order of reel_compile */
} reel_evaluation;
typedef struct {
    int64_t batch_size; /* 0: 32 */
    const double *sample_weights;
} reel_evaluate_options;
/* .loss is NAN with an error on the tape. */
REEL_API reel_evaluation reel_evaluate(reel_model *, reel_data x, reel_data y,
                                       reel_evaluate_options);

/* The outputs for each row, batch first; n is their number: rows times the size of one row's
 * output. Dropout is off. */
REEL_API reel_status reel_predict(reel_model *, reel_data x, float *out, size_t n);
REEL_API reel_status reel_predict_f64(reel_model *, reel_data x, double *out, size_t n);
/* What reel_predict would write, [rows, …]; rank -1 with an error. Records, computes nothing. */
REEL_API reel_shape reel_predict_shape(reel_model *, reel_data x);

/* One update; returns the loss before it, NAN with an error. */
REEL_API double reel_train_on_batch(reel_model *, reel_data x, reel_data y);

#ifdef __cplusplus
}
#endif

#endif

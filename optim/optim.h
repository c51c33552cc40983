/* optim.h: optimisers and gradient clipping.
 *
 *     reel_optimizer *adam = reel_adam(t, (reel_adam_options){ .lr = 1e-3 });
 *     for (…) {
 *         reel_rewind(t);
 *         reel_var loss = …;
 *         reel_backward(loss);
 *         double norm = reel_clip_norm(t, 5);
 *         reel_optimizer_step(adam);               // and zeroes the gradients
 *     }
 *
 * An optimiser updates all parameters of its tape, those made after it as well: their momenta and
 * step counts start when they join. It belongs to the tape and is freed with it. A zero in an
 * option is its default; REEL_ZERO asks for zero itself. An option out of range makes NULL, with a
 * message on the tape.
 *
 * In all of them g = gradient + weight_decay·p, or where the decay is `.decoupled` g = gradient and
 * p is multiplied by 1 - lr·weight_decay before the update (Loshchilov & Hutter 2019). Formulas and
 * defaults are those of torch.optim.
 */
#ifndef REEL_OPTIM_H
#define REEL_OPTIM_H

#include "../graph/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct reel_optimizer reel_optimizer;

/* ---- optimisers ---------------------------------------------------------------------------- */

/* g = gradient + weight_decay·p, v = momentum·v + g, p -= lr·v, or with Nesterov's momentum
 * p -= lr·(g + momentum·v) (Sutskever et al. 2013). As torch.optim.SGD. */
typedef struct {
    double lr;           /* > 0; 0: 0.01 */
    double momentum;     /* in [0, 1) */
    bool nesterov;       /* needs a momentum */
    double weight_decay; /* ≥ 0 */
    bool decoupled;
} reel_sgd_options;
REEL_API reel_optimizer *reel_sgd(reel_tape *, reel_sgd_options);

/* Adam (Kingma & Ba 2015): m and v are running means of g and g², with g = gradient +
 * weight_decay·p, p -= lr·m̂/(√v̂ + eps), both divided by 1 - beta^step. As torch.optim.Adam. */
typedef struct {
    double lr;           /* > 0; 0: 1e-3 */
    double beta1, beta2; /* in [0, 1); 0: 0.9, 0.999 */
    double eps;          /* > 0; 0: 1e-8 */
    double weight_decay; /* ≥ 0 */
    bool decoupled;
    bool amsgrad; /* divides by the largest v so far (Reddi et al. 2018) */
} reel_adam_options;
REEL_API reel_optimizer *reel_adam(reel_tape *, reel_adam_options);
/* Adam with decoupled decay, 0.01 where weight_decay is 0 (Loshchilov & Hutter 2019). */
REEL_API reel_optimizer *reel_adamw(reel_tape *, reel_adam_options);

/* Adam with Nesterov momentum (Dozat 2016). */
typedef struct {
    double lr;             /* > 0; 0: 2e-3 */
    double beta1, beta2;   /* in [0, 1); 0: 0.9, 0.999 */
    double eps;            /* > 0; 0: 1e-8 */
    double momentum_decay; /* ≥ 0; 0: 4e-3 */
    double weight_decay;   /* ≥ 0 */
    bool decoupled;
} reel_nadam_options;
REEL_API reel_optimizer *reel_nadam(reel_tape *, reel_nadam_options);

/* Adam that does without v until it can be trusted (Liu et al. 2020). */
typedef struct {
    double lr;           /* > 0; 0: 1e-3 */
    double beta1, beta2; /* in [0, 1); 0: 0.9, 0.999 */
    double eps;          /* > 0; 0: 1e-8 */
    double weight_decay; /* ≥ 0 */
    bool decoupled;
} reel_radam_options;
REEL_API reel_optimizer *reel_radam(reel_tape *, reel_radam_options);

/* u = max(beta2·u, |g| + eps), p -= lr·m/(1 - beta1^step)/u (Kingma & Ba 2015). */
typedef struct {
    double lr;           /* > 0; 0: 2e-3 */
    double beta1, beta2; /* in [0, 1); 0: 0.9, 0.999 */
    double eps;          /* > 0; 0: 1e-8 */
    double weight_decay; /* ≥ 0 */
    bool decoupled;
} reel_adamax_options;
REEL_API reel_optimizer *reel_adamax(reel_tape *, reel_adamax_options);

/* v = alpha·v + (1 - alpha)·g², p -= lr·g/(√v + eps) (Tieleman & Hinton 2012); centred: v less the
 * square of the mean of g (Graves 2013); with momentum on what is subtracted. */
typedef struct {
    double lr;       /* > 0; 0: 0.01 */
    double alpha;    /* in [0, 1); 0: 0.99 */
    double eps;      /* > 0; 0: 1e-8 */
    double momentum; /* in [0, 1) */
    bool centred;
    double weight_decay; /* ≥ 0 */
    bool decoupled;
} reel_rmsprop_options;
REEL_API reel_optimizer *reel_rmsprop(reel_tape *, reel_rmsprop_options);

/* sum += g², p -= lr/(1 + (step - 1)·lr_decay)·g/(√sum + eps) (Duchi et al. 2011). */
typedef struct {
    double lr;           /* > 0; 0: 0.01 */
    double lr_decay;     /* ≥ 0 */
    double initial;      /* ≥ 0: of the sum */
    double eps;          /* > 0; 0: 1e-10 */
    double weight_decay; /* ≥ 0 */
    bool decoupled;
} reel_adagrad_options;
REEL_API reel_optimizer *reel_adagrad(reel_tape *, reel_adagrad_options);

/* p -= lr·√(delta + eps)/√(v + eps)·g, delta the mean square of what was subtracted before lr
 * (Zeiler 2012). */
typedef struct {
    double lr;           /* > 0; 0: 1 */
    double rho;          /* in [0, 1); 0: 0.9 */
    double eps;          /* > 0; 0: 1e-6 */
    double weight_decay; /* ≥ 0 */
    bool decoupled;
} reel_adadelta_options;
REEL_API reel_optimizer *reel_adadelta(reel_tape *, reel_adadelta_options);

/* Steps of a size of its own for each element, which grows while the gradient keeps its sign and
 * shrinks when it changes (Riedmiller & Braun 1993). For gradients of the whole data. */
typedef struct {
    double lr;           /* > 0; 0: 0.01: the size at the start; later changes of lr do nothing */
    double shrink, grow; /* in [0, 1); 0: 0.5; above 1; 0: 1.2 */
    double smallest, largest; /* sizes; 0: 1e-6, 50 */
} reel_rprop_options;
REEL_API reel_optimizer *reel_rprop(reel_tape *, reel_rprop_options);

/* p -= lr·sign(beta1·m + (1 - beta1)·g), then m = beta2·m + (1 - beta2)·g (Chen et al. 2023); the
 * decay is decoupled. */
typedef struct {
    double lr;           /* > 0; 0: 1e-4 */
    double beta1, beta2; /* in [0, 1); 0: 0.9, 0.99 */
    double weight_decay; /* ≥ 0 */
} reel_lion_options;
REEL_API reel_optimizer *reel_lion(reel_tape *, reel_lion_options);

/* SGD that, once a validation loss is worse than the best of those more than `window` reports ago,
 * takes the mean of all parameters from there on (Merity et al. 2018; the trigger is that of
 * AWD-LSTM's code). */
typedef struct {
    double lr;           /* > 0; 0: 30 */
    int window;          /* 1 … REEL_NT_ASGD_WINDOW; 0: 5 */
    double weight_decay; /* ≥ 0 */
    bool decoupled;
} reel_nt_asgd_options;
#define REEL_NT_ASGD_WINDOW 32
REEL_API reel_optimizer *reel_nt_asgd(reel_tape *, reel_nt_asgd_options);
/* Reports a validation loss; true from the trigger on. False for another kind of optimiser, an
 * error. */
REEL_API bool reel_nt_asgd_report(reel_optimizer *, double validation_loss);
/* Exchanges parameters and means: once before validation, once after. Nothing before the
 * trigger. */
REEL_API reel_status reel_nt_asgd_exchange(reel_optimizer *);

/* L-BFGS (Liu & Nocedal 1989) with a line search that meets the strong Wolfe conditions, for losses
 * that are the same at the same parameters. As torch.optim.LBFGS with line_search_fn =
 * "strong_wolfe". Groups can freeze parameters; their lr and decay are not looked at. */
typedef struct {
    double lr;      /* > 0: the first guess at a step; 0: 1 */
    int history;    /* pairs of vectors kept, 1 … REEL_LBFGS_HISTORY; 0: 10 (torch: 100) */
    int iterations; /* a call, at most; 0: 20 */
    /* of the loss, a call; a line search that is under way may make one more; 0: iterations·5/4 */
    int evaluations;
    double tolerance_gradient; /* ≥ 0: ends at so small a largest element; 0: 1e-7 */
    double tolerance_change;   /* ≥ 0: ends at so small a change; 0: 1e-9 */
} reel_lbfgs_options;
#define REEL_LBFGS_HISTORY 100
REEL_API reel_optimizer *reel_lbfgs(reel_tape *, reel_lbfgs_options);
/* In place of reel_optimizer_step: the tape is rewound and the loss recorded anew as often as
 * needed. Returns the loss before; NAN after an error, with the parameters as they were. */
REEL_API double reel_lbfgs_step(reel_optimizer *, reel_loss_fn, void *self);

/* By its name, "adam", with the default options but for lr (0: the default as well). An unknown
 * name is REEL_NOT_FOUND: the message lists the known ones, the nearest first. */
REEL_API reel_optimizer *reel_optimizer_by_name(reel_tape *, const char *name, double lr);
REEL_API const char *reel_optimizer_known(size_t i); /* name i; NULL behind the last */

/* Computes the gradients that were asked for, updates every parameter and zeroes the gradients.
 * Where the tape has an error, nothing changes and its status is returned. Gradients that are not
 * finite are not looked for: they make parameters and state NaN, as in torch. reel_clip_norm
 * returns the norm that tells, and sets such gradients to zero; reel_find_nan names where they came
 * up. */
REEL_API reel_status reel_optimizer_step(reel_optimizer *);
REEL_API reel_tape *reel_optimizer_tape(const reel_optimizer *); /* NULL for NULL */
/* site: reel_optimizer reel_optimizer_tape(it) */
REEL_API double reel_optimizer_lr(const reel_optimizer *);            /* NAN for NULL */
REEL_API reel_status reel_optimizer_set_lr(reel_optimizer *, double); /* ≥ 0, finite */
REEL_API const char *reel_optimizer_name(const reel_optimizer *);     /* "adam"; NULL for NULL */
/* Gives its memory back before the tape's end; steps are errors from then on. */
REEL_API void reel_optimizer_free(reel_optimizer *);

/* ---- groups of parameters ------------------------------------------------------------------ */

/* For the parameters whose names match. A group replaces all settings of an earlier one. */
typedef struct {
    double lr_factor; /* times the optimiser's lr, whatever a schedule does to it; 0: 1 */
    double lr; /* in place of lr_factor: what it is now; follows the schedule in proportion */
    double weight_decay; /* ≥ 0; 0: the optimiser's; REEL_ZERO: none */
    bool frozen;         /* neither updated nor counted; gradients are zeroed as always */
} reel_group_options;

/* `*` in a pattern stands for any characters, `?` for one: "*.b", "encoder.*". Parameters made
 * later are matched as well. Returns how many match now; -1 with an error. */
REEL_API int64_t reel_optimizer_group(reel_optimizer *, const char *pattern, reel_group_options);

/* ---- averages of the parameters -------------------------------------------------------------- */

/* Belongs to its tape. The first update of a parameter makes its average equal to it. */
typedef struct reel_average reel_average;

/* average = decay·average + (1 - decay)·p (Polyak & Juditsky 1992). decay in [0, 1); 0: 0.999. */
REEL_API reel_average *reel_ema(reel_tape *, double decay);
/* The mean over all updates (Izmailov et al. 2018). */
REEL_API reel_average *reel_swa(reel_tape *);
REEL_API reel_status reel_average_update(reel_average *); /* after a step of the optimiser */
/* Puts the averages in the parameters' place, to evaluate or save; restore puts back what was
 * trained. Between the two neither update the average nor step the optimiser. */
REEL_API reel_status reel_average_apply(reel_average *);
REEL_API reel_status reel_average_restore(reel_average *);
REEL_API void reel_average_free(reel_average *); /* before the tape's end */

/* ---- state --------------------------------------------------------------------------------- */

typedef enum { REEL_STATE_F32, REEL_STATE_F64, REEL_STATE_I64 } reel_state_dtype;

/* One of the things an optimiser remembers. */
typedef struct {
    const char
        *name; /* "lr", "lstm.W_x/step", "lstm.W_x/m"; until the next call on the optimiser */
    reel_state_dtype dtype;
    reel_shape shape; /* of the parameter, or a scalar */
    size_t count;     /* of elements */
    void *data;       /* until the next parameter is made */
} reel_state_entry;

/* To save: entries 0 … count - 1; each name comes once. To restore, into an optimiser of the same
 * kind over parameters of the same names: reel_optimizer_state_set(o, &entry) for each, in any
 * order. float and double are converted. An unknown name or a wrong count is an error and changes
 * nothing. */
REEL_API size_t reel_optimizer_state_count(reel_optimizer *);
REEL_API reel_status reel_optimizer_state_at(reel_optimizer *, size_t i, reel_state_entry *out);
REEL_API reel_status reel_optimizer_state_set(reel_optimizer *, const reel_state_entry *);
/* The same of an average that is not applied. */
REEL_API size_t reel_average_state_count(reel_average *);
REEL_API reel_status reel_average_state_at(reel_average *, size_t i, reel_state_entry *out);
REEL_API reel_status reel_average_state_set(reel_average *, const reel_state_entry *);

/* ---- clipping ------------------------------------------------------------------------------ */

/* Scales all gradients together so that the Euclidean norm of the whole is at most max ≥ 0, and
 * returns the norm before (Pascanu et al. 2013). Where that is infinite or NaN no direction is left
 * to keep: the gradients become zero, never NaN, and what is returned tells. NAN when max is
 * negative or NaN, or the tape has an error; the gradients then stay as they are. */
REEL_API double reel_clip_norm(reel_tape *, double max);
/* Clamps every element of every gradient to [-max, max]; NaN stays NaN. */
REEL_API reel_status reel_clip_value(reel_tape *, double max);

/* Limits the norm of each parameter's gradient for itself; where that is not finite, to zeros. */
REEL_API reel_status reel_clip_norm_each(reel_tape *, double max);

/* Limits the norm of each unit's gradient to a share of the norm of its weights (adaptive gradient
 * clipping, Brock et al. 2021). A unit is an index of the last axis, since weights are [in, out]
 * here; of a vector or scalar the whole. A norm that is not finite makes zeros. */
typedef struct {
    double share; /* > 0; 0: 0.01 */
    double eps;   /* > 0: of the weights' norm, at least; 0: 1e-3 */
} reel_clip_adaptive_options;
REEL_API reel_status reel_clip_adaptive(reel_tape *, reel_clip_adaptive_options);

/* ---- a batch in parts ------------------------------------------------------------------------ */

/* Gradients of a batch that does not fit at once, in micro-batches of any sizes:
 *
 *     reel_microbatches parts = { 0 };
 *     for (…) {
 *         reel_rewind(t);
 *         reel_microbatch(&parts, mean_loss_of_part, rows_in_part);
 *     }
 *     reel_microbatch_end(&parts, t);
 *     reel_optimizer_step(adam);
 *
 * The gradients are then those of the mean over all rows. `count` is what the loss is the mean
 * over: rows, or tokens that are not padding. */
typedef struct {
    double count; /* so far */
} reel_microbatches;
REEL_API reel_status reel_microbatch(reel_microbatches *, reel_var mean_loss, double count);
/* Zeroes the count. With a count of 0 the gradients are zero. */
REEL_API reel_status reel_microbatch_end(reel_microbatches *, reel_tape *);

/* ---- an optimiser of one's own ------------------------------------------------------------- */

#define REEL_MAX_SLOTS 4

/* One run of consecutive elements, all of one age. An update must treat its elements alike and
 * independently: it is called for many runs, from several threads. An element whose value, gradient
 * and slots are 0 should stay 0 (gaps between parameters). */
typedef struct {
    size_t count;
    void *values;               /* float or double, as the tape is; to be changed */
    const void *gradients;      /* zeroed afterwards by reel_optimizer_step */
    void *slot[REEL_MAX_SLOTS]; /* the rule's state for these elements, zero at the start */
    double lr;
    double decay; /* g = gradient + decay·value */
    double keep;  /* the value is multiplied by it before: 1 - lr·decoupled decay */
    int64_t step; /* 1 at these elements' first update */
    double carried, carried_before; /* the rule's number for this step, and for the last */
    const void *options;            /* the copy made by reel_optimizer_new */
} reel_update;

/* Doubles in the options that are state, saved with it. */
typedef struct {
    const char *name;
    size_t offset, count;
} reel_rule_number;

#define REEL_MAX_RULE_NUMBERS 8

typedef struct {
    const char *name; /* in messages */
    int slots;
    size_t options_size;
    void (*update[2])(const reel_update *); /* f32, f64 */
    const char *slot_name[REEL_MAX_SLOTS];  /* in saved state; NULL: "slot0", … */
    /* NULL, or a number that depends on the steps alone, from the one before; 0 at the start */
    double (*carry)(const void *options, int64_t step, double before);
    int numbers;
    reel_rule_number number[REEL_MAX_RULE_NUMBERS];
    /* where in the options the momentum lies, a double, for schedules that change it; 0: nowhere */
    size_t momentum;
} reel_update_rule;

/* The rule must outlive the tape; options are copied. lr > 0 and finite. */
REEL_API reel_optimizer *reel_optimizer_new(reel_tape *, const reel_update_rule *, double lr,
                                            const void *options);

#ifdef __cplusplus
}
#endif

#include "schedule.h"

#endif

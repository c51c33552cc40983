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
} reel_sgd_options;
REEL_API reel_optimizer *reel_sgd(reel_tape *, reel_sgd_options);

/* Adam (Kingma & Ba 2015): m and v are running means of g and g², with g = gradient +
 * weight_decay·p, p -= lr·m̂/(√v̂ + eps), both divided by 1 - beta^step. As torch.optim.Adam. */
typedef struct {
    double lr;           /* > 0; 0: 1e-3 */
    double beta1, beta2; /* in [0, 1); 0: 0.9, 0.999 */
    double eps;          /* > 0; 0: 1e-8 */
    double weight_decay; /* ≥ 0, added to the gradient */
} reel_adam_options;
REEL_API reel_optimizer *reel_adam(reel_tape *, reel_adam_options);

/* Computes the gradients that were asked for, updates every parameter and zeroes the gradients.
 * Where the tape has an error, nothing changes and its status is returned. */
REEL_API reel_status reel_optimizer_step(reel_optimizer *);
REEL_API double reel_optimizer_lr(const reel_optimizer *);            /* NAN for NULL */
REEL_API reel_status reel_optimizer_set_lr(reel_optimizer *, double); /* ≥ 0, finite */
/* Gives its memory back before the tape's end; steps are errors from then on. */
REEL_API void reel_optimizer_free(reel_optimizer *);

/* ---- clipping ------------------------------------------------------------------------------ */

/* Scales all gradients together so that the Euclidean norm of the whole is at most max ≥ 0, and
 * returns the norm before (Pascanu et al. 2013). Where that is infinite or NaN no direction is left
 * to keep: the gradients become zero, never NaN, and what is returned tells. NAN when max is
 * negative or NaN, or the tape has an error; the gradients then stay as they are. */
REEL_API double reel_clip_norm(reel_tape *, double max);
/* Clamps every element of every gradient to [-max, max]; NaN stays NaN. */
REEL_API reel_status reel_clip_value(reel_tape *, double max);

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
    int64_t step;        /* 1 at these elements' first update */
    const void *options; /* the copy made by reel_optimizer_new */
} reel_update;

typedef struct {
    const char *name; /* in messages */
    int slots;
    size_t options_size;
    void (*update[2])(const reel_update *); /* f32, f64 */
} reel_update_rule;

/* The rule must outlive the tape; options are copied. lr > 0 and finite. */
REEL_API reel_optimizer *reel_optimizer_new(reel_tape *, const reel_update_rule *, double lr,
                                            const void *options);

#ifdef __cplusplus
}
#endif

#include "schedule.h"

#endif

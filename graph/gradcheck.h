/* gradcheck.h: what the files of the gradient check share. Not installed. */
#ifndef REEL_GRADCHECK_H
#define REEL_GRADCHECK_H

#include "graph.h"

typedef struct {
    reel_tape *tape;
    reel_loss_fn loss;
    void *self;
    reel_gradcheck_options options;
    reel_gradcheck_report *report;
    void *block; /* all arrays that follow */
    size_t block_size;
    size_t count;     /* parameters checked */
    reel_var *param;  /* [count] */
    reel_var *result; /* [count] their gradients, as recorded */
    reel_var *weight; /* [count] the direction v of order 2 */
    size_t *first;    /* [count + 1] where each begins in the arrays that follow */
    size_t size;      /* elements of all of them */
    double *point;    /* [size] the parameters as they were */
    double *moved;    /* [size] where the loss is evaluated */
    double *analytic; /* [size] the derivatives under check */
    double *gradient; /* [size] */
    int order;        /* which of the two is under check */
    bool kinked;      /* an op of the loss has kinks */
    bool below_atol;  /* a gradient failed as a whole, by the second criterion */
    double base;      /* the function at the point */
    double rounding;  /* how far rounding moves a central difference */
} reel__gradcheck;

/* ---- gradcheck_function.c: the function under check, the loss or s --------------------------- */

/* The loss or s where the parameters are; NaN after an error. `magnitude` gets the scale of its
 * rounding errors. */
double reel__gradcheck_value(reel__gradcheck *, double *magnitude);
/* Fills c->analytic: the gradient, or for order 2 the Hessian times v. */
bool reel__gradcheck_analytic(reel__gradcheck *);
bool reel__gradcheck_read(reel__gradcheck *, const reel_var *from, double *to);
/* Puts the parameters back where they were; the tape is rewound. */
void reel__gradcheck_restore(reel__gradcheck *);

/* A probe is one element, or one random direction. */
double reel__gradcheck_derivative(const reel__gradcheck *, size_t probe);
/* (f(to) - f(from)) / (to - from), both distances along the probe. */
double reel__gradcheck_slope(reel__gradcheck *, size_t probe, double from, double to);
size_t reel__gradcheck_param_of(const reel__gradcheck *, size_t element);

/* ---- gradcheck_report.c: what is found, in numbers and words --------------------------------- */

void reel__gradcheck_say(reel__gradcheck *, reel_gradcheck_verdict, const char *format, ...)
    REEL_PRINTF(3, 4);
/* An error of the check's own: "gradcheck needs an f64 tape". Returns false. */
bool reel__gradcheck_refuse(reel__gradcheck *, reel_status, const char *why);
/* False, with the tape's words in the report, when the tape has an error. */
bool reel__gradcheck_is_fine(reel__gradcheck *);
void reel__gradcheck_note(reel__gradcheck *, size_t probe, double analytic, double numeric);
void reel__gradcheck_mismatch(reel__gradcheck *, size_t probe, double analytic, double numeric,
                              bool kink);
void reel__gradcheck_summarise(reel__gradcheck *);

#endif

/* loss.h: what the losses of losses.h share. Not installed. */
#ifndef REEL_LOSS_H
#define REEL_LOSS_H

#include "lengths.h"

/* Mean (0 of nothing), sum or all of the losses; poisoned, with an error of `loss`, for a number
 * that is no reduction. */
reel_var reel__reduce_loss(const char *loss, reel_var losses, reel_reduction);
bool reel__check_reduction(reel_tape *, const char *loss, reel_reduction);

/* Whether both handles are good and have one shape. */
bool reel__check_same_shape(const char *loss, reel_var a, reel_var b);

/* Whether targets are indices of the shape of logits [..., classes] without the classes. */
bool reel__check_class_targets(const char *loss, reel_var logits, reel_var targets);

/* The labels of a batch, read once and made safe to look up: 0 behind a row's length. */
typedef struct {
    reel_tape *tape;
    const char *loss;       /* in errors */
    const char *what;       /* "targets", "tags" */
    const char *sizes;      /* their shape in words: "[batch, longest]" */
    int64_t batch, longest; /* what that is */
    bool time_first;        /* [longest, batch], not [batch, longest] */
    const int32_t *lengths;
    int64_t labels; /* each label is 0 … labels - 1, … */
    int64_t blank;  /* … and not this one */
    int32_t *label; /* out, laid out as the variable; free with reel__free_labels */
} reel__labels;
/* False after an error; there is nothing to free then. */
bool reel__read_labels(reel__labels *, reel_var);
void reel__free_labels(reel__labels *);

#endif

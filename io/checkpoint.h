/* checkpoint.h: the state of training in one file, written whole or not at all.
 *
 *     reel_training_state at = { .optimizer = adam, .shuffle_seed = 1 };
 *     reel_load_checkpoint(t, "run.checkpoint", &at);       // the second time the program starts
 *     for (; at.epoch < 50; at.epoch++) {
 *         …                                                 // at.step++, at.position++
 *         reel_save_checkpoint(t, "run.checkpoint", &at, (reel_checkpoint_options){ .keep = 3 });
 *     }
 *
 * Training that goes on from a checkpoint, in another process, computes the same bits as training
 * that was never interrupted: parameters, the optimiser's state with its schedule, and where the
 * tape's random numbers stand (dropout) are all in it. Save between steps: a recording and
 * gradients that are not yet applied are not.
 *
 * The file is safetensors: parameters under "param/", the optimiser's state under "optimizer/", the
 * counters under "state/", the program's own under "extra/". To load parameters alone, use
 * reel_load with .prefix = "param/". Files of every earlier version load; one of a later version is
 * refused, with both versions in the message. Like reel_load, a load checks everything before it
 * changes anything, and a save replaces the file as a whole or leaves the old one. */
#ifndef REEL_CHECKPOINT_H
#define REEL_CHECKPOINT_H

#include "../optim/optim.h"
#include "safetensors.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What reel writes. 1: the optimiser's schedule.step was called schedule/step, and so on, as if
 * of a parameter. */
#define REEL_CHECKPOINT_VERSION 2

/* What a training program counts. reel stores it and does nothing with it but for `optimizer`. */
typedef struct {
    reel_optimizer *optimizer; /* NULL: none is saved; loaded into, it must be of the same kind */
    int64_t epoch, step;       /* done so far */
    int64_t position;          /* in the epoch's shuffled order: where the next batch starts */
    uint64_t shuffle_seed;
    double best; /* of what is watched, such as the validation loss */
    int64_t best_epoch;
    /* Arrays and texts of the program's own, such as the history of the loss. NULL: none. A load
     * adds to it what the file holds: give a new archive. */
    reel_archive *extra;
} reel_training_state;

typedef struct {
    /* How many files remain: PATH, and what it was before as PATH.1, PATH.2, … 0: 1. */
    int keep;
    const reel_text *texts; /* as in reel_save_options */
} reel_checkpoint_options;

REEL_API reel_status reel_save_checkpoint(reel_tape *, const char *path,
                                          const reel_training_state *, reel_checkpoint_options);
/* Fills the state; on failure it, the tape and the optimiser stay as they are. */
REEL_API reel_status reel_load_checkpoint(reel_tape *, const char *path, reel_training_state *);

#ifdef __cplusplus
}
#endif

#endif

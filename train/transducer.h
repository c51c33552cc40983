/* transducer.h: what the ways of decoding a transducer share. Not installed.
 *
 * For reel__decode_evaluate the prediction network and the joint network are one decoder, with the
 * encoder's output at a row's step as the last state. A label changes the prediction network's
 * state; a blank leaves it, and with it the last label, as they were. */
#ifndef REEL_TRANSDUCER_H
#define REEL_TRANSDUCER_H

#include "decoding.h"

typedef struct {
    reel__decoding d;
    reel_decoder prediction;
    reel_joint joint;
    int32_t blank;
    int max_symbols; /* 0: 10 */
    const int32_t *lengths;
    int64_t steps, in; /* of the encoder's outputs */
    char *encoded;     /* [batch, steps, in] */
} reel__transducer;

/* With .d.tape, .d.name and .d.width set, and all but the last three. False, with an error, for
 * what cannot be decoded. Whatever it returns, close .d afterwards. */
bool reel__transducer_open(reel__transducer *, reel_var encoded, const reel_var initial[]);
int64_t reel__transducer_steps(const reel__transducer *, int64_t row);
/* Step t of a row of the batch is what all its hypotheses see. */
void reel__transducer_show(reel__transducer *, int64_t row, int64_t t);
/* A round: log_p and the states after the last label. */
bool reel__transducer_evaluate(reel__transducer *);

#endif

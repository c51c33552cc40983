/* decoder.h: a model for decoding tests whose logits depend on all that went before, through states
 * of several shapes, and the same logits computed in plain C from the tokens. */
#ifndef REEL_TEST_DECODER_H
#define REEL_TEST_DECODER_H

#include "reel.h"

enum { VOCABULARY = 5, SOURCE = 3, DECODER_STATES = 5, DECODER_BATCH = 3, DECODER_END = 4 };
extern const int32_t decoder_starts[DECODER_BATCH];

/* States: a number that all tokens so far go into [rows]; their sum, six times [rows, 2, 3]; the
 * token before the last one, int32 [rows]; the alignment [rows, SOURCE]; the encoder's outputs,
 * constant, [rows, SOURCE]. */
typedef struct {
    int steps;    /* how often it was asked */
    size_t nodes; /* on the tape after the latest step */
} counting;
reel_decoder counting_decoder(counting *);
/* Encoder outputs of row b of a batch; fills in initial[DECODER_STATES]. */
double encoded_at(int b, int i);
void initial_states(reel_tape *, int first, int batch, reel_var initial[]);

/* log p of each next token after `start` and the tokens; and the alignment of that step. */
void model_log_p(int b, int32_t start, const int32_t *tokens, int length, double *log_p,
                 double *alignment);

/* Decodes the whole batch in one way; NULL, with the tape's error, where that fails. */
typedef reel_decoded *(*decode_function)(reel_tape *, reel_decoder, int64_t, const reel_var[],
                                         reel_decode_options);
reel_decoded *decode_batch(reel_tape *, decode_function how, reel_decode_options);

#endif

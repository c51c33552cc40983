/* decode.h: sequences out of a model, one token after another: greedy, beam and sampled decoding.
 *
 *     reel_decoder decoder = reel_cell_decoder(embedding, cell, out);
 *     reel_decode_options options = { .start = BEGIN, .end = END, .max_length = 60, .beams = 8,
 *                                     .length_penalty = 0.6 };
 *     reel_decoded *found = reel_decode_beam(t, decoder, batch, initial, options);
 *     for (int64_t i = 0; i < found->lengths[0]; i++) {
 *         printf(" %s", word[found->tokens[i]]);
 *     }
 *     reel_decoded_free(found);
 *
 * A decoder is a step function over any number of states of any shapes. Each token costs one step:
 * the states are carried from step to step, the prefix is never run again, and the tape is rewound
 * before each one, so that nothing but the list of tokens grows with the length. Hence every
 * handle but the parameters' is dead after decoding; the initial states are read first. Dropout is
 * off meanwhile. What fails returns NULL and leaves a message on the tape.
 */
#ifndef REEL_DECODE_H
#define REEL_DECODE_H

#include "../layers/layers.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- what is decoded ----------------------------------------------------------------------- */

typedef struct {
    void *self;
    /* Gets the last token of each row, int32 [rows], and state[k] [rows, ...]; overwrites state[]
     * by the next one, of the same shapes, and returns logits [rows, vocabulary]. rows is batch ·
     * the number of hypotheses at a time, those of one batch row side by side. */
    reel_var (*step)(void *self, reel_var tokens, reel_var state[]);
    int states;
    /* state[k] starts as zeros [batch, width[k]] where its initial value is absent */
    int64_t width[REEL_MAX_STATES];
    /* The last `constants` of the states are left as they are by step, such as an encoder's outputs
     * [batch, source, width]: they are the same for all hypotheses of a row, and never
     * reordered. */
    int constants;
    /* 1 + the number of the state that holds, after a step, the alignment [rows, source]: what
     * share of its attention the step gave to each place of the source. 0: none. */
    int alignment;
} reel_decoder;

/* Embedding of the last token, the cell, the output layer: the step of reel_token_cell
 * (layers/sequence.h), which a loop of one's own takes, for the searches below. Its states are the
 * cell's; it lives as long as the tape. A part that is missing is an error, and there is no
 * step. */
REEL_API reel_decoder reel_cell_decoder(reel_tape *, reel_layer embedding, reel_cell,
                                        reel_layer output);

/* ---- how ----------------------------------------------------------------------------------- */

typedef struct {
    int32_t start, end;    /* the token before the first one; the one that ends a hypothesis */
    const int32_t *starts; /* [batch]: a token for each row instead of .start; NULL: none */
    bool endless;          /* no token ends: all hypotheses are max_length long */
    /* of the tokens put out, the end included; max_length 0: 100. Before min_length `end` is not
     * allowed. */
    int64_t max_length, min_length;

    /* ---- beam search: hypotheses are ranked by
     *     log p / ((5 + length) / 6)^length_penalty + coverage_penalty·Σ_i log(min(Σ_t a_ti, 1))
     * (Wu et al. 2016), a the alignments; the second part needs them. Of the continuations of all
     * live hypotheses the likeliest are taken until there are `beams` that go on; those that end on
     * the way are finished. The search is over when no live hypothesis can overtake the n_best
     * finished ones any more. */
    int beams;  /* 0: 1; at most the vocabulary */
    int n_best; /* hypotheses returned for each row, the best first; 0: 1; at most beams */
    double length_penalty, coverage_penalty; /* at least 0 */
    /* [batch]: how many places of the source the coverage sums over, the others being padding that
     * gets no attention; each 0 … source; NULL: all */
    const int32_t *source_lengths;
    bool early_stopping; /* over as soon as there are `beams` finished ones */
    /* Diverse beam search (Vijayakumar et al. 2018): the beams are `groups` equal parts; a part
     * chooses its tokens by log p - diversity · how often the parts before it chose the token at
     * this step. Ranked without that. groups 0: 1. */
    int groups;
    double diversity;

    /* ---- sampling: from softmax(logits / temperature), cut to the top_k likeliest tokens and to
     * the fewest likeliest ones whose probabilities sum up to top_p (Holtzman et al. 2020) */
    int samples;        /* for each row; 0: 1 */
    double temperature; /* 0: 1; > 0 */
    int top_k;          /* 0: all */
    double top_p;       /* 0: all; in (0, 1] */
    uint64_t seed;      /* equal seeds draw equal samples, whatever else is decoded beside them */

    /* ---- for all */
    /* > 1: logits of tokens in the hypothesis are divided by it where positive and multiplied where
     * negative (Keskar et al. 2019), the log-probabilities being taken for the logits; 0 or 1:
     * off */
    double repetition_penalty;
    int no_repeat; /* n: no n tokens in a row occur twice in a hypothesis (Paulus et al. 2018) */
    /* May set log_p[token] [vocabulary] to -INFINITY to forbid, or lower it, after `prefix` of row
     * `row` of the batch. What is left is not normalised again, but for sampling. If nothing is
     * left, a hypothesis is dropped (beam) or ends there. */
    void (*constrain)(void *constrain_self, int64_t row, const int32_t *prefix, int64_t length,
                      double *log_p);
    void *constrain_self;
} reel_decode_options;

/* ---- what comes out ------------------------------------------------------------------------ */

typedef struct reel_decoded {
    int64_t batch, best, steps; /* best: hypotheses a row; steps: none is longer */
    int32_t *tokens;  /* [batch, best, steps]: without the start; `end` (CTC: blank) behind */
    int32_t *lengths; /* [batch, best]: the end counts; -1: there is no such hypothesis */
    double *log_probabilities; /* [batch, best]: of all its tokens, as the hypothesis was scored */
    double *scores;            /* [batch, best]: what it was ranked by */
    int64_t source;
    double *alignments; /* [batch, best, steps, source]; NULL where the decoder reports none */
    reel_tape *tape;
    size_t bytes; /* of the one block all of it lies in */
} reel_decoded;
REEL_API void reel_decoded_free(reel_decoded *); /* before the tape; NULL is fine */

/* The likeliest token at each step, the first of equal ones. `initial`: states [batch, ...], absent
 * ones zeros; NULL: all of them. */
REEL_API reel_decoded *reel_decode_greedy(reel_tape *, reel_decoder, int64_t batch,
                                          const reel_var initial[], reel_decode_options);
REEL_API reel_decoded *reel_decode_beam(reel_tape *, reel_decoder, int64_t batch,
                                        const reel_var initial[], reel_decode_options);
/* `best` is .samples, in no order; scores are the log-probabilities, temperature and cuts aside. */
REEL_API reel_decoded *reel_decode_sample(reel_tape *, reel_decoder, int64_t batch,
                                          const reel_var initial[], reel_decode_options);

/* ---- CTC and transducer -------------------------------------------------------------------- */

/* The likeliest label of each step, repeats merged and blanks dropped (Graves et al. 2006): logits
 * [steps, batch, labels] → tokens. log_probabilities are those of the path. */
REEL_API reel_decoded *reel_ctc_greedy(reel_var logits, const int32_t *lengths, int32_t blank);

/* Prefix beam search (Graves & Jaitly 2014; Hannun et al. 2014): the `n_best` labellings of
 * greatest probability, each summed over its paths as far as they lie in the beam. */
typedef struct {
    int32_t blank;
    int beams;  /* prefixes kept after each step; 0: 16 */
    int n_best; /* 0: 1 */
    /* added when `label` is put behind prefix: a language model's log-probability; NULL: none */
    double (*language)(void *language_self, const int32_t *prefix, int64_t length, int32_t label);
    void *language_self;
} reel_ctc_beam_options;
REEL_API reel_decoded *reel_ctc_beam(reel_var logits, const int32_t *lengths,
                                     reel_ctc_beam_options);

/* Greedy decoding of a transducer (Graves 2012): at each step of the encoder labels are put out
 * until the blank is the likeliest, at most max_symbols of them. */
typedef struct {
    void *self;
    /* The encoder's output at each row's step [batch, n] and the prediction network's [batch,
     * width] → logits [batch, labels]. */
    reel_var (*apply)(void *self, reel_var encoded, reel_var predicted);
} reel_joint;
typedef struct {
    int32_t blank;   /* also the prediction network's first token */
    int max_symbols; /* 0: 10 */
} reel_transducer_greedy_options;
/* encoded [batch, steps, n], steps at least 1. The prediction network is a decoder whose step
 * returns its output in place of logits; it has at most REEL_MAX_STATES - 1 states and no constant
 * ones. log_probabilities are those of the alignment. */
REEL_API reel_decoded *reel_transducer_greedy(reel_tape *, reel_decoder prediction, reel_joint,
                                              reel_var encoded, const int32_t *lengths,
                                              const reel_var initial[],
                                              reel_transducer_greedy_options);

/* Beam search (Graves 2012), the arguments as above: the `n_best` labellings of greatest
 * probability, each summed over its alignments as far as they lie in the beam. At each step of the
 * encoder the beam's labellings grow by a label a round, and what is likelier than all that could
 * still come is left at that. Other than above, the blank after max_symbols labels counts. */
typedef struct {
    int32_t blank;
    int max_symbols; /* 0: 10 */
    int beams;       /* labellings kept after each round and step, 1 … 65536; 0: 8 */
    int n_best;      /* at most beams; 0: 1 */
    bool per_label;  /* ranked by log p / length at the end, as Graves has it; else by log p */
} reel_transducer_beam_options;
REEL_API reel_decoded *reel_transducer_beam(reel_tape *, reel_decoder prediction, reel_joint,
                                            reel_var encoded, const int32_t *lengths,
                                            const reel_var initial[], reel_transducer_beam_options);

#ifdef __cplusplus
}
#endif

#endif

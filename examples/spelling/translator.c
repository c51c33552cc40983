/* translator.c: bidirectional GRU → additive attention → GRU. */
#include "translator.h"

enum { EMBEDDING = 64, ENCODER = 128, DECODER = 256, ENERGY = 128 };

translator translator_make(reel_tape *t, size_t source_symbols, size_t target_symbols)
{
    int64_t sources = (int64_t)source_symbols, targets = (int64_t)target_symbols;
    return (translator){
        .tape = t,
        .source = reel_embedding(t, "source", sources, EMBEDDING, (reel_embedding_options){ 0 }),
        .forwards = reel_gru(t, "forwards", EMBEDDING, ENCODER, (reel_gru_options){ 0 }),
        .backwards = reel_gru(t, "backwards", EMBEDDING, ENCODER, (reel_gru_options){ 0 }),
        .attention = reel_additive_attention(t, "attention", DECODER, 2 * ENCODER, ENERGY,
                                             (reel_additive_options){ 0 }),
        .bridge = reel_dense(t, "bridge", ENCODER, DECODER,
                             (reel_dense_options){ .activation = REEL_TANH }),
        .target = reel_embedding(t, "target", targets, EMBEDDING, (reel_embedding_options){ 0 }),
        .gru = reel_gru(t, "gru", EMBEDDING + 2 * ENCODER, DECODER, (reel_gru_options){ 0 }),
        .out = reel_dense(t, "out", DECODER + 2 * ENCODER, targets, (reel_dense_options){ 0 }),
    };
}

/* ---- the encoder ---------------------------------------------------------------------------- */

typedef struct {
    reel_memory memory; /* what the decoder looks at */
    reel_var start;     /* its state before the first step: what was read last, backwards */
} encoding;

static encoding encode(const translator *m, const pair *p, int count)
{
    static int32_t symbols[MOST_SYMBOLS * AT_ONCE], lengths[AT_ONCE];
    int steps = 0;
    for (int i = 0; i < count; i++) {
        lengths[i] = p[i].source_length;
        steps = lengths[i] > steps ? lengths[i] : steps;
    }
    for (int s = 0; s < steps; s++) {
        for (int i = 0; i < count; i++) {
            symbols[s * count + i] = s < lengths[i] ? p[i].source[s] : PADDING;
        }
    }
    reel_var x = reel_apply(m->source, reel_indices(m->tape, REEL_SHAPE(steps, count), symbols));
    x = reel_dropout(x, 0.1);
    reel_bidirectional_rollout read = reel_bidirectional(
        m->forwards, m->backwards, x, (reel_bidirectional_options){ .lengths = lengths });
    reel_var both = reel_dropout(read.outputs, 0.2);
    return (encoding){ .memory = reel_memorize(both, m->attention, lengths),
                       .start = reel_apply(m->bridge, read.backward.state[0]) };
}

/* ---- the decoder ---------------------------------------------------------------------------- */

/* A GRU that gets the last symbol and the context, and puts out its state and the context. */
static reel_cell decoder_of(const translator *m, reel_memory memory)
{
    reel_attention_cell_options options = { .joined = true, .weights = true };
    return reel_attention_cell(m->gru, memory, options);
}

reel_var translator_loss(const translator *m, const pair *p, int count)
{
    static int32_t before[MOST_SYMBOLS * AT_ONCE], after[MOST_SYMBOLS * AT_ONCE];
    int steps = 0;
    for (int i = 0; i < count; i++) {
        steps = p[i].target_length > steps ? p[i].target_length : steps;
    }
    for (int s = 0; s < steps; s++) {
        for (int i = 0; i < count; i++) {
            bool inside = s < p[i].target_length;
            before[s * count + i] = s == 0 ? START : inside ? p[i].target[s - 1] : PADDING;
            after[s * count + i] = inside ? p[i].target[s] : PADDING;
        }
    }
    encoding e = encode(m, p, count);
    reel_shape shape = REEL_SHAPE(steps, count);
    reel_var y = reel_dropout(reel_apply(m->target, reel_indices(m->tape, shape, before)), 0.1);
    reel_unroll_options options = { .initial = { e.start } };
    reel_rollout r = reel_unroll(decoder_of(m, e.memory), y, options);
    reel_var logits = reel_apply(m->out, reel_dropout(r.outputs, 0.2));
    return reel_cross_entropy_ex(
        logits, reel_indices(m->tape, shape, after),
        (reel_cross_entropy_options){ .ignore = true, .ignore_index = PADDING });
}

/* ---- step by step --------------------------------------------------------------------------- */

/* The states that decoding carries from token to token; the last three never change. */
enum { HIDDEN, WEIGHTS, VALUES, KEYS, VALID, STATES };

/* The tape is rewound between two tokens, so the memory comes back as states. */
static reel_var step(void *self, reel_var symbols, reel_var state[])
{
    const translator *m = self;
    reel_shape shape = reel_shape_of(state[VALUES]);
    reel_memory memory = { .attention = m->attention,
                           .batch = shape.dim[0],
                           .steps = shape.dim[1],
                           .width = shape.dim[2],
                           .values = state[VALUES],
                           .keys = state[KEYS],
                           .valid = state[VALID] };
    reel_cell cell = decoder_of(m, memory);
    return reel_apply(m->out, cell.step(cell.self, reel_apply(m->target, symbols), state));
}

reel_decoded *translate(translator *m, const pair *p, int count, int beams)
{
    reel_rewind(m->tape);
    reel_set_training(m->tape, false);
    encoding e = encode(m, p, count);
    reel_var initial[STATES] = { [HIDDEN] = e.start,
                                 [WEIGHTS] =
                                     reel_fill(m->tape, REEL_SHAPE(count, e.memory.steps), 0),
                                 [VALUES] = e.memory.values,
                                 [KEYS] = e.memory.keys,
                                 [VALID] = e.memory.valid };
    reel_decoder decoder = { .self = m,
                             .step = step,
                             .states = STATES,
                             .constants = STATES - VALUES,
                             .alignment = 1 + WEIGHTS };
    reel_decode_options options = {
        .start = START, .end = END, .max_length = MOST_SYMBOLS, .beams = beams
    };
    reel_decoded *d = beams > 1 ? reel_decode_beam(m->tape, decoder, count, initial, options)
                                : reel_decode_greedy(m->tape, decoder, count, initial, options);
    reel_set_training(m->tape, true);
    return d;
}

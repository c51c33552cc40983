/* encoder_decoder.c: decoders over tokens, taught with gold ones or with their own. */
#include <math.h>
#include <string.h>

#include "wrap.h"

/* Uniform numbers are drawn from here up, so that none is 0: -log(-log u) stays finite. */
#define LEAST_UNIFORM 1e-30

static bool check_decoder(reel_tape *tape, const char *layer, const reel_token_model *decoder)
{
    if (!decoder->embedding.apply || !decoder->output.apply) {
        reel_fail(tape, REEL_BAD_ARGUMENT, layer, "the decoder has no %s layer",
                  decoder->output.apply ? "embedding" : "output");
        return false;
    }
    return reel__check_inner(tape, layer, decoder->cell);
}

/* ---- one step ------------------------------------------------------------------------------- */

static reel_var step_tokens(void *self, reel_var tokens, reel_var state[])
{
    const reel_token_model *d = self;
    reel_var x = reel_apply(d->embedding, tokens);
    return reel_apply(d->output, reel__step(&d->cell, x, state));
}

reel_cell reel__token_cell(reel_tape *tape, const char *layer, reel_token_model decoder)
{
    if (!check_decoder(tape, layer, &decoder)) {
        return (reel_cell){ 0 };
    }
    reel_token_model *d = reel__layer_self(tape, sizeof *d);
    if (d) {
        *d = decoder;
    }
    return reel__wrap_one(tape, d, step_tokens, NULL, decoder.cell);
}

reel_cell reel_token_cell(reel_tape *tape, reel_token_model decoder)
{
    return reel__token_cell(tape, "token_cell", decoder);
}

/* ---- a decoder that hears itself ------------------------------------------------------------- */

/* The last of its states is the embedding of the token it chose itself in the step before. */
typedef struct {
    const reel_token_model *decoder;
    double ratio;
    bool greedy;
    reel_var coin; /* [batch, 1] for the whole sequence, or absent */
} listener;

/* Gumbel's trick: the argmax of logits with such noise is a draw from their softmax. */
static reel_var choose(const listener *l, reel_var logits)
{
    if (l->greedy) {
        return reel_argmax(logits, -1);
    }
    reel_var u = reel_random_uniform(logits.tape, reel_shape_of(logits), LEAST_UNIFORM, 1);
    reel_var noise = reel_neg(reel_log(reel_neg(reel_log(u))));
    return reel_argmax(reel_add(reel_stop_gradient(logits), noise), -1);
}

static reel_var step_listening(void *self, reel_var gold, reel_var state[])
{
    const listener *l = self;
    int own = l->decoder->cell.states;
    reel_var coin = l->coin, x = state[own];
    if (l->ratio > 0) {
        reel_shape each = REEL_SHAPE(reel_shape_of(gold).dim[0], 1);
        coin = reel__is_absent(coin) ? reel_random_bernoulli(gold.tape, each, l->ratio) : coin;
        x = reel_where(coin, gold, state[own]);
    }
    reel_var logits = reel_apply(l->decoder->output, reel__step(&l->decoder->cell, x, state));
    state[own] = reel_apply(l->decoder->embedding, choose(l, logits));
    return logits;
}

/* ---- over a sequence ------------------------------------------------------------------------- */

static reel_rollout nothing(reel_tape *tape)
{
    reel_rollout out = { .outputs = reel__poisoned(tape) };
    for (int k = 0; k < REEL_MAX_STATES; k++) {
        out.state[k] = out.states[k] = out.outputs;
    }
    return out;
}

static bool check(const reel_token_model *decoder, reel_var tokens, double ratio)
{
    reel_shape shape = reel_shape_of(tokens);
    if (!check_decoder(tokens.tape, "unroll_tokens", decoder)) {
        return false;
    }
    if (shape.rank != 2 || !reel_is_index(tokens)) {
        reel_fail(tokens.tape, REEL_BAD_SHAPE, "unroll_tokens",
                  "tokens are %s%s, expected int32 [steps, batch]",
                  reel_is_index(tokens) ? "" : "floating ", REEL_SHAPE_TEXT(shape));
        return false;
    }
    if (!(ratio >= 0 && ratio <= 1)) {
        reel_fail(tokens.tape, REEL_BAD_ARGUMENT, "unroll_tokens",
                  "teacher_forcing is %g, must be in [0, 1]", ratio);
        return false;
    }
    if (ratio < 1 && decoder->cell.states >= REEL_MAX_STATES) {
        reel_fail(tokens.tape, REEL_BAD_ARGUMENT, "unroll_tokens",
                  "the cell has %d states; its own token takes one more than there may be",
                  decoder->cell.states);
        return false;
    }
    return true;
}

static reel_rollout unroll_gold(const reel_token_model *decoder, reel_var x,
                                reel_unroll_options unroll)
{
    reel_rollout r = reel_unroll(decoder->cell, x, unroll);
    r.outputs = r.outputs.id ? reel_apply(decoder->output, r.outputs) : r.outputs;
    return r;
}

/* At the first step its own token stands for the gold one: either choice is the same. */
static reel_rollout unroll_listening(listener *l, reel_var x, reel_unroll_options unroll)
{
    reel_cell cell = l->decoder->cell;
    int own = cell.states++;
    cell.self = l;
    cell.step = step_listening;
    cell.width[own] = reel_shape_of(x).dim[2];
    unroll.initial[own] = reel_at(x, 0);
    reel_begin_sequence(l->decoder->cell);
    reel_rollout r = reel_unroll(cell, x, unroll);
    r.state[own] = (reel_var){ 0 };
    return r;
}

reel_rollout reel_unroll_tokens(reel_token_model decoder, reel_var tokens,
                                reel_teaching_options options)
{
    double ratio = reel__option(options.teacher_forcing, 1);
    if (tokens.id == 0 || !check(&decoder, tokens, ratio)) {
        return nothing(tokens.tape);
    }
    reel_var x = reel_apply(decoder.embedding, tokens);
    reel_shape shape = reel_shape_of(x);
    reel_unroll_options unroll = { .lengths = options.lengths };
    memcpy(unroll.initial, options.initial, sizeof unroll.initial);
    if (ratio >= 1 || shape.rank != 3 || shape.dim[0] < 1) {
        return unroll_gold(&decoder, x, unroll);
    }
    listener l = { .decoder = &decoder, .ratio = ratio, .greedy = options.greedy };
    if (options.sentences) {
        l.coin = reel_random_bernoulli(tokens.tape, REEL_SHAPE(shape.dim[1], 1), ratio);
    }
    return unroll_listening(&l, x, unroll);
}

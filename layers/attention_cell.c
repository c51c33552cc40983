/* attention_cell.c: a cell around a cell, with a look at a memory in each step. */
#include "wrap.h"

typedef struct {
    reel_cell inner;
    reel_memory memory;
    reel_attention_cell_options options;
} attending;

/* The states one after another: the inner cell's, the attention's, what is fed back, weights. */
static int first_of_attention(const attending *c)
{
    return c->inner.states;
}

static int place_of_feed(const attending *c)
{
    return first_of_attention(c) + c->memory.attention.states;
}

static int place_of_weights(const attending *c)
{
    return place_of_feed(c) + (c->options.feed > 0);
}

static int states_of(const attending *c)
{
    return place_of_weights(c) + c->options.weights;
}

static reel_var output(const attending *c, reel_var o, reel_var context)
{
    bool combined = c->options.combine.apply != NULL;
    if (!combined && !c->options.joined) {
        return o;
    }
    reel_var both = reel_concat(-1, o, context);
    return combined ? reel_apply(c->options.combine, both) : both;
}

static reel_var step(void *self, reel_var x, reel_var state[])
{
    const attending *c = self;
    reel_var *ours = state + first_of_attention(c), o;
    reel_attended seen;
    if (c->options.feed) {
        x = reel_concat(-1, x, state[place_of_feed(c)]);
    }
    if (c->options.after) {
        o = reel__step(&c->inner, x, state);
        seen = reel_attend(o, &c->memory, ours);
    } else {
        seen = reel_attend(state[0], &c->memory, ours);
        o = reel__step(&c->inner, reel_concat(-1, x, seen.context), state);
    }
    reel_var out = output(c, o, seen.context);
    if (c->options.feed) {
        state[place_of_feed(c)] = out;
    }
    if (c->options.weights) {
        state[place_of_weights(c)] = seen.weights;
    }
    return out;
}

/* ---- making one ----------------------------------------------------------------------------- */

#define FAIL(...) (reel_fail(tape, REEL_BAD_ARGUMENT, "attention_cell", __VA_ARGS__), false)

static bool check(reel_tape *tape, const attending *c)
{
    if (!reel__check_handle(tape, "attention_cell", c->memory.values)) {
        return false;
    }
    if (!c->inner.step || c->inner.states < 0) {
        return FAIL("the inner cell has no step function");
    }
    if (!c->options.after && c->inner.states == 0) {
        return FAIL("the inner cell has no state to ask with; .after asks with its output");
    }
    if (c->options.feed < 0) {
        return FAIL("feed is %lld, must be at least 0", (long long)c->options.feed);
    }
    if (states_of(c) > REEL_MAX_STATES) {
        return FAIL("%d states in all, at most %d", states_of(c), REEL_MAX_STATES);
    }
    return true;
}

static void set_widths(const attending *c, int64_t width[])
{
    const reel_attention *attention = &c->memory.attention;
    for (int k = 0; k < c->inner.states; k++) {
        width[k] = c->inner.width[k];
    }
    for (int k = 0; k < attention->states; k++) {
        bool by_step = attention->width[k] == 0;
        width[first_of_attention(c) + k] = by_step ? c->memory.steps : attention->width[k];
    }
    if (c->options.feed) {
        width[place_of_feed(c)] = c->options.feed;
    }
    if (c->options.weights) {
        width[place_of_weights(c)] = c->memory.steps;
    }
}

reel_cell reel_attention_cell(reel_cell inner, reel_memory memory,
                              reel_attention_cell_options options)
{
    attending made = { .inner = inner, .memory = memory, .options = options };
    reel_tape *tape = memory.values.tape;
    if (!tape || !check(tape, &made)) {
        return (reel_cell){ 0 };
    }
    attending *c = reel__arena_take(tape, &tape->recorded, sizeof *c);
    if (!c) {
        return (reel_cell){ 0 };
    }
    *c = made;
    reel_cell cell = { .self = c, .step = step, .states = states_of(c) };
    set_widths(c, cell.width);
    return reel__wrap_recorded(tape, cell, inner);
}

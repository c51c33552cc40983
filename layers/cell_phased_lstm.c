/* cell_phased_lstm.c: the LSTM with a rhythmic time gate. */
#include <math.h>

#include "gates.h"

typedef struct {
    reel__gates gates;
    reel_var W_c; /* peepholes, or absent */
    reel_var period, shift, open;
    double leak;
    int64_t in;
    bool timed;
} phased_lstm;

/* time [batch, 1] → [batch, hidden] */
static reel_var time_gate(const phased_lstm *c, reel_var time)
{
    reel_var turns = reel_sub(reel_div(time, c->period), c->shift);
    reel_var phase = reel_sub(turns, reel_floor(turns));
    reel_var rise = reel_scale(reel_div(phase, c->open), 2), fall = reel_shift(reel_neg(rise), 2);
    reel_var shut = reel_scale(phase, c->leak);
    reel_var half = reel_scale(c->open, 0.5);
    return reel_where(reel_less(phase, half), rise,
                      reel_where(reel_less(phase, c->open), fall, shut));
}

static reel_var step(void *self, reel_var x, reel_var state[])
{
    const phased_lstm *c = self;
    reel_var time = c->timed ? reel_slice(x, -1, c->in, c->in + 1) : state[2];
    reel_var features = c->timed ? reel_slice(x, -1, 0, c->in) : x;
    reel_var k = time_gate(c, time), cell = state[1];
    reel_var z = reel__gate_sum(&c->gates, features, state[0]);
    reel_var h = reel__lstm_update(z, c->W_c, &cell);
    state[1] = reel__blend(k, state[1], cell);
    state[2] = reel_shift(state[2], 1);
    return state[0] = reel__blend(k, state[0], h);
}

/* ---- making one ------------------------------------------------------------------------------ */

static bool fill_periods(const reel_init *init, reel_init_key key, reel_shape shape, double *out)
{
    for (int64_t k = 0; k < reel_shape_size(shape); k++) {
        out[k] = exp(init->a + (init->b - init->a) * reel_draw_uniform(key, k));
    }
    return true;
}

static reel_phased_lstm_options with_defaults(reel_phased_lstm_options o)
{
    o.shortest = reel__option(o.shortest, 1);
    o.longest = reel__option(o.longest, exp(3));
    o.open = reel__option(o.open, 0.05);
    o.leak = reel__option(o.leak, 0.001);
    o.forget_bias = reel__option(o.forget_bias, 1);
    return o;
}

static bool check(reel_tape *tape, reel_phased_lstm_options o)
{
    const struct {
        const char *name, *range;
        double value;
        bool good;
    } table[] = {
        { "shortest", "above 0", o.shortest, o.shortest > 0 },
        { "longest", "at least .shortest", o.longest, o.longest >= o.shortest },
        { "open", "above 0, at most 1", o.open, o.open > 0 && o.open <= 1 },
        { "leak", "at least 0", o.leak, o.leak >= 0 },
    };
    for (size_t k = 0; k < sizeof table / sizeof table[0]; k++) {
        if (!table[k].good) {
            reel_fail(tape, REEL_BAD_ARGUMENT, "phased_lstm", "%s is %g, must be %s", table[k].name,
                      table[k].value, table[k].range);
            return false;
        }
    }
    return true;
}

reel_cell reel_phased_lstm(reel_tape *tape, const char *name, int64_t in, int64_t hidden,
                           reel_phased_lstm_options options)
{
    reel_phased_lstm_options o = with_defaults(options);
    phased_lstm *c =
        check(tape, o) ? reel__cell_self(tape, "phased_lstm", in, hidden, sizeof *c) : NULL;
    if (!c) {
        return (reel_cell){ 0 };
    }
    reel_shape row = REEL_SHAPE(hidden);
    reel_init period = { .fill = fill_periods, .a = log(o.shortest), .b = log(o.longest) };
    c->leak = o.leak;
    c->in = in;
    c->timed = o.timed;
    c->gates = reel__gate_params(tape, name, in, hidden, 4, reel__block_init(4, 1, o.forget_bias));
    c->period = reel__layer_param(tape, name, "period", row, period);
    c->shift = reel__layer_param(tape, name, "shift", row, reel_uniform(0, 1));
    c->open = reel__layer_param(tape, name, "open", row, reel_constant(o.open));
    if (o.peephole) {
        c->W_c = reel__layer_param(tape, name, "W_c", REEL_SHAPE(3 * hidden), reel_zeros());
    }
    return (reel_cell){ .self = c, .step = step, .states = 3, .width = { hidden, hidden, 1 } };
}

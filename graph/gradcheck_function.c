/* gradcheck_function.c: the function whose derivatives are checked, where the parameters are and
 * where a probe moves them. Order 1 is the loss. Order 2 is s = g·v, the derivative along a
 * fixed random direction, computed from gradients that are read; its gradient is a
 * Hessian-vector product. */
#include "gradcheck.h"

#include <math.h>
#include <string.h>

#include "tape.h"

/* ---- directions ------------------------------------------------------------------------------ */

static uint64_t splitmix64(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/* Element i of a random direction: ±[0.5, 1), so that no parameter is left out. */
static double direction_element(uint64_t stream, size_t i)
{
    uint64_t bits = splitmix64(splitmix64(stream) ^ (uint64_t)i);
    double magnitude = 0.5 + (double)(bits >> 12) * 0x1p-53;
    return bits & 1 ? magnitude : -magnitude;
}

#define SECOND_ORDER_STREAM 0

static uint64_t probe_stream(size_t probe)
{
    return (uint64_t)probe + 1;
}

/* ---- the function under check ---------------------------------------------------------------- */

/* Records the loss anew. False, with the tape's error, when it cannot be used. */
static bool record_loss(reel__gradcheck *c, reel_var *loss)
{
    reel_rewind(c->tape);
    *loss = c->loss(c->tape, c->self);
    c->kinked = reel__tape_has_kinks(c->tape);
    if (reel__gradcheck_is_fine(c) && (loss->tape != c->tape || loss->id == 0)) {
        return reel__gradcheck_refuse(c, REEL_BAD_HANDLE,
                                      "got no value of this tape from the loss function");
    }
    return reel__gradcheck_is_fine(c);
}

bool reel__gradcheck_read(reel__gradcheck *c, const reel_var *from, double *to)
{
    for (size_t p = 0; p < c->count; p++) {
        reel_read_f64(from[p], to + c->first[p], c->first[p + 1] - c->first[p]);
    }
    return reel__gradcheck_is_fine(c);
}

static bool read_gradient(reel__gradcheck *c, reel_var loss)
{
    reel_gradients(loss, (int)c->count, c->param, c->result);
    return reel__gradcheck_is_fine(c) && reel__gradcheck_read(c, c->result, c->gradient);
}

/* s = g·v; `magnitude` gets Σ|g_i·v_i|, the scale of its rounding errors. */
static double along_second_direction(const reel__gradcheck *c, double *magnitude)
{
    double s = 0;
    *magnitude = 0;
    for (size_t i = 0; i < c->size; i++) {
        double term = c->gradient[i] * direction_element(SECOND_ORDER_STREAM, i);
        s += term;
        *magnitude += fabs(term);
    }
    return s;
}

/* The loss or s where the parameters are; NaN after an error. */
double reel__gradcheck_value(reel__gradcheck *c, double *magnitude)
{
    reel_var loss;
    if (!record_loss(c, &loss)) {
        return NAN;
    }
    if (c->order == 2) {
        return read_gradient(c, loss) ? along_second_direction(c, magnitude) : NAN;
    }
    double value = reel_item(loss);
    *magnitude = fabs(value);
    return reel__gradcheck_is_fine(c) ? value : NAN;
}

static void write_param(reel__gradcheck *c, size_t p)
{
    reel_write_param_f64(c->param[p], c->moved + c->first[p], c->first[p + 1] - c->first[p]);
}

size_t reel__gradcheck_param_of(const reel__gradcheck *c, size_t element)
{
    size_t p = 0;
    while (c->first[p + 1] <= element) {
        p++;
    }
    return p;
}

/* How many times eps a step must be not to drown in the rounding of a large element. */
static double stretch(const reel__gradcheck *c, double element)
{
    return fmax(1, fabs(element) * 0x1p-26 / c->options.eps);
}

/* Moves the parameters by h along a probe. Returns how far they went after rounding. */
static double displace(reel__gradcheck *c, size_t probe, double h)
{
    reel_rewind(c->tape);
    if (c->options.directions > 0) {
        for (size_t i = 0; i < c->size; i++) {
            c->moved[i] = c->point[i] + h * direction_element(probe_stream(probe), i);
        }
        for (size_t p = 0; p < c->count; p++) {
            write_param(c, p);
        }
        return h;
    }
    c->moved[probe] = c->point[probe] + h * stretch(c, c->point[probe]);
    write_param(c, reel__gradcheck_param_of(c, probe));
    return c->moved[probe] - c->point[probe];
}

static double value_at(reel__gradcheck *c, size_t probe, double *h)
{
    double magnitude;
    *h = displace(c, probe, *h);
    double value = reel__gradcheck_value(c, &magnitude);
    displace(c, probe, 0);
    return value;
}

double reel__gradcheck_slope(reel__gradcheck *c, size_t probe, double from, double to)
{
    double f_from = from == 0 ? c->base : value_at(c, probe, &from);
    double f_to = to == 0 ? c->base : value_at(c, probe, &to);
    return (f_to - f_from) / (to - from);
}

double reel__gradcheck_derivative(const reel__gradcheck *c, size_t probe)
{
    if (c->options.directions == 0) {
        return c->analytic[probe];
    }
    double sum = 0;
    for (size_t i = 0; i < c->size; i++) {
        sum += c->analytic[i] * direction_element(probe_stream(probe), i);
    }
    return sum;
}

/* The gradient, or for order 2 the Hessian times v, where the parameters are. */
bool reel__gradcheck_analytic(reel__gradcheck *c)
{
    reel_var loss;
    if (!record_loss(c, &loss)) {
        return false;
    }
    if (c->order == 1) {
        return read_gradient(c, loss) &&
               memcpy(c->analytic, c->gradient, c->size * sizeof *c->gradient) != NULL;
    }
    for (size_t i = 0; i < c->size; i++) {
        c->gradient[i] = direction_element(SECOND_ORDER_STREAM, i);
    }
    for (size_t p = 0; p < c->count; p++) {
        reel_shape shape = reel_shape_of(c->param[p]);
        c->weight[p] = reel_input_f64(c->tape, shape, c->gradient + c->first[p]);
    }
    reel_hvp(loss, (int)c->count, c->param, c->weight, c->result);
    return reel__gradcheck_is_fine(c) && reel__gradcheck_read(c, c->result, c->analytic);
}

void reel__gradcheck_restore(reel__gradcheck *c)
{
    reel_rewind(c->tape);
    memcpy(c->moved, c->point, c->size * sizeof *c->point);
    for (size_t p = 0; p < c->count; p++) {
        write_param(c, p);
    }
}

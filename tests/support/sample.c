#include "sample.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ops/ops.h"

/* ---- numbers --------------------------------------------------------------------------------- */

static uint64_t fnv(uint64_t hash, const void *data, size_t size)
{
    for (const unsigned char *byte = data; size-- > 0; byte++) {
        hash = (hash ^ *byte) * 0x100000001b3u;
    }
    return hash;
}

#define FNV_START 0xcbf29ce484222325u

static uint64_t splitmix64(uint64_t *state)
{
    uint64_t x = *state += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

int sample_count(const reel_op *op)
{
    int n = 0;
    while (op->samples && op->samples[n].label) {
        n++;
    }
    return n;
}

bool sample_is_index(const reel_op *op, int input)
{
    return op->index_inputs >> input & 1;
}

static void draw(const reel_op *op, const reel_sample *sample, int input, size_t n, double *out)
{
    char seed_text[SAMPLE_NAME_SIZE];
    const reel_sample_input *x = &sample->x[input];
    bool index = sample_is_index(op, input), preset = x->lo == 0 && x->hi == 0;
    double lo = preset && !index ? -2 : x->lo, hi = preset && !index ? 2 : x->hi;
    int length = snprintf(seed_text, sizeof seed_text, "%s/%s/%d", op->name, sample->label, input);
    uint64_t state = fnv(FNV_START, seed_text, (size_t)length);
    for (size_t i = 0; i < n; i++) {
        double u = (double)(splitmix64(&state) >> 11) * 0x1p-53;
        out[i] = index ? floor(lo + (hi - lo) * u) : lo + (hi - lo) * u;
    }
}

double *sample_values(const reel_op *op, const reel_sample *sample, int input)
{
    const reel_sample_input *x = &sample->x[input];
    size_t n = (size_t)reel_shape_size(x->shape);
    double *values = malloc((n ? n : 1) * sizeof *values);
    if (values && x->values) {
        memcpy(values, x->values, n * sizeof *values);
    } else if (values) {
        draw(op, sample, input, n, values);
    }
    return values;
}

/* Field by field: padding between them holds no meaning. */
static uint64_t hash_attributes(uint64_t hash, const reel_op *op, const void *attributes)
{
    for (const reel_attribute *a = op->attributes; attributes && a && a->name; a++) {
        const char *field = (const char *)attributes + a->offset;
        if (a->type != REEL_ATTRIBUTE_SHAPE) {
            hash = fnv(hash, field, 8);
            continue;
        }
        reel_shape shape;
        memcpy(&shape, field, sizeof shape);
        hash = fnv(hash, &shape.rank, sizeof shape.rank);
        for (int i = 0; i < shape.rank && i < REEL_MAX_RANK; i++) {
            hash = fnv(hash, &shape.dim[i], sizeof shape.dim[i]);
        }
    }
    return hash;
}

uint64_t sample_hash(const reel_op *op, const reel_sample *sample)
{
    uint64_t hash = hash_attributes(FNV_START, op, sample->attributes);
    for (int i = 0; i < sample->inputs; i++) {
        const reel_shape *shape = &sample->x[i].shape;
        double *values = sample_values(op, sample, i);
        hash = fnv(hash, &shape->rank, sizeof shape->rank);
        hash = fnv(hash, shape->dim, (size_t)shape->rank * sizeof *shape->dim);
        hash = fnv(hash, values, (size_t)reel_shape_size(*shape) * sizeof *values);
        free(values);
    }
    return hash;
}

bool sample_is_special(const reel_op *op, const reel_sample *sample, reel_dtype dtype)
{
    bool special = false;
    for (int i = 0; i < sample->inputs; i++) {
        int64_t n = reel_shape_size(sample->x[i].shape);
        double *values = sample_values(op, sample, i);
        for (int64_t k = 0; k < n; k++) {
            double value = dtype == REEL_F32 ? (double)(float)values[k] : values[k];
            special = special || !isfinite(value);
        }
        free(values);
    }
    return special;
}

/* ---- calls ----------------------------------------------------------------------------------- */

static reel_var leaf(reel_tape *t, bool index, reel_shape shape, const double *values)
{
    if (!index) {
        return reel_input_f64(t, shape, values);
    }
    size_t n = (size_t)reel_shape_size(shape);
    int32_t *whole = malloc((n ? n : 1) * sizeof *whole);
    for (size_t i = 0; whole && i < n; i++) {
        whole[i] = (int32_t)values[i];
    }
    reel_var v = reel_indices(t, shape, whole);
    free(whole);
    return v;
}

/* What fills the room between the elements of a strided input: a kernel that reads it is seen. */
#define FILLER 1e9

/* The layout of a strided input: axes 0 and last swapped, the last one backwards, one filler
 * element before and two after on every axis. */
static size_t place_in_block(const reel_shape *shape, const reel_shape *block, int64_t element)
{
    int64_t at[REEL_MAX_RANK] = { 0 }, place = 0;
    int last = shape->rank - 1;
    for (int i = last; i >= 0; i--) {
        at[i] = element % shape->dim[i];
        element /= shape->dim[i];
    }
    at[last] = shape->dim[last] - 1 - at[last];
    int64_t swapped = at[0];
    at[0] = at[last];
    at[last] = swapped;
    for (int i = 0; i <= last; i++) {
        place = place * block->dim[i] + at[i] + 1;
    }
    return (size_t)place;
}

static reel_var strided(reel_tape *t, bool index, reel_shape shape, const double *values)
{
    int last = shape.rank - 1;
    reel_shape block = shape;
    block.dim[0] = shape.dim[last];
    block.dim[last] = shape.dim[0];
    for (int i = 0; i <= last; i++) {
        block.dim[i] += 3;
    }
    size_t n = (size_t)reel_shape_size(block);
    double *room = malloc(n * sizeof *room);
    for (size_t i = 0; i < n; i++) {
        room[i] = FILLER;
    }
    for (int64_t i = 0; i < reel_shape_size(shape); i++) {
        room[place_in_block(&shape, &block, i)] = values[i];
    }
    reel_var v = leaf(t, index, block, room);
    free(room);
    for (int i = 0; i <= last; i++) {
        v = reel_slice(v, i, 1, block.dim[i] - 2);
    }
    return reel_flip(reel_transpose(v, 0, last), last);
}

reel_var sample_input(reel_tape *t, const reel_op *op, const reel_sample *sample, int input,
                      sample_form form)
{
    double *values = sample_values(op, sample, input);
    bool index = sample_is_index(op, input);
    reel_shape shape = sample->x[input].shape;
    for (int64_t i = 0; form & SAMPLE_ROUNDED && i < reel_shape_size(shape); i++) {
        values[i] = (double)(float)values[i];
    }
    bool view = (form & SAMPLE_STRIDED) && shape.rank > 0;
    reel_var v = view ? strided(t, index, shape, values) : leaf(t, index, shape, values);
    free(values);
    return v;
}

reel_var sample_record(reel_tape *t, const reel_op *op, const reel_sample *sample, sample_form form)
{
    reel_var x[REEL_SAMPLE_INPUTS];
    for (int i = 0; i < sample->inputs; i++) {
        x[i] = sample_input(t, op, sample, i, form);
    }
    if (sample->inputs == 0) {
        return reel_record_on(t, op, sample->attributes);
    }
    return reel_record(op, sample->inputs, x, sample->attributes);
}

const char *sample_name(char out[SAMPLE_NAME_SIZE], const reel_op *op, const reel_sample *sample)
{
    snprintf(out, SAMPLE_NAME_SIZE, "%s, sample \"%s\"", op->name, sample->label);
    return out;
}

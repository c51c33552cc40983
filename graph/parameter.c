/* parameter.c: parameters. Values and gradients of all of them lie in two flat buffers, each
 * parameter at a multiple of 64 bytes, so that an optimiser is one pass over memory. */
#include <string.h>

#include "run/threads.h"
#include "tape.h"

const reel_op reel__param_op = { .name = "param", .kind = REEL_LEAF, .doc = "A parameter." };

static uint64_t hash_name(const char *name)
{
    uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */
    for (; *name; name++) {
        hash = (hash ^ (uint64_t)(unsigned char)*name) * 0x100000001b3u;
    }
    return hash;
}

static bool find(const reel_tape *t, const char *name, uint32_t *index)
{
    uint64_t hash = hash_name(name);
    for (uint32_t i = 0; i < t->params.count; i++) {
        const reel__param *param = reel__param_entry(t, i);
        if (param->name_hash == hash && strcmp(param->name, name) == 0) {
            *index = i;
            return true;
        }
    }
    return false;
}

bool reel__record_param_node(reel_tape *t, uint32_t param_index)
{
    reel__param *param = reel__param_entry(t, param_index);
    uint32_t *number = reel__arena_take(t, &t->recorded, sizeof *number);
    reel__node node = { .op = &reel__param_op, .attributes = number, .hash = param->name_hash | 1 };
    uint32_t index;
    if (number == NULL || !reel__shape_intern(t, &param->shape, &node.shape) ||
        !reel__append(t, &node, &index)) {
        return false;
    }
    *number = param_index;
    param->node = index;
    param->written_at = 0;
    return true;
}

/* ---- the flat buffers ---------------------------------------------------------------------- */

static char *aligned(void *block)
{
    return (char *)(((uintptr_t)block + REEL__ALIGNMENT - 1) & ~(uintptr_t)(REEL__ALIGNMENT - 1));
}

static size_t block_bytes(const reel_tape *t, size_t capacity)
{
    return capacity ? capacity * t->element + REEL__ALIGNMENT : 0;
}

bool reel__looks_into_params(const reel_tape *t, const void *data)
{
    const char *at = data;
    return t->flat_values && at >= t->flat_values &&
           at < t->flat_values + t->flat_count * t->element;
}

/* What was taken from the parameters is about to be wrong; kept values have their own copy by
 * now. */
static void drop_aliases(reel_tape *t)
{
    for (size_t i = 0; i < t->aliases.count; i++) {
        uint32_t node = ((uint32_t *)t->aliases.data)[i];
        if (reel__looks_into_params(t, reel__value_at(t, node)->data)) {
            reel__drop_value(t, node);
        }
    }
    t->aliases.count = 0;
    reel__forget_prepared(t);
}

static bool grow_flat(reel_tape *t, size_t count)
{
    if (count <= t->flat_capacity) {
        return true;
    }
    size_t capacity = t->flat_capacity * 2 > count ? t->flat_capacity * 2 : count;
    size_t bytes = block_bytes(t, capacity), used = t->flat_count * t->element;
    void *values = reel__resize(t, NULL, 0, bytes);
    void *gradients = values ? reel__resize(t, NULL, 0, bytes) : NULL;
    if (gradients == NULL) {
        reel__resize(t, values, values ? bytes : 0, 0);
        return false;
    }
    memset(values, 0, bytes);
    memset(gradients, 0, bytes);
    if (used) {
        memcpy(aligned(values), t->flat_values, used);
        memcpy(aligned(gradients), t->flat_gradients, used);
    }
    drop_aliases(t);
    reel__params_free(t);
    t->flat_values_block = values;
    t->flat_gradients_block = gradients;
    t->flat_values = aligned(values);
    t->flat_gradients = aligned(gradients);
    t->flat_capacity = capacity;
    return true;
}

void reel__params_free(reel_tape *t)
{
    size_t bytes = block_bytes(t, t->flat_capacity);
    reel__resize(t, t->flat_values_block, bytes, 0);
    reel__resize(t, t->flat_gradients_block, bytes, 0);
    t->flat_values_block = t->flat_gradients_block = NULL;
    t->flat_capacity = 0;
}

/* ---- creation ------------------------------------------------------------------------------ */

static void store_doubles(const reel_tape *t, char *at, const double *from, size_t n)
{
    if (t->options.dtype == REEL_F64) {
        memcpy(at, from, n * sizeof *from);
        return;
    }
    float *out = (float *)(void *)at;
    for (size_t i = 0; i < n; i++) {
        out[i] = (float)from[i];
    }
}

static bool initialise(reel_tape *t, const reel__param *param, const reel_init *init)
{
    size_t bytes = param->count * sizeof(double);
    double *values = reel__resize(t, NULL, 0, bytes ? bytes : 1);
    if (values == NULL) {
        return false;
    }
    reel_init_key key = { t->options.seed, param->name_hash, t->options.allocator };
    int before = reel__set_threads(t->threads);
    bool filled =
        param->count == 0 || init->fill == NULL || init->fill(init, key, param->shape, values);
    reel__set_threads(before);
    if (filled && init->fill) {
        store_doubles(t, t->flat_values + param->offset * t->element, values, param->count);
    } else if (!filled) {
        reel_fail(t, REEL_OUT_OF_MEMORY, "param", "the initialiser of %s failed on %s", param->name,
                  REEL_SHAPE_TEXT(param->shape));
    }
    reel__resize(t, values, bytes ? bytes : 1, 0);
    return filled;
}

static bool check_new(reel_tape *t, const char *name, reel_shape shape, const reel_init *init)
{
    uint32_t existing;
    if (name == NULL || name[0] == '\0') {
        reel_fail(t, REEL_BAD_ARGUMENT, "param", "a parameter needs a name");
        return false;
    }
    if (!reel__shape_valid(shape)) {
        reel_fail(t, REEL_BAD_SHAPE, "param", "%s: the shape %s is out of range", name,
                  REEL_SHAPE_TEXT(shape));
        return false;
    }
    int64_t columns = shape.rank > 0 ? shape.dim[shape.rank - 1] : 1;
    if (init->blocks < 0 || (init->blocks > 1 && columns % init->blocks != 0)) {
        reel_fail(t, REEL_BAD_ARGUMENT, "param",
                  "%s: the initialiser's %d blocks do not divide the last axis of %s", name,
                  init->blocks, REEL_SHAPE_TEXT(shape));
        return false;
    }
    if (find(t, name, &existing)) {
        reel_fail(t, REEL_BAD_ARGUMENT, "param", "%s exists already", name);
        return false;
    }
    return true;
}

static reel_var add_param(reel_tape *t, const char *name, reel_shape shape, reel_init init)
{
    reel_var poisoned = { t, 0 };
    if (!check_new(t, name, shape, &init) ||
        !reel__list_reserve(t, &t->params, t->params.count + 1, sizeof(reel__param))) {
        return poisoned;
    }
    size_t step = REEL__ALIGNMENT / t->element, count = (size_t)reel_shape_size(shape);
    size_t padded = (count + step - 1) / step * step;
    padded = padded ? padded : step; /* a parameter without elements has an address, too */
    reel__param param = { .name = reel__tape_store_text(t, name),
                          .name_hash = hash_name(name),
                          .shape = shape,
                          .offset = t->flat_count,
                          .count = count };
    if (param.name == NULL || !grow_flat(t, t->flat_count + padded) ||
        !initialise(t, &param, &init)) {
        return poisoned;
    }
    uint32_t index = (uint32_t)t->params.count;
    *reel__param_entry(t, index) = param;
    t->params.count++;
    if (!reel__record_param_node(t, index)) {
        t->params.count--;
        return poisoned;
    }
    t->flat_count += padded;
    t->statistics.parameters += count;
    return (reel_var){ t, index | REEL__PARAM_BIT };
}

reel_var reel_param(reel_tape *t, const char *name, reel_shape shape, reel_init init)
{
    if (t == NULL) {
        return (reel_var){ 0 };
    }
    reel__recording_begin(t);
    return reel__recording_end(add_param(t, name, shape, init));
}

/* ---- looking up ---------------------------------------------------------------------------- */

reel_var reel_find_param(reel_tape *t, const char *name)
{
    uint32_t index;
    if (t == NULL || (name && find(t, name, &index))) {
        return t ? (reel_var){ t, index | REEL__PARAM_BIT } : (reel_var){ 0 };
    }
    reel__recording_begin(t);
    return reel__recording_end(reel_fail(t, REEL_NOT_FOUND, "find_param",
                                         "no parameter is called %s", name ? name : "NULL"));
}

size_t reel_param_count(const reel_tape *t)
{
    return t ? t->params.count : 0;
}

reel_var reel_param_at(reel_tape *t, size_t index)
{
    if (t && index < t->params.count) {
        return (reel_var){ t, (uint32_t)index | REEL__PARAM_BIT };
    }
    return reel_fail(t, REEL_NOT_FOUND, "param_at", "there is no parameter %zu", index);
}

static reel__param *param_of(reel_var v, const char *caller)
{
    uint32_t index;
    if (v.tape == NULL || !reel__resolve(v.tape, v, caller, &index)) {
        return NULL;
    }
    if (!(v.id & REEL__PARAM_BIT)) {
        reel_fail(v.tape, REEL_BAD_ARGUMENT, caller, "the handle is not a parameter's");
        return NULL;
    }
    return reel__param_entry(v.tape, v.id & ~REEL__PARAM_BIT);
}

const char *reel_param_name(reel_var v)
{
    bool is_param =
        v.tape && (v.id & REEL__PARAM_BIT) && (v.id & ~REEL__PARAM_BIT) < v.tape->params.count;
    return is_param ? reel__param_entry(v.tape, v.id & ~REEL__PARAM_BIT)->name : NULL;
}

size_t reel_param_offset(reel_var v)
{
    const reel__param *param = param_of(v, "param_offset");
    return param ? param->offset : 0;
}

/* ---- reading and writing ------------------------------------------------------------------- */

static reel__param *checked(reel_var v, const char *caller, const void *data, size_t n)
{
    reel__param *param = param_of(v, caller);
    if (param && (n != param->count || (data == NULL && n > 0))) {
        reel_fail(v.tape, REEL_BAD_ARGUMENT, caller,
                  data || n == 0 ? "%zu numbers given, %s %s holds %zu"
                                 : "no data: %zu numbers for %s %s of %zu",
                  n, param->name, REEL_SHAPE_TEXT(param->shape), param->count);
        return NULL;
    }
    return param;
}

static reel_status failed(reel_var v)
{
    reel_status status = v.tape ? v.tape->error.status : REEL_BAD_HANDLE;
    return status == REEL_OK ? REEL_BAD_HANDLE : status;
}

static void mark_written(reel_tape *t, reel__param *param)
{
    reel__forget_site(t);
    param->written_at = t->written_at = (uint32_t)t->nodes.count;
}

reel_status reel_write_param(reel_var v, const float *values, size_t n)
{
    reel__param *param = checked(v, "write_param", values, n);
    if (param == NULL || !reel__flush(v.tape)) {
        return failed(v);
    }
    char *at = v.tape->flat_values + param->offset * v.tape->element;
    for (size_t i = 0; i < n; i++) {
        if (v.tape->options.dtype == REEL_F64) {
            ((double *)(void *)at)[i] = (double)values[i];
        } else {
            ((float *)(void *)at)[i] = values[i];
        }
    }
    drop_aliases(v.tape);
    mark_written(v.tape, param);
    return REEL_OK;
}

reel_status reel_write_param_f64(reel_var v, const double *values, size_t n)
{
    reel__param *param = checked(v, "write_param_f64", values, n);
    if (param == NULL || !reel__flush(v.tape)) {
        return failed(v);
    }
    store_doubles(v.tape, v.tape->flat_values + param->offset * v.tape->element, values, n);
    drop_aliases(v.tape);
    mark_written(v.tape, param);
    return REEL_OK;
}

reel_status reel_read_grad(reel_var v, float *out, size_t n)
{
    const reel__param *param = checked(v, "read_grad", out, n);
    if (param == NULL || !reel__flush(v.tape)) {
        return failed(v);
    }
    reel__forget_site(v.tape);
    const char *at = v.tape->flat_gradients + param->offset * v.tape->element;
    for (size_t i = 0; i < n; i++) {
        out[i] = v.tape->options.dtype == REEL_F64 ? (float)((const double *)(const void *)at)[i]
                                                   : ((const float *)(const void *)at)[i];
    }
    return REEL_OK;
}

reel_status reel_read_grad_f64(reel_var v, double *out, size_t n)
{
    const reel__param *param = checked(v, "read_grad_f64", out, n);
    if (param == NULL || !reel__flush(v.tape)) {
        return failed(v);
    }
    reel__forget_site(v.tape);
    const char *at = v.tape->flat_gradients + param->offset * v.tape->element;
    for (size_t i = 0; i < n; i++) {
        out[i] = v.tape->options.dtype == REEL_F64 ? ((const double *)(const void *)at)[i]
                                                   : (double)((const float *)(const void *)at)[i];
    }
    return REEL_OK;
}

/* Gradients that were asked for and not computed would be thrown away: they need not be
 * computed. */
void reel_zero_grad(reel_tape *t)
{
    if (t) {
        t->pending.count = 0;
        reel__forget_deferred(t);
        if (t->flat_gradients) {
            memset(t->flat_gradients, 0, t->flat_count * t->element);
        }
    }
}

reel_status reel_flat_begin(reel_tape *t, reel_flat *flat)
{
    if (flat == NULL) {
        reel_fail(t, REEL_BAD_ARGUMENT, "flat_begin", "there is nowhere to put it: NULL");
        return REEL_BAD_ARGUMENT;
    }
    *flat = (reel_flat){ 0 };
    if (t == NULL) {
        return REEL_BAD_ARGUMENT;
    }
    if (!reel__flush(t)) {
        return t->error.status == REEL_OK ? REEL_INTERNAL : t->error.status;
    }
    *flat = (reel_flat){ t->flat_values, t->flat_gradients, t->flat_count };
    return REEL_OK;
}

void reel_flat_end(reel_tape *t, bool values_changed)
{
    if (t == NULL || !values_changed) {
        return;
    }
    drop_aliases(t);
    for (uint32_t i = 0; i < t->params.count; i++) {
        mark_written(t, reel__param_entry(t, i));
    }
}

#define ADD_GRADIENT(type)                                                                         \
    for (size_t i = 0; i < n; i++) {                                                               \
        ((type *)(void *)to)[i] += ((const type *)from)[i];                                        \
    }

void reel__add_gradient(reel_tape *t, uint32_t param_index, const void *from)
{
    const reel__param *param = reel__param_entry(t, param_index);
    char *to = t->flat_gradients + param->offset * t->element;
    size_t n = param->count;
    if (t->options.dtype == REEL_F64) {
        ADD_GRADIENT(double)
    } else {
        ADD_GRADIENT(float)
    }
}

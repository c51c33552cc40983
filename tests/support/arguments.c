#include "arguments.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- surroundings -------------------------------------------------------------------------- */

enum { STEPS = 3, ROWS = 2, WIDTH = 4 };

/* A size that nobody can mean must not use up the machine. */
static void *modest_resize(void *self, void *old, size_t old_size, size_t new_size)
{
    (void)self, (void)old_size;
    if (new_size == 0) {
        free(old);
        return NULL;
    }
    return new_size > (size_t)1 << 26 ? NULL : realloc(old, new_size);
}

static reel_allocator modest(void)
{
    return (reel_allocator){ .resize = modest_resize };
}

static reel_tape *tape_new(void)
{
    return reel_tape_new((reel_tape_options){ .seed = 1, .threads = 1, .allocator = modest() });
}

void surroundings_make(surroundings *s)
{
    s->tape = tape_new();
    s->other = tape_new();
    reel_param(s->tape, "V", REEL_SHAPE(WIDTH, WIDTH), reel_glorot());
}

/* ---- variables ----------------------------------------------------------------------------- */

static bool is_one_of(const char *name, const char *const list[])
{
    for (int i = 0; list[i]; i++) {
        if (strcmp(name, list[i]) == 0) {
            return true;
        }
    }
    return false;
}

static reel_var numbers(reel_tape *t, reel_shape shape)
{
    return reel_random_uniform(t, shape, 0.25, 0.75);
}

static reel_var good_var(const surroundings *s, const char *name)
{
    static const char *const symbols[] = { "targets", "indices", "tokens", "tags", NULL };
    static const int32_t ones[STEPS * ROWS] = { 1, 1, 1, 1, 1, 1 };
    switch (s->set) {
    case SET_SEQUENCE:
        return numbers(s->tape, REEL_SHAPE(STEPS, ROWS, WIDTH));
    case SET_SYMBOLS:
        return is_one_of(name, symbols) ? reel_indices(s->tape, REEL_SHAPE(STEPS, ROWS), ones)
                                        : numbers(s->tape, REEL_SHAPE(STEPS, ROWS, WIDTH));
    case SET_SCALAR:
        return reel_mean_all(reel_square(reel_find_param(s->tape, "V")));
    default:
        return numbers(s->tape, REEL_SHAPE(WIDTH, WIDTH));
    }
}

static const char *bad_var(const surroundings *s, reel_var *to, int which)
{
    static const int32_t far[2] = { INT32_MAX, -1 };
    switch (which) {
    case 0:
        *to = (reel_var){ 0 };
        return "absent";
    case 1:
        *to = (reel_var){ .tape = s->tape };
        return "poisoned";
    case 2:
        *to = (reel_var){ .tape = s->tape, .id = 1000000 };
        return "from nowhere";
    case 3:
        *to = reel_scalar(s->other, 1);
        return "from another tape";
    case 4:
        *to = reel_indices(s->tape, REEL_SHAPE(2), far);
        return "indices out of range";
    case 5:
        *to = numbers(s->tape, REEL_SHAPE(0, WIDTH));
        return "empty";
    case 6:
        *to = numbers(s->tape, REEL_SHAPE(STEPS, 0, WIDTH));
        return "a sequence of empty batches";
    case 7:
        *to = numbers(s->tape, REEL_SHAPE(1, 1, 1, 1, 1, 1, 1, 1));
        return "of eight axes";
    default:
        *to = reel_scalar(s->tape, NAN);
        return "a scalar NaN";
    }
}
enum { BAD_VARS = 9 };

/* ---- what pointers point to ---------------------------------------------------------------- */

static void *zeroed(void)
{
    return calloc(1, ARGUMENT_ROOM);
}

static reel_model *small_model(const surroundings *s)
{
    reel_model *m = reel_sequential(s->tape, REEL_GRU(2, .return_sequences = true), REEL_DENSE(1));
    reel_model_build(m, REEL_SHAPE(STEPS, WIDTH), false);
    reel_compile(m, (reel_compile_options){ .optimizer = "adam", .loss = "mse" });
    return m;
}

static reel_recorded small_step(const surroundings *s)
{
    reel_recorded step = { 0 };
    reel_model_record(small_model(s), 1, &step);
    return step;
}

static bool next_item(void *self, void *item)
{
    (void)self, (void)item;
    return false;
}

static reel_history *small_history(const surroundings *s)
{
    static const float x[ROWS * STEPS * WIDTH], y[ROWS * STEPS];
    return reel_fit(small_model(s), reel_data_f32(x, REEL_SHAPE(ROWS, STEPS, WIDTH)),
                    reel_data_f32(y, REEL_SHAPE(ROWS, STEPS, 1)),
                    (reel_fit_options){ .batch_size = 1 });
}

static const reel_op *some_op(void)
{
    return reel_op_named("tanh");
}

/* Objects whose inside is not public, by the word in their types; one that a program never holds is
 * NULL. */
static void *new_object(const surroundings *s, const char *word)
{
    static const char *const never[] = { "reel_training",    "reel_trial",       "reel_shape_call",
                                         "reel_kernel_call", "reel_update_rule", NULL };
    char why[REEL_METRIC_ERROR];
    reel_tape *t = s->tape;
#define IS(text) (strcmp(word, text) == 0)
    return is_one_of(word, never) ? NULL
           : IS("reel_tape")      ? t
           : IS("reel_op")        ? (void *)(uintptr_t)some_op()
           : IS("reel_optimizer") ? (void *)reel_adam(t, (reel_adam_options){ .lr = 1e-3 })
           : IS("reel_average")   ? (void *)reel_ema(t, 0.5)
           : IS("reel_model")     ? (void *)small_model(s)
           : IS("reel_history")   ? (void *)small_history(s)
           : IS("reel_metric")
               ? (void *)reel_metric_new(s->set == SET_SYMBOLS ? "bleu" : "confusion",
                                         (reel_metric_options){ .classes = 2 }, why)
           : IS("reel_archive") ? (void *)reel_archive_new((reel_archive_options){ 0 })
           : IS("reel_vocabulary")
               ? (void *)reel_char_vocabulary(t, "abc", 3, (reel_vocabulary_options){ 0 })
           : IS("reel_carry")
               ? (void *)reel_carry_new(t, reel_gru(t, "carried", 4, 4, (reel_gru_options){ 0 }), 2)
           : IS("reel_flow")     ? (void *)reel_flow_new(reel_scalar(t, 1), 0, NULL)
           : IS("reel_frozen")   ? (void *)reel_freeze(t, small_step(s), (reel_freeze_options){ 0 })
           : IS("reel_onnx")     ? (void *)reel_onnx_load(t, "none", (reel_onnx_load_options){ 0 })
           : IS("reel_prefetch") ? (void *)reel_prefetch_new(next_item, NULL, 8, 1)
           : IS("FILE")          ? (void *)fopen("/dev/null", "w")
                                 : zeroed();
#undef IS
}

static void *good_array(const surroundings *s, const argument *a)
{
    void *room = zeroed();
    if (room && strcmp(a->type, "const reel_var *") == 0) {
        reel_var *list = room;
        for (int i = 0; i < 64; i++) {
            list[i] = good_var(s, a->name);
        }
    }
    return room;
}

static const char *good_text(const char *name)
{
    static const char *const files[] = { "path", "log_dir", NULL };
    return is_one_of(name, files) ? "file.svg" : strcmp(name, "format") == 0 ? "%d" : "a1";
}

/* "const reel_model *" → "reel_model" */
static const char *word_of(const char *type, char out[64])
{
    type += strncmp(type, "const ", 6) == 0 ? 6 : 0;
    size_t length = strcspn(type, " *");
    memcpy(out, type, length);
    out[length] = '\0';
    return out;
}

static void *good_pointer(const surroundings *s, const argument *a)
{
    static const char *const plain[] = { "float",   "double", "int",      "int32_t",
                                         "int64_t", "bool",   "char",     "uint64_t",
                                         "size_t",  "void",   "reel_var", NULL };
    char word[64];
    word_of(a->type, word);
    return strcmp(a->type, "const char *") == 0 ? (void *)(uintptr_t)good_text(a->name)
           : is_one_of(word, plain)             ? good_array(s, a)
                                                : new_object(s, word);
}

/* ---- structures ---------------------------------------------------------------------------- */

static reel_cell small_cell(const surroundings *s)
{
    static const char *const names[] = { "gru_0", "gru_1", "gru_2", "gru_3" };
    for (int i = 0; i < 4; i++) {
        reel_cell cell = reel_gru(s->tape, names[i], WIDTH, WIDTH, (reel_gru_options){ 0 });
        if (cell.step) {
            return cell;
        }
        reel_tape_clear(s->tape);
    }
    return (reel_cell){ 0 };
}

static reel_data small_data(const surroundings *s, const char *name)
{
    static const float values[ROWS * STEPS * WIDTH];
    static const int32_t symbols[ROWS * STEPS], lengths[ROWS] = { 1, 3 };
    bool targets = strcmp(name, "y") == 0 || strcmp(name, "targets") == 0;
    reel_data data = s->set == SET_MATRIX ? reel_data_f32(values, REEL_SHAPE(ROWS, WIDTH))
                     : s->set == SET_SYMBOLS
                         ? reel_data_i32(symbols, REEL_SHAPE(ROWS, STEPS))
                         : reel_data_f32(values, REEL_SHAPE(ROWS, STEPS, targets ? 1 : WIDTH));
    data.lengths = s->set == SET_SCALAR && !targets ? lengths : NULL;
    return data;
}

static void good_struct(const surroundings *s, const argument *a)
{
    static const float values[ROWS * STEPS * WIDTH];
    reel_tape *t = s->tape;
    memset(a->to, 0, a->size);
#define SET(word, ...)                                                                             \
    if (strcmp(a->type, #word) == 0) {                                                             \
        *(word *)a->to = __VA_ARGS__;                                                              \
    }
    SET(reel_shape, s->set == SET_MATRIX ? REEL_SHAPE(WIDTH, WIDTH) : REEL_SHAPE(STEPS, WIDTH))
    SET(reel_cell, small_cell(s))
    SET(reel_layer, reel_dense(t, "dense", WIDTH, WIDTH, (reel_dense_options){ 0 }))
    SET(reel_data, small_data(s, a->name))
    SET(reel_init, reel_glorot())
    SET(reel_crf, reel_crf_new(t, "crf", WIDTH))
    SET(reel_recorded, small_step(s))
    SET(reel_tree_cell, reel_tree_lstm(t, "tree", WIDTH, WIDTH, (reel_tree_lstm_options){ 0 }))
    SET(reel_attention, reel_luong_attention(t, "dot", WIDTH, WIDTH, (reel_luong_options){ 0 }))
    SET(reel_multi_head,
        reel_multi_head_attention(t, "heads", WIDTH, 2, (reel_multi_head_options){ 0 }))
    SET(reel_class_output, reel_nce(t, "nce", WIDTH, WIDTH, (reel_sampled_options){ .samples = 2 }))
    SET(reel_normalizer,
        reel_normalizer_fit(t, REEL_STANDARD, reel_data_f32(values, REEL_SHAPE(ROWS, WIDTH))))
    SET(reel_array, (reel_array){ .type = REEL_ARRAY_F32, .shape = REEL_SHAPE(2), .data = values })
    SET(reel_tape_options, (reel_tape_options){ .threads = 1, .allocator = modest() })
    SET(reel_timeseries_options,
        (reel_timeseries_options){ .sequence_length = 1, .stride = 2, .sampling_rate = 2 })
    SET(reel_one_cycle_options, (reel_one_cycle_options){ .steps = 10 })
    SET(reel_cross_entropy_options, (reel_cross_entropy_options){ .ignore = true })
    SET(reel_mixture_options, (reel_mixture_options){ .components = 2 })
#undef SET
}

/* ---- numbers ------------------------------------------------------------------------------- */

static void write_integer(const argument *a, int64_t value)
{
    if (a->size == sizeof(int32_t)) {
        int32_t narrow = value > INT32_MAX   ? INT32_MAX
                         : value < INT32_MIN ? INT32_MIN
                                             : (int32_t)value;
        memcpy(a->to, &narrow, sizeof narrow);
    } else {
        memcpy(a->to, &value, sizeof value);
    }
}

static const char *bad_integer(const argument *a, int which)
{
    static const int64_t value[] = { 0, -1, INT64_MIN, INT64_MAX, 100 };
    static const char *const what[] = { "0", "-1", "the lowest", "the largest", "100" };
    write_integer(a, value[which]);
    return what[which];
}

static const char *bad_real(const argument *a, int which)
{
    static const double value[] = { 0, -1, NAN, INFINITY, -INFINITY, 1e300 };
    static const char *const what[] = { "0", "-1", "NaN", "infinity", "-infinity", "1e300" };
    memcpy(a->to, value + which, sizeof *value);
    return what[which];
}

static const int bads_of_kind[] = {
    [KIND_INTEGER] = 5,    [KIND_COUNT] = 3,   [KIND_TRUTH] = 1, [KIND_REAL] = 6,
    [KIND_VAR] = BAD_VARS, [KIND_POINTER] = 1, [KIND_STRUCT] = 1
};

/* ---- bad structures ------------------------------------------------------------------------ */

/* Numbers in structures that say how long an array is. */
static bool says_a_length(const argument_field *f)
{
    static const struct {
        const char *type, *name;
    } lengths[] = {
        { "", "" },
    };
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        if (strcmp(f->type, lengths[i].type) == 0 && strcmp(f->name, lengths[i].name) == 0) {
            return true;
        }
    }
    return false;
}

static int bads_of_field(const argument_field *f)
{
    return !says_a_length(f) ? bads_of_kind[f->kind] : f->kind == KIND_COUNT ? 1 : 3;
}

static bool has_shape(const argument *a)
{
    return strcmp(a->type, "reel_shape") == 0 || strcmp(a->type, "reel_data") == 0;
}

/* Both begin with a shape; there are no data then. */
static const char *bad_shape(const argument *a, int which)
{
    static const char *const what[] = { "of rank -1", "of rank 1000", "of axes of 2^63 - 1",
                                        "of axes of 2^32", "of a negative axis" };
    static const int64_t axis[] = { 1, 1, INT64_MAX, (int64_t)1 << 32, -5 };
    reel_shape *shape = a->to;
    memset(a->to, 0, a->size);
    shape->rank = which == 0 ? -1 : which == 1 ? 1000 : 3;
    for (int i = 0; i < REEL_MAX_RANK; i++) {
        shape->dim[i] = axis[which];
    }
    return what[which];
}
enum { BAD_SHAPES = 5 };

static int bads_of_struct(const surroundings *s, const argument *a)
{
    int count = 1 + (has_shape(a) ? BAD_SHAPES : 0);
    for (size_t i = 0; i < s->field_count; i++) {
        count += strcmp(s->fields[i].type, a->type) == 0 ? bads_of_field(s->fields + i) : 0;
    }
    return count;
}

/* Good but for one number. */
static const char *bad_field(const surroundings *s, const argument *a, int which)
{
    static char text[128];
    for (size_t i = 0; i < s->field_count; i++) {
        const argument_field *f = s->fields + i;
        if (strcmp(f->type, a->type) != 0) {
            continue;
        }
        if (which < bads_of_field(f)) {
            good_struct(s, a);
            argument number = { (char *)a->to + f->offset, f->size, f->kind, "", f->name };
            snprintf(text, sizeof text, "good with .%s %s", f->name,
                     argument_bad(s, &number, which));
            return text;
        }
        which -= bads_of_field(f);
    }
    return "good";
}

static const char *bad_struct(const surroundings *s, const argument *a, int which)
{
    int shapes = has_shape(a) ? BAD_SHAPES : 0;
    memset(a->to, 0, a->size);
    return which == 0        ? "zero"
           : which <= shapes ? bad_shape(a, which - 1)
                             : bad_field(s, a, which - 1 - shapes);
}

/* ---- by kind ------------------------------------------------------------------------------- */

void argument_good(const surroundings *s, const argument *a)
{
    double one = 1;
    void *pointer;
    switch (a->kind) {
    case KIND_VAR:
        *(reel_var *)a->to = good_var(s, a->name);
        return;
    case KIND_POINTER:
        pointer = good_pointer(s, a);
        memcpy(a->to, &pointer, sizeof pointer);
        return;
    case KIND_REAL:
        memcpy(a->to, &one, sizeof one);
        return;
    case KIND_TRUTH:
        *(bool *)a->to = true;
        return;
    case KIND_STRUCT:
        good_struct(s, a);
        return;
    default:
        write_integer(a, 1);
    }
}

int argument_bads(const surroundings *s, const argument *a)
{
    return a->kind == KIND_STRUCT ? bads_of_struct(s, a) : bads_of_kind[a->kind];
}

const char *argument_bad(const surroundings *s, const argument *a, int which)
{
    switch (a->kind) {
    case KIND_VAR:
        return bad_var(s, a->to, which);
    case KIND_REAL:
        return bad_real(a, which);
    case KIND_INTEGER:
    case KIND_COUNT:
        return bad_integer(a, which);
    case KIND_TRUTH:
        *(bool *)a->to = false;
        return "false";
    case KIND_POINTER:
        memset(a->to, 0, a->size);
        return "NULL";
    default:
        return bad_struct(s, a, which);
    }
}

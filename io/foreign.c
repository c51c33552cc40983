/* foreign.c: weights of others, moved by the rules of foreign_table.c, which serve both ways. */
#include "foreign.h"

#include <string.h>

#include "foreign_table.h"
#include "parameters.h"

enum { NAME_SIZE = 512 };

typedef struct {
    reel_tape *tape;
    const char *caller;
    const reel_foreign_options *options;
    bool numbered;             /* Keras's .weights.h5 */
    const reel_archive *given; /* of an import */
    reel_archive *made;        /* of an export */
    reel_archive *params;      /* the tape's, by name */
    bool *named;               /* parameters that a row names, then arrays of the file */
    size_t named_count;
    void *buffer; /* for one tensor of the file */
    size_t buffer_size;
    reel__mismatches mismatches;
} transfer;

/* A rule of a row, applied. */
typedef struct {
    const reel__foreign_rule *rule;
    const reel__param *param; /* NULL: not on the tape */
    size_t param_index;
    char tape_name[NAME_SIZE], file_name[NAME_SIZE];
    int64_t rows, columns; /* the parameter as a matrix */
    reel_shape theirs;
} pair;

/* ---- names and shapes ---------------------------------------------------------------------- */

static const char *blocks_of(const reel__foreign_rule *rule)
{
    return rule->blocks ? rule->blocks : "0";
}

static int64_t blocks_there(const reel__foreign_rule *rule)
{
    return rule->of ? rule->of : 1;
}

static void name_in_file(const transfer *x, const reel_foreign_layer *row,
                         const reel__foreign_kind *kind, const reel__foreign_rule *rule,
                         char out[NAME_SIZE])
{
    char suffix[40] = "";
    bool keras = kind->framework == REEL_KERAS;
    const char *prefix = row->file ? row->file : "";
    if (kind->numbered_layers) {
        snprintf(suffix, sizeof suffix, "_l%d%s", row->layer, row->reverse ? "_reverse" : "");
    }
    snprintf(out, NAME_SIZE, "%.400s%s%s%s", prefix,
             !prefix[0] ? ""
             : keras    ? "/"
                        : ".",
             keras && x->numbered ? rule->numbered : rule->file, suffix);
}

static bool split_heads(const reel__foreign_rule *rule, int64_t heads, reel_shape *shape)
{
    int axis = rule->heads == SPLIT_LAST ? shape->rank - 1 : 0;
    if (rule->heads == WHOLE) {
        return true;
    }
    if (heads < 1 || shape->dim[axis] % heads != 0) {
        return false;
    }
    for (int i = shape->rank; i > axis + 1; i--) {
        shape->dim[i] = shape->dim[i - 1];
    }
    shape->dim[axis + 1] = shape->dim[axis] / heads;
    shape->dim[axis] = heads;
    shape->rank++;
    return true;
}

/* The shape of the file's tensor follows from the parameter's. */
static bool shape_in_file(pair *p, int64_t heads)
{
    const reel__foreign_rule *rule = p->rule;
    const reel_shape *ours = &p->param->shape;
    int64_t blocks = (int64_t)strlen(blocks_of(rule));
    p->rows = ours->rank == 2 ? ours->dim[0] : 1;
    p->columns = ours->rank ? ours->dim[ours->rank - 1] : 1;
    if (ours->rank < 1 || ours->rank > 2 || p->columns % blocks != 0 ||
        (rule->transposed && ours->rank != 2)) {
        return false;
    }
    int64_t there = p->columns / blocks * blocks_there(rule);
    if (rule->transposed) {
        p->theirs = REEL_SHAPE(there, p->rows);
    } else if (ours->rank == 2 || rule->rows) {
        p->theirs = REEL_SHAPE(ours->rank == 2 ? p->rows : rule->rows, there);
    } else {
        p->theirs = REEL_SHAPE(there);
    }
    return split_heads(rule, heads, &p->theirs);
}

static pair apply(const transfer *x, const reel_foreign_layer *row, const reel__foreign_kind *kind,
                  const reel__foreign_rule *rule)
{
    pair p = { .rule = rule };
    const char *prefix = row->tape ? row->tape : "";
    snprintf(p.tape_name, NAME_SIZE, "%.400s%s%s", prefix, prefix[0] ? "." : "", rule->tape);
    name_in_file(x, row, kind, rule, p.file_name);
    p.param_index = reel__archive_index(x->params, p.tape_name);
    if (p.param_index < x->params->count) {
        p.param = reel__param_entry(x->tape, (uint32_t)p.param_index);
    }
    return p;
}

/* ---- which kind ---------------------------------------------------------------------------- */

/* What is needed is on the tape, and rules that share a tensor of the file agree on its shape. */
static bool suits(const transfer *x, const reel_foreign_layer *row, const reel__foreign_kind *kind)
{
    pair last = { 0 };
    for (const reel__foreign_rule *rule = kind->rules; rule->tape; rule++) {
        pair p = apply(x, row, kind, rule);
        if (!p.param) {
            if (rule->optional) {
                continue;
            }
            return false;
        }
        if (!shape_in_file(&p, row->heads) || (strcmp(p.file_name, last.file_name) == 0 &&
                                               !reel_shape_equal(p.theirs, last.theirs))) {
            return false;
        }
        last = p;
    }
    return true;
}

/* The first that suits, else the first of the name; NULL for an unknown name. */
static const reel__foreign_kind *kind_of(const transfer *x, const reel_foreign_layer *row)
{
    const reel__foreign_kind *first = NULL;
    for (const reel__foreign_kind *kind = reel__foreign_kinds; kind->name; kind++) {
        if (kind->framework == x->options->framework && strcmp(kind->name, row->kind) == 0) {
            first = first ? first : kind;
            if (suits(x, row, kind)) {
                return kind;
            }
        }
    }
    return first;
}

static void refuse_kind(transfer *x, const char *name)
{
    char known[300] = "";
    size_t length = 0;
    const char *last = "";
    for (const reel__foreign_kind *kind = reel__foreign_kinds; kind->name; kind++) {
        if (kind->framework == x->options->framework && strcmp(kind->name, last) != 0) {
            length += (size_t)snprintf(known + length, sizeof known - length, " %s", kind->name);
            last = kind->name;
        }
    }
    reel__mismatch(&x->mismatches, "%.40s is none of%s", name, known);
}

/* ---- visiting all rules -------------------------------------------------------------------- */

typedef void visit(transfer *, const pair *);

/* Calls it for each rule whose parameter is on the tape. */
static void for_each_rule(transfer *x, visit *call)
{
    for (const reel_foreign_layer *row = x->options->layers; row && row->kind; row++) {
        const reel__foreign_kind *kind = kind_of(x, row);
        for (const reel__foreign_rule *rule = kind->rules; rule->tape; rule++) {
            pair p = apply(x, row, kind, rule);
            if (p.param && shape_in_file(&p, row->heads)) {
                call(x, &p);
            }
        }
    }
}

/* ---- checking ------------------------------------------------------------------------------ */

static void check_given(transfer *x, const pair *p)
{
    reel_array array;
    if (!reel_archive_find(x->given, p->file_name, &array)) {
        if (!p->rule->bias) {
            reel__mismatch(&x->mismatches, "%.200s is not in the file", p->file_name);
        }
        return;
    }
    x->named[x->params->count + reel__archive_index(x->given, p->file_name)] = true;
    if (!reel__is_floating(array.type)) {
        reel__mismatch(&x->mismatches, "%.200s is of type %s, not floating", p->file_name,
                       reel_array_type_name(array.type));
    } else if (!reel_shape_equal(array.shape, p->theirs)) {
        reel__mismatch(&x->mismatches, "%.200s is %s, %.200s %s needs %s", p->file_name,
                       REEL_SHAPE_TEXT(array.shape), p->tape_name, REEL_SHAPE_TEXT(p->param->shape),
                       REEL_SHAPE_TEXT(p->theirs));
    }
}

static void check_rule(transfer *x, const reel_foreign_layer *row, pair *p)
{
    if (!p->param) {
        if (!p->rule->optional) {
            reel__mismatch(&x->mismatches, "%.200s is not on the tape", p->tape_name);
        }
        return;
    }
    x->named[p->param_index] = true;
    if (!shape_in_file(p, row->heads)) {
        reel__mismatch(&x->mismatches, "%.200s %s is no %.40s's", p->tape_name,
                       REEL_SHAPE_TEXT(p->param->shape), row->kind);
        return;
    }
    size_t bytes = (size_t)reel_shape_size(p->theirs) * x->tape->element;
    x->buffer_size = bytes > x->buffer_size ? bytes : x->buffer_size;
    if (x->given) {
        check_given(x, p);
    }
}

static void check_rows(transfer *x)
{
    for (const reel_foreign_layer *row = x->options->layers; row && row->kind; row++) {
        const reel__foreign_kind *kind = kind_of(x, row);
        if (!kind) {
            refuse_kind(x, row->kind);
            continue;
        }
        for (const reel__foreign_rule *rule = kind->rules; rule->tape; rule++) {
            pair p = apply(x, row, kind, rule);
            check_rule(x, row, &p);
        }
    }
}

static void check_unnamed(transfer *x)
{
    for (size_t i = 0; i < x->named_count; i++) {
        size_t params = x->params->count;
        if (!x->named[i] && !x->options->partial) {
            reel__mismatch(&x->mismatches, "%.200s %s is named by no row",
                           i < params ? x->params->entries[i].name
                                      : x->given->entries[i - params].name,
                           i < params ? "of the tape" : "of the file");
        }
    }
}

/* ---- moving -------------------------------------------------------------------------------- */

static void add(reel_dtype dtype, char *to, const char *from)
{
    if (dtype == REEL_F64) {
        *(double *)(void *)to += *(const double *)(const void *)from;
    } else {
        *(float *)(void *)to += *(const float *)(const void *)from;
    }
}

/* Where element [r, c] of the parameter is in the file's tensor; -1: nowhere. */
static int64_t place_there(const pair *p, int64_t r, int64_t c)
{
    const reel__foreign_rule *rule = p->rule;
    const char *blocks = blocks_of(rule);
    int64_t width = p->columns / (int64_t)strlen(blocks);
    char block = blocks[c / width];
    if (block == '.') {
        return -1;
    }
    int64_t column = (block - '0') * width + c % width;
    return rule->transposed ? column * p->rows + r
                            : (r + rule->row) * width * blocks_there(rule) + column;
}

static void move(const transfer *x, const pair *p, char *theirs)
{
    size_t element = x->tape->element;
    char *ours = x->tape->flat_values + p->param->offset * element;
    bool import = x->given != NULL, added = p->rule->added;
    for (int64_t r = 0; r < p->rows; r++) {
        for (int64_t c = 0; c < p->columns; c++, ours += element) {
            int64_t place = place_there(p, r, c);
            char *there = theirs + (size_t)place * element;
            if (place < 0 || (added && !import)) {
                continue;
            }
            if (added) {
                add(x->tape->options.dtype, ours, there);
            } else {
                memcpy(import ? ours : there, import ? there : ours, element);
            }
        }
    }
}

static void import_rule(transfer *x, const pair *p)
{
    reel_array array;
    memset(x->buffer, 0, x->buffer_size);
    if (reel_archive_find(x->given, p->file_name, &array)) {
        reel__write_numbers(x->tape, x->buffer, 0, array);
    }
    move(x, p, x->buffer);
}

static void export_rule(transfer *x, const pair *p)
{
    reel_array array;
    if (!reel_archive_find(x->made, p->file_name, &array)) {
        memset(x->buffer, 0, x->buffer_size);
        array = (reel_array){ .type = x->tape->options.dtype == REEL_F64 ? REEL_ARRAY_F64
                                                                         : REEL_ARRAY_F32,
                              .shape = p->theirs,
                              .data = x->buffer };
        if (reel_archive_add(x->made, p->file_name, array) != REEL_OK) {
            return;
        }
        reel_archive_find(x->made, p->file_name, &array);
    }
    move(x, p, (char *)(uintptr_t)array.data);
}

/* ---- the whole ----------------------------------------------------------------------------- */

static reel_status transfer_begin(transfer *x)
{
    x->params = reel__tape_archive(x->tape);
    if (!x->params || !reel__lend_params(x->params, "", x->tape)) {
        return reel__pass_error(x->tape, x->caller, x->params);
    }
    x->named_count = x->params->count + reel_archive_count(x->given);
    x->named = reel__archive_take(x->params, x->named_count + 1);
    if (!x->named) {
        return reel__pass_error(x->tape, x->caller, x->params);
    }
    memset(x->named, 0, x->named_count + 1);
    check_rows(x);
    check_unnamed(x);
    if (reel__mismatch_text(&x->mismatches)[0]) {
        reel_fail(x->tape, REEL_BAD_SHAPE, x->caller, "it does not fit: %s", x->mismatches.text);
        return REEL_BAD_SHAPE;
    }
    x->buffer = reel__archive_take(x->params, x->buffer_size);
    return reel__pass_error(x->tape, x->caller, x->params);
}

static bool is_numbered(const reel_archive *a)
{
    for (size_t i = 0; i < a->count; i++) {
        if (strstr(a->entries[i].name, "vars/")) {
            return true;
        }
    }
    return false;
}

reel_status reel_import_archive(reel_tape *t, const reel_archive *a, reel_foreign_options options)
{
    if (!t) {
        return REEL_BAD_HANDLE;
    }
    if (reel__pass_error(t, "import", a) != REEL_OK) {
        return reel_archive_status(a);
    }
    transfer x = {
        .tape = t, .caller = "import", .options = &options, .numbered = is_numbered(a), .given = a
    };
    reel_flat flat;
    reel_status status = transfer_begin(&x);
    if (status == REEL_OK) {
        status = reel_flat_begin(t, &flat);
    }
    if (status == REEL_OK) {
        for_each_rule(&x, import_rule);
        reel_flat_end(t, true);
    }
    reel_archive_free(x.params);
    reel__forget_site(t);
    return status;
}

reel_status reel_import(reel_tape *t, const char *path, reel_foreign_options options)
{
    if (!t) {
        return REEL_BAD_HANDLE;
    }
    reel_archive *a =
        reel_archive_open(path, (reel_archive_options){ .allocator = t->options.allocator });
    reel_status status = reel_import_archive(t, a, options);
    reel_archive_free(a);
    return status;
}

reel_status reel_export(reel_tape *t, const char *path, reel_foreign_options options)
{
    size_t length = path ? strlen(path) : 0;
    if (!t) {
        return REEL_BAD_HANDLE;
    }
    transfer x = { .tape = t,
                   .caller = "export",
                   .options = &options,
                   .numbered = length >= 3 && strcmp(path + length - 3, ".h5") == 0,
                   .made = reel__tape_archive(t) };
    reel_status status = x.made ? transfer_begin(&x) : REEL_OUT_OF_MEMORY;
    if (status == REEL_OK) {
        for_each_rule(&x, export_rule);
        reel_archive_write(x.made, path);
        status = reel__pass_error(t, "export", x.made);
    }
    reel_archive_free(x.params);
    reel_archive_free(x.made);
    reel__forget_site(t);
    return status;
}

/* emit_c.c: writes a recorded program as one file of C. Views cost nothing, as on the tape: they
 * are other strides into the same array. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "emit_ops.h"
#include "file.h"

static const char who[] = "emit_c";

/* ---- names and numbers ----------------------------------------------------------------------- */

/* Where item `position` has its memory. */
static void print_base(const reel__emitter *e, uint32_t position)
{
    const reel__listed *x = &e->list->item[position];
    int k = x->number - e->recorded->inputs;
    switch (x->kind) {
    case REEL__LISTED_INPUT:
        fprintf(e->out, k < 0 ? "x%d" : "s->state%d", k < 0 ? x->number : k);
        return;
    case REEL__LISTED_CALL:
        fprintf(e->out, "s->v%u", position);
        return;
    case REEL__LISTED_PARAMETER:
    case REEL__LISTED_CONSTANT:
        fprintf(e->out, "%s_c%u", e->name, position);
        return;
    }
}

void reel__emit_base(const reel__emitter *e, const reel__listed *x)
{
    print_base(e, x->storage);
    fprintf(e->out, "[%" PRId64, x->offset);
}

void reel__emit_element(const reel__emitter *e, const reel__listed *x, const int axis[])
{
    reel__emit_base(e, x);
    for (int i = 0; i < x->shape.rank; i++) {
        if (axis[i] >= 0 && x->shape.dim[i] != 1 && x->stride[i] != 0) {
            fprintf(e->out, " + i%d * %" PRId64, axis[i], x->stride[i]);
        }
    }
    fprintf(e->out, "]");
}

void reel__emit_broadcast(const reel__emitter *e, const reel__listed *x, int rank)
{
    int axis[REEL_MAX_RANK];
    for (int i = 0; i < x->shape.rank; i++) {
        axis[i] = i + rank - x->shape.rank;
    }
    reel__emit_element(e, x, axis);
}

void reel__emit_loops(const reel__emitter *e, const reel_shape *shape, int without)
{
    fprintf(e->out, "    ");
    for (int i = 0; i < shape->rank; i++) {
        if (i != without && shape->dim[i] != 1) {
            fprintf(e->out, "for (long i%d = 0; i%d < %" PRId64 "; i%d++) ", i, i, shape->dim[i],
                    i);
        }
    }
}

void reel__emit_number(FILE *out, double value)
{
    if (isnan(value)) {
        fprintf(out, "(REAL)NAN");
    } else if (isinf(value)) {
        fprintf(out, value < 0 ? "-(REAL)INFINITY" : "(REAL)INFINITY");
    } else {
        fprintf(out, "(REAL)%.17e", value); /* "-0" would be a whole number */
    }
}

static void print_values(const reel__emitter *e, const reel__listed *x, const void *data)
{
    bool wide = e->list->tape->options.dtype == REEL_F64;
    for (int64_t i = 0; i < x->size; i++) {
        fprintf(e->out, "%s", i % 8 == 0 ? "\n    " : " ");
        if (x->index) {
            fprintf(e->out, "%" PRId32, ((const int32_t *)data)[i]);
        } else if (wide) {
            reel__emit_number(e->out, ((const double *)data)[i]);
        } else if (isfinite(((const float *)data)[i])) {
            fprintf(e->out, "%.9eF",
                    (double)((const float *)data)[i]); /* "1F" would be no number */
        } else {
            reel__emit_number(e->out, (double)((const float *)data)[i]);
        }
        fprintf(e->out, ",");
    }
}

static void print_constant(const reel__emitter *e, uint32_t position)
{
    const reel__listed *x = &e->list->item[position];
    fprintf(e->out, "static const %s %s_c%u[] = { /* %s %s */", x->index ? "int32_t" : "REAL",
            e->name, position, x->name ? "parameter" : "data", REEL_SHAPE_TEXT(x->shape));
    print_values(e, x, x->data);
    fprintf(e->out, "%s\n};\n\n", x->size ? "" : " 0");
}

/* ---- the file -------------------------------------------------------------------------------- */

static void print_head(const reel__emitter *e)
{
    bool wide = e->list->tape->options.dtype == REEL_F64;
    fprintf(e->out,
            "/* Written by reel. C99; needs libm.\n"
            " *\n"
            " *     static %s_state state;\n"
            " *     %s_init(&state);\n"
            " *     %s_step(&state, …);    for each step; the state is kept in between\n"
            " */\n"
            "#include <math.h>\n#include <stdint.h>\n#include <string.h>\n\n"
            "#define REAL %s\n#define F(name) name%s\n\n",
            e->name, e->name, e->name, wide ? "double" : "float", wide ? "" : "##f");
}

static void print_state(const reel__emitter *e)
{
    fprintf(e->out, "typedef struct {\n");
    int64_t members = 0;
    for (uint32_t i = 0; i < e->list->count; i++) {
        const reel__listed *y = &e->list->item[i];
        int k = y->number - e->recorded->inputs;
        bool state = y->kind == REEL__LISTED_INPUT && k >= 0;
        if ((y->kind == REEL__LISTED_CALL && y->storage == i) || state) {
            int64_t n = y->packs ? reel__listed_input(e->list, y, 0)->size : y->size;
            fprintf(e->out, "    %s %s%d[%" PRId64 "]; /* %s %s */\n",
                    y->index ? "int32_t" : "REAL", state ? "state" : "v", state ? k : (int)i,
                    n ? n : 1, state ? "kept" : y->op->name, REEL_SHAPE_TEXT(y->shape));
            members++;
        }
    }
    fprintf(e->out, "%s} %s_state;\n\n", members ? "" : "    char nothing;\n", e->name);
}

static void print_calls(reel__emitter *e, bool fixed)
{
    for (uint32_t i = 0; i < e->list->count; i++) {
        const reel__listed *y = &e->list->item[i];
        if (y->kind == REEL__LISTED_CALL && y->fixed == fixed && y->size > 0) {
            if (y->packs) {
                fprintf(e->out, "    /* a copy for %s */\n", y->op->name);
                reel__emit_copy(e, i);
            } else if (y->op->view == NULL) {
                fprintf(e->out, "    /* %s %s */\n", y->op->name, REEL_SHAPE_TEXT(y->shape));
                reel__emit_op(e, i);
            }
        }
    }
}

static const reel__listed *state_item(const reel__emitter *e, int k)
{
    for (uint32_t i = 0; i < e->list->count; i++) {
        if (e->list->item[i].number == e->recorded->inputs + k) {
            return &e->list->item[i];
        }
    }
    return NULL;
}

static void print_init(reel__emitter *e)
{
    for (int k = 0; k < e->recorded->states; k++) {
        const void *from = reel__initial_state(e->recorded, k);
        if (from) {
            fprintf(e->out, "static const %s %s_start%d[] = {",
                    state_item(e, k)->index ? "int32_t" : "REAL", e->name, k);
            print_values(e, state_item(e, k), from);
            fprintf(e->out, "%s\n};\n\n", state_item(e, k)->size ? "" : " 0");
        }
    }
    fprintf(e->out, "void %s_init(%s_state *s)\n{\n    memset(s, 0, sizeof *s);\n", e->name,
            e->name);
    for (int k = 0; k < e->recorded->states; k++) {
        if (reel__initial_state(e->recorded, k) && state_item(e, k)->size) {
            fprintf(e->out, "    memcpy(s->state%d, %s_start%d, sizeof s->state%d);\n", k, e->name,
                    k, k);
        }
    }
    print_calls(e, true);
    fprintf(e->out, "}\n\n");
}

/* An output, or a next state on its way, in dense order. */
static void print_result(reel__emitter *e, int output, const char *name)
{
    const reel__listed *y = &e->list->item[e->list->output[output]];
    int64_t stride = y->size;
    if (y->size == 0) {
        return;
    }
    reel__emit_loops(e, &y->shape, -1);
    fprintf(e->out, "%s[0", name);
    for (int i = 0; i < y->shape.rank; i++) {
        stride /= y->shape.dim[i];
        if (y->shape.dim[i] != 1) {
            fprintf(e->out, " + i%d * %" PRId64, i, stride);
        }
    }
    fprintf(e->out, "] = ");
    reel__emit_broadcast(e, y, y->shape.rank);
    fprintf(e->out, ";\n");
}

static void print_parameters(const reel__emitter *e)
{
    for (int i = 0; i < e->recorded->inputs; i++) {
        bool index = reel_is_index(e->recorded->input[i]);
        fprintf(e->out, ", const %s *x%d", index ? "int32_t" : "REAL", i);
    }
    for (int i = 0; i < e->recorded->outputs; i++) {
        bool index = e->list->item[e->list->output[i]].index;
        fprintf(e->out, ", %s *y%d", index ? "int32_t" : "REAL", i);
    }
}

/* All next states are read before the first state is written. */
static void print_step(reel__emitter *e)
{
    char name[32];
    int outputs = e->recorded->outputs, states = e->recorded->states;
    fprintf(e->out, "void %s_step(%s_state *s", e->name, e->name);
    print_parameters(e);
    fprintf(e->out, ")\n{\n");
    for (int k = 0; k < states; k++) {
        const reel__listed *state = state_item(e, k);
        fprintf(e->out, "    %s next%d[%" PRId64 "];\n", state->index ? "int32_t" : "REAL", k,
                state->size ? state->size : 1);
    }
    print_calls(e, false);
    for (int i = 0; i < outputs + states; i++) {
        snprintf(name, sizeof name, i < outputs ? "y%d" : "next%d", i < outputs ? i : i - outputs);
        print_result(e, i, name);
    }
    for (int k = 0; k < states; k++) {
        if (state_item(e, k)->size) {
            fprintf(e->out, "    memcpy(s->state%d, next%d, sizeof next%d);\n", k, k, k);
        }
    }
    fprintf(e->out, "    (void)s"); /* tensors without elements are not touched */
    for (int i = 0; i < e->recorded->inputs; i++) {
        fprintf(e->out, ", (void)x%d", i);
    }
    for (int i = 0; i < outputs; i++) {
        fprintf(e->out, ", (void)y%d", i);
    }
    fprintf(e->out, ";\n}\n");
}

static void print_file(reel__emitter *e)
{
    print_head(e);
    reel__emit_helpers(e);
    for (uint32_t i = 0; i < e->list->count; i++) {
        const reel__listed *x = &e->list->item[i];
        if (x->kind == REEL__LISTED_PARAMETER || x->kind == REEL__LISTED_CONSTANT) {
            print_constant(e, i);
        }
    }
    print_state(e);
    print_init(e);
    print_step(e);
}

/* ---- the call -------------------------------------------------------------------------------- */

static bool check_ops(reel_tape *t, const reel__listing *l)
{
    for (uint32_t i = 0; i < l->count; i++) {
        const reel__listed *y = &l->item[i];
        if (y->kind == REEL__LISTED_CALL && y->op->view == NULL && !reel__emit_knows(y->op)) {
            reel_fail(t, REEL_UNSUPPORTED, who, "no C is known for %s (node %u)", y->op->name,
                      y->node);
            return false;
        }
    }
    return true;
}

static bool is_name(const char *name)
{
    bool good = name[0] && !(name[0] >= '0' && name[0] <= '9');
    for (const char *c = name; *c; c++) {
        good = good && ((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
                        (*c >= '0' && *c <= '9') || *c == '_');
    }
    return good && strlen(name) < 64;
}

static bool print_stream(reel__emitter *e, reel__replacement *file)
{
    e->out = reel__replace_stream(file);
    if (!e->out) {
        return false;
    }
    print_file(e);
    bool fine = !ferror(e->out);
    int reason = errno;
    if (fclose(e->out) != 0 && fine) {
        reason = errno;
        fine = false;
    }
    if (!fine) {
        reel__failed(file->failure, REEL_FILE_ERROR, "cannot write all of it: %s",
                     strerror(reason));
    }
    return fine;
}

/* The file is replaced as a whole. */
static reel_status write_file(reel__emitter *e, const char *path)
{
    reel_tape *t = e->list->tape;
    reel__failure failure = { 0 };
    reel__replacement file;
    if (reel__replace_begin(&file, path, t->options.allocator, &failure)) {
        if (print_stream(e, &file)) {
            reel__replace_end(&file, 1);
        } else {
            reel__replace_abandon(&file);
        }
    }
    if (failure.status != REEL_OK) {
        reel_fail(t, failure.status, who, "%s: %.800s", path, failure.text);
    }
    return failure.status;
}

reel_status reel_emit_c(reel_tape *t, reel_recorded recorded, const char *path,
                        reel_emit_c_options options)
{
    const char *name = options.name ? options.name : "model";
    if (t == NULL || path == NULL || !is_name(name)) {
        reel_fail(t, REEL_BAD_ARGUMENT, who, "no path, or \"%.64s\" is no name in C", name);
        return REEL_BAD_ARGUMENT;
    }
    reel__listing list;
    reel__emitter e = { .list = &list, .recorded = &recorded, .name = name };
    bool fine = reel__list_recorded(t, who, &recorded, &list) && check_ops(t, &list);
    reel_status status = fine ? write_file(&e, path) : t->error.status;
    reel__listing_free(&list);
    return status;
}

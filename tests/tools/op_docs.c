/* op_docs.c: writes docs/ops.md, the page of all operations, out of the op table: what an entry
 * says of itself, and its samples as examples. */
#include <inttypes.h>
#include <string.h>

#include "support/sample.h"

typedef struct {
    reel_op_kind kind;
    const char *title, *text;
} section;

static const section sections[] = {
    { REEL_ELEMENTWISE, "Element by element",
      "Inputs broadcast as in NumPy; gradients are summed over the axes along which an input was "
      "broadcast." },
    { REEL_REDUCTION, "Along an axis", "A negative axis counts from the end." },
    { REEL_CONTRACTION, "Products", "" },
    { REEL_VIEW, "Views",
      "No data moves: the same numbers through another shape and other strides." },
    { REEL_GATHER, "By index", "Index tensors hold int32; see `reel_indices`." },
    { REEL_OTHER, "Others", "" },
};

/* Text in a table's cell: a bar would end it. */
static void print_cell(const char *text)
{
    for (; *text; text++) {
        fputs(*text == '|' ? "\\" : "", stdout);
        putchar(*text);
    }
}

/* ---- one sample, as a row -------------------------------------------------------------------- */

static void print_attribute(const reel_attribute *attribute, const void *attributes)
{
    const char *field = (const char *)attributes + attribute->offset;
    int64_t whole;
    double real;
    reel_shape shape;
    printf("%s = ", attribute->name);
    switch (attribute->type) {
    case REEL_ATTRIBUTE_INT:
        memcpy(&whole, field, sizeof whole);
        printf("%" PRId64, whole);
        break;
    case REEL_ATTRIBUTE_REAL:
        memcpy(&real, field, sizeof real);
        printf("%g", real);
        break;
    case REEL_ATTRIBUTE_SHAPE:
        memcpy(&shape, field, sizeof shape);
        printf("%s", REEL_SHAPE_TEXT(shape));
        break;
    }
}

static void print_call(const reel_op *op, const reel_sample *sample)
{
    for (int i = 0; i < sample->inputs; i++) {
        printf("%s%s%s", i ? ", " : "", REEL_SHAPE_TEXT(sample->x[i].shape),
               sample_is_index(op, i) ? " int32" : "");
    }
    for (const reel_attribute *a = op->attributes; sample->attributes && a && a->name; a++) {
        fputs(sample->inputs || a != op->attributes ? ", " : "", stdout);
        print_attribute(a, sample->attributes);
    }
}

static void print_outcome(const reel_op *op, const reel_sample *sample)
{
    reel_tape *t = reel_tape_new((reel_tape_options){ .threads = 1 });
    reel_var y = sample_record(t, op, sample, SAMPLE_PLAIN);
    if (sample->fails) {
        printf("error: ");
        print_cell(sample->fails);
    } else {
        printf("%s%s", REEL_SHAPE_TEXT(reel_shape_of(y)), reel_is_index(y) ? " int32" : "");
    }
    reel_tape_free(t);
}

static void print_samples(const reel_op *op)
{
    printf("\n| example | inputs | result |\n|---|---|---|\n");
    for (int i = 0; i < sample_count(op); i++) {
        printf("| ");
        print_cell(op->samples[i].label);
        printf(" | ");
        print_call(op, &op->samples[i]);
        printf(" | ");
        print_outcome(op, &op->samples[i]);
        printf(" |\n");
    }
}

/* ---- one op ---------------------------------------------------------------------------------- */

static const char *derivative_of(const reel_op *op)
{
    if (op->nondifferentiable) {
        return op->nondifferentiable;
    }
    if (op->index_output) {
        return "none, the result is whole numbers";
    }
    return op->flat ? "zero everywhere" : op->kinked ? "yes, with kinks" : "yes";
}

static void print_facts(const reel_op *op)
{
    printf("\n- inputs: ");
    if (op->inputs == REEL_VARIADIC) {
        printf("any number");
    } else {
        printf("%d", op->inputs);
    }
    for (const reel_attribute *a = op->attributes; a && a->name; a++) {
        static const char *const types[] = { "whole number", "real number", "shape" };
        printf("%s`%s` (%s)", a == op->attributes ? "\n- attributes: " : ", ", a->name,
               types[a->type]);
    }
    printf("\n- derivative: %s\n", derivative_of(op));
    if (op->random) {
        printf("- random: from the tape's seed and the call's own stream\n");
    }
}

static void print_op(const reel_op *op)
{
    printf("\n### %s\n\n%s\n", op->name, op->doc ? op->doc : "");
    print_facts(op);
    print_samples(op);
}

/* ---- the page -------------------------------------------------------------------------------- */

static void print_section(const section *s)
{
    printf("\n## %s\n", s->title);
    if (*s->text) {
        printf("\n%s\n", s->text);
    }
    for (const reel_op *const *op = reel_ops(); *op; op++) {
        if ((*op)->kind == s->kind) {
            print_op(*op);
        }
    }
}

static void print_index(const section *s)
{
    bool first = true;
    for (const reel_op *const *op = reel_ops(); *op; op++) {
        if ((*op)->kind == s->kind) {
            printf("%s[%s](#%s)", first ? "" : ", ", (*op)->name, (*op)->name);
            first = false;
        }
    }
}

int main(void)
{
    size_t n = sizeof sections / sizeof *sections;
    printf(
        "# Operations\n\n"
        "Written by `./dev docs` from the entries in ops/; do not edit. The prototypes, and what "
        "is "
        "composed of these, stand in [ops/ops.h](../ops/ops.h). Each example below is a test as "
        "well: "
        "of its value against NumPy, SciPy or PyTorch, and, where it has them, of its first and "
        "second "
        "derivative.\n");
    for (size_t i = 0; i < n; i++) {
        printf("\n**%s:** ", sections[i].title);
        print_index(&sections[i]);
        printf("\n");
    }
    for (size_t i = 0; i < n; i++) {
        print_section(&sections[i]);
    }
    return 0;
}

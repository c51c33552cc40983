/* dump_samples.c: writes every good sample of every op as JSON, one object a line, for
 * tests/golden/ops.py. Numbers are hexadecimal texts ("0x1.8p+0", "inf", "nan"), so no digit is
 * lost. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support/sample.h"

static void print_text(const char *text)
{
    putchar('"');
    for (; *text; text++) {
        if (*text == '"' || *text == '\\') {
            putchar('\\');
        }
        putchar(*text);
    }
    putchar('"');
}

static void print_number(double value)
{
    if (isnan(value)) {
        printf("\"nan\"");
    } else {
        printf("\"%a\"", value);
    }
}

static void print_shape(const reel_shape *shape)
{
    printf("[");
    for (int i = 0; i < shape->rank; i++) {
        printf("%s%" PRId64, i ? ", " : "", shape->dim[i]);
    }
    printf("]");
}

static void print_attribute(const reel_attribute *attribute, const void *attributes)
{
    const char *field = (const char *)attributes + attribute->offset;
    int64_t whole;
    double real;
    reel_shape shape;
    switch (attribute->type) {
    case REEL_ATTRIBUTE_INT:
        memcpy(&whole, field, sizeof whole);
        printf("%" PRId64, whole);
        break;
    case REEL_ATTRIBUTE_REAL:
        memcpy(&real, field, sizeof real);
        print_number(real);
        break;
    case REEL_ATTRIBUTE_SHAPE:
        memcpy(&shape, field, sizeof shape);
        print_shape(&shape);
        break;
    }
}

static void print_attributes(const reel_op *op, const void *attributes)
{
    void *zeros = calloc(1, op->attribute_size + 1);
    printf(", \"attributes\": {");
    for (const reel_attribute *a = op->attributes; zeros && a && a->name; a++) {
        printf("%s", a == op->attributes ? "" : ", ");
        print_text(a->name);
        printf(": ");
        print_attribute(a, attributes ? attributes : zeros);
    }
    printf("}");
    free(zeros);
}

static void print_input(const reel_op *op, const reel_sample *sample, int input)
{
    const reel_shape *shape = &sample->x[input].shape;
    double *values = sample_values(op, sample, input);
    int64_t n = reel_shape_size(*shape);
    printf("%s{\"index\": %s, \"shape\": ", input ? ", " : "",
           sample_is_index(op, input) ? "true" : "false");
    print_shape(shape);
    printf(", \"values\": [");
    for (int64_t i = 0; i < n; i++) {
        printf("%s", i ? ", " : "");
        print_number(values[i]);
    }
    printf("]}");
    free(values);
}

static void print_sample(const reel_op *op, const reel_sample *sample)
{
    printf("{\"op\": ");
    print_text(op->name);
    printf(", \"label\": ");
    print_text(sample->label);
    printf(", \"hash\": \"%016" PRIx64 "\", \"golden\": %s", sample_hash(op, sample),
           sample->no_golden ? "false" : "true");
    print_attributes(op, sample->attributes);
    printf(", \"inputs\": [");
    for (int i = 0; i < sample->inputs; i++) {
        print_input(op, sample, i);
    }
    printf("]}\n");
}

int main(void)
{
    for (const reel_op *const *op = reel_ops(); *op; op++) {
        for (int i = 0; i < sample_count(*op); i++) {
            if ((*op)->samples[i].fails == NULL) {
                print_sample(*op, &(*op)->samples[i]);
            }
        }
    }
    return 0;
}

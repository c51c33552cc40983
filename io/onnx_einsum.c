/* onnx_einsum.c: Einsum of one or two tensors, each label once in each: what is summed over, a
 * batched product, and the order of the axes. */
#ifdef REEL_HAVE_PROTOBUF_C
#include <string.h>

#include "../ops/ops.h"
#include "onnx_nodes.h"

typedef reel__onnx_run run;

/* A tensor with the label of each axis. */
typedef struct {
    reel_var v;
    char label[REEL_MAX_RANK + 1];
} labelled;

/* "ij, jk -> ik" without the spaces; what stands behind "->" in `to`. */
static bool read_equation(run *c, labelled x[2], char to[REEL_MAX_RANK + 1])
{
    const Onnx__AttributeProto *a = reel__onnx_attribute(c->node, "equation");
    char *out = x[0].label;
    size_t n = 0, operand = 0;
    for (size_t i = 0; a && i < a->s.len; i++) {
        char letter = (char)a->s.data[i];
        bool arrow = letter == '-' && i + 1 < a->s.len && a->s.data[i + 1] == '>';
        if (letter == ' ') {
            continue;
        }
        if (arrow || (letter == ',' && operand == 0)) {
            out = arrow ? to : x[++operand].label;
            i += arrow;
            n = 0;
            continue;
        }
        bool good = (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z');
        if (!good || n == REEL_MAX_RANK || memchr(out, letter, n)) {
            return reel__onnx_refuse(c, "an equation with more than labels, each once");
        }
        out[n++] = letter;
    }
    return (a && out == to && (int)operand + 1 == c->inputs) ||
           reel__onnx_refuse(c, "an equation without \"->\" or of other inputs");
}

static bool check_ranks(run *c, labelled x[2])
{
    for (int i = 0; i < c->inputs; i++) {
        x[i].v = reel__onnx_var(c, i);
        if (reel_shape_of(x[i].v).rank != (int)strlen(x[i].label)) {
            return reel__onnx_refuse(c, "an equation for other ranks");
        }
    }
    return !c->failed;
}

/* Labels that stand neither in `a` nor in `b` are summed over. */
static void sum_over_others(labelled *x, const char *a, const char *b)
{
    for (int i = (int)strlen(x->label) - 1; i >= 0; i--) {
        if (!strchr(a, x->label[i]) && !strchr(b, x->label[i])) {
            x->v = reel_sum(x->v, i);
            memmove(x->label + i, x->label + i + 1, strlen(x->label + i));
        }
    }
}

static reel_var in_order(const labelled *x, const char *order)
{
    int axes[REEL_MAX_RANK] = { 0 }, n = (int)strlen(order);
    for (int i = 0; i < n; i++) {
        const char *at = strchr(x->label, order[i]);
        axes[i] = at ? (int)(at - x->label) : n; /* out of range: an error */
    }
    return n < 2 ? x->v : reel_permute_n(x->v, n, axes);
}

/* Labels of `from` that are in `in` (or are not), behind what is in `to`. */
static void add_labels(char *to, const char *from, const char *in, bool are)
{
    size_t n = strlen(to);
    for (; *from; from++) {
        if ((strchr(in, *from) != NULL) == are) {
            to[n++] = *from;
        }
    }
    to[n] = '\0';
}

static int64_t size_of(const labelled *x, const char *labels)
{
    int64_t size = 1;
    for (; *labels; labels++) {
        size *= reel_shape_of(x->v).dim[strchr(x->label, *labels) - x->label];
    }
    return size;
}

/* [batch, rows, inner]·[batch, inner, columns], each of them several labels */
static labelled product(const labelled *a, const labelled *b, const char *to)
{
    char batch[2 * REEL_MAX_RANK + 1] = "", inner[2 * REEL_MAX_RANK + 1] = "";
    char rows[REEL_MAX_RANK + 1] = "", columns[REEL_MAX_RANK + 1] = "",
                              common[REEL_MAX_RANK + 1] = "";
    char left[3 * REEL_MAX_RANK + 1], right[3 * REEL_MAX_RANK + 1];
    labelled y = { 0 };
    add_labels(common, a->label, b->label, true);
    add_labels(batch, common, to, true);
    add_labels(inner, common, to, false);
    add_labels(rows, a->label, b->label, false);
    add_labels(columns, b->label, a->label, false);
    snprintf(left, sizeof left, "%s%s%s", batch, rows, inner);
    snprintf(right, sizeof right, "%s%s%s", batch, inner, columns);
    int64_t n = size_of(a, batch), k = size_of(a, inner);
    reel_var l = reel_reshape(in_order(a, left), REEL_SHAPE(n, size_of(a, rows), k));
    reel_var r = reel_reshape(in_order(b, right), REEL_SHAPE(n, k, size_of(b, columns)));
    reel_shape shape = { 0 };
    size_t used = 0;
    const char *all[] = { batch, rows, columns };
    const labelled *of[] = { a, a, b };
    for (int part = 0; part < 3; part++) {
        for (const char *label = all[part]; *label && used < REEL_MAX_RANK; label++) {
            y.label[used++] = *label;
            shape.dim[shape.rank++] = size_of(of[part], (char[]){ *label, '\0' });
        }
    }
    y.v = reel_reshape(reel_matmul(l, r), shape);
    return y;
}

static bool same_lengths(run *c, const labelled *a, const labelled *b)
{
    for (const char *label = a->label; *label; label++) {
        char one[] = { *label, '\0' };
        if (strchr(b->label, *label) && size_of(a, one) != size_of(b, one)) {
            return reel__onnx_refuse(c, "one label for different lengths");
        }
    }
    return true;
}

bool reel__onnx_einsum(run *c)
{
    labelled x[2] = { { .label = "" } };
    char to[REEL_MAX_RANK + 1] = "", seen[2 * REEL_MAX_RANK + 1] = "";
    if (c->inputs > 2 || !read_equation(c, x, to) || !check_ranks(c, x)) {
        return reel__onnx_refuse(c, "of more than two tensors");
    }
    add_labels(seen, x[0].label, x[1].label, false);
    add_labels(seen, x[1].label, "", false);
    for (const char *label = to; *label; label++) {
        if (!strchr(seen, *label)) {
            return reel__onnx_refuse(c, "a label of the output alone");
        }
    }
    sum_over_others(&x[0], to, x[1].label);
    sum_over_others(&x[1], to, x[0].label);
    if (c->inputs == 2 && !same_lengths(c, &x[0], &x[1])) {
        return false;
    }
    labelled y = c->inputs == 2 ? product(&x[0], &x[1], to) : x[0];
    return reel__onnx_put(c, 0, in_order(&y, to));
}
#else
typedef int reel__no_onnx_einsum; /* a translation unit is never empty */
#endif

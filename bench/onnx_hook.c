/* onnx_hook.c: linked to an example, exports what the example reads, for onnx_check.py.
 *
 * The linker's --wrap gives the calls of the example, and of the library on its behalf, to the
 * functions here. A value read or differentiated is exported together with the numbers that went in
 * and came out, once with its loops unrolled and once with them as Scan; unless something random is
 * part of it (a loss under dropout), or the same kind of value was exported often enough. Files go
 * to $REEL_ONNX_DIR and are named $REEL_ONNX_NAME_0, $REEL_ONNX_NAME_0_scan, … */
#include <stdlib.h>
#include <string.h>

#include "io/listing.h"
#include "tests/support/onnx_case.h"

double __real_reel_item(reel_var);
reel_status __real_reel_read(reel_var, float *, size_t);
reel_status __real_reel_read_f64(reel_var, double *, size_t);
reel_status __real_reel_read_indices(reel_var, int32_t *, size_t);
void __real_reel_draw(reel_var, FILE *);
void __real_reel_backward(reel_var);
double __wrap_reel_item(reel_var);
reel_status __wrap_reel_read(reel_var, float *, size_t);
reel_status __wrap_reel_read_f64(reel_var, double *, size_t);
reel_status __wrap_reel_read_indices(reel_var, int32_t *, size_t);
void __wrap_reel_draw(reel_var, FILE *);
void __wrap_reel_backward(reel_var);

enum { MOST_KINDS = 64, MOST_OF_A_KIND = 2, MOST_NODES = 40000 };

/* Values of one kind: read off the same op, as many axes, while training or not. */
typedef struct {
    const reel_op *op;
    int rank, count;
    bool training, refused;
} kind;
static kind kinds[MOST_KINDS];
static bool busy;
static int written;

static kind *kind_of(reel_var v, const reel_op *op)
{
    int rank = reel_shape_of(v).rank;
    bool training = reel_is_training(v.tape);
    for (kind *k = kinds; k < kinds + MOST_KINDS; k++) {
        if (k->op == NULL) {
            *k = (kind){ op, rank, 0, training, false };
        }
        if (k->op == op && k->rank == rank && k->training == training) {
            return k;
        }
    }
    return NULL;
}

/* Data of more than one number are the model's inputs, as many as there may be. */
static int list_inputs(const reel__listing *l, reel_var x[MOST_PORTS], bool *random)
{
    int n = 0;
    *random = false;
    for (uint32_t i = 0; i < l->count; i++) {
        const reel__listed *y = &l->item[i];
        *random = *random || (y->kind == REEL__LISTED_CALL && y->op->random);
        if (y->kind == REEL__LISTED_CONSTANT && y->size > 1 && n < MOST_PORTS) {
            x[n++] = reel__handle(l->tape, y->node);
        }
    }
    return n;
}

/* Of a choice what was chosen from, too: equal indices say little. */
static int list_outputs(reel_var v, reel_var y[2])
{
    uint32_t index;
    y[0] = v;
    if (!reel_is_index(v) || !reel__resolve(v.tape, v, "onnx_hook", &index) ||
        reel__node_at(v.tape, index)->inputs == 0) {
        return 1;
    }
    y[1] = reel__handle(v.tape, reel__inputs_of(v.tape, reel__node_at(v.tape, index))[0]);
    return 2;
}

static void export(reel_var v, kind *k)
{
    reel__listing l;
    reel_var x[MOST_PORTS], y[2];
    char name[256];
    bool random, fits = reel__list_nodes(v.tape, "onnx_hook", 0, NULL, 1, &v, &l);
    const reel__listed *last = fits ? &l.item[l.output[0]] : NULL;
    fits = fits && l.count <= MOST_NODES && last->kind == REEL__LISTED_CALL;
    int inputs = fits ? list_inputs(&l, x, &random) : 0;
    reel__listing_free(&l);
    if (!fits || random) {
        return;
    }
    k->count++;
    for (int scan = 0; scan < 2; scan++) {
        reel_onnx_options options = { .loops = scan ? REEL_ONNX_SCAN : REEL_ONNX_UNROLLED };
        snprintf(name, sizeof name, "%s_%d%s", getenv("REEL_ONNX_NAME"), written,
                 scan ? "_scan" : "");
        onnx_case_write(getenv("REEL_ONNX_DIR"), name, inputs, x, list_outputs(v, y), y, options);
        k->refused = reel_tape_status(v.tape) != REEL_OK;
        reel_tape_clear(v.tape);
    }
    written++;
    fflush(stdout);
}

static void look_at(reel_var v)
{
    uint32_t index;
    if (busy || getenv("REEL_ONNX_DIR") == NULL || reel_shape_of(v).rank < 0 ||
        reel_tape_status(v.tape) != REEL_OK || !reel__resolve(v.tape, v, "onnx_hook", &index) ||
        index < v.tape->written_at) { /* the file would have the parameters as they are now */
        return;
    }
    kind *k = kind_of(v, reel__node_at(v.tape, index)->op);
    if (k == NULL || k->count == MOST_OF_A_KIND || k->refused) {
        return;
    }
    busy = true;
    export(v, k);
    busy = false;
}

double __wrap_reel_item(reel_var v)
{
    look_at(v);
    return __real_reel_item(v);
}

reel_status __wrap_reel_read(reel_var v, float *out, size_t n)
{
    look_at(v);
    return __real_reel_read(v, out, n);
}

reel_status __wrap_reel_read_f64(reel_var v, double *out, size_t n)
{
    look_at(v);
    return __real_reel_read_f64(v, out, n);
}

reel_status __wrap_reel_read_indices(reel_var v, int32_t *out, size_t n)
{
    look_at(v);
    return __real_reel_read_indices(v, out, n);
}

void __wrap_reel_draw(reel_var v, FILE *out)
{
    look_at(v);
    __real_reel_draw(v, out);
}

void __wrap_reel_backward(reel_var v)
{
    look_at(v);
    __real_reel_backward(v);
}

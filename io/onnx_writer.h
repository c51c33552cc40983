/* onnx_writer.h: a recording on its way into an ONNX graph. Not installed. */
#ifndef REEL_ONNX_WRITER_H
#define REEL_ONNX_WRITER_H

#include "onnx_loops.h"
#include "onnx_operators.h"

typedef struct {
    reel__onnx_graph g;
    reel__listing list;
    reel__onnx_loops loops;
    const char *const *input_names;
    const char **name; /* of each item of the list, outside of bodies; NULL: not written yet */
} reel__onnx_writer;

static inline int32_t reel__onnx_type_of(const reel__listing *l, const reel__listed *y)
{
    return y->index ? REEL__ONNX_INT32 : reel__onnx_real_type(l->tape);
}

/* Writes the op on inputs of these names; NULL, and an error where ONNX has no such op. */
const char *reel__onnx_write_op(reel__onnx_writer *, const reel__listed *, const char *const x[]);

/* onnx_export_scan.c: a loop as one Scan; all that it reads has been written. */
bool reel__onnx_write_scan(reel__onnx_writer *, uint32_t loop);
/* What was written, or is taken out of the stack of a loop that was. */
const char *reel__onnx_name_of(reel__onnx_writer *, uint32_t position);
/* A stack along axis 0 of copies of one item that follow each other: the loop's stack or a part of
 * it; NULL: it is none. */
const char *reel__onnx_stack_of(reel__onnx_writer *, const reel__listed *);

#endif

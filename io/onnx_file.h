/* onnx_file.h: an ONNX file in memory, checked as far as a file can be without knowing operators.
 * Not installed. */
#ifndef REEL_ONNX_FILE_H
#define REEL_ONNX_FILE_H

#include "../graph/tape.h"
#include "onnx/onnx.pb-c.h"

/* Parses into the arena; NULL and an error where the bytes are no model. */
Onnx__ModelProto *reel__onnx_unpack(reel_tape *, const char *who, reel__arena *, const void *bytes,
                                    size_t size);
/* A whole file in the arena; NULL and an error where it can't be read. */
void *reel__onnx_read(reel_tape *, const char *who, reel__arena *, const char *path, size_t *size);

/* The numbers of a tensor, dense: `real` in double, `whole` otherwise. */
typedef struct {
    reel_shape shape;
    bool is_real, is_truth;
    const double *real;
    const int64_t *whole;
} reel__onnx_data;
/* Checks dimensions and size before it takes memory. `folder` holds external data; NULL: none may
 * be. */
bool reel__onnx_data_of(reel_tape *, const char *who, reel__arena *, const Onnx__TensorProto *,
                        const char *folder, reel__onnx_data *);

#endif

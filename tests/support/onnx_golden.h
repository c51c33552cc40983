/* onnx_golden.h: ONNX models with what ONNX Runtime makes of them, from files of tests/golden.
 *
 *     case NAME | model HEX | in NAME f|i RANK DIMS NUMBERS | out … | fails WORDS | refuses WORDS
 *
 * `fails` are the words of the error in loading the model, `refuses` those in running it. */
#ifndef REEL_TEST_ONNX_GOLDEN_H
#define REEL_TEST_ONNX_GOLDEN_H

#include "graph/graph.h"

enum { GOLDEN_PORTS = 8, GOLDEN_NUMBERS = 512 };

typedef struct {
    char name[16];
    bool index;
    reel_shape shape;
    double values[GOLDEN_NUMBERS];
} golden_tensor;

typedef struct {
    char name[64], fails[128], refuses[128];
    unsigned char *model;
    size_t size;
    int inputs, outputs;
    golden_tensor input[GOLDEN_PORTS], output[GOLDEN_PORTS];
} golden_model;

/* Calls `each` for every case of a file; says how many there were. The program ends where the file
 * is not as it should be. */
int golden_models_for_each(const char *file, void (*each)(const golden_model *));

/* The tensor on a tape. */
reel_var golden_tensor_give(reel_tape *, const golden_tensor *);

/* The largest difference of the model's outputs from those of the case, relative to the number or
 * 1, over two runs; infinity, with the reason on the tape, where it cannot be run. */
double golden_model_distance(reel_tape *, const golden_model *);

#endif

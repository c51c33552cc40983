/* onnx_case.h: an exported model with the numbers that went in and came out, for
 * bench/onnx_check.py to compare with ONNX Runtime.
 *
 * Beside NAME.onnx lie NAME.in and NAME.out: one tensor a line, as name, f (single), d (double) or
 * i (int32), rank, dimensions, numbers. */
#ifndef REEL_TEST_ONNX_CASE_H
#define REEL_TEST_ONNX_CASE_H

#include <stdio.h>

#include "io/onnx.h"

enum { MOST_PORTS = 64 };

void onnx_case_print(FILE *, const char *name, reel_var);

/* Opens DIRECTORY/NAME ENDING; ends the program when it cannot. */
FILE *onnx_case_open(const char *directory, const char *name, const char *ending, const char *mode);

/* Writes the three files and prints the name; inputs are x0, x1, …, outputs y0, y1, … On stderr,
 * instead, what the tape has to say. */
void onnx_case_write(const char *directory, const char *name, int inputs, const reel_var x[],
                     int outputs, const reel_var y[], reel_onnx_options);

/* Every parameter is moved a little: those that start at zero would hide their order. */
void onnx_case_stir(reel_tape *, uint64_t seed);

/* Numbers in [-2, 2]. */
reel_var onnx_case_input(reel_tape *, reel_shape, uint64_t seed);

#endif

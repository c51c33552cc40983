/* sample.h: an op's samples as numbers and as calls. The tests over the op table, the tool that
 * writes samples down for the golden script and the page docs/ops.md all see a sample through
 * this. */
#ifndef REEL_TEST_SAMPLE_H
#define REEL_TEST_SAMPLE_H

#include "graph/op.h"

/* How many samples an op has, bad ones included. */
int sample_count(const reel_op *);

bool sample_is_index(const reel_op *, int input);

/* The numbers of one input, in row-major order; free() them. Without values of its own a
 * sample's input is uniform in [lo, hi], drawn from splitmix64 seeded by the FNV hash of
 * "op/label/input". */
double *sample_values(const reel_op *, const reel_sample *, int input);

/* Of everything that decides the right answer: attributes, shapes, numbers. Golden rows carry
 * it, so that a changed sample is seen to have changed. */
uint64_t sample_hash(const reel_op *, const reel_sample *);

/* True when an input holds NaN or infinity, or what is infinite in the type. */
bool sample_is_special(const reel_op *, const reel_sample *, reel_dtype);

/* How an input is handed over; to be joined with |. */
typedef enum {
    SAMPLE_PLAIN = 0,
    SAMPLE_STRIDED = 1, /* as a flipped, transposed slice out of a larger tensor */
    SAMPLE_ROUNDED = 2  /* its numbers rounded to float, for comparing f32 with f64 */
} sample_form;

/* Records input `input` as a leaf or as a view of one, and the whole call. */
reel_var sample_input(reel_tape *, const reel_op *, const reel_sample *, int input, sample_form);
reel_var sample_record(reel_tape *, const reel_op *, const reel_sample *, sample_form);

/* "tanh, sample \"middle and tails\"", for messages. */
#define SAMPLE_NAME_SIZE 256
const char *sample_name(char out[SAMPLE_NAME_SIZE], const reel_op *, const reel_sample *);
#define SAMPLE_NAME(op, sample) sample_name((char[SAMPLE_NAME_SIZE]){ 0 }, (op), (sample))

#endif

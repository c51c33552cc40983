/* digits.h: 1,797 handwritten digits of 8×8 pixels (Alpaydin & Kaynak 1998; the copy that
 * scikit-learn brings), and the two networks that learn them. */
#ifndef DIGITS_H
#define DIGITS_H

#include <reel.h>

#include <stdbool.h>
#include <stdint.h>

enum { SIDE = 8, PIXELS = SIDE * SIDE, MOST_DIGITS = 2000 };

typedef struct {
    float pixel[MOST_DIGITS][PIXELS]; /* 0 … 1 */
    int32_t digit[MOST_DIGITS];
    int count;
} digits;

/* Every fifth image is held out. */
typedef struct {
    digits learnt, held_out;
} digit_sets;

/* Lines of 64 numbers 0 … 16 and the digit. False where that is not what the file holds. */
bool digits_read(const char *path, digit_sets *);
/* Image i of a random order that is the same for the same `epoch`. */
int digits_at(const digits *, int epoch, int i);

/* Both return the share of the held-out images they get right, and print it epoch by epoch. */
double learn_to_spell(const digit_sets *, int epochs);
double learn_by_rows(const digit_sets *, int epochs);

#endif

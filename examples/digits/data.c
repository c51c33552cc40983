/* data.c: reading the images, and the order in which they are learnt. */
#include <stdio.h>

#include "digits.h"

static bool read_digit(FILE *file, digits *d)
{
    float *pixel = d->pixel[d->count];
    for (int i = 0; i < PIXELS; i++) {
        if (fscanf(file, "%f,", &pixel[i]) != 1) {
            return false;
        }
        pixel[i] /= 16;
    }
    return fscanf(file, "%d", &d->digit[d->count]) == 1 && d->digit[d->count] >= 0 &&
           d->digit[d->count] < 10;
}

bool digits_read(const char *path, digit_sets *sets)
{
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        return false;
    }
    sets->learnt.count = sets->held_out.count = 0;
    for (int i = 0; i < MOST_DIGITS; i++) {
        digits *d = i % 5 == 4 ? &sets->held_out : &sets->learnt;
        if (!read_digit(file, d)) {
            break;
        }
        d->count++;
    }
    bool whole = feof(file) && sets->held_out.count > 0;
    fclose(file);
    return whole;
}

/* i·step + epoch runs through all images once, because a prime step shares no factor with their
 * number. */
int digits_at(const digits *d, int epoch, int i)
{
    static const int primes[] = { 2003, 2011, 2017, 2027, 2029, 2039, 2053, 2063 };
    int64_t step = primes[epoch % (int)(sizeof primes / sizeof primes[0])];
    return (int)((i * step + 37 * epoch) % d->count);
}

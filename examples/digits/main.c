/* digits: handwritten digits, twice.
 *
 *     digits [--short] [FILE]
 *
 * One to many: the image of a digit is spelled out, "s e v e n", letter by letter (spell.c). Many to
 * one: the image is read row by row and named at the end (rows.c). FILE is build/data/digits.csv,
 * which ./dev data fetches. Exit status 1: less was reached than was to be expected.
 */
#include <stdio.h>
#include <string.h>

#include "digits.h"

typedef struct {
    int epochs;
    double spelled, by_rows; /* what has to be reached on the held-out fifth */
} goal;

static const goal full = { 30, 0.95, 0.96 }, quick = { 12, 0.95, 0.93 };

static digit_sets sets;

int main(int count, char **argument)
{
    bool is_short = count > 1 && strcmp(argument[1], "--short") == 0;
    const char *path = count > 1 + is_short ? argument[1 + is_short] : "build/data/digits.csv";
    const goal *g = is_short ? &quick : &full;
    if (!digits_read(path, &sets)) {
        fprintf(stderr, "digits: %s is not the file of digits: ./dev data fetches it\n", path);
        return 2;
    }
    double spelled = learn_to_spell(&sets, g->epochs), by_rows = learn_by_rows(&sets, g->epochs);
    printf("spelled: %.1f %% of the words; row by row: %.1f %% of the digits\n", 100 * spelled,
           100 * by_rows);
    return spelled < g->spelled || by_rows < g->by_rows;
}

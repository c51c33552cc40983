/* planner.c: random programs for as long as one likes, planned against eager.
 *
 *     planner [first seed [how many]]      all that follow, when the number is missing
 *
 * Stops at the first program on which the two differ, prints it, and exits with status 1. */
#include <inttypes.h>
#include <stdlib.h>

#include "support/generator.h"

static reel_tape *new_tape(bool eager)
{
    return reel_tape_new(
        (reel_tape_options){ .dtype = REEL_F64, .seed = 3, .threads = 1, .eager = eager });
}

/* True when both tapes agree on this program, twice, on different data. */
static bool agrees(const program *p, char where[WHERE_SIZE])
{
    reel_tape *planned = new_tape(false), *eager = new_tape(true);
    double worst = 0;
    for (uint64_t data = 0; data < 2 && worst <= 1e-9; data++) {
        results got = program_run(p, planned, data), expected = program_run(p, eager, data);
        worst = results_difference(&got, &expected, where);
        results_free(&got);
        results_free(&expected);
    }
    reel_tape_free(planned);
    reel_tape_free(eager);
    return worst <= 1e-9;
}

int main(int count, char **arguments)
{
    uint64_t first = count > 1 ? strtoull(arguments[1], NULL, 10) : 0;
    uint64_t programs = count > 2 ? strtoull(arguments[2], NULL, 10) : UINT64_MAX - first;
    for (uint64_t seed = first; seed - first < programs; seed++) {
        program p;
        char where[WHERE_SIZE] = "";
        program_make(&p, seed);
        if (!agrees(&p, where)) {
            program_print(&p, stdout);
            printf("seed %" PRIu64 ": %s\n", seed, where);
            return EXIT_FAILURE;
        }
        if ((seed - first + 1) % 1000 == 0) {
            printf("%" PRIu64 " programs agree\n", seed - first + 1);
            fflush(stdout);
        }
    }
    return EXIT_SUCCESS;
}

/* language.c: characters a second of examples/char_lm's training, the model and the update taken
 * from there. The text is noise: what is said matters to the loss, not to the time.
 *
 *     language lstm STEPS BATCH EMBEDDING HIDDEN THREADS SECONDS
 */
#include <stdlib.h>
#include <string.h>

#include "../examples/char_lm/model.h"
#include "support.h"

enum { SYMBOLS = 80, LAYERS = 2 };

typedef struct {
    model model;
    carry carry;
    window window;
    reel_optimizer *adam;
    double loss;
} training;

static void update(void *self)
{
    training *r = self;
    r->loss = model_train(&r->model, &r->carry, &r->window, r->adam, 1);
}

static void fill_symbols(const char *name, size_t n, int32_t *out)
{
    float *numbers = bench_allocate(n * sizeof *numbers);
    bench_fill(name, SYMBOLS / 2.0, n, numbers);
    for (size_t i = 0; i < n; i++) {
        out[i] = (int32_t)(numbers[i] + SYMBOLS / 2.0F) % SYMBOLS;
    }
    free(numbers);
}

int main(int count, char **argument)
{
    bench_arguments a = bench_parse(count, argument);
    int steps = (int)a.steps, rows = (int)a.batch;
    reel_tape *t = reel_tape_new((reel_tape_options){ .threads = a.threads, .seed = 1 });
    if (t == NULL) {
        return 1;
    }
    training r = { .model = model_new(t, SYMBOLS, (int)a.in, (int)a.hidden, LAYERS),
                   .adam = reel_adam(t, (reel_adam_options){ .lr = 0.015 }) };
    if (!carry_new(&r.carry, &r.model, rows) || !window_new(&r.window, steps, rows)) {
        fprintf(stderr, "out of memory\n");
        return 1;
    }
    r.window.steps = steps;
    r.window.rows = rows;
    fill_symbols("symbols", (size_t)(steps * rows), r.window.symbols);
    fill_symbols("targets", (size_t)(steps * rows), r.window.targets);
    bench_timing timing = bench_measure(a.seconds, update, &r);
    bench_expect_fine(t);
    printf("{");
    bench_print_timing(&timing);
    printf(", \"tokens_per_second\": %.0f}\n", steps * rows * 1e3 / timing.median);
    carry_free(&r.carry);
    window_free(&r.window);
    reel_tape_free(t);
    return 0;
}

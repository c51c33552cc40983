/* onnx.c: damaged ONNX files for as long as one likes; each must be loaded or refused.
 *
 *     onnx [SECONDS [SEED]]    mutates the models of tests/golden/onnx_*.txt; 0: 30 seconds
 *     onnx FILE                tries one file
 *
 * What is loaded is run on inputs of ones. With clang's -fsanitize=fuzzer -DREEL_LIBFUZZER it is
 * a libFuzzer target instead. */
#include <reel.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* Small models only: what one bit makes huge is refused by the limit. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    reel_tape *t = reel_tape_new((reel_tape_options){ .threads = 1, .memory_limit = 1 << 26 });
    reel_onnx *model =
        reel_onnx_parse(t, bytes, size, (reel_onnx_load_options){ .constant = true });
    enum { PORTS = 8, MOST = 1 << 10 };
    float ones[MOST];
    reel_var x[PORTS], y[PORTS];
    int inputs = reel_onnx_input_count(model), outputs = reel_onnx_output_count(model);
    for (int i = 0; i < MOST; i++) {
        ones[i] = 1;
    }
    for (int columns = 2; columns <= 4 && model && inputs <= PORTS && outputs <= PORTS; columns++) {
        reel_rewind(t);
        reel_tape_clear(t);
        for (int i = 0; i < inputs; i++) {
            x[i] = columns == 3 ? reel_input(t, REEL_SHAPE(3), ones)
                                : reel_input(t, REEL_SHAPE(2, 3, columns), ones);
        }
        reel_onnx_run(model, inputs, x, outputs, y);
    }
    reel_onnx_free(model);
    reel_tape_free(t);
    return 0;
}

#ifndef REEL_LIBFUZZER

enum { MODELS = 512, LONGEST = 1 << 18 };

typedef struct {
    uint8_t *bytes;
    size_t size;
} seed_model;

static uint64_t state = 1;
static size_t draw(size_t n) /* below n */
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return n ? (size_t)(state >> 33) % n : 0;
}

static int read_seeds(const char *path, seed_model seeds[], int count)
{
    FILE *file = fopen(path, "r");
    char *line = malloc(LONGEST);
    while (file && line && count < MODELS && fgets(line, LONGEST, file)) {
        if (strncmp(line, "model ", 6) == 0) {
            seed_model *s = &seeds[count++];
            s->size = strcspn(line + 6, "\n") / 2;
            s->bytes = malloc(s->size + 1);
            for (size_t i = 0; i < s->size; i++) {
                char pair[3] = { line[6 + 2 * i], line[7 + 2 * i], '\0' };
                s->bytes[i] = (uint8_t)strtoul(pair, NULL, 16);
            }
        }
    }
    free(line);
    if (file) {
        fclose(file);
    }
    return count;
}

/* A few bytes changed, a piece cut out or one put in from another place. */
static size_t mutate(uint8_t *bytes, size_t size, size_t room)
{
    for (size_t n = 1 + draw(4); n > 0 && size > 1; n--) {
        size_t at = draw(size), length = 1 + draw(size - at < 16 ? size - at : 16);
        switch (draw(4)) {
        case 0:
            bytes[at] ^= (uint8_t)(1u << draw(8));
            break;
        case 1:
            bytes[at] = (uint8_t)draw(256);
            break;
        case 2:
            memmove(bytes + at, bytes + at + length, size - at - length);
            size -= length;
            break;
        default:
            if (size + length <= room) {
                memmove(bytes + at + length, bytes + at, size - at);
                size += length;
            }
        }
    }
    return size;
}

static int try_file(const char *path)
{
    static uint8_t bytes[1 << 20];
    FILE *file = fopen(path, "rb");
    size_t size = file ? fread(bytes, 1, sizeof bytes, file) : 0;
    if (file == NULL) {
        perror(path);
        return EXIT_FAILURE;
    }
    fclose(file);
    LLVMFuzzerTestOneInput(bytes, size);
    return EXIT_SUCCESS;
}

int main(int count, char **words)
{
    static seed_model seeds[MODELS];
    static uint8_t bytes[1 << 18];
    char *end = "";
    long seconds = count > 1 ? strtol(words[1], &end, 10) : 0;
    if (*end) {
        return try_file(words[1]);
    }
    state += count > 2 ? strtoull(words[2], NULL, 10) : 0;
    int models = read_seeds(REEL_GOLDEN_DIR "/onnx_models.txt", seeds, 0);
    models = read_seeds(REEL_GOLDEN_DIR "/onnx_operators.txt", seeds, models);
    time_t until = time(NULL) + (seconds ? seconds : 30);
    unsigned long tried = 0;
    for (; models > 0 && time(NULL) < until; tried++) {
        const seed_model *s = &seeds[draw((size_t)models)];
        memcpy(bytes, s->bytes, s->size);
        size_t size = mutate(bytes, s->size, sizeof bytes);
        LLVMFuzzerTestOneInput(bytes, size);
    }
    printf("%lu damaged models loaded or refused\n", tried);
    for (int i = 0; i < models; i++) {
        free(seeds[i].bytes);
    }
    return models > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
#endif

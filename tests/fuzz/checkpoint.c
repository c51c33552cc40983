/* checkpoint.c: checkpoints, loaded into a tape with an optimiser. */
#include "io/io.h"
#include "io/parameters.h"

#include "support/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    reel_tape *t = reel_tape_new((reel_tape_options){ .threads = 1 });
    reel_param(t, "W", REEL_SHAPE(2, 3), reel_zeros());
    reel_archive *extra = reel_archive_new((reel_archive_options){ 0 });
    reel_training_state at = { .optimizer = reel_sgd(t, (reel_sgd_options){ .momentum = 0.5 }),
                               .extra = extra };
    reel_archive *a = reel_archive_parse(bytes, size, (reel_archive_options){ 0 });
    fuzz_expect_message(t, reel__load_checkpoint_archive(t, a, &at) != REEL_OK);
    reel_archive_free(a);
    reel_archive_free(extra);
    reel_tape_free(t);
    return 0;
}

/* write_checkpoint.c: writes the checkpoint that tests/golden keeps of each version, once:
 *
 *     write_checkpoint tests/golden/io_checkpoint_v1.safetensors */
#include <reel.h>
#include <stdlib.h>

int main(int count, char **arguments)
{
    if (count != 2) {
        return EXIT_FAILURE;
    }
    reel_tape *t = reel_tape_new((reel_tape_options){ .seed = 11, .threads = 1 });
    reel_var W = reel_param(t, "W", REEL_SHAPE(2, 3), reel_constant(1));
    reel_optimizer *sgd = reel_sgd(t, (reel_sgd_options){ .lr = 0.5, .momentum = 0.5 });
    reel_dropout(W, 0.5); /* the next one draws from another stream */
    reel_backward(reel_sum_all(W));
    reel_optimizer_step(sgd); /* velocity 1, W 0.5 */
    float losses[] = { 3, 2, 1 };
    reel_archive *extra = reel_archive_new((reel_archive_options){ 0 });
    reel_archive_lend(extra, "loss", (reel_array){ REEL_ARRAY_F32, REEL_SHAPE(3), losses });
    reel_archive_set_text(extra, "note", "version one");
    reel_training_state at = { sgd, 3, 40, 5, 123456789012345678u, 0.25, 2, extra };
    reel_status status = reel_save_checkpoint(t, arguments[1], &at, (reel_checkpoint_options){ 0 });
    printf("%s\n", status == REEL_OK ? "written" : reel_tape_error(t));
    reel_archive_free(extra);
    reel_tape_free(t);
    return status == REEL_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}

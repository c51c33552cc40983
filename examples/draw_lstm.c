/* draw_lstm: the graph of one LSTM step as a picture, docs/lstm_step.svg.
 *
 *     draw_lstm | dot -Tsvg > lstm_step.svg
 */
#include <reel.h>

int main(void)
{
    enum { BATCH = 32, IN = 64, HIDDEN = 256 };
    reel_tape *t = reel_tape_new((reel_tape_options){ 0 });
    reel_cell lstm = reel_lstm(t, "lstm", IN, HIDDEN, (reel_lstm_options){ 0 });

    /* A drawing shows the names of parameters: what comes from outside is made one, to be named. */
    reel_var x = reel_param(t, "x", REEL_SHAPE(BATCH, IN), reel_zeros());
    reel_var state[] = { reel_param(t, "h", REEL_SHAPE(BATCH, HIDDEN), reel_zeros()),
                         reel_param(t, "c", REEL_SHAPE(BATCH, HIDDEN), reel_zeros()) };

    reel_draw(lstm.step(lstm.self, x, state), stdout);

    bool fine = reel_tape_status(t) == REEL_OK;
    if (!fine) {
        fprintf(stderr, "draw_lstm: %s\n", reel_tape_error(t));
    }
    reel_tape_free(t);
    return !fine;
}

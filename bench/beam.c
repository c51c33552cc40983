/* beam.c: beam search of width 8 through an embedding, an LSTM and an output layer, all hypotheses
 * STEPS tokens long; peers/torch_sequences.py does the same.
 *
 *     beam lstm STEPS BATCH VOCABULARY HIDDEN THREADS SECONDS
 */
#include "support.h"

typedef struct {
    reel_tape *t;
    reel_decoder decoder;
    int64_t steps, batch;
} decoding;

static void decode(void *self)
{
    decoding *d = self;
    reel_decode_options options = { .beams = 8, .max_length = d->steps, .endless = true };
    reel_decoded_free(reel_decode_beam(d->t, d->decoder, d->batch, NULL, options));
}

int main(int count, char **argument)
{
    bench_arguments a = bench_parse(count, argument);
    decoding d = { .steps = a.steps, .batch = a.batch };
    reel_tape *t = d.t = reel_tape_new((reel_tape_options){ .threads = a.threads });
    if (t == NULL) {
        return 2;
    }
    d.decoder = reel_cell_decoder(
        t, reel_embedding(t, "embedding", a.in, a.hidden, (reel_embedding_options){ 0 }),
        reel_lstm(t, "lstm", a.hidden, a.hidden, (reel_lstm_options){ 0 }),
        reel_dense(t, "out", a.hidden, a.in, (reel_dense_options){ 0 }));
    bench_timing timing = bench_measure(a.seconds, decode, &d);
    bench_expect_fine(t);
    printf("{");
    bench_print_timing(&timing);
    printf("}\n");
    reel_tape_free(t);
    return 0;
}

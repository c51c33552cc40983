/* report.c: error rates, single translations, the picture. */
#include "report.h"

#include <stdio.h>
#include <string.h>

enum { TEXT = 1024 };

/* The symbols as text, without the END. */
static const char *text_of(reel_vocabulary *v, const int32_t *symbols, int length, char *out)
{
    int ends = length > 0 && symbols[length - 1] == END;
    out[0] = 0;
    reel_decode(v, symbols, (size_t)(length - ends), out, TEXT);
    return out;
}

/* How many of a batch are wrong; their edits go to `edits`. */
static int compare(const pairs *p, const pair *expected, const reel_decoded *d, reel_metric *edits)
{
    char said[TEXT], right[TEXT];
    int wrong = 0;
    for (int64_t i = 0; i < d->batch; i++) {
        const char *reference =
            text_of(p->target, expected[i].target, expected[i].target_length, right);
        text_of(p->target, d->tokens + i * d->steps, d->lengths[i], said);
        reel_metric_update_text(edits, said, 1, &reference);
        wrong += strcmp(said, right) != 0;
    }
    return wrong;
}

error_rates errors_of(translator *m, const pairs *p, int count, int beams)
{
    reel_metric *edits = reel_metric_new(p->error_rate, (reel_metric_options){ 0 }, NULL);
    int wrong = 0;
    for (int i = 0; i < count; i += AT_ONCE) {
        const pair *batch = p->pair + p->learnt + i;
        int n = count - i < AT_ONCE ? count - i : AT_ONCE;
        reel_decoded *d = translate(m, batch, n, beams);
        wrong += d ? compare(p, batch, d, edits) : n;
        reel_decoded_free(d);
    }
    error_rates e = { (double)wrong / count, reel_metric_result(edits) };
    reel_metric_free(edits);
    return e;
}

void print_translation(translator *m, const pairs *p, const char *source)
{
    char said[TEXT];
    pair one = { 0 };
    one.source_length = symbols_of(p->source, source, strlen(source), one.source);
    reel_decoded *d = one.source_length ? translate(m, &one, 1, BEAMS) : NULL;
    printf("%s\t%s\n", source, d ? text_of(p->target, d->tokens, d->lengths[0], said) : "?");
    reel_decoded_free(d);
}

static const pair *worth_drawing(const pairs *p)
{
    const pair *held_out = p->pair + p->learnt;
    for (int i = 0; i < p->held_out; i++) {
        if (held_out[i].source_length > 10 && held_out[i].source_length < 20) {
            return &held_out[i];
        }
    }
    return held_out;
}

void draw_alignment(translator *m, const pairs *p, const char *path)
{
    const char *in[MOST_SYMBOLS], *out[MOST_SYMBOLS];
    const pair *drawn = worth_drawing(p);
    reel_decoded *d = translate(m, drawn, 1, 1);
    for (int i = 0; i < drawn->source_length; i++) {
        in[i] = reel_vocabulary_symbol(p->source, drawn->source[i]);
    }
    for (int i = 0; d && i < d->lengths[0]; i++) {
        out[i] = reel_vocabulary_symbol(p->target, d->tokens[i]);
    }
    reel_plot_options options = { .keep_files = true };
    if (d && reel_plot_attention(m->tape, d->lengths[0], d->source, d->alignments, out, in, path,
                                 options) == REEL_OK) {
        printf("%s shows which symbols each symbol came from\n", path);
    } else {
        printf("no picture: %s\n", reel_tape_error(m->tape));
        reel_tape_clear(m->tape);
    }
    reel_decoded_free(d);
}

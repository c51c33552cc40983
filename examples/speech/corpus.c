/* corpus.c: who says which digits how. */
#include <stdlib.h>
#include <string.h>

#include "speech.h"

const char *const label_names[LABELS] = { "",     "zero", "one",   "two",   "three", "four",
                                          "five", "six",  "seven", "eight", "nine" };

/* An accent and a speaker each; "en" is British (with "en-gb" espeak-ng 1.51 drops the speaker). */
static const char *const known[] = {
    "en-us+m1",
    "en-us+f1",
    "en+m2",
    "en+f2",
    "en-gb-scotland+m3",
    "en-gb-scotland+f3",
    "en-gb-x-rp+m4",
    "en-gb-x-rp+f5",
    "en-us+m5",
    "en-us+Andrea",
    "en-029+m6",
    "en-029+f1",
    "en-gb-x-gbclan+m1",
    "en+Annie",
    "en-us-nyc+Alex",
    "en-us-nyc+belinda",
    "en+max",
    "en-us+steph",
    "en-us+Gene",
    "en-gb-x-rp+adam",
};
static const char *const strangers[] = { "en-us+m7", "en-us+f4", "en+Denis", "en-gb-x-rp+linda",
                                         "en-gb-scotland+john" };

enum { KNOWN = sizeof known / sizeof known[0], STRANGERS = sizeof strangers / sizeof strangers[0] };

static void choose_digits(utterance *u, char *text, uint64_t *random)
{
    u->digits = 1 + (int32_t)(draw(random) % MOST_DIGITS);
    text[0] = 0;
    for (int i = 0; i < u->digits; i++) {
        u->label[i] = 1 + (int32_t)(draw(random) % 10);
        strcat(strcat(text, i ? " " : ""), label_names[u->label[i]]);
    }
}

/* 130 to 220 words a minute, noise 0 to 20 dB below the voice. */
static bool say(utterance *u, const char *voice, spectrogram *s, uint64_t *random)
{
    char text[MOST_DIGITS * 6 + 1];
    sound heard;
    choose_digits(u, text, random);
    int speed = (int)draw_between(130, 220, random), pitch = (int)draw_between(30, 70, random);
    bool spoken = speak(voice, speed, pitch, text, &heard);
    if (spoken) {
        add_noise(&heard, draw_between(0, 20, random), draw(random) % 2, random);
        u->features = log_mel(s, &heard, &u->steps);
    }
    free(heard.sample);
    return spoken && u->features != NULL;
}

static int by_steps(const void *a, const void *b)
{
    return ((const utterance *)a)->steps - ((const utterance *)b)->steps;
}

/* Freed by corpus_free, whether all were said or not. */
static bool say_all(utterance **all, int count, const char *const voice[], int voices,
                    spectrogram *s, uint64_t *random)
{
    *all = calloc((size_t)count, sizeof **all);
    if (*all == NULL || s == NULL) {
        return false;
    }
    for (int i = 0; i < count; i++) {
        if (!say(&(*all)[i], voice[i % voices], s, random)) {
            return false;
        }
    }
    qsort(*all, (size_t)count, sizeof **all, by_steps);
    return true;
}

bool corpus_make(corpus *c, int learnt, int held_out)
{
    uint64_t random = 1;
    spectrogram *s = spectrogram_new();
    *c = (corpus){ .learnt_count = learnt, .held_out_count = held_out };
    bool fine = say_all(&c->learnt, learnt, known, KNOWN, s, &random) &&
                say_all(&c->held_out, held_out, strangers, STRANGERS, s, &random);
    if (s != NULL) {
        spectrogram_free(s);
    }
    return fine;
}

static void free_all(utterance *u, int count)
{
    for (int i = 0; u != NULL && i < count; i++) {
        free(u[i].features);
    }
    free(u);
}

void corpus_free(corpus *c)
{
    free_all(c->learnt, c->learnt_count);
    free_all(c->held_out, c->held_out_count);
}

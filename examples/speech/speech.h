/* speech.h: strings of spoken digits, how they become a sequence of vectors, and who listens. */
#ifndef SPEECH_H
#define SPEECH_H

#include <reel.h>

#include <stdbool.h>

/* ---- sound (sound.c) ------------------------------------------------------------------------ */

enum { RATE = 22050 }; /* samples a second, as espeak-ng puts them out */

typedef struct {
    float *sample;
    int count;
} sound;

uint64_t draw(uint64_t *random); /* 0 … 2³¹ - 1 */
double draw_between(double low, double high, uint64_t *random);

/* `text` as espeak-ng says it, through a pipe; speed in words a minute, pitch 0 … 99. */
bool speak(const char *voice, int speed, int pitch, const char *text, sound *);
/* White noise, or with more power in the bass, `decibels` below the sound. */
void add_noise(sound *, double decibels, bool dark, uint64_t *random);

/* ---- spectrogram (spectrogram.c) ------------------------------------------------------------ */

/* A step is two windows of 23 ms, each half over the one before, in 40 bands of the mel scale. */
enum { WINDOW = 512, HOP = WINDOW / 2, BANDS = 40, STACK = 2, FEATURES = STACK * BANDS };

typedef struct spectrogram spectrogram;
spectrogram *spectrogram_new(void);
void spectrogram_free(spectrogram *);
/* Logarithms of the energy in each band, of mean 0 and variance 1 in each: steps·FEATURES numbers
 * that the caller frees. */
float *log_mel(spectrogram *, const sound *, int *steps);

/* ---- what is said (corpus.c) ---------------------------------------------------------------- */

enum { BLANK = 0, LABELS = 11, MOST_DIGITS = 5 };
extern const char *const label_names[LABELS];

typedef struct {
    int32_t label[MOST_DIGITS]; /* the digit + 1 */
    int32_t digits, steps;
    float *features; /* [steps, FEATURES] */
} utterance;

typedef struct {
    utterance *learnt, *held_out; /* by voices of which none is in both; the short ones first */
    int learnt_count, held_out_count;
} corpus;

/* False without espeak-ng. */
bool corpus_make(corpus *, int learnt, int held_out);
void corpus_free(corpus *);

/* ---- listening (listener.c) ----------------------------------------------------------------- */

enum { LAYERS = 2 };

typedef struct {
    reel_tape *tape;
    reel_recurrent_layer layer[LAYERS]; /* each in both directions */
    reel_layer out;
} listener;

listener listener_make(reel_tape *);
/* The loss of connectionist temporal classification: no one says where a digit begins. */
reel_var listener_loss(const listener *, const utterance *, int count);
/* What it hears: labels, repeats merged and blanks dropped. */
reel_decoded *listen(const listener *, const utterance *, int count);

#endif

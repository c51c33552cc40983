/* spectrogram.c: from samples to log-mel energies, by FFTW. */
#include <fftw3.h>
#include <math.h>
#include <stdlib.h>

#include "speech.h"

enum { BINS = WINDOW / 2 + 1 };

static const double low_hertz = 60, high_hertz = 8000;

struct spectrogram {
    float *window; /* what is transformed */
    fftwf_complex *bin;
    fftwf_plan plan;
    float taper[WINDOW];
    double edge[BANDS + 2]; /* in bins: band b rises from edge b to b + 1 and falls to b + 2 */
};

/* The mel scale (O'Shaughnessy 1987): equal steps are heard as equal. */
static double mel_of(double hertz)
{
    return 2595 * log10(1 + hertz / 700);
}

static double hertz_of(double mel)
{
    return 700 * (pow(10, mel / 2595) - 1);
}

spectrogram *spectrogram_new(void)
{
    spectrogram *s = malloc(sizeof *s);
    if (s == NULL) {
        return NULL;
    }
    s->window = fftwf_alloc_real(WINDOW);
    s->bin = fftwf_alloc_complex(BINS);
    s->plan = fftwf_plan_dft_r2c_1d(WINDOW, s->window, s->bin, FFTW_ESTIMATE);
    for (int i = 0; i < WINDOW; i++) { /* Hann's */
        s->taper[i] = 0.5F - 0.5F * cosf(2 * 3.14159265F * (float)i / WINDOW);
    }
    double low = mel_of(low_hertz), high = mel_of(high_hertz);
    for (int b = 0; b < BANDS + 2; b++) {
        s->edge[b] = hertz_of(low + (high - low) * b / (BANDS + 1)) * WINDOW / RATE;
    }
    return s;
}

void spectrogram_free(spectrogram *s)
{
    fftwf_destroy_plan(s->plan);
    fftwf_free(s->window);
    fftwf_free(s->bin);
    free(s);
}

static double energy_in_band(const spectrogram *s, int band)
{
    const double *edge = s->edge + band;
    double sum = 0;
    for (int k = (int)ceil(edge[0]); k <= (int)edge[2]; k++) {
        double up = (k - edge[0]) / (edge[1] - edge[0]), down = (edge[2] - k) / (edge[2] - edge[1]);
        double power = (double)s->bin[k][0] * s->bin[k][0] + (double)s->bin[k][1] * s->bin[k][1];
        sum += fmin(up, down) * power;
    }
    return sum;
}

static void transform(spectrogram *s, const float *sample, float *bands)
{
    for (int i = 0; i < WINDOW; i++) {
        s->window[i] = sample[i] * s->taper[i];
    }
    fftwf_execute(s->plan);
    for (int b = 0; b < BANDS; b++) {
        bands[b] = (float)log(energy_in_band(s, b) + 1e-6);
    }
}

/* Takes away how loud the recording is and how its room and microphone colour it. */
static void normalise(float *features, int frames)
{
    for (int b = 0; b < BANDS; b++) {
        double sum = 0, squares = 0;
        for (int f = 0; f < frames; f++) {
            double x = features[f * BANDS + b];
            sum += x;
            squares += x * x;
        }
        double mean = sum / frames, deviation = sqrt(squares / frames - mean * mean + 1e-3);
        for (int f = 0; f < frames; f++) {
            features[f * BANDS + b] = (float)((features[f * BANDS + b] - mean) / deviation);
        }
    }
}

float *log_mel(spectrogram *s, const sound *heard, int *steps)
{
    *steps = ((heard->count - WINDOW) / HOP + 1) / STACK;
    float *features = malloc((size_t)*steps * FEATURES * sizeof *features);
    for (int f = 0; features != NULL && f < *steps * STACK; f++) {
        transform(s, heard->sample + f * HOP, features + f * BANDS);
    }
    if (features != NULL) {
        normalise(features, *steps * STACK);
    }
    return features;
}

/* sound.c: speech out of a pipe from espeak-ng, and noise. */
#define _POSIX_C_SOURCE 200809L /* popen */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "speech.h"

uint64_t draw(uint64_t *random)
{
    *random = *random * 6364136223846793005u + 1442695040888963407u;
    return *random >> 33;
}

double draw_between(double low, double high, uint64_t *random)
{
    return low + (high - low) * (double)draw(random) / 2147483648.0;
}

/* ---- speech --------------------------------------------------------------------------------- */

enum { HEADER = 44, LONGEST = 10 * RATE };

/* Of a WAV stream, samples of 16 bits, one channel. */
static bool read_wav(FILE *pipe, sound *s)
{
    unsigned char header[HEADER], two[2];
    s->count = 0;
    if (fread(header, 1, HEADER, pipe) != HEADER || memcmp(header, "RIFF", 4) != 0 ||
        (header[24] | header[25] << 8) != RATE) {
        return false;
    }
    while (s->count < LONGEST && fread(two, 1, 2, pipe) == 2) {
        s->sample[s->count++] = (float)(int16_t)(two[0] | two[1] << 8) / 32768;
    }
    return s->count > WINDOW * STACK;
}

bool speak(const char *voice, int speed, int pitch, const char *text, sound *s)
{
    char command[256];
    snprintf(command, sizeof command, "espeak-ng -z -v %s -s %d -p %d --stdout '%s'", voice, speed,
             pitch, text);
    *s = (sound){ .sample = malloc(LONGEST * sizeof(float)) };
    FILE *pipe = s->sample ? popen(command, "r") : NULL;
    bool spoken = pipe != NULL && read_wav(pipe, s);
    if (pipe != NULL) {
        pclose(pipe);
    }
    return spoken;
}

/* ---- noise ---------------------------------------------------------------------------------- */

static double energy_of(const float *sample, int count)
{
    double sum = 0;
    for (int i = 0; i < count; i++) {
        sum += (double)sample[i] * sample[i];
    }
    return sum;
}

void add_noise(sound *s, double decibels, bool dark, uint64_t *random)
{
    float *noise = malloc((size_t)s->count * sizeof *noise), last = 0;
    for (int i = 0; noise != NULL && i < s->count; i++) {
        float white = (float)draw_between(-1, 1, random);
        noise[i] = last = dark ? 0.9F * last + white : white;
    }
    if (noise != NULL) {
        double ratio = energy_of(s->sample, s->count) / energy_of(noise, s->count);
        float scale = (float)sqrt(ratio * pow(10, -decibels / 10));
        for (int i = 0; i < s->count; i++) {
            s->sample[i] += scale * noise[i];
        }
    }
    free(noise);
}

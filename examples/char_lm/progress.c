/* progress.c: the progress line. */
#define _POSIX_C_SOURCE 200809L /* isatty, fileno */

#include "progress.h"

#include <math.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define BAR 20

double clock_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void progress_begin(progress *p)
{
    bool terminal = isatty(fileno(stdout));
    *p = (progress){ .terminal = terminal, .interval = terminal ? 0.2 : 5 };
    p->started = p->shown = clock_now();
}

double progress_rate(const progress *p)
{
    return p->symbols / (clock_now() - p->started - p->paused);
}

static void draw_bar(double done)
{
    int filled = (int)(done * BAR + 0.5);
    for (int i = 0; i < BAR; i++) {
        fputs(i < filled ? "━" : "─", stdout);
    }
}

static void draw(progress *p, double done, double seconds_left)
{
    printf("%s%6ld ", p->terminal ? "\r" : "", p->updates);
    if (seconds_left >= 0) {
        draw_bar(done);
    }
    printf(" loss %.4f  perplexity %.2f  %.0f tokens/s", p->loss, exp(p->loss), progress_rate(p));
    if (seconds_left >= 0) {
        printf("  ETA %d:%02d", (int)seconds_left / 60, (int)seconds_left % 60);
    }
    fputs(p->terminal ? "\033[K" : "\n", stdout);
    fflush(stdout);
    p->drawn = true;
}

void progress_update(progress *p, double loss, double symbols, double done, double seconds_left)
{
    p->updates++;
    p->symbols += symbols;
    p->loss_sum += loss;
    p->loss_count++;
    double now = clock_now();
    if (p->updates > 1 && now - p->shown < p->interval) {
        return;
    }
    p->loss = p->loss_sum / p->loss_count;
    p->loss_sum = p->loss_count = 0;
    p->shown = now;
    draw(p, done, seconds_left);
}

void progress_pause(progress *p)
{
    if (p->terminal && p->drawn) {
        fputs("\r\033[K", stdout);
    }
    p->drawn = false;
    p->pause_began = clock_now();
}

void progress_resume(progress *p)
{
    p->paused += clock_now() - p->pause_began;
    fflush(stdout);
}

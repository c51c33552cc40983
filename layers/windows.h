/* windows.h: what convolution and pooling over time share. Not installed. */
#ifndef REEL_WINDOWS_H
#define REEL_WINDOWS_H

#include "layer.h"

typedef struct {
    int64_t kernel, stride, dilation;
    reel_padding padding;
} reel__windows;

/* Fills in defaults (stride 0: `stride`); false, with an error of `layer`, for what is out of
 * range. */
bool reel__windows_make(reel__windows *, reel_tape *, const char *layer, int64_t kernel,
                        int64_t stride, reel_conv1d_options);
int64_t reel__windows_count(const reel__windows *, int64_t steps);
/* x with steps of `value` around it. */
reel_var reel__windows_pad(const reel__windows *, reel_var x, double value);
/* tap[k] = step k of each window of the padded x: [steps', ...], views. Room for kernel handles.
 * False when there is no window. */
bool reel__windows_taps(const reel__windows *, reel_var padded, int64_t count, reel_var tap[]);

#endif

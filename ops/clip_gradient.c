/* clip_gradient.c: the identity, with a limit on what flows back through it. */
#include <math.h>
#include <string.h>

#include "kernel.h"
#include "ops.h"

typedef struct {
    double bound;
} clip_attributes;

static const reel_attribute clip_fields[] = {
    { "bound", REEL_ATTRIBUTE_REAL, offsetof(clip_attributes, bound) },
    { 0 },
};

static bool clip_shape(reel_shape_call *c)
{
    const clip_attributes *a = c->attributes;
    c->y = *c->x[0];
    return a->bound > 0 ||
           reel_argument_fail(c, REEL_BAD_ARGUMENT, "the bound %g is not above 0", a->bound);
}

static bool same_view(const void *attributes, const reel_shape *x, const int64_t x_stride[],
                      const reel_shape *y, int64_t *offset, int64_t y_stride[])
{
    (void)attributes, (void)y;
    *offset = 0;
    memcpy(y_stride, x_stride, (size_t)x->rank * sizeof(int64_t));
    return true;
}

static void clip_vjp(reel_vjp_call *c)
{
    const clip_attributes *a = c->attributes;
    c->dx[0] = reel_clamp(c->dy, -a->bound, a->bound);
}

static const clip_attributes wide = { 1e6 }, negative = { -1 }, no_number = { NAN };

static const reel_sample clip_samples[] = {
    { "a matrix", 1, { { .shape = REEL_AXES(3, 4) } }, .attributes = &wide },
    { "a scalar", 1, { { .shape = REEL_NO_AXES } }, .attributes = &wide },
    { "a negative bound",
      1,
      { { .shape = REEL_AXES(2) } },
      .attributes = &negative,
      .fails = "the bound -1 is not above 0" },
    { "a bound that is NaN",
      1,
      { { .shape = REEL_AXES(2) } },
      .attributes = &no_number,
      .fails = "the bound nan is not above 0" },
    { 0 },
};

REEL_OP(clip_gradient) = {
    .name = "clip_gradient",
    .kind = REEL_VIEW,
    .inputs = 1,
    .doc = "The input itself; each element of its gradient is limited to [-bound, bound]. In a "
           "cell it "
           "limits what flows back from step to step (Graves 2013).",
    .attributes = clip_fields,
    .attribute_size = sizeof(clip_attributes),
    .shape = clip_shape,
    .view = same_view,
    .vjp = clip_vjp,
    .samples = clip_samples,
};

reel_var reel_clip_gradient(reel_var v, double bound)
{
    return reel_record(&reel__op_clip_gradient, 1, &v, &(clip_attributes){ bound });
}

/* normalizer.c: features of like size. */
#include <float.h>
#include <math.h>

#include "store.h"

static int64_t last_axis(reel_data d)
{
    return d.shape.rank > 0 && d.shape.rank <= REEL_MAX_RANK ? d.shape.dim[d.shape.rank - 1] : 0;
}

/* Is element i (of the whole array) behind its row's end? */
static bool is_padding(reel_data d, int64_t i)
{
    if (!d.lengths || d.shape.rank < 2) {
        return false;
    }
    int64_t in_row = reel_shape_size(d.shape) / d.shape.dim[0], in_step = in_row / d.shape.dim[1];
    return i % in_row / in_step >= d.lengths[i / in_row];
}

typedef struct {
    double mean, squares, least, most; /* squares: Σ (x - mean)², by Welford's update (1962) */
    int64_t count;
} spread;

static void add(spread *s, double x)
{
    double before = x - s->mean;
    s->count++;
    s->mean += before / (double)s->count;
    s->squares += before * (x - s->mean);
    s->least = s->count == 1 || x < s->least ? x : s->least;
    s->most = s->count == 1 || x > s->most ? x : s->most;
}

static spread spread_of(reel_data d, int64_t feature, int64_t features)
{
    spread s = { 0 };
    for (int64_t i = feature; i < reel_shape_size(d.shape); i += features) {
        if (!is_padding(d, i)) {
            add(&s, reel_data_at(d, i));
        }
    }
    return s;
}

reel_normalizer reel_normalizer_fit(reel_tape *tape, reel_normalizer_kind kind, reel_data d)
{
    reel_normalizer out = { 0 };
    int64_t features = last_axis(d);
    if (!tape || !reel__has_data(d) || features < 1 || reel_shape_size(d.shape) < 1) {
        reel_fail(tape, REEL_BAD_ARGUMENT, "normalizer_fit", "there is no data");
        return out;
    }
    out.center = reel__new_array(tape, features, sizeof *out.center);
    out.scale = reel__new_array(tape, features, sizeof *out.scale);
    for (int64_t f = 0; out.center && out.scale && f < features; f++) {
        spread s = spread_of(d, f, features);
        double deviation = s.count ? sqrt(s.squares / (double)s.count) : 0;
        double scale = kind == REEL_STANDARD ? deviation : s.most - s.least;
        out.center[f] = kind == REEL_STANDARD ? s.mean : s.least;
        /* rounding alone may keep a constant feature from being one, as in scikit-learn */
        out.scale[f] = scale > 10 * DBL_EPSILON * fabs(out.center[f]) ? scale : 1;
        if (!isfinite(out.center[f]) || !isfinite(scale)) {
            reel_fail(tape, REEL_NOT_FINITE, "normalizer_fit", "feature %lld holds nan or infinity",
                      (long long)f);
            return (reel_normalizer){ 0 };
        }
    }
    out.features = out.center && out.scale ? features : 0;
    return out;
}

static reel_data apply(reel_tape *tape, const char *name, reel_normalizer n, reel_data d,
                       bool backwards)
{
    if (!tape || !reel__has_data(d) || n.features < 1 || last_axis(d) != n.features) {
        reel_fail(tape, REEL_BAD_SHAPE, name, "data is %s, the normaliser has %lld features",
                  REEL_SHAPE_TEXT(d.shape), (long long)n.features);
        return (reel_data){ 0 };
    }
    int64_t count = reel_shape_size(d.shape);
    double *out = reel__new_array(tape, count, sizeof *out);
    for (int64_t i = 0; out && i < count; i++) {
        double x = reel_data_at(d, i), center = n.center[i % n.features];
        double scale = n.scale[i % n.features];
        out[i] = backwards ? x * scale + center : (x - center) / scale;
    }
    reel_data result = reel__f64_data(out, d.shape);
    result.lengths = d.lengths;
    return result;
}

reel_data reel_normalize(reel_tape *tape, reel_normalizer n, reel_data d)
{
    return apply(tape, "normalize", n, d, false);
}

reel_data reel_denormalize(reel_tape *tape, reel_normalizer n, reel_data d)
{
    return apply(tape, "denormalize", n, d, true);
}

void reel_denormalize_f32(reel_normalizer n, float *values, int64_t count)
{
    for (int64_t i = 0; values && n.center && n.scale && i / n.features < count; i++) {
        int64_t f = i % n.features;
        values[i] = (float)((double)values[i] * n.scale[f] + n.center[f]);
    }
}

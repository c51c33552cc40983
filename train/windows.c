/* windows.c: time series as many short sequences. */
#include <string.h>

#include "store.h"

#define FAIL(tape, ...)                                                                            \
    (reel_fail((tape), REEL_BAD_ARGUMENT, "timeseries_dataset", __VA_ARGS__), false)

static bool check(reel_tape *tape, reel_data data, const reel_timeseries_options *o)
{
    if (!reel__has_data(data) || data.shape.rank < 1) {
        return FAIL(tape, "there is no data");
    }
    if (o->sequence_length < 1 || o->stride < 1 || o->sampling_rate < 1) {
        return FAIL(
            tape, "sequence_length %lld, stride %lld and sampling_rate %lld must be at least 1",
            (long long)o->sequence_length, (long long)o->stride, (long long)o->sampling_rate);
    }
    if (o->start < 0 || o->end > data.shape.dim[0] || o->start >= o->end) {
        return FAIL(tape, "start %lld and end %lld are no part of %lld rows", (long long)o->start,
                    (long long)o->end, (long long)data.shape.dim[0]);
    }
    return true;
}

static int64_t in_row(reel_data d)
{
    return d.shape.dim[0] ? reel_shape_size(d.shape) / d.shape.dim[0] : 0;
}

/* Rows `first`, `first` + apart, … of data as doubles. */
static void copy_rows(double *out, reel_data data, int64_t first, int64_t apart, int64_t count)
{
    int64_t width = in_row(data);
    for (int64_t i = 0; i < count * width; i++) {
        out[i] = reel_data_at(data, (first + i / width * apart) * width + i % width);
    }
}

/* data's shape with rows of another kind: [windows, steps, …] or [windows, …] */
static reel_shape window_shape(reel_data data, int64_t windows, int64_t steps)
{
    reel_shape shape = { .rank = 0 };
    shape.dim[shape.rank++] = windows;
    if (steps > 0) {
        shape.dim[shape.rank++] = steps;
    }
    for (int axis = 1; axis < data.shape.rank && shape.rank < REEL_MAX_RANK; axis++) {
        shape.dim[shape.rank++] = data.shape.dim[axis];
    }
    if (steps > 0 && data.shape.rank == 1) {
        shape.dim[shape.rank++] = 1; /* one feature */
    }
    return shape;
}

static reel_data make_windows(reel_tape *tape, reel_data data, const reel_timeseries_options *o,
                              int64_t windows)
{
    int64_t size = o->sequence_length * in_row(data);
    double *out = reel__new_array(tape, windows * size, sizeof *out);
    for (int64_t w = 0; out && w < windows; w++) {
        copy_rows(out + w * size, data, o->start + w * o->stride, o->sampling_rate,
                  o->sequence_length);
    }
    return reel__f64_data(out, window_shape(data, windows, o->sequence_length));
}

static reel_data make_targets(reel_tape *tape, reel_data targets, const reel_timeseries_options *o,
                              int64_t windows)
{
    double *out = reel__new_array(tape, windows * in_row(targets), sizeof *out);
    if (out) {
        copy_rows(out, targets, o->start, o->stride, windows);
    }
    return reel__f64_data(out, window_shape(targets, windows, 0));
}

reel_dataset reel_timeseries_dataset(reel_tape *tape, reel_data data, reel_data targets,
                                     reel_timeseries_options o)
{
    reel_dataset out = { .x = { .f32 = NULL } };
    o.stride = o.stride ? o.stride : 1;
    o.sampling_rate = o.sampling_rate ? o.sampling_rate : 1;
    o.end = o.end ? o.end : reel_data_rows(data);
    if (!tape || !check(tape, data, &o)) {
        return out;
    }
    bool fits = o.sequence_length - 1 <= (o.end - o.start - 1) / o.sampling_rate;
    int64_t places = fits ? o.end - o.start - (o.sequence_length - 1) * o.sampling_rate : 0;
    int64_t rows = reel_data_rows(targets) - o.start;
    if (reel__has_data(targets) && rows < places) {
        places = rows;
    }
    if (places < 1) {
        reel_fail(tape, REEL_BAD_ARGUMENT, "timeseries_dataset",
                  "no window of %lld steps fits into %lld rows", (long long)o.sequence_length,
                  (long long)(o.end - o.start));
        return out;
    }
    int64_t windows = (places - 1) / o.stride + 1;
    out.x = make_windows(tape, data, &o, windows);
    if (reel__has_data(targets)) {
        out.y = make_targets(tape, targets, &o, windows);
    }
    return out;
}

reel_dataset reel_forecast_dataset(reel_tape *tape, reel_data series, int64_t steps,
                                   int64_t horizon, int64_t column)
{
    reel_dataset out = { .x = { .f32 = NULL } };
    int64_t rows = reel_data_rows(series);
    int64_t width = reel__has_data(series) && rows ? in_row(series) : 0;
    if (!tape) {
        return out;
    }
    if (steps < 1 || horizon < 1 || steps > rows || horizon > rows - steps || column < 0 ||
        column >= width) {
        reel_fail(tape, REEL_BAD_ARGUMENT, "forecast_dataset",
                  "%lld steps and a horizon of %lld in column %lld do not fit into %lld rows of "
                  "%lld columns",
                  (long long)steps, (long long)horizon, (long long)column, (long long)rows,
                  (long long)width);
        return out;
    }
    int64_t windows = rows - steps - horizon + 1;
    reel_timeseries_options o = { .sequence_length = steps, .stride = 1, .sampling_rate = 1 };
    double *y = reel__new_array(tape, windows * horizon, sizeof *y);
    for (int64_t i = 0; y && i < windows * horizon; i++) {
        y[i] = reel_data_at(series, (i / horizon + steps + i % horizon) * width + column);
    }
    out.x = make_windows(tape, series, &o, windows);
    out.y = reel__f64_data(y, REEL_SHAPE(windows, horizon));
    return out;
}

/* data.c: arrays as models take them. */
#include <math.h>

#include "../graph/tape.h"
#include "data.h"

reel_data reel_data_f32(const float *values, reel_shape shape)
{
    return (reel_data){ .shape = shape, .f32 = values };
}

reel_data reel_data_f64(const double *values, reel_shape shape)
{
    return (reel_data){ .shape = shape, .f64 = values };
}

reel_data reel_data_i32(const int32_t *values, reel_shape shape)
{
    return (reel_data){ .shape = shape, .i32 = values };
}

int64_t reel_data_rows(reel_data data)
{
    return data.shape.rank > 0 ? data.shape.dim[0] : 0;
}

static int64_t row_size(reel_data data)
{
    int64_t size = 1;
    for (int axis = 1; axis < data.shape.rank && axis < REEL_MAX_RANK; axis++) {
        size *= data.shape.dim[axis];
    }
    return size;
}

reel_data reel_data_slice(reel_data data, int64_t begin, int64_t end)
{
    int64_t rows = reel_data_rows(data);
    int64_t size =
        reel__shape_valid(data.shape) ? row_size(data) : 0; /* nobody reads a wrong one */
    begin += begin < 0 ? rows : 0;
    end += end < 0 ? rows : 0;
    if (rows < 1 || begin < 0 || end > rows || begin >= end) {
        begin = end = 0;
    }
    if (data.shape.rank > 0) {
        data.shape.dim[0] = end - begin;
    }
    data.f32 = data.f32 ? data.f32 + begin * size : NULL;
    data.f64 = data.f64 ? data.f64 + begin * size : NULL;
    data.i32 = data.i32 ? data.i32 + begin * size : NULL;
    data.lengths = data.lengths ? data.lengths + begin : NULL;
    return data;
}

double reel_data_at(reel_data data, int64_t index)
{
    if (index < 0 || index >= reel_shape_size(data.shape)) {
        return NAN;
    }
    return data.f32   ? (double)data.f32[index]
           : data.f64 ? data.f64[index]
           : data.i32 ? (double)data.i32[index]
                      : NAN;
}

/* recordings.c: what the files recordings_*.c share, and the walk through their tables. */
#include "support/recordings.h"

#include "support/onnx_case.h"

const int32_t recorded_lengths[BATCH] = { 6, 3, 5 };

reel_var take(recording *r, reel_shape shape)
{
    r->x[r->inputs] = onnx_case_input(r->t, shape, 7 + (uint64_t)r->inputs);
    return r->x[r->inputs++];
}

reel_var take_steps(recording *r, int64_t width)
{
    return take(r, REEL_SHAPE(STEPS, BATCH, width));
}

reel_var take_indices(recording *r, reel_shape shape, int32_t below)
{
    int32_t values[STEPS * BATCH * 8];
    for (int64_t i = 0; i < reel_shape_size(shape); i++) {
        values[i] = (int32_t)(i * 7 + 3 + i / 5) % below;
    }
    r->x[r->inputs] = reel_indices(r->t, shape, values);
    return r->x[r->inputs++];
}

void put(recording *r, reel_var y)
{
    r->y[r->outputs++] = y;
}

void put_rollout(recording *r, reel_cell cell, reel_rollout rollout)
{
    put(r, rollout.outputs);
    for (int k = 0; k < cell.states; k++) {
        put(r, rollout.state[k]);
    }
}

void stir(recording *r)
{
    onnx_case_stir(r->t, 5);
}

void recordings_for_each(void (*each)(const recording_row *, void *), void *self)
{
    static const recording_row *const tables[] = { recordings_of_cells, recordings_of_unrolling,
                                                   recordings_of_attention, recordings_of_functions,
                                                   recordings_of_losses };
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        for (const recording_row *row = tables[i]; row->name; row++) {
            each(row, self);
        }
    }
}

recording recording_begin(const recording_row *row)
{
    recording r = { .t = reel_tape_new((reel_tape_options){ .seed = 3, .threads = 1 }) };
    reel_set_training(r.t, false);
    row->record(&r);
    return r;
}

void recording_end(recording *r)
{
    reel_tape_free(r->t);
}

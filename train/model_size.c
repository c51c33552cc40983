/* model_size.c: how many numbers layers need at least, told before any memory is taken: a file says
 * how wide its layers are, and may say anything. */
#include "model_size.h"

typedef struct {
    double width, steps; /* of what goes from layer to layer; steps 1: no sequence */
} flow;

static double width_after(const reel_layer_spec *spec)
{
    return (double)(spec->projection > 0 ? spec->projection : spec->units);
}

static double recurrent(const reel_layer_spec *spec, flow *f)
{
    double units = (double)spec->units, numbers = f->width * units + units * width_after(spec);
    *f = (flow){ width_after(spec), spec->return_sequences ? f->steps : 1 };
    return numbers;
}

static double least(const reel_layer_spec *spec, flow *f)
{
    double units = (double)spec->units, numbers = 0;
    switch (spec->kind) {
    case REEL_LAYER_LSTM:
    case REEL_LAYER_GRU:
    case REEL_LAYER_RNN:
        return recurrent(spec, f);
    case REEL_LAYER_BIDIRECTIONAL:
        numbers = 2 * recurrent(spec->inner, f);
        f->width *= spec->merge == REEL_MERGE_CONCAT ? 2 : 1;
        return numbers;
    case REEL_LAYER_DENSE:
        numbers = f->width * units;
        f->width = units;
        return numbers;
    case REEL_LAYER_EMBEDDING:
        f->width = units;
        return (double)spec->vocabulary * units;
    case REEL_LAYER_TIME_DISTRIBUTED:
        return least(spec->inner, f);
    case REEL_LAYER_FLATTEN:
        *f = (flow){ f->width * f->steps, 1 };
        return 0;
    case REEL_LAYER_LAYER_NORM:
        return 2 * f->width;
    default:
        return 0;
    }
}

double reel__model_least_numbers(const reel_model *m, reel_shape row, bool symbols)
{
    bool sequence = row.rank >= (symbols ? 1 : 2);
    flow f = { .width = row.rank > 0 ? (double)row.dim[row.rank - 1] : 0,
               .steps = sequence ? (double)row.dim[0] : 1 };
    double numbers = 0;
    for (int k = 0; k < m->count; k++) {
        numbers += least(&m->layer[k].spec, &f);
    }
    return numbers;
}

bool reel__model_takes_any_length(const reel_model *m)
{
    for (int k = 0; k < m->count; k++) {
        if (m->layer[k].spec.kind == REEL_LAYER_FLATTEN) {
            return false;
        }
    }
    return true;
}

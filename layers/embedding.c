/* embedding.c: vectors of symbols. */
#include "layer.h"

typedef struct {
    reel_var table;
    int64_t count;
    bool padded;
    int32_t padding_index;
} embedding;

/* 1 where the index is the padding's, [...,1]: a column of a one-hot row looked up like the table.
 * */
static reel_var is_padding(const embedding *layer, reel_var indices)
{
    reel_var one = reel_indices(indices.tape, REEL_SHAPE(), &layer->padding_index);
    reel_var marks = reel_reshape(reel_one_hot(one, layer->count), REEL_SHAPE(layer->count, 1));
    return reel_gather(marks, indices);
}

static reel_var apply(void *self, reel_var indices)
{
    const embedding *layer = self;
    reel_var rows = reel_gather(layer->table, indices);
    if (!layer->padded) {
        return rows;
    }
    return reel_where(is_padding(layer, indices), reel_scalar(indices.tape, 0), rows);
}

reel_layer reel_embedding(reel_tape *tape, const char *name, int64_t count, int64_t width,
                          reel_embedding_options options)
{
    if (!reel__check_size(tape, "embedding", "count", count) ||
        !reel__check_size(tape, "embedding", "width", width)) {
        return (reel_layer){ 0 };
    }
    if (options.padded && (options.padding_index < 0 || options.padding_index >= count)) {
        reel_fail(tape, REEL_BAD_INDEX, "embedding", "padding_index %d is outside 0 … %lld",
                  (int)options.padding_index, (long long)count - 1);
        return (reel_layer){ 0 };
    }
    embedding *layer = reel__layer_self(tape, sizeof *layer);
    if (!layer) {
        return (reel_layer){ 0 };
    }
    reel_init start = reel__init_option(options.table, reel_normal(0, 1));
    layer->count = count;
    layer->padded = options.padded;
    layer->padding_index = options.padding_index;
    layer->table = reel__layer_param(tape, name, "table", REEL_SHAPE(count, width), start);
    return (reel_layer){ .self = layer, .apply = apply };
}

reel_var reel_embedding_table(reel_tape *tape, reel_layer layer)
{
    if (layer.apply != apply) {
        return reel_fail(tape, REEL_BAD_ARGUMENT, "embedding_table",
                         "the layer is not a reel_embedding");
    }
    return ((const embedding *)layer.self)->table;
}

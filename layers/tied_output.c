/* tied_output.c: logits by the embedding's own vectors. */
#include "layer.h"

typedef struct {
    reel_var table, b; /* b absent without bias */
} tied;

static reel_var apply(void *self, reel_var x)
{
    const tied *layer = self;
    if (!reel__check_handle(layer->table.tape, "tied_output", x)) {
        return reel__poisoned(x.tape);
    }
    reel_shape shape = reel_shape_of(x), table = reel_shape_of(layer->table);
    if (shape.rank < 1 || shape.dim[shape.rank - 1] != table.dim[1]) {
        return reel_fail(x.tape, REEL_BAD_SHAPE, "tied_output", "x is %s, expected [..., %lld]",
                         REEL_SHAPE_TEXT(shape), (long long)table.dim[1]);
    }
    reel_var rows = reel_reshape(x, REEL_SHAPE(-1, table.dim[1]));
    reel_var y = reel_matmul_ex(rows, layer->table, (reel_matmul_options){ .transpose_b = true });
    y = reel__is_absent(layer->b) ? y : reel_add(y, layer->b);
    shape.dim[shape.rank - 1] = table.dim[0];
    return reel_reshape(y, shape);
}

reel_layer reel_tied_output(reel_tape *tape, const char *name, reel_layer embedding,
                            reel_tied_output_options options)
{
    reel_var table = reel_embedding_table(tape, embedding);
    tied *layer = table.id ? reel__layer_self(tape, sizeof *layer) : NULL;
    if (!layer) {
        return (reel_layer){ 0 };
    }
    layer->table = table;
    if (!options.no_bias) {
        reel_shape shape = REEL_SHAPE(reel_shape_of(table).dim[0]);
        layer->b = reel__layer_param(tape, name, "b", shape, reel_zeros());
    }
    return (reel_layer){ .self = layer, .apply = apply };
}

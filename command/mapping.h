/* mapping.h: which of a model's layers is which in another framework's file. */
#ifndef REEL_MAPPING_H
#define REEL_MAPPING_H

#include "command.h"

typedef enum { LAYOUT_REEL, LAYOUT_PYTORCH, LAYOUT_KERAS, LAYOUTS } layout;

enum { MOST_ROWS = 128, ROW_NAME = 160 };
typedef struct {
    reel_foreign_layer row[MOST_ROWS + 1]; /* up to one without a kind */
    char kind[MOST_ROWS][ROW_NAME], tape[MOST_ROWS][ROW_NAME], file[MOST_ROWS][ROW_NAME];
    int count;
} mapping;

/* Layers that `named` tells, "KIND:OURS:THEIRS" or of a stack "KIND:OURS+OURS:THEIRS", and all others
 * by their names: PyTorch's modules are called as ours are, Keras's as a sequential model numbers
 * them. A layer of both directions is two rows. False with an error. */
bool map_layers(reel_tape *, const reel_model *, layout, const char *path, const option_list *named,
                mapping *);

bool path_ends_in(const char *path, const char *ending);

#endif

/* model_json.h: what a model is, as text. Not installed. */
#ifndef REEL_MODEL_JSON_H
#define REEL_MODEL_JSON_H

#include "training.h"

/* { "version": 1, "row": [50, 8], "symbols": false, "layers": [{ "kind": "LSTM", "name": "layer_0",
 *   "units": 64 }, …], "compile": { "optimizer": "adam", "lr": 0.001, "loss": "mse", "metrics": [] } }
 * Options that are 0 are left out. In memory of malloc's; NULL with an error of model_save. */
char *reel__model_text(const reel_model *);
/* A model of those layers, neither built nor compiled, and what else the text says. NULL with an error
 * of model_load. */
reel_model *reel__model_parse(reel_tape *, const char *text, reel_shape *row, bool *symbols,
                              reel_compile_options *compile);

/* { "center": […], "scale": […] }; the same of both. */
char *reel__normalizer_text(reel_normalizer);
bool reel__normalizer_parse(reel_tape *, const char *text, reel_normalizer *);

#endif

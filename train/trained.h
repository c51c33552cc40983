/* trained.h: what becomes of a trained model: a file, a generator, a program without the library.
 *
 *     reel_model_save(m, "forecast.safetensors", (reel_model_extras){ .inputs = normalizer });
 *     …                                                       // in another program
 *     reel_model_extras with;
 *     reel_model *m = reel_model_load(t, "forecast.safetensors", &with);
 *     reel_predict(m, reel_normalize(t, with.inputs, X), y, rows);
 *
 * The file is safetensors: the parameters under their names, as in reel_save, and as texts
 *
 *     reel.version      the library's
 *     reel.model        JSON: the layers with their options, the shape of a row, what reel_compile got
 *     reel.inputs       JSON: the normaliser of the inputs, { "center": […], "scale": […] }
 *     reel.targets      JSON: that of the targets
 *     reel.vocabulary   JSON, as reel_vocabulary_save writes it
 *
 * and the program's own. It needs jansson. Layers that are a program's own code (REEL_CELL,
 * REEL_FUNCTION and models of reel_model_new) cannot be written: reel_save keeps their parameters.
 */
#ifndef REEL_TRAINED_H
#define REEL_TRAINED_H

#include "../io/deploy.h"
#include "../io/safetensors.h"
#include "decode.h"
#include "model.h"
#include "text.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- files (model_file.c) ------------------------------------------------------------------ */

#define REEL_MODEL_VERSION 1 /* of "reel.model" */

/* What a model needs beside its parameters. */
typedef struct {
    reel_normalizer inputs, targets; /* .features 0: none */
    reel_vocabulary *vocabulary;     /* NULL: none */
    const reel_text *texts;          /* the program's own, up to a { NULL, NULL }; NULL: none */
} reel_model_extras;

/* The model must be sequential and built. Optimiser, loss and metrics are written where they are
 * named; a key "reel.…" of the program's own is refused. The file is replaced as a whole. */
REEL_API reel_status reel_model_save(reel_model *, const char *path, reel_model_extras);

/* A model as it was saved, compiled if it was, with the parameters' names of then: the tape should
 * have none of them. The extras, which may be NULL, belong to the tape; their texts are all that are
 * not reel's. NULL with an error for a file that is damaged, is no model, is of a later version or
 * does not hold exactly the parameters that its layers need. Everything but the parameters is checked
 * before the tape gets any. */
REEL_API reel_model *reel_model_load(reel_tape *, const char *path, reel_model_extras *);

/* ---- a step at a time (model_step.c) ------------------------------------------------------- */

/* The layers, as they were given but for .name, which is set; NULL outside. 0 of a functional model. */
REEL_API int reel_model_layers(const reel_model *);
REEL_API const reel_layer_spec *reel_model_layer(const reel_model *, int k);

/* The model as a cell: a step takes [batch, …] of one time step (int32 [batch] of symbols) to the
 * model's output after it; the states are those of the recurrent layers, one after another. Without
 * recurrent layers a step is the model. .step is NULL with an error for a model that is not built, has
 * more than REEL_MAX_STATES states, or needs the end of a sequence at its start (both directions,
 * reverse ones, flattened steps, functions of sequences). */
REEL_API reel_cell reel_model_cell(reel_model *);
/* A model of symbols that puts out logits (or probabilities, after a softmax layer) of the next one. */
REEL_API reel_decoder reel_model_decoder(reel_model *);
/* A step on zeros, to be frozen or emitted as C (deploy.h), without dropout. */
REEL_API reel_status reel_model_record(reel_model *, int64_t batch, reel_recorded *);

#ifdef __cplusplus
}
#endif

#endif

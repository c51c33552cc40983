/* compile.c: a model's optimiser, loss and metrics. */
#include <math.h>
#include <string.h>

#include "training.h"

/* ---- reel_compile -------------------------------------------------------------------------- */

static bool check_numbers(reel_tape *tape, const reel_compile_options *o)
{
    const struct {
        const char *name;
        double value;
    } numbers[] = { { "lr", o->lr },
                    { "clip_norm", o->clip_norm },
                    { "clip_value", o->clip_value } };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (!(numbers[i].value >= 0) || isinf(numbers[i].value)) {
            reel_fail(tape, REEL_BAD_ARGUMENT, "compile", "%s is %g, must be greater than 0",
                      numbers[i].name, numbers[i].value);
            return false;
        }
    }
    return true;
}

/* Finds what the names mean, in a copy of what the model has. */
static bool look_up(reel_model *found, const reel_compile_options *o)
{
    reel_tape *tape = found->tape;
    found->loss_function = o->loss_function;
    found->loss = o->loss && !o->loss_function ? reel__loss_by_name(tape, o->loss) : NULL;
    found->metrics = 0;
    for (int i = 0; i < REEL_MAX_METRICS && o->metrics[i]; i++) {
        if (!reel__metric_by_name(tape, o->metrics[i], &found->metric[i])) {
            break;
        }
        found->metrics++;
    }
    if (!found->build && !o->loss && !o->loss_function && reel_tape_status(tape) == REEL_OK) {
        reel_fail(tape, REEL_BAD_ARGUMENT, "compile", "a sequential model needs a loss");
    }
    found->owns_optimizer = !o->optimizer_made;
    found->optimizer = o->optimizer_made;
    if (reel_tape_status(tape) == REEL_OK && !found->optimizer) {
        found->optimizer =
            reel_optimizer_by_name(tape, o->optimizer ? o->optimizer : "adam", o->lr);
    }
    return reel_tape_status(tape) == REEL_OK;
}

static void free_metrics(reel_model *model)
{
    for (int k = 0; k < model->metrics; k++) {
        reel__metric_free(&model->metric[k]);
    }
}

static reel_status compile(reel_model *model, const reel_compile_options *o)
{
    reel_tape *tape = model->tape;
    reel_model found = *model;
    if (reel_tape_status(tape) != REEL_OK || !check_numbers(tape, o)) {
        return reel_tape_status(tape);
    }
    if (!look_up(&found, o)) {
        free_metrics(&found);
        return reel_tape_status(tape);
    }
    free_metrics(model);
    if (model->owns_optimizer) {
        reel_optimizer_free(model->optimizer);
    }
    found.clip_norm = o->clip_norm;
    found.clip_value = o->clip_value;
    found.any_steps = o->any_steps;
    found.compiled = true;
    *model = found;
    return REEL_OK;
}

reel_status reel_compile(reel_model *model, reel_compile_options options)
{
    if (!model) {
        return REEL_BAD_HANDLE;
    }
    model->tape->nested++; /* errors below are at the caller's line */
    reel_status status = compile(model, &options);
    model->tape->nested--;
    return status;
}

reel_optimizer *reel_model_optimizer(const reel_model *model)
{
    return model && model->compiled ? model->optimizer : NULL;
}

/* emit_c.c: a model as one file of C that needs no library. */
#include "command.h"

#include <string.h>

typedef struct {
    common_options common;
    const char *out, *name;
} settings;

static const settings defaults = { .out = "model.c", .name = "model" };

#define AT(field) offsetof(settings, field)
static const option options[] = {
    { "out", OPTION_TEXT, AT(out), "FILE", "where the C goes" },
    { "name", OPTION_TEXT, AT(name), "NAME", "of the functions" },
    { 0 },
};

static bool run(session *s, const void *from)
{
    const settings *o = from;
    reel_model_extras with;
    reel_recorded step;
    reel_model *m = reel_model_load(s->tape, s->argument[0], &with);
    if (!m || reel_model_record(m, 1, &step) != REEL_OK ||
        reel_emit_c(s->tape, step, o->out, (reel_emit_c_options){ .name = o->name }) != REEL_OK) {
        return false;
    }
    report_text(&s->report, "file", o->out, strlen(o->out));
    report_number(&s->report, "inputs", (double)reel_shape_size(reel_shape_of(step.input[0])));
    report_number(&s->report, "outputs", (double)reel_shape_size(reel_shape_of(step.output[0])));
    if (with.inputs.features > 0) {
        report_numbers(&s->report, "subtract_from_inputs", with.inputs.center,
                       with.inputs.features);
        report_numbers(&s->report, "divide_inputs_by", with.inputs.scale, with.inputs.features);
    }
    return true;
}

const command emit_c = {
    .name = "emit-c",
    .argument = { "MODEL" },
    .summary = "write a model as one C file without dependencies",
    .more = "The file defines NAME_init(state) and NAME_step(state, x, y): one step of a sequence.",
    .options = options,
    .defaults = &defaults,
    .size = sizeof defaults,
    .run = run,
};

/* match.c: what an archive holds against what a tape has. */
#include <stdarg.h>
#include <string.h>

#include "match.h"

void reel__mismatch(reel__mismatches *m, const char *format, ...)
{
    char line[400];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (m->log) {
        m->log(m->log_self, line);
    }
    size_t length = strlen(line);
    if (m->left_out || m->length + length + 2 >= sizeof m->text - 24) { /* ", and … more" */
        m->left_out++;
        return;
    }
    m->length += (size_t)snprintf(m->text + m->length, sizeof m->text - m->length, "%s%s",
                                  m->length ? "; " : "", line);
}

const char *reel__mismatch_text(reel__mismatches *m)
{
    if (m->left_out) {
        snprintf(m->text + m->length, sizeof m->text - m->length, "%s%zu more",
                 m->length ? "; and " : "", m->left_out);
    }
    return m->text;
}

bool reel__fits(const reel__param *param, const reel_array *array, reel__mismatches *m)
{
    if (!reel__is_floating(array->type)) {
        reel__mismatch(m, "%.120s is of type %s, not floating", param->name,
                       reel_array_type_name(array->type));
        return false;
    }
    if (!reel_shape_equal(array->shape, param->shape)) {
        reel__mismatch(m, "%.120s is %s, here %s", param->name, REEL_SHAPE_TEXT(array->shape),
                       REEL_SHAPE_TEXT(param->shape));
        return false;
    }
    return true;
}

reel_array reel__param_array(const reel_tape *t, const reel__param *param)
{
    return (reel_array){ .type = t->options.dtype == REEL_F64 ? REEL_ARRAY_F64 : REEL_ARRAY_F32,
                         .shape = param->shape,
                         .data = t->flat_values + param->offset * t->element };
}

void reel__write_numbers(const reel_tape *t, char *flat, size_t offset, reel_array array)
{
    size_t n = reel_array_bytes(array) / reel__array_element(array.type);
    char *to = flat + offset * t->element;
    if (t->options.dtype == REEL_F64) {
        reel_array_read_f64(array, (double *)(void *)to, n);
    } else {
        reel_array_read(array, (float *)(void *)to, n);
    }
}

reel_archive *reel__tape_archive(reel_tape *t)
{
    reel_archive *a = reel_archive_new((reel_archive_options){ .allocator = t->options.allocator });
    if (!a) {
        reel_fail(t, REEL_OUT_OF_MEMORY, "archive", "out of memory");
    }
    return a;
}

reel_status reel__pass_error(reel_tape *t, const char *caller, const reel_archive *a)
{
    reel_status status = reel_archive_status(a);
    if (status != REEL_OK) {
        reel_fail(t, status, caller, "%s", reel_archive_error(a));
    }
    return status;
}

reel_status reel__tape_failed(const reel_tape *t)
{
    return t->error.status == REEL_OK ? REEL_INTERNAL : t->error.status;
}

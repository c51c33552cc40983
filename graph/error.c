/* error.c: the tape's first error, and where in the caller's program it happened.
 *
 * A public call is wrapped by a macro of its own name, which tells the place after the call
 * returned (reel_located) or before it starts (reel_here). So an error is first kept without a
 * place, marked fresh, and gets one from the innermost macro around the call. */
#include <stdarg.h>
#include <string.h>

#include "tape.h"

const char *reel_status_text(reel_status status)
{
    static const char *const texts[] = {
#define STATUS_TEXT(code, text) [code] = text,
        REEL_STATUS_TABLE(STATUS_TEXT)
#undef STATUS_TEXT
    };
    return (unsigned)status < REEL_STATUS_COUNT ? texts[status] : "unknown status";
}

reel_var reel__fail_text(reel_tape *t, reel_status status, const char *op, const char *text)
{
    if (t->error.status == REEL_OK) {
        reel__error *error = &t->error;
        error->status = status;
        snprintf(error->op, sizeof error->op, "%s", op);
        snprintf(error->text, sizeof error->text, "%s", text);
        error->step[0] = '\0';
        bool placed = t->site_line != 0 && !t->unplaced;
        error->line = placed ? t->site_line : 0;
        error->file = placed ? ((const char *const *)t->files.data)[t->site_file] : NULL;
        error->fresh = !placed || t->nested > 0; /* a call within may know better */
    }
    return (reel_var){ t, 0 };
}

reel_var reel_fail(reel_tape *t, reel_status status, const char *op, const char *format, ...)
{
    if (t == NULL) {
        return (reel_var){ 0 };
    }
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format ? format : "no reason given", arguments);
    va_end(arguments);
    return reel__fail_text(t, status, op ? op : "reel", text);
}

reel_status reel_tape_status(const reel_tape *t)
{
    return t ? t->error.status : REEL_BAD_ARGUMENT;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

const char *reel_tape_error(const reel_tape *tape)
{
    if (tape == NULL) {
        return "no tape";
    }
    if (tape->error.status == REEL_OK) {
        return "";
    }
    reel_tape *t = (reel_tape *)tape; /* the text is composed on demand, into the tape's own room */
    const reel__error *error = &t->error;
    if (error->file) {
        snprintf(t->error_text, sizeof t->error_text, "%s at %s:%d%s: %s", error->op,
                 base_name(error->file), error->line, error->step, error->text);
    } else {
        snprintf(t->error_text, sizeof t->error_text, "%s%s: %s", error->op, error->step,
                 error->text);
    }
    return t->error_text;
}

void reel_tape_clear(reel_tape *t)
{
    if (t) {
        t->error = (reel__error){ 0 };
        if (t->run_failed) {
            t->pending.count = t->kept.count = 0;
            reel__forget_deferred(t);
            t->run_failed = false;
        }
    }
}

/* ---- places -------------------------------------------------------------------------------- */

/* File names are string literals, so equal pointers are the common case; entry 0 is "". */
uint16_t reel__file_index(reel_tape *t, const char *file)
{
    const char **files = t->files.data;
    for (size_t i = t->files.count; i-- > 0;) {
        if (files[i] == file) {
            return (uint16_t)i;
        }
    }
    if (t->files.count > UINT16_MAX ||
        !reel__list_reserve(t, &t->files, t->files.count + 1, sizeof(const char *))) {
        return 0;
    }
    ((const char **)t->files.data)[t->files.count] = file;
    return (uint16_t)t->files.count++;
}

void reel__stamp(reel_tape *t, uint16_t file, int32_t line)
{
    for (; t->stamped < t->nodes.count; t->stamped++) {
        reel__node *node = reel__node_at(t, t->stamped);
        if (node->line == 0) {
            node->line = line;
            node->file = file;
        }
    }
}

/* Calls may lie in one another: a function of the program that a call runs makes calls of its
 * own. */
reel_site reel_enter(reel_tape *t, const char *file, int line)
{
    reel_site before = { 0 };
    if (t) {
        before = (reel_site){ t->site_file, t->unplaced, t->site_line };
        t->site_file = reel__file_index(t, file);
        t->site_line = line;
        t->unplaced = false;
        t->error.fresh = false;
        t->nested++;
    }
    return before;
}

void reel_leave(reel_tape *t, reel_site before)
{
    if (t) {
        reel__stamp(t, t->site_file, t->site_line);
        t->nested--;
        t->site_file = before.file;
        t->site_line = before.line;
        t->unplaced = before.unplaced;
        t->error.fresh = t->error.fresh && t->error.file == NULL;
    }
}

reel_var reel_located(reel_var v, const char *file, int line)
{
    reel_tape *t = v.tape;
    if (t == NULL) {
        return v;
    }
    if (t->error.fresh) {
        t->error.file = file;
        t->error.line = line;
        t->error.fresh = false;
    }
    if (t->stamped < t->nodes.count) {
        reel__stamp(t, reel__file_index(t, file), line);
    }
    return v;
}

static int64_t step_of(const reel_tape *t, const reel__node *node)
{
    return ((const reel__mark *)t->marks.data)[node->mark].step;
}

void reel__fail_node(reel_tape *t, uint32_t index, reel_status status, const char *text)
{
    const reel__node *node = reel__node_at(t, index);
    char op[64];
    if (t->error.status != REEL_OK) {
        return;
    }
    snprintf(op, sizeof op, "%s%s", node->flags & REEL__BACKWARD ? "backward " : "",
             node->op->name);
    reel__fail_text(t, status, op, text);
    if (node->line) {
        t->error.file = ((const char *const *)t->files.data)[node->file];
        t->error.line = node->line;
        t->error.fresh = false;
    }
    if (step_of(t, node) >= 0) {
        snprintf(t->error.step, sizeof t->error.step, ", step %lld", (long long)step_of(t, node));
    }
}

void reel__fail_stale(reel_tape *t, uint32_t index, uint32_t param)
{
    char text[512];
    snprintf(text, sizeof text,
             "it was recorded before parameter %s changed and was not held; call reel_keep on what "
             "is to be read after an update",
             reel__param_entry(t, param)->name);
    reel__fail_node(t, index, REEL_STALE_VALUE, text);
}

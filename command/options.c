/* options.c: --name value and --name=value, by a command's table. */
#include "command.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const option common[] = {
    { "seed", OPTION_COUNT, offsetof(common_options, seed), "N", "of everything that is random" },
    { "threads", OPTION_COUNT, offsetof(common_options, threads), "N", "0: all cores", 0, 1024 },
    { "json", OPTION_FLAG, offsetof(common_options, json), NULL, "report as one JSON object" },
    { "quiet", OPTION_FLAG, offsetof(common_options, quiet), NULL, "no progress on stderr" },
    { "help", OPTION_FLAG, offsetof(common_options, help), NULL, "this" },
    { 0 },
};

/* Option i of a command, the common ones behind its own; NULL behind the last. */
static const option *option_at(const command *c, int i)
{
    int own = 0;
    while (c->options[own].name) {
        own++;
    }
    const option *o = i < own ? &c->options[i] : &common[i - own];
    return o->name ? o : NULL;
}

static const char *option_name(const void *self, int i)
{
    const option *o = option_at(self, i);
    return o ? o->name : NULL;
}

static const option *find_option(const command *c, const char *name, size_t length)
{
    const option *o;
    for (int i = 0; (o = option_at(c, i)); i++) {
        if (strlen(o->name) == length && strncmp(o->name, name, length) == 0) {
            return o;
        }
    }
    return NULL;
}

/* ---- names that are almost right ----------------------------------------------------------- */

static double distance(reel_metric *edits, const char *a, const char *b)
{
    const char *const reference[] = { b };
    reel_metric_reset(edits);
    reel_metric_update_text(edits, a, 1, reference);
    return reel_metric_result(edits);
}

const char *nearest_name(const char *name, const char *(*at)(const void *self, int i),
                         const void *self)
{
    const char *best = NULL, *other;
    double least = INFINITY;
    reel_metric *edits = reel_metric_new("edit_distance", (reel_metric_options){ 0 }, NULL);
    for (int i = 0; edits && (other = at(self, i)); i++) {
        double d = distance(edits, name, other);
        if (d < least) {
            least = d;
            best = other;
        }
    }
    reel_metric_free(edits);
    return best;
}

static bool unknown(const command *c, const char *name, size_t length)
{
    char text[64];
    snprintf(text, sizeof text, "%.*s", (int)(length < 63 ? length : 63), name);
    const char *near = nearest_name(text, option_name, c);
    fprintf(stderr, "reel %s: no option is called --%s", c->name, text);
    fprintf(stderr, near ? "; did you mean --%s?\n" : "\n", near);
    return false;
}

/* ---- values -------------------------------------------------------------------------------- */

static bool set_number(const command *c, const option *o, const char *text, void *settings)
{
    char *end;
    errno = 0;
    double value = strtod(text, &end);
    double most = o->most > 0 ? o->most : o->type == OPTION_COUNT ? 9e15 : INFINITY;
    bool whole = o->type == OPTION_NUMBER || value == floor(value);
    if (end == text || *end || errno || !whole || !(value >= o->least && value <= most)) {
        fprintf(stderr, "reel %s: --%s is \"%s\", must be a %s", c->name, o->name, text,
                o->type == OPTION_COUNT ? "whole number" : "number");
        fprintf(stderr, most < 9e15 ? " in [%g, %g]\n" : " of at least %g\n", o->least, most);
        return false;
    }
    if (o->type == OPTION_COUNT) {
        *(int64_t *)((char *)settings + o->offset) = (int64_t)value;
    } else {
        *(double *)((char *)settings + o->offset) = value;
    }
    return true;
}

static bool set_value(const command *c, const option *o, const char *text, void *settings)
{
    if (o->type == OPTION_TEXT) {
        *(const char **)((char *)settings + o->offset) = text;
        return true;
    }
    if (o->type != OPTION_LIST) {
        return set_number(c, o, text, settings);
    }
    option_list *list = (option_list *)((char *)settings + o->offset);
    if (list->count == MOST_ITEMS) {
        fprintf(stderr, "reel %s: --%s is there more than %d times\n", c->name, o->name,
                MOST_ITEMS);
        return false;
    }
    list->item[list->count++] = text;
    return true;
}

/* argv[0] is an option; *used: how many of argv it takes. */
static bool parse_option(const command *c, int argc, char **argv, void *settings, int *used)
{
    const char *name = argv[0] + 2, *equals = strchr(name, '=');
    size_t length = equals ? (size_t)(equals - name) : strlen(name);
    const option *o = find_option(c, name, length);
    *used = 1;
    if (!o) {
        return unknown(c, name, length);
    }
    if (o->type == OPTION_FLAG) {
        *(bool *)((char *)settings + o->offset) = true;
        if (equals) {
            fprintf(stderr, "reel %s: --%s takes no value\n", c->name, o->name);
        }
        return !equals;
    }
    if (!equals && argc < 2) {
        fprintf(stderr, "reel %s: --%s needs a value: %s\n", c->name, o->name, o->value);
        return false;
    }
    *used = equals ? 1 : 2;
    return set_value(c, o, equals ? equals + 1 : argv[1], settings);
}

/* ---- all arguments ------------------------------------------------------------------------- */

static int arguments_of(const command *c)
{
    int count = 0;
    while (count < 3 && c->argument[count]) {
        count++;
    }
    return count;
}

bool parse_options(const command *c, int argc, char **argv, void *settings,
                   const char *arguments[3])
{
    int wanted = arguments_of(c), found = 0;
    bool options = true;
    memcpy(settings, c->defaults, c->size);
    for (int i = 0, used = 1; i < argc; i += used, used = 1) {
        if (options && strcmp(argv[i], "--") == 0) {
            options = false;
        } else if (options && strncmp(argv[i], "--", 2) == 0) {
            if (!parse_option(c, argc - i, argv + i, settings, &used)) {
                return false;
            }
        } else if (found < wanted) {
            arguments[found++] = argv[i];
        } else {
            fprintf(stderr, "reel %s: \"%s\" is one argument too many\n", c->name, argv[i]);
            return false;
        }
    }
    if (found < wanted && !((const common_options *)settings)->help) {
        fprintf(stderr, "reel %s: %s is missing; see reel %s --help\n", c->name, c->argument[found],
                c->name);
        return false;
    }
    return true;
}

/* ---- help ---------------------------------------------------------------------------------- */

static void print_default(const option *o, const void *defaults, FILE *out)
{
    const void *at = (const char *)defaults + o->offset;
    if (o->type == OPTION_COUNT && *(const int64_t *)at) {
        fprintf(out, " (%lld)", (long long)*(const int64_t *)at);
    } else if (o->type == OPTION_NUMBER && *(const double *)at != 0) {
        fprintf(out, " (%g)", *(const double *)at);
    } else if (o->type == OPTION_TEXT && *(const char *const *)at) {
        fprintf(out, " (%s)", *(const char *const *)at);
    }
}

void print_help(const command *c, FILE *out)
{
    const option *o;
    fprintf(out, "reel %s", c->name);
    for (int i = 0; i < arguments_of(c); i++) {
        fprintf(out, " %s", c->argument[i]);
    }
    fprintf(out, " [OPTIONS]\n\n%s\n\n", c->summary);
    for (int i = 0; (o = option_at(c, i)); i++) {
        char name[64];
        snprintf(name, sizeof name, "--%s %s", o->name, o->value ? o->value : "");
        fprintf(out, "  %-24s %s", name, o->help);
        print_default(o, c->defaults, out);
        fputc('\n', out);
    }
    if (c->more) {
        fprintf(out, "\n%s\n", c->more);
    }
}

/* by_name.c: optimisers by their names, with the default options. */
#include <string.h>

#include "names.h"
#include "update.h"

/* One function for each: the options structs differ, all have lr. */
#define MAKER(name, options)                                                                       \
    static reel_optimizer *make_##name(reel_tape *tape, double lr)                                 \
    {                                                                                              \
        return reel_##name(tape, (options){ .lr = lr });                                           \
    }
MAKER(sgd, reel_sgd_options)
MAKER(adam, reel_adam_options)
MAKER(adamw, reel_adam_options)

static const struct {
    const char *name;
    reel_optimizer *(*make)(reel_tape *, double lr);
} known[] = {
    { "sgd", make_sgd },
    { "adam", make_adam },
    { "adamw", make_adamw },
};
enum { KNOWN = sizeof known / sizeof *known };

const char *reel_optimizer_known(size_t i)
{
    return i < KNOWN ? known[i].name : NULL;
}

reel_optimizer *reel_optimizer_by_name(reel_tape *tape, const char *name, double lr)
{
    char text[640];
    for (size_t i = 0; name && i < KNOWN; i++) {
        if (strcmp(known[i].name, name) == 0) {
            return known[i].make(tape, lr);
        }
    }
    reel__unknown_name(text, sizeof text, "optimiser", name, reel_optimizer_known);
    reel_fail(tape, REEL_NOT_FOUND, "optimizer_by_name", "%s", text);
    return NULL;
}

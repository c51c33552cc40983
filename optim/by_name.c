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
MAKER(nadam, reel_nadam_options)
MAKER(radam, reel_radam_options)
MAKER(adamax, reel_adamax_options)
MAKER(rmsprop, reel_rmsprop_options)
MAKER(adagrad, reel_adagrad_options)
MAKER(adadelta, reel_adadelta_options)
MAKER(rprop, reel_rprop_options)
MAKER(lion, reel_lion_options)
MAKER(nt_asgd, reel_nt_asgd_options)
MAKER(lbfgs, reel_lbfgs_options)

static const struct {
    const char *name;
    reel_optimizer *(*make)(reel_tape *, double lr);
} known[] = {
    { "sgd", make_sgd },         { "adam", make_adam },       { "adamw", make_adamw },
    { "nadam", make_nadam },     { "radam", make_radam },     { "adamax", make_adamax },
    { "rmsprop", make_rmsprop }, { "adagrad", make_adagrad }, { "adadelta", make_adadelta },
    { "rprop", make_rprop },     { "lion", make_lion },       { "nt_asgd", make_nt_asgd },
    { "lbfgs", make_lbfgs },
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

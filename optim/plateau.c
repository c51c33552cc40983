/* plateau.c: a smaller learning rate where a metric stops to improve. */
#include "update.h"

static const char *problem_of(const reel_plateau_options *o)
{
    return !(o->factor > 0 && o->factor < 1) ? "plateau: factor must be in (0, 1)"
           : !(o->patience >= 0)             ? "plateau: patience must be at least 0"
           : !(o->threshold >= 0 && isfinite(o->threshold))
               ? "plateau: threshold must be at least 0"
           : !(o->cooldown >= 0)                      ? "plateau: cooldown must be at least 0"
           : !(o->lowest >= 0 && isfinite(o->lowest)) ? "plateau: lowest must be at least 0"
           : !(o->eps >= 0)                           ? "plateau: eps must be at least 0"
                                                      : NULL;
}

reel_plateau reel_plateau_of(reel_plateau_options o)
{
    o.factor = o.factor == 0 ? 0.1 : o.factor;
    o.patience = reel__optim_option(o.patience, 10);
    o.threshold = reel__optim_option(o.threshold, 1e-4);
    o.cooldown = reel__optim_option(o.cooldown, 0);
    o.lowest = reel__optim_option(o.lowest, 0);
    o.eps = reel__optim_option(o.eps, 1e-8);
    return (reel_plateau){ .options = o,
                           .best = o.largest_is_best ? -INFINITY : INFINITY,
                           .error = problem_of(&o) };
}

static bool improves(const reel_plateau *plateau, double metric)
{
    const reel_plateau_options *o = &plateau->options;
    double sign = o->largest_is_best ? 1 : -1, best = plateau->best;
    double least = o->absolute ? best + sign * o->threshold : best * (1 + sign * o->threshold);
    return o->largest_is_best ? metric > least : metric < least;
}

double reel_plateau_report(reel_plateau *plateau, double metric, double lr)
{
    if (!plateau || plateau->error) {
        return NAN;
    }
    const reel_plateau_options *o = &plateau->options;
    if (improves(plateau, metric)) {
        plateau->best = metric;
        plateau->bad = 0;
    } else {
        plateau->bad++;
    }
    if (plateau->cooling > 0) {
        plateau->cooling--;
        plateau->bad = 0;
    }
    if (plateau->bad <= o->patience) {
        return lr;
    }
    plateau->cooling = o->cooldown;
    plateau->bad = 0;
    double reduced = fmax(lr * o->factor, o->lowest);
    return lr - reduced > o->eps ? reduced : lr;
}

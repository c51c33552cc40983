/* line_search.c: a step that meets the strong Wolfe conditions, first by going on until a minimum
 * lies between two points, then by narrowing them (Nocedal & Wright 2006, algorithms 3.5 and 3.6).
 * Guesses and safeguards are those of torch.optim.LBFGS. */
#include "line_search.h"

#include <math.h>

typedef reel__line_point point;

typedef struct {
    const reel__line *line;
    point start;
    point low, high; /* the bracket; low has the smaller f */
    int evaluations;
    bool done; /* low meets both conditions */
} search;

static const double decrease = 1e-4, curvature = 0.9;

/* The minimum of the cubic through both points with their slopes, within [least, most]; the middle
 * where it has none, or where a loss is not finite. */
static double cubic(const point *a, const point *b, double least, double most)
{
    const point *x = a->t <= b->t ? a : b, *y = a->t <= b->t ? b : a;
    double d1 = x->slope + y->slope - 3 * (x->f - y->f) / (x->t - y->t);
    double square = d1 * d1 - x->slope * y->slope;
    double root = sqrt(square);
    double t = y->t - (y->t - x->t) * ((y->slope + root - d1) / (y->slope - x->slope + 2 * root));
    return square >= 0 && isfinite(t) ? fmin(fmax(t, least), most) : (least + most) / 2;
}

static bool enough_decrease(const search *s, const point *p)
{
    return p->f <= s->start.f + decrease * p->t * s->start.slope;
}

static bool flat_enough(const search *s, const point *p)
{
    return fabs(p->slope) <= -curvature * s->start.slope;
}

/* A buffer that none of these has. */
static int spare(const point *a, const point *b, const point *c)
{
    int i = 0;
    while (i == a->buffer || i == b->buffer || i == c->buffer) {
        i++;
    }
    return i;
}

static bool evaluate(search *s, point *p)
{
    s->evaluations++;
    return s->line->evaluate(s->line->self, p);
}

static void set_bracket(search *s, const point *a, const point *b)
{
    s->low = a->f <= b->f || !isfinite(b->f) ? *a : *b;
    s->high = s->low.t == a->t ? *b : *a;
}

/* Further and further until a minimum lies between the last two points. */
static bool find_bracket(search *s, double t)
{
    point before = s->start, now = { .t = t, .buffer = spare(&s->start, &s->start, &s->start) };
    if (!evaluate(s, &now)) {
        return false;
    }
    for (int i = 0; i < s->line->most; i++) {
        bool rises = i > 1 && now.f >= before.f;
        if (!enough_decrease(s, &now) || rises) {
            set_bracket(s, &before, &now);
            return true;
        }
        if (flat_enough(s, &now)) {
            s->low = s->high = now;
            s->done = true;
            return true;
        }
        if (now.slope >= 0) {
            set_bracket(s, &before, &now);
            return true;
        }
        double next = cubic(&before, &now, now.t + 0.01 * (now.t - before.t), 10 * now.t);
        before = now;
        now = (point){ .t = next, .buffer = spare(&s->start, &before, &before) };
        if (!evaluate(s, &now)) {
            return false;
        }
    }
    set_bracket(s, &s->start, &now);
    return true;
}

/* Between the ends; a guess near one of them twice in a row is moved away by a tenth. */
static double guess(const search *s, bool *near_before)
{
    double least = fmin(s->low.t, s->high.t), most = fmax(s->low.t, s->high.t);
    double t = cubic(&s->low, &s->high, least, most), tenth = 0.1 * (most - least);
    bool near = fmin(most - t, t - least) < tenth;
    bool move = near && (*near_before || t >= most || t <= least);
    *near_before = near && !move;
    if (!move) {
        return t;
    }
    return fabs(t - most) < fabs(t - least) ? most - tenth : least + tenth;
}

static void narrow(search *s, const point *now)
{
    if (!enough_decrease(s, now) || now->f >= s->low.f) {
        s->high = *now;
        if (s->high.f < s->low.f) {
            point better = s->high;
            s->high = s->low;
            s->low = better;
        }
        return;
    }
    s->done = flat_enough(s, now);
    if (!s->done && now->slope * (s->high.t - s->low.t) >= 0) {
        s->high = s->low;
    }
    s->low = *now;
}

bool reel__line_search(const reel__line *line, reel__line_point start, double t,
                       reel__line_point *found, int *evaluations)
{
    search s = { .line = line, .start = start };
    bool near_before = false, good = find_bracket(&s, t);
    while (good && !s.done && s.evaluations <= line->most &&
           fabs(s.high.t - s.low.t) * line->size >= line->tolerance) {
        point now = { .t = guess(&s, &near_before), .buffer = spare(&s.low, &s.high, &s.high) };
        good = evaluate(&s, &now);
        if (good) {
            narrow(&s, &now);
        }
    }
    *found = s.low;
    *evaluations += s.evaluations;
    return good;
}

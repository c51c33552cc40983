/* loss_distance.c: losses of probabilities, angles and distances. */
#include <math.h>

#include "loss.h"

/* 0 where p is 0: the logarithm never sees it. */
reel_var reel_kl_divergence(reel_var log_q, reel_var p, reel_reduction reduction)
{
    reel_tape *tape = log_q.tape;
    if (!reel__check_same_shape("kl_divergence", log_q, p) ||
        !reel__check_reduction(tape, "kl_divergence", reduction)) {
        return reel__poisoned(tape);
    }
    reel_shape shape = reel_shape_of(p);
    reel_var zero = reel_scalar(tape, 0), positive = reel_greater(p, zero);
    reel_var log_p = reel_log(reel_where(positive, p, reel_scalar(tape, 1)));
    reel_var terms = reel_where(positive, reel_mul(p, reel_sub(log_p, log_q)), zero);
    if (reduction != REEL_REDUCE_MEAN) {
        return reel__reduce_loss("kl_divergence", terms, reduction);
    }
    double rows = shape.rank > 0 && shape.dim[0] > 0 ? (double)shape.dim[0] : 1;
    return reel_scale(reel_sum_all(terms), 1.0 / rows);
}

/* ---- regression ---------------------------------------------------------------------------- */

reel_var reel_smooth_l1(reel_var prediction, reel_var target, double beta, reel_reduction reduction)
{
    reel_tape *tape = prediction.tape;
    beta = reel__option(beta, 1);
    if (!(beta >= 0)) {
        return reel_fail(tape, REEL_BAD_ARGUMENT, "smooth_l1", "beta is %g, must be at least 0",
                         beta);
    }
    if (!reel__check_same_shape("smooth_l1", prediction, target)) {
        return reel__poisoned(tape);
    }
    reel_var distance = reel_abs(reel_sub(prediction, target));
    if (beta == 0) {
        return reel__reduce_loss("smooth_l1", distance, reduction);
    }
    reel_var near = reel_scale(reel_square(distance), 0.5 / beta);
    reel_var far = reel_shift(distance, -0.5 * beta);
    reel_var losses = reel_where(reel_less(distance, reel_scalar(tape, beta)), near, far);
    return reel__reduce_loss("smooth_l1", losses, reduction);
}

reel_var reel_poisson_nll(reel_var log_rate, reel_var target, reel_reduction reduction)
{
    if (!reel__check_same_shape("poisson_nll", log_rate, target)) {
        return reel__poisoned(log_rate.tape);
    }
    reel_var losses = reel_sub(reel_exp(log_rate), reel_mul(target, log_rate));
    return reel__reduce_loss("poisson_nll", losses, reduction);
}

reel_var reel_gaussian_nll(reel_var mean, reel_var target, reel_var variance,
                           reel_reduction reduction)
{
    if (!reel__check_same_shape("gaussian_nll", mean, target) ||
        !reel__check_same_shape("gaussian_nll", mean, variance)) {
        return reel__poisoned(mean.tape);
    }
    reel_var v = reel_clamp(variance, 1e-6, INFINITY);
    reel_var square = reel_square(reel_sub(mean, target));
    reel_var losses = reel_scale(reel_add(reel_log(v), reel_div(square, v)), 0.5);
    return reel__reduce_loss("gaussian_nll", losses, reduction);
}

/* ---- angles -------------------------------------------------------------------------------- */

static bool check_vectors(const char *loss, reel_var a, reel_var b)
{
    if (!reel__check_same_shape(loss, a, b)) {
        return false;
    }
    if (reel_shape_of(a).rank == 0) {
        reel_fail(a.tape, REEL_BAD_SHAPE, loss, "a is [], expected [..., n]");
        return false;
    }
    return true;
}

static reel_var unit(reel_var v)
{
    return reel_div(v, reel_maximum(reel_norm_keep(v, -1), reel_scalar(v.tape, 1e-8)));
}

static reel_var cosine(reel_var a, reel_var b)
{
    return reel_sum(reel_mul(unit(a), unit(b)), -1);
}

reel_var reel_cosine_similarity(reel_var a, reel_var b)
{
    return check_vectors("cosine_similarity", a, b) ? cosine(a, b) : reel__poisoned(a.tape);
}

/* Whether targets are numbers [...] beside vectors [..., n]. */
static bool check_marks(const char *loss, reel_var vectors, reel_var targets)
{
    if (!reel__check_handle(vectors.tape, loss, targets)) {
        return false;
    }
    reel_shape rows = reel_shape_of(vectors), given = reel_shape_of(targets);
    rows.rank--;
    if (!reel_is_index(targets) && reel_shape_equal(given, rows)) {
        return true;
    }
    reel_fail(vectors.tape, REEL_BAD_SHAPE, loss, "targets are %s%s, expected numbers %s",
              reel_is_index(targets) ? "indices " : "", REEL_SHAPE_TEXT(given),
              REEL_SHAPE_TEXT(rows));
    return false;
}

reel_var reel_cosine_embedding(reel_var a, reel_var b, reel_var targets, double margin,
                               reel_reduction reduction)
{
    const char *name = "cosine_embedding";
    if (!check_vectors(name, a, b) || !check_marks(name, a, targets)) {
        return reel__poisoned(a.tape);
    }
    reel_var similarity = cosine(a, b);
    reel_var alike = reel_greater(targets, reel_scalar(a.tape, 0));
    reel_var unlike = reel_relu(reel_shift(similarity, -margin));
    reel_var losses = reel_where(alike, reel_shift(reel_neg(similarity), 1), unlike);
    return reel__reduce_loss(name, losses, reduction);
}

/* ---- distances ----------------------------------------------------------------------------- */

/* torch's pairwise distance: its ε keeps equal vectors away from the kink of the norm. */
static reel_var distance(reel_var a, reel_var b)
{
    return reel_norm(reel_shift(reel_sub(a, b), 1e-6), -1);
}

reel_var reel_triplet(reel_var anchor, reel_var positive, reel_var negative, double margin,
                      reel_reduction reduction)
{
    if (!check_vectors("triplet", anchor, positive) ||
        !check_vectors("triplet", anchor, negative)) {
        return reel__poisoned(anchor.tape);
    }
    reel_var near = distance(anchor, positive), far = distance(anchor, negative);
    reel_var losses = reel_relu(reel_shift(reel_sub(near, far), reel__option(margin, 1)));
    return reel__reduce_loss("triplet", losses, reduction);
}

reel_var reel_contrastive(reel_var a, reel_var b, reel_var targets, double margin,
                          reel_reduction reduction)
{
    if (!check_vectors("contrastive", a, b) || !check_marks("contrastive", a, targets)) {
        return reel__poisoned(a.tape);
    }
    reel_var square = reel_sum(reel_square(reel_sub(a, b)), -1);
    reel_var apart = reel_norm(reel_sub(a, b), -1);
    reel_var short_of = reel_relu(reel_shift(reel_neg(apart), reel__option(margin, 1)));
    reel_var others = reel_shift(reel_neg(targets), 1);
    reel_var losses = reel_add(reel_mul(targets, square), reel_mul(others, reel_square(short_of)));
    return reel__reduce_loss("contrastive", losses, reduction);
}

/* derivative.c: what a program asks of the reverse sweep. */
#include <string.h>

#include "tape.h"

static reel_status status_of(const reel_tape *t)
{
    return t->error.status == REEL_OK ? REEL_BAD_HANDLE : t->error.status;
}

static bool check_scalar(reel_tape *t, uint32_t y, const char *caller)
{
    const reel__shape_entry *shape = reel__shape_entry_of(t, y);
    if (shape->size != 1) {
        reel_fail(t, REEL_BAD_SHAPE, caller,
                  "the loss must have one element, not %s; sum or average it first",
                  REEL_SHAPE_TEXT(shape->shape));
    } else if (reel__node_at(t, y)->flags & REEL__INDEX) {
        reel_fail(t, REEL_NOT_DIFFERENTIABLE, caller, "the loss is an index tensor");
    } else {
        return true;
    }
    return false;
}

/* Ones or zeros in the shape of a node, without a buffer of that size. */
static reel_var constant_like(reel_tape *t, uint32_t index, double value)
{
    t->nested++; /* the stamped call goes on */
    reel_var constant = reel_expand(reel_scalar(t, value), reel__shape_entry_of(t, index)->shape);
    t->nested--;
    return constant;
}

/* Memory for the lists of one call, freed by drop(). */
typedef struct {
    size_t bytes;
    uint32_t *x;
    reel_var *grad;
} lists;

static bool take(reel_tape *t, size_t n, lists *room)
{
    room->bytes = n * (sizeof(reel_var) + sizeof(uint32_t)) + 16;
    room->grad = reel__resize(t, NULL, 0, room->bytes);
    room->x = room->grad ? (uint32_t *)(void *)(room->grad + n) : NULL;
    return room->grad != NULL;
}

static void drop(reel_tape *t, const lists *room)
{
    reel__resize(t, room->grad, room->bytes, 0);
}

/* ---- backward ------------------------------------------------------------------------------- */

static bool remember(reel_tape *t, uint32_t loss, size_t n, const reel_var *grad)
{
    if (!reel__list_reserve(t, &t->pending, t->pending.count + n, sizeof(reel__pending)) ||
        !reel__list_reserve(t, &t->kept, t->kept.count + 1, sizeof(uint32_t))) {
        return false;
    }
    for (uint32_t i = 0; i < n; i++) {
        uint32_t node;
        if (grad[i].tape && reel__resolve(t, grad[i], "backward", &node)) {
            ((reel__pending *)t->pending.data)[t->pending.count++] = (reel__pending){ i, node };
        }
    }
    if (!(reel__node_at(t, loss)->flags & (REEL__ASKED | REEL__KEEP))) {
        reel__node_at(t, loss)->flags |= REEL__ASKED;
        ((uint32_t *)t->kept.data)[t->kept.count++] = loss;
    }
    return true;
}

bool reel__record_backward(reel_tape *t, uint32_t loss)
{
    size_t n = t->params.count;
    lists room;
    if (!take(t, n, &room)) {
        return false;
    }
    for (uint32_t i = 0; i < n; i++) {
        room.x[i] = reel__param_entry(t, i)->node;
    }
    reel__sweep_start start = reel__sweep_begins(t, loss);
    reel_var one = constant_like(t, loss, 1);
    bool fine = one.id && reel__sweep(t, 1, &loss, &one, (int)n, room.x, room.grad) &&
                remember(t, loss, n, room.grad);
    if (fine) {
        reel__sweep_ended(t, loss, start);
    }
    drop(t, &room);
    return fine;
}

void reel_backward(reel_var loss)
{
    reel_tape *t = loss.tape;
    uint32_t y;
    if (t == NULL) {
        return;
    }
    if (!reel__resolve(t, loss, "backward", &y) || !check_scalar(t, y, "backward") ||
        t->params.count == 0 || !reel__record_deferred(t)) {
        return;
    }
    if (!reel__defer_sweep(t, y) || !remember(t, y, 0, NULL)) {
        reel__record_backward(t, y);
    }
    reel__forget_site(t);
}

/* ---- recorded gradients --------------------------------------------------------------------- */

/* `out` may be one of the lists given, so it is written only at the end. */
static reel_status poisoned(reel_tape *t, int n, reel_var out[])
{
    for (int i = 0; out && i < n; i++) {
        out[i] = (reel_var){ t, 0 };
    }
    return status_of(t);
}

static bool check_lists(reel_tape *t, const char *caller, int n, const reel_var *a,
                        const reel_var *b)
{
    if (n < 0 || (n > 0 && (!a || !b))) {
        reel_fail(t, REEL_BAD_ARGUMENT, caller, n < 0 ? "%d variables" : "%d variables and no list",
                  n);
        return false;
    }
    return true;
}

static reel_status sweep_variables(reel_tape *t, const char *caller, int m, const uint32_t y[],
                                   const reel_var u[], int n, const reel_var x[], reel_var out[])
{
    lists room;
    if (!check_lists(t, caller, n, x, out) || !take(t, (size_t)n, &room)) {
        return poisoned(t, n, out);
    }
    bool fine = true;
    for (int i = 0; fine && i < n; i++) {
        fine = reel__resolve(t, x[i], caller, &room.x[i]);
    }
    fine = fine && reel__sweep(t, m, y, u, n, room.x, room.grad);
    for (int i = 0; fine && i < n; i++) {
        out[i] = room.grad[i].tape ? room.grad[i] : constant_like(t, room.x[i], 0);
        fine = out[i].id != 0;
    }
    drop(t, &room);
    reel__forget_site(t);
    return fine ? REEL_OK : poisoned(t, n, out);
}

reel_status reel_gradients(reel_var y, int n, const reel_var x[], reel_var dy_dx[])
{
    reel_tape *t = y.tape;
    uint32_t index;
    if (t == NULL) {
        return REEL_BAD_HANDLE;
    }
    if (!reel__resolve(t, y, "gradients", &index) || !check_scalar(t, index, "gradients")) {
        return poisoned(t, n, dy_dx);
    }
    reel_var one = constant_like(t, index, 1);
    return sweep_variables(t, "gradients", 1, &index, &one, n, x, dy_dx);
}

reel_var reel_gradient(reel_var y, reel_var x)
{
    reel_var out = { y.tape, 0 };
    if (y.tape) {
        reel__forget_site(y.tape);
    }
    reel_gradients(y, 1, &x, &out);
    return out;
}

static bool check_weight(reel_tape *t, const char *caller, uint32_t y, uint32_t u)
{
    reel_shape a = reel__shape_entry_of(t, y)->shape, b = reel__shape_entry_of(t, u)->shape;
    if (!reel_shape_equal(a, b)) {
        reel_fail(t, REEL_BAD_SHAPE, caller, "the vector is %s, the value %s", REEL_SHAPE_TEXT(b),
                  REEL_SHAPE_TEXT(a));
        return false;
    }
    return true;
}

reel_status reel_vjp(reel_var y, reel_var u, int n, const reel_var x[], reel_var out[])
{
    reel_tape *t = y.tape;
    uint32_t y_index, u_index;
    if (t == NULL) {
        return REEL_BAD_HANDLE;
    }
    if (!reel__resolve(t, y, "vjp", &y_index) || !reel__resolve(t, u, "vjp", &u_index) ||
        !check_weight(t, "vjp", y_index, u_index)) {
        return poisoned(t, n, out);
    }
    return sweep_variables(t, "vjp", 1, &y_index, &u, n, x, out);
}

/* Gradient of Σ <w[i], v[i]> in z[], by one sweep from all w at once. */
static reel_status combined(reel_tape *t, const char *caller, int n, const reel_var w[],
                            const reel_var v[], int m, const reel_var z[], reel_var out[])
{
    lists room;
    if (!take(t, (size_t)n, &room)) {
        return poisoned(t, m, out);
    }
    bool fine = true;
    for (int i = 0; fine && i < n; i++) {
        uint32_t v_index;
        fine = reel__resolve(t, w[i], caller, &room.x[i]) &&
               reel__resolve(t, v[i], caller, &v_index) &&
               check_weight(t, caller, room.x[i], v_index);
    }
    reel_status status =
        fine ? sweep_variables(t, caller, n, room.x, v, m, z, out) : poisoned(t, m, out);
    drop(t, &room);
    return status;
}

reel_var reel_jvp(reel_var y, int n, const reel_var x[], const reel_var v[])
{
    reel_tape *t = y.tape;
    uint32_t y_index;
    reel_var out = { t, 0 };
    if (t == NULL || !reel__resolve(t, y, "jvp", &y_index) || !check_lists(t, "jvp", n, x, v)) {
        return out;
    }
    /* uᵀJ is linear in u, so its derivative in u, weighted by v, is J·v wherever u is taken. */
    reel_var u = constant_like(t, y_index, 0);
    lists room;
    if (u.id == 0 || !take(t, (size_t)n, &room)) {
        return out;
    }
    if (reel_vjp(y, u, n, x, room.grad) == REEL_OK) {
        combined(t, "jvp", n, room.grad, v, 1, &u, &out);
    }
    drop(t, &room);
    return out;
}

reel_status reel_hvp(reel_var loss, int n, const reel_var x[], const reel_var v[], reel_var out[])
{
    reel_tape *t = loss.tape;
    lists room;
    if (t == NULL) {
        return REEL_BAD_HANDLE;
    }
    if (!check_lists(t, "hvp", n, x, v) || !check_lists(t, "hvp", n, v, out) ||
        !take(t, (size_t)n, &room)) {
        return poisoned(t, n, out);
    }
    t->nested++;
    reel_status status = reel_gradients(loss, n, x, room.grad);
    status =
        status == REEL_OK ? combined(t, "hvp", n, room.grad, v, n, x, out) : poisoned(t, n, out);
    t->nested--;
    reel__forget_site(t);
    drop(t, &room);
    return status;
}

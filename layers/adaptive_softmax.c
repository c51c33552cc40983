/* adaptive_softmax.c: a softmax whose rare classes stand in clusters of their own. */
#include <math.h>

#include "class_output.h"

enum { MOST_CLUSTERS = 16, FEWEST_ROWS = 16 };

typedef struct {
    int clusters;
    int64_t in, cut[MOST_CLUSTERS + 1]; /* cluster i is cut[i] … cut[i + 1] - 1 */
    reel_var W_head, b_head;            /* b_head absent without bias */
    reel_var W_in[MOST_CLUSTERS], W_out[MOST_CLUSTERS];
} adaptive;

static const char name_of_layer[] = "adaptive_softmax";

static reel_var head(const adaptive *a, reel_var x)
{
    bool biased = !reel__is_absent(a->b_head);
    return reel_log_softmax(
        biased ? reel_affine(x, a->W_head, a->b_head) : reel_matmul(x, a->W_head), -1);
}

static reel_var tail(const adaptive *a, int i, reel_var x)
{
    return reel_log_softmax(reel_matmul(reel_matmul(x, a->W_in[i]), a->W_out[i]), -1);
}

/* ---- the loss ------------------------------------------------------------------------------- */

/* The rows whose target lies in one cluster, in lists of `room` entries; the rest is filled up
 * with row 0, which does not count. */
typedef struct {
    int64_t room;
    int32_t *row, *target;
    float *counts;
} members;

static int cluster_of(const adaptive *a, int32_t target)
{
    int i = -1;
    while (i + 1 < a->clusters && target >= a->cut[i + 1]) {
        i++;
    }
    return i;
}

static int64_t room_for(int64_t count)
{
    int64_t room = FEWEST_ROWS;
    while (room < count) {
        room *= 2;
    }
    return room;
}

static void collect(const adaptive *a, int cluster, const int32_t target[], int64_t n, members *m)
{
    int64_t found = 0;
    for (int64_t i = 0; i < n; i++) {
        if (cluster_of(a, target[i]) == cluster) {
            m->row[found] = (int32_t)i;
            m->target[found] = target[i] - (int32_t)a->cut[cluster];
            m->counts[found++] = 1;
        }
    }
    m->room = room_for(found);
    for (; found < m->room; found++) {
        m->row[found] = m->target[found] = 0;
        m->counts[found] = 0;
    }
}

/* log p with what the cluster's own softmax adds to its members' */
static reel_var with_tail(const adaptive *a, int i, reel_var x, reel_var log_p, const members *m)
{
    reel_tape *tape = x.tape;
    reel_shape shape = REEL_SHAPE(m->room);
    reel_var rows = reel_indices(tape, shape, m->row);
    reel_var inside = tail(a, i, reel_gather(x, rows));
    reel_var picked = reel_pick(inside, reel_indices(tape, shape, m->target));
    picked = reel_where(reel_input(tape, shape, m->counts), picked, reel_scalar(tape, 0));
    return reel_scatter_add(log_p, rows, picked);
}

static reel_var log_p_of(const adaptive *a, reel_var x, const int32_t target[], members *m)
{
    int64_t n = reel_shape_of(x).dim[0];
    for (int64_t i = 0; i < n; i++) {
        int cluster = cluster_of(a, target[i]);
        m->row[i] = cluster < 0 ? target[i] : (int32_t)a->cut[0] + cluster;
    }
    reel_var log_p = reel_pick(head(a, x), reel_indices(x.tape, REEL_SHAPE(n), m->row));
    for (int i = 0; i < a->clusters; i++) {
        collect(a, i, target, n, m);
        log_p = with_tail(a, i, x, log_p, m);
    }
    return log_p;
}

static reel_var loss(void *self, reel_var x, reel_var targets)
{
    const adaptive *a = self;
    reel_tape *tape = x.tape;
    size_t bytes, room = (size_t)room_for(reel_shape_of(x).dim[0]);
    size_t list_bytes = room * (2 * sizeof(int32_t) + sizeof(float));
    int32_t *target = reel__read_targets(targets, name_of_layer, a->cut[a->clusters], &bytes);
    int32_t *lists = target ? reel__resize(tape, NULL, 0, list_bytes) : NULL;
    reel_var log_p = reel__poisoned(tape);
    if (lists) {
        members m = { .row = lists, .target = lists + room, .counts = (float *)(lists + 2 * room) };
        log_p = log_p_of(a, x, target, &m);
    }
    reel__resize(tape, lists, lists ? list_bytes : 0, 0);
    reel__resize(tape, target, target ? bytes : 0, 0);
    return reel_neg(log_p);
}

static reel_var log_probabilities(void *self, reel_var x)
{
    const adaptive *a = self;
    reel_var first = head(a, x), part[MOST_CLUSTERS + 1];
    int64_t frequent = a->cut[0];
    part[0] = reel_slice(first, 1, 0, frequent);
    for (int i = 0; i < a->clusters; i++) {
        reel_var cluster = reel_slice(first, 1, frequent + i, frequent + i + 1);
        part[i + 1] = reel_add(cluster, tail(a, i, x));
    }
    return reel_concat_n(1, a->clusters + 1, part);
}

/* ---- making one ----------------------------------------------------------------------------- */

#define FAIL(...) (reel_fail(tape, REEL_BAD_ARGUMENT, name_of_layer, __VA_ARGS__), false)

static bool check(reel_tape *tape, const adaptive *a, int64_t classes, const int64_t *cutoffs,
                  double div_value)
{
    if (!reel__check_size(tape, name_of_layer, "in", a->in) ||
        !reel__check_size(tape, name_of_layer, "classes", classes)) {
        return false;
    }
    if (a->clusters < 1 || a->clusters > MOST_CLUSTERS || !cutoffs) {
        return FAIL("%d clusters%s, must be 1 … %d", a->clusters, cutoffs ? "" : " without cutoffs",
                    MOST_CLUSTERS);
    }
    for (int i = 0; i < a->clusters; i++) {
        int64_t least = i ? cutoffs[i - 1] + 1 : 1;
        if (cutoffs[i] < least || cutoffs[i] >= classes) {
            return FAIL("cutoffs[%d] = %lld is outside %lld … %lld", i, (long long)cutoffs[i],
                        (long long)least, (long long)classes - 1);
        }
    }
    if (!(div_value == 0 || div_value >= 1)) {
        return FAIL("div_value is %g, must be at least 1", div_value);
    }
    return true;
}

static void add_tail(adaptive *a, reel_tape *tape, const char *name, int i, double div_value)
{
    char part[16];
    int64_t through = (int64_t)floor((double)a->in / pow(div_value, i + 1));
    reel_shape in = REEL_SHAPE(a->in, through),
               out = REEL_SHAPE(through, a->cut[i + 1] - a->cut[i]);
    snprintf(part, sizeof part, "W_in%d", i);
    a->W_in[i] = reel__layer_param(tape, name, part, in, reel_glorot());
    snprintf(part, sizeof part, "W_out%d", i);
    a->W_out[i] = reel__layer_param(tape, name, part, out, reel_glorot());
}

reel_class_output reel_adaptive_softmax(reel_tape *tape, const char *name, int64_t in,
                                        int64_t classes, int clusters, const int64_t *cutoffs,
                                        reel_adaptive_softmax_options options)
{
    adaptive made = { .clusters = clusters, .in = in };
    adaptive *a = check(tape, &made, classes, cutoffs, options.div_value)
                      ? reel__layer_self(tape, sizeof *a)
                      : NULL;
    if (!a) {
        return (reel_class_output){ 0 };
    }
    *a = made;
    for (int i = 0; i < clusters; i++) {
        a->cut[i] = cutoffs[i];
    }
    a->cut[clusters] = classes;
    int64_t places = a->cut[0] + clusters;
    a->W_head = reel__layer_param(tape, name, "W_head", REEL_SHAPE(in, places), reel_glorot());
    if (options.head_bias) {
        a->b_head = reel__layer_param(tape, name, "b_head", REEL_SHAPE(places), reel_zeros());
    }
    for (int i = 0; i < clusters; i++) {
        add_tail(a, tape, name, i, options.div_value > 0 ? options.div_value : 4);
    }
    return (reel_class_output){ .self = a,
                                .loss = loss,
                                .log_probabilities = log_probabilities,
                                .in = in,
                                .classes = classes };
}

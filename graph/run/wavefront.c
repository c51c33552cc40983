/* wavefront.c: two loops of which the second reads what the first makes, run side by side all the
 * same: the layers of a stack whose batch is too small to be shared out. What lies between them
 * depends, row by row, on the first loop's copies.
 *
 *     loop A      h[e] = …                  e = 0 … T - 1
 *     between     u = h·W                   all steps at once
 *     loop B      g[e] = f(u[e], g[e-1])    e = 0 … T - 1
 *
 * becomes, on two threads,
 *
 *     A           h of 0…15   h of 16…31       h of 32…47 …
 *     B                       u, g of 0…15     u, g of 16…31 …
 *
 * In which order either loop passes the rows is not written down anywhere: before each chunk B
 * finds, by the addresses it is going to read, which rows have to be there, and waits for as many of
 * A's copies as make them. The backward pass of a stack is a pair of the same kind.
 */
#include "wavefront.h"

#include <sched.h>

#include "subnormal.h"
#include "threads.h"

/* ---- the two threads ------------------------------------------------------------------------- */

static void run_first(reel__wavefront *w)
{
    int64_t steps = w->a.g->steps;
    reel__loop_fill_leads(&w->a);
    for (int64_t from = 0; from < steps && w->error[0].copy == INT64_MAX; from += REEL__CHUNK) {
        int64_t to = from + REEL__CHUNK < steps ? from + REEL__CHUNK : steps;
        reel__run_bound(w->a.g, &w->a.b, (reel__share){ 0, 1, from, to }, reel__loop_memory(&w->a),
                        &w->error[0]);
        atomic_store_explicit(&w->done, to, memory_order_release);
    }
    atomic_store_explicit(&w->done, INT64_MAX, memory_order_release);
}

/* Soon enough where both threads run; where they share a processor the other one has to get on. */
static void wait_for(reel__wavefront *w, int64_t copies)
{
    enum { TRIES = 2000 };
    for (int i = 0; atomic_load_explicit(&w->done, memory_order_acquire) < copies; i++) {
        if (i >= TRIES) {
            sched_yield();
        }
    }
}

static void compute(reel__wavefront *w, reel__rows rows)
{
    if (rows.from >= rows.to) {
        return;
    }
    wait_for(w, reel__copies_for_rows(w, rows));
    for (int i = 0; w->fine && i < w->links; i++) {
        if (w->link[i].kind == REEL__LINK_KERNEL && w->link[i].needed) {
            w->fine = reel__run_rows(w->e, w->link[i].node, rows.from, rows.to);
        }
    }
}

/* What is computed stays one stretch of rows, which grows at either end. */
static void compute_up_to(reel__wavefront *w, reel__rows rows)
{
    reel__rows *have = &w->computed;
    if (rows.from >= rows.to) {
        return;
    }
    if (have->from == have->to) {
        compute(w, rows);
        *have = rows;
        return;
    }
    compute(w, (reel__rows){ rows.from, have->from });
    compute(w, (reel__rows){ have->to, rows.to });
    *have = (reel__rows){ rows.from < have->from ? rows.from : have->from,
                          reel__larger(rows.to, have->to) };
}

static void run_second(reel__wavefront *w)
{
    int64_t steps = w->b.g->steps;
    for (int64_t from = 0; from < steps && w->fine; from += REEL__CHUNK) {
        int64_t to = from + REEL__CHUNK < steps ? from + REEL__CHUNK : steps;
        reel__demand d = reel__demand_of(w, from, to);
        compute_up_to(w, d.rows);
        wait_for(w, d.copies);
        if (from == 0) {
            reel__loop_fill_leads(&w->b);
        }
        reel__run_bound(w->b.g, &w->b.b, (reel__share){ 0, 1, from, to }, reel__loop_memory(&w->b),
                        &w->error[1]);
        w->fine = w->fine && w->error[1].copy == INT64_MAX;
    }
    compute_up_to(w, (reel__rows){ 0, w->rows });
}

static void run_both(reel__wavefront *w)
{
    w->a.b.kernel_threads = w->b.b.kernel_threads = 1;
    reel__float_mode mode = reel__float_mode_now();
#pragma omp parallel num_threads(2)
    {
        reel__float_mode own = reel__float_mode_use(mode);
        if (reel__team_size() == 1) {
            run_first(w);
            run_second(w);
        } else if (reel__thread_number() == 0) {
            run_first(w);
        } else {
            run_second(w);
        }
        reel__float_mode_use(own);
    }
    w->fine =
        reel__loop_report(&w->a, &w->error[0]) && reel__loop_report(&w->b, &w->error[1]) && w->fine;
}

/* ---- the whole ----------------------------------------------------------------------------------- */

static void mark_done(reel__wavefront *w, uint32_t loop)
{
    reel__release_inputs(w->e, loop);
    w->e->uses[loop] = 0;
}

static void release_links(reel__wavefront *w)
{
    for (int i = 0; i < w->links; i++) {
        if (w->link[i].needed && w->link[i].kind != REEL__LINK_PART) {
            reel__release_inputs(w->e, w->link[i].node);
        }
    }
}

/* Says whether B can follow A; what lies between has got its memory then. */
static bool lay_out(reel__wavefront *w, bool *follows)
{
    reel__loop_hand_out(&w->a);
    if (!reel__place_links(w, follows)) {
        return false;
    }
    *follows = *follows && reel__second_reads_in_place(w) && reel__follows_soon(w);
    return !*follows || (reel__loop_prepare(&w->b) && reel__loop_take_memory(&w->b, 1));
}

/* A by itself: it was prepared, and B cannot follow it. */
static void run_alone(reel__wavefront *w)
{
    reel__drop_links(w);
    run_first(w);
    w->fine = reel__loop_report(&w->a, &w->error[0]);
    reel__loop_finish(&w->a, w->fine);
    if (w->fine) {
        mark_done(w, w->a.node);
    }
}

static void run_together(reel__wavefront *w)
{
    w->e->t->statistics.pairs++;
    run_both(w);
    if (!w->fine) {
        reel__drop_links(w);
        reel__loop_take_back(&w->a);
    }
    reel__loop_finish(&w->a, w->fine);
    reel__loop_finish(&w->b, w->fine);
    if (w->fine) {
        mark_done(w, w->a.node);
        release_links(w);
        mark_done(w, w->b.node);
    }
}

bool reel__run_wavefront(reel__execution *e, const uint32_t order[], size_t count, bool *done)
{
    reel__wavefront w = { .e = e, .fine = true, .a = reel__loop_start(e, order[0]) };
    w.error[0].copy = w.error[1].copy = INT64_MAX;
    *done = false;
    uint32_t second = e->options.check_finite ? REEL__NONE : reel__find_second(&w, order, count);
    if (second == REEL__NONE) {
        return true;
    }
    w.b = reel__loop_start(e, second);
    if (!reel__choose_links(&w)) {
        return true;
    }
    *done = true;
    bool follows = false;
    w.fine = reel__loop_prepare(&w.a) && reel__loop_take_memory(&w.a, 1) && lay_out(&w, &follows);
    if (!w.fine) {
        reel__drop_links(&w);
        reel__loop_take_back(&w.a);
        reel__loop_finish(&w.a, false);
        reel__loop_finish(&w.b, false);
    } else if (follows) {
        run_together(&w);
    } else {
        run_alone(&w);
    }
    return w.fine;
}

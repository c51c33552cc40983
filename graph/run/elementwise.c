/* elementwise.c: runs an element-wise op, or a whole expression of them, tile by tile. Kernels see
 * only contiguous tiles; an input that is broadcast or strided is gathered into a tile that stays in
 * the first-level cache, and so does what one op of an expression hands to the next. */
#include "elementwise.h"

#include "subnormal.h"

#define TILE_BYTES REEL__TILE_BYTES
/* Rows at least this long are handed to the kernel in place instead of being gathered. */
#define LONG_ROW 64

typedef reel__tiles job;

static char *element_at(const job *j, int k, int64_t offset)
{
    return (char *)j->x[k].data + offset * (int64_t)j->element;
}

/* Fills a tile of input k with n elements starting at the cursor, over as many rows as it takes. */
static void gather(const job *j, int k, reel__cursor cursor, int64_t n, char *tile)
{
    int inner = j->walk.rank - 1;
    for (int64_t done = 0; done < n;) {
        int64_t run = j->walk.dim[inner] - cursor.at[inner];
        run = run < n - done ? run : n - done;
        reel__gather_run(element_at(j, k, cursor.offset[k]), j->walk.stride[k][inner], run,
                         j->element, tile + done * (int64_t)j->element);
        reel__walk_advance(&j->walk, run, &cursor);
        done += run;
    }
}

static void advance(const job *j, int64_t n, reel__cursor *cursor)
{
    int inner = j->walk.rank - 1;
    while (n > 0) {
        int64_t run = j->walk.dim[inner] - cursor->at[inner];
        run = run < n ? run : n;
        reel__walk_advance(&j->walk, run, cursor);
        n -= run;
    }
}

/* One tile: of the op alone, or of each step in turn. */
static void evaluate(const job *j, int64_t n, const void *const x[], char *y)
{
    const reel__expression *e = j->expression;
    if (e == NULL) {
        j->kernel((size_t)n, x, y, j->attributes);
        return;
    }
    _Alignas(64) char tiles[REEL__MOST_STEPS - 1][TILE_BYTES];
    for (int s = 0; s < e->steps; s++) {
        const reel__step *step = &e->step[s];
        const void *in[REEL__WALK_INPUTS];
        for (int i = 0; i < step->inputs; i++) {
            in[i] = step->in[i] < 0 ? x[-1 - step->in[i]] : tiles[step->in[i]];
        }
        step->kernel((size_t)n, in, s == e->steps - 1 ? y : tiles[s], step->attributes);
    }
}

/* Elements [begin, end) to y, by the cursor. */
static void run_range(const job *j, int64_t begin, int64_t end, char *y)
{
    _Alignas(64) char tiles[REEL__WALK_INPUTS][TILE_BYTES];
    const void *x[REEL__WALK_INPUTS];
    const void *filled[REEL__WALK_INPUTS] = { 0 };
    int64_t length[REEL__WALK_INPUTS] = { 0 };
    int64_t tile = TILE_BYTES / (int64_t)j->element;
    int inner = j->walk.rank - 1;
    bool by_row = j->walk.dim[inner] >= LONG_ROW;
    reel__cursor cursor;
    reel__walk_seek(&j->walk, begin, &cursor);
    while (begin < end) {
        int64_t n = end - begin < tile ? end - begin : tile;
        if (by_row && j->walk.dim[inner] - cursor.at[inner] < n) {
            n = j->walk.dim[inner] - cursor.at[inner];
        }
        for (int k = 0; k < j->inputs; k++) {
            int64_t stride = j->walk.stride[k][inner];
            const void *at = element_at(j, k, cursor.offset[k]);
            if (j->direct[k]) {
                x[k] = element_at(j, k, begin);
            } else if (by_row && stride == 1) {
                x[k] = at;
            } else if (by_row && stride == 0) {
                if (filled[k] != at ||
                    length[k] < n) { /* later rows of the same number need nothing */
                    reel__gather_run(at, 0, n, j->element, tiles[k]);
                    filled[k] = at;
                    length[k] = n;
                }
                x[k] = tiles[k];
            } else {
                gather(j, k, cursor, n, tiles[k]);
                x[k] = tiles[k];
            }
        }
        evaluate(j, n, x, y);
        advance(j, n, &cursor);
        begin += n;
        y += n * (int64_t)j->element;
    }
}

/* The common case, all inputs in the output's own layout: tiles only bound the kernel's working
 * set. */
static void run_direct(const job *j, int64_t begin, int64_t end, char *y)
{
    const void *x[REEL__WALK_INPUTS];
    int64_t tile = (j->expression ? 1 : 4) * TILE_BYTES / (int64_t)j->element;
    for (; begin < end; begin += tile, y += tile * (int64_t)j->element) {
        int64_t n = end - begin < tile ? end - begin : tile;
        for (int k = 0; k < j->inputs; k++) {
            x[k] = element_at(j, k, begin);
        }
        evaluate(j, n, x, y);
    }
}

void reel__make_tiles(const reel__tiles *j, int64_t begin, int64_t n, void *y)
{
    (j->all_direct ? run_direct : run_range)(j, begin, begin + n, y);
}

/* Strides of an input along the output's axes: 0 where it is broadcast. */
static void broadcast_strides(const reel_tensor *x, const reel_shape *y,
                              int64_t stride[REEL_MAX_RANK])
{
    int lead = y->rank - x->shape->rank;
    for (int axis = 0; axis < y->rank; axis++) {
        bool repeats = axis < lead || (x->shape->dim[axis - lead] == 1 && y->dim[axis] != 1);
        stride[axis] = repeats ? 0 : x->stride[axis - lead];
    }
}

static void plan_walk(job *j)
{
    int64_t strides[REEL__WALK_INPUTS][REEL_MAX_RANK];
    const int64_t *stride[REEL__WALK_INPUTS];
    j->all_direct = true;
    for (int k = 0; k < j->inputs; k++) {
        broadcast_strides(&j->x[k], j->shape, strides[k]);
        stride[k] = strides[k];
        j->direct[k] = reel__contiguous(j->shape, strides[k]);
        j->all_direct = j->all_direct && j->direct[k];
    }
    reel__walk_join(&j->walk, j->shape, j->inputs, stride);
}

/* Inputs of the output's own shape, without a view among them, need no walk to be set up. */
static bool all_alike(const reel_kernel_call *call)
{
    for (int k = 0; k < call->inputs; k++) {
        if (call->x[k].shape != call->y.shape || call->x[k].stride != call->y.stride) {
            return false;
        }
    }
    return true;
}

static void run_all(const job *j, void *y, int threads)
{
    int64_t size = reel_shape_size(*j->shape);
    int parts = reel__parts(size, threads);
    if (parts == 1) {
        reel__make_tiles(j, 0, size, y);
        return;
    }
    reel__float_mode mode = reel__float_mode_now();
#pragma omp parallel for num_threads(parts) schedule(static)
    for (int p = 0; p < parts; p++) {
        reel__float_mode own = reel__float_mode_use(mode);
        /* whole cache lines to each thread: 64 bytes are 16 floats */
        int64_t begin = size * p / parts / 16 * 16,
                end = p + 1 == parts ? size : size * (p + 1) / parts / 16 * 16;
        reel__make_tiles(j, begin, end - begin, (char *)y + begin * (int64_t)j->element);
        reel__float_mode_use(own);
    }
}

void reel__run_elementwise(const reel_op *op, reel_dtype dtype, size_t element,
                           const reel_kernel_call *call)
{
    job j;
    j.expression = NULL;
    j.kernel = op->tile[dtype];
    j.attributes = call->attributes;
    j.inputs = call->inputs;
    j.x = call->x;
    j.shape = call->y.shape;
    j.element = element;
    j.all_direct = all_alike(call);
    if (!j.all_direct) {
        plan_walk(&j);
    }
    run_all(&j, call->y.data, call->threads);
}

void reel__plan_tiles(const reel__expression *e, size_t element, reel__tiles *j)
{
    j->expression = e;
    j->inputs = e->leaves;
    j->x = e->leaf;
    j->shape = e->shape;
    j->element = element;
    plan_walk(j);
}

void reel__run_expression(const reel__expression *e, size_t element, void *y, int threads)
{
    job j;
    reel__plan_tiles(e, element, &j);
    run_all(&j, y, threads);
}

/* tile_body.h: the tiles of one type and instruction set. tile.c includes this for each, with
 *
 *     REAL, LANES       the type, and how many of it are a vector
 *     EACH_ROW_COUNT    X(1) X(2) … up to the rows of the largest tile
 *     DEPTH             of a block
 *     REGISTERS         that hold vectors
 *     TARGET            the attribute that chooses the instruction set
 *     NAME(x)           x with something unique
 */
#define VECTOR_BYTES (LANES * (int)sizeof(REAL))
typedef REAL NAME(vector) __attribute__((vector_size(LANES * sizeof(REAL))));
typedef REAL NAME(loose)
    __attribute__((vector_size(LANES * sizeof(REAL)), aligned(sizeof(REAL)), may_alias));

/* `rows`, `panels` and `interleaved` are constants where this is expanded, and all loops over them
 * unrolled: the sums are registers. */
TARGET ALWAYS_INLINE void NAME(run)(const int rows, const int panels, const bool interleaved,
                                    const reel__tile *t)
{
    NAME(vector) sum[REEL__TILE_ROWS][4 * PANEL_VECTORS];
    const int vectors = panels * PANEL_VECTORS;
    const int64_t a_step = t->a_step, b_step = t->b_step, b_panel = t->b_panel;
    const REAL *a = t->a, *b = t->b;
    REAL *c = t->c;
    UNROLLED
    for (int i = 0; i < rows; i++) {
        UNROLLED
        for (int j = 0; j < vectors; j++) {
            sum[i][j] = t->add
                            ? (NAME(vector)) * (const NAME(loose) *)(c + i * t->c_step + j * LANES)
                            : (NAME(vector)){ 0 };
        }
    }
    for (int64_t p = t->depth; p > 0; p--) {
        NAME(vector) row[4 * PANEL_VECTORS];
        UNROLLED
        for (int j = 0; j < vectors; j++) {
            const REAL *at = b + j / PANEL_VECTORS * b_panel + j % PANEL_VECTORS * LANES;
            row[j] = *(const NAME(loose) *)at;
            if (rows > 1 && (rows + 1) * vectors < REGISTERS) {
                IN_REGISTER(row[j]);
            }
            if (panels < 4 && j % PANEL_VECTORS * VECTOR_BYTES % CACHE_LINE == 0) {
                __builtin_prefetch(at + AHEAD * b_step);
            }
        }
        UNROLLED
        for (int i = 0; i < rows; i++) {
            REAL x = interleaved ? a[i] : a[i * a_step];
            UNROLLED
            for (int j = 0; j < vectors; j++) {
                sum[i][j] += row[j] * x;
            }
        }
        a += interleaved ? a_step : 1;
        b += b_step;
    }
    UNROLLED
    for (int i = 0; i < rows; i++) {
        UNROLLED
        for (int j = 0; j < vectors; j++) {
            *(NAME(loose) *)(c + i * t->c_step + j * LANES) = (NAME(loose))sum[i][j];
        }
    }
}

#define TILE(name, rows, panels, interleaved)                                                      \
    TARGET static void NAME(name)(const reel__tile *t)                                             \
    {                                                                                              \
        NAME(run)(rows, panels, interleaved, t);                                                   \
    }
#define X(rows) TILE(plain_##rows, rows, 1, false) TILE(interleaved_##rows, rows, 1, true)
EACH_ROW_COUNT
#undef X
TILE(two_1, 1, 2, false)
TILE(two_2, 2, 2, false)
TILE(two_3, 3, 2, false)
TILE(four_1, 1, 4, false)
#if REGISTERS > 16
TILE(four_2, 2, 4, false)
#endif

#define X(rows) +1
static const reel__tile_kind NAME(kind) = {
    .rows = EACH_ROW_COUNT,
    .width = LANES * PANEL_VECTORS,
    .depth = DEPTH,
    .element = sizeof(REAL),
#undef X
#define X(rows) [rows] = NAME(plain_##rows),
    .plain = { EACH_ROW_COUNT },
#undef X
#define X(rows) [rows] = NAME(interleaved_##rows),
    .interleaved = { EACH_ROW_COUNT },
#undef X
    .two = { [1] = NAME(two_1), NAME(two_2), NAME(two_3) },
#if REGISTERS > 16
    .four = { [1] = NAME(four_1), NAME(four_2) },
#else
    .four = { [1] = NAME(four_1) },
#endif
};

#undef TILE
#undef REAL
#undef LANES
#undef VECTOR_BYTES
#undef DEPTH
#undef NAME

/* carry.c: a state that a cell carries in another shape than it computes it in is carried as computed.
 *
 *     before   M = reshape(h, one copy back); M' = …; h = reshape(M')     h and M' are both kept
 *     after    M = M', one copy back; M' = …
 *
 * A state is a vector to reel_unroll, whatever a cell makes of it: a matrix, a picture. / */
#include "../../ops/ops.h"
#include "plan.h"

/* Copies of the item that a source reads, first and last. */
typedef struct {
    int64_t least, most;
} copies_read;

static copies_read copies_of(const reel__item *reader, const reel__source *s)
{
    int64_t a = s->scale * reader->begin + s->offset;
    int64_t b = s->scale * (reader->end - 1) + s->offset;
    return (copies_read){ a < b ? a : b, a < b ? b : a };
}

static bool reads(const reel__source *s, uint32_t loop, uint32_t number)
{
    return s->kind == REEL__ITEM && s->loop == loop && s->item == number;
}

/* A reader in another loop sees what is carried from the start as well, or nothing of it. */
static bool others_can_follow(const reel__plan *p, uint32_t loop, uint32_t number)
{
    for (uint32_t l = 0; l < p->loop_count; l++) {
        for (uint32_t k = 0; l != loop && !p->loops[l].gone && k < p->loops[l].items; k++) {
            const reel__item *reader = &p->loops[l].item[k];
            for (uint32_t i = 0; !reader->gone && i < reader->inputs; i++) {
                copies_read c = copies_of(reader, &reader->in[i]);
                if (reads(&reader->in[i], loop, number) && c.least < 0 &&
                    (c.least < -1 || c.most >= p->loops[loop].steps - 1)) {
                    return false;
                }
            }
        }
    }
    return true;
}

static bool is_carried_reshape(const reel__plan *p, uint32_t loop, uint32_t number)
{
    const reel__item *item = reel__item_at(p, loop, number);
    if (item->gone || item->lead != 1 || !reel__is_reshape(p, item) ||
        !reel__is_own(&item->in[0], loop) || item->begin > 0) {
        return false;
    }
    const reel__item *below = reel__item_at(p, loop, item->in[0].item);
    return below->lead == 0 && !below->gone && !below->varies && below->begin == 0 &&
           reel__op_of(p, below)->view == NULL && others_can_follow(p, loop, number);
}

/* What is carried is what the reshape looks at; `view` is the reshape of the copy before. */
static bool carry_beneath(reel__plan *p, uint32_t loop, uint32_t number)
{
    reel__item *item = reel__item_at(p, loop, number);
    reel__source before = item->in[0];
    reel_var like = reel__handle(p->t, item->node);
    uint32_t initial = item->initial[0];
    if (initial < REEL__ZERO) {
        reel_shape shape = *reel__item_input(p, item, 0);
        reel_var first = reel_reshape(reel__handle(p->t, initial), shape);
        if (!reel__resolve(p->t, first, "plan", &initial)) {
            return false;
        }
    }
    before.offset = -1;
    uint32_t view = reel__add_item(p, loop, like, 1, &before);
    if (view == REEL__NONE) {
        return false;
    }
    item = reel__item_at(p, loop, number);
    reel__item *below = reel__item_at(p, loop, before.item);
    below->lead = 1;
    below->initial[0] = initial;
    item->lead = 0;
    for (uint32_t l = 0; l < p->loop_count; l++) {
        for (uint32_t k = 0; k < p->loops[l].items; k++) {
            reel__item *reader = &p->loops[l].item[k];
            for (uint32_t i = 0; i < reader->inputs; i++) {
                reel__source *s = &reader->in[i];
                if (reads(s, loop, number) && copies_of(reader, s).least < 0) {
                    s->item = view;
                    s->offset++;
                }
            }
        }
    }
    return true;
}

bool reel__pass_carry(reel__plan *p)
{
    for (uint32_t l = 0; l < p->loop_count; l++) {
        for (uint32_t k = p->loops[l].items; k-- > 0;) {
            if (is_carried_reshape(p, l, k) && !carry_beneath(p, l, k)) {
                return false;
            }
        }
    }
    return true;
}

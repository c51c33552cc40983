/* learned_state.c: a state to begin with that is trained like any parameter. */
#include "wrap.h"

reel_learned_state reel_learned_state_new(reel_tape *tape, const char *name, reel_cell cell)
{
    reel_learned_state out = { 0 };
    if (!reel__check_inner(tape, "learned_state", cell)) {
        return out;
    }
    out.states = cell.states;
    for (int k = 0; k < cell.states; k++) {
        char part[24];
        snprintf(part, sizeof part, "state_%d", k);
        out.row[k] = reel__layer_param(tape, name, part, REEL_SHAPE(cell.width[k]), reel_zeros());
    }
    return out;
}

reel_status reel_learned_state_rows(const reel_learned_state *learned, int64_t batch,
                                    reel_var initial[])
{
    if (!learned) {
        return REEL_BAD_ARGUMENT;
    }
    for (int k = 0; k < learned->states; k++) {
        int64_t width = reel_shape_of(learned->row[k]).dim[0];
        initial[k] = reel_expand(learned->row[k], REEL_SHAPE(batch, width));
        if (initial[k].id == 0) {
            return reel_tape_status(learned->row[k].tape);
        }
    }
    return REEL_OK;
}

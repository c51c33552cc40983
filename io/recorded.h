/* recorded.h: what freezing and emitting C share: the listing of a recorded program with its
 * states. Not installed. */
#ifndef REEL_RECORDED_H
#define REEL_RECORDED_H

#include "deploy.h"
#include "listing.h"

/* Inputs of the listing are the program's, then its states; outputs are the program's, then the
 * next states. False with an error of `who`. Free the listing in either case. */
bool reel__list_recorded(reel_tape *, const char *who, const reel_recorded *, reel__listing *);
/* What state k begins with: dense numbers of the tape's type, or NULL for zeros. */
const void *reel__initial_state(const reel_recorded *, int k);

#endif

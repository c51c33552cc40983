/* interrupt.h: SIGINT as a wish to stop. Not installed. */
#ifndef REEL_INTERRUPT_H
#define REEL_INTERRUPT_H

#include <stdbool.h>

/* Takes SIGINT over; false while someone else has it. */
bool reel__interrupt_catch(void);
bool reel__interrupt_seen(void);
void reel__interrupt_release(void); /* puts the handler before back */

#endif

/* probe.h: who looks at the values that cells name, and who replaces them. Not installed. */
#ifndef REEL_PROBE_H
#define REEL_PROBE_H

#include "layer.h"

/* While it is pushed, a value of this name becomes replace(self, value). Lives on the caller's
 * stack; pushed and popped in pairs. */
typedef struct reel__probe_hook {
    const char *name;
    reel_var (*replace)(void *self, reel_var v);
    void *self;
    bool met; /* the name came by */
    struct reel__probe_hook *next;
} reel__probe_hook;

void reel__probe_push(reel_tape *, reel__probe_hook *);
void reel__probe_pop(reel_tape *, reel__probe_hook *);

#endif

/* failing_memory.h: an allocator that refuses one request and counts what is held. */
#ifndef REEL_TEST_FAILING_MEMORY_H
#define REEL_TEST_FAILING_MEMORY_H

#include <stdlib.h>

#include "reel.h"

typedef struct {
    long calls, fail_at; /* requests so far; the one to refuse, -1 for none */
    size_t held;         /* bytes */
} failing_memory;

static inline void *failing_memory_resize(void *self, void *old, size_t old_size, size_t new_size)
{
    failing_memory *memory = self;
    if (new_size == 0) {
        memory->held -= old ? old_size : 0;
        free(old);
        return NULL;
    }
    if (memory->calls++ == memory->fail_at) {
        return NULL;
    }
    void *block = realloc(old, new_size);
    if (block) {
        memory->held += new_size - old_size;
    }
    return block;
}

#endif

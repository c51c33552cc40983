/* memory.c: all memory of a tape. One allocator under three ways of handing out: lists that grow,
 * arenas that are dropped as a whole, and a pool of buffers for values. */
#include <stdlib.h>
#include <string.h>

#include "tape.h"

void *reel__plain_resize(void *self, void *old, size_t old_size, size_t new_size)
{
    (void)self;
    (void)old_size;
    if (new_size == 0) {
        free(old);
        return NULL;
    }
    return realloc(old, new_size);
}

void *reel__resize(reel_tape *t, void *old, size_t old_size, size_t new_size)
{
    const reel_allocator *a = &t->options.allocator;
    if (old == NULL && new_size == 0) {
        return NULL;
    }
    void *block = a->resize(a->self, old, old_size, new_size);
    if (new_size > 0 && block == NULL) {
        char text[80];
        snprintf(text, sizeof text, "out of memory: no block of %zu bytes", new_size);
        reel__fail_text(t, REEL_OUT_OF_MEMORY, "tape", text);
        return NULL;
    }
    t->statistics.bytes_reserved += new_size - old_size;
    return block;
}

/* ---- lists --------------------------------------------------------------------------------- */

bool reel__list_reserve(reel_tape *t, reel__list *list, size_t count, size_t element)
{
    if (count <= list->capacity) {
        return true;
    }
    size_t capacity = list->capacity ? list->capacity : 16;
    while (capacity < count) {
        capacity *= 2;
    }
    void *data = reel__resize(t, list->data, list->capacity * element, capacity * element);
    if (data == NULL) {
        return false;
    }
    list->data = data;
    list->capacity = capacity;
    return true;
}

bool reel__list_reserve_zeroed(reel_tape *t, reel__list *list, size_t count, size_t element)
{
    size_t before = list->capacity;
    if (!reel__list_reserve(t, list, count, element)) {
        return false;
    }
    memset((char *)list->data + before * element, 0, (list->capacity - before) * element);
    return true;
}

bool reel__list_add(reel_tape *t, reel__list *list, uint32_t number)
{
    if (!reel__list_reserve(t, list, list->count + 1, sizeof number)) {
        return false;
    }
    ((uint32_t *)list->data)[list->count++] = number;
    return true;
}

void reel__list_free(reel_tape *t, reel__list *list, size_t element)
{
    reel__resize(t, list->data, list->capacity * element, 0);
    *list = (reel__list){ 0 };
}

/* ---- arenas -------------------------------------------------------------------------------- */

#define CHUNK_SIZE ((size_t)64 * 1024)

static char *chunk_data(reel__chunk *chunk)
{
    return (char *)(chunk + 1);
}

static void *take_from(reel__chunk *chunk, size_t bytes, size_t alignment)
{
    uintptr_t start = (uintptr_t)chunk_data(chunk) + chunk->used;
    size_t gap = (size_t)(-start & (alignment - 1));
    if (chunk->size - chunk->used < gap + bytes) {
        return NULL;
    }
    chunk->used += gap + bytes;
    return (void *)(start + gap);
}

/* Chunks are kept over a reset; one that is too small for a request is skipped. */
static reel__chunk *next_chunk(reel_tape *t, reel__arena *arena, size_t bytes)
{
    reel__chunk *next = arena->current ? arena->current->next : arena->first;
    if (next != NULL && next->size >= bytes + REEL__ALIGNMENT) {
        next->used = 0;
        return arena->current = next;
    }
    size_t size = bytes + REEL__ALIGNMENT > CHUNK_SIZE ? bytes + REEL__ALIGNMENT : CHUNK_SIZE;
    reel__chunk *chunk = reel__resize(t, NULL, 0, sizeof *chunk + size);
    if (chunk == NULL) {
        return NULL;
    }
    *chunk = (reel__chunk){ .next = next, .size = size };
    if (arena->current) {
        arena->current->next = chunk;
    } else {
        arena->first = chunk;
    }
    return arena->current = chunk;
}

void *reel__arena_take(reel_tape *t, reel__arena *arena, size_t bytes)
{
    size_t alignment = bytes >= REEL__ALIGNMENT ? REEL__ALIGNMENT : 8;
    if (bytes > SIZE_MAX / 2) {
        reel__fail_text(t, REEL_OUT_OF_MEMORY, "tape", "out of memory: the size overflows");
        return NULL;
    }
    void *block = arena->current ? take_from(arena->current, bytes, alignment) : NULL;
    if (block == NULL && next_chunk(t, arena, bytes)) {
        block = take_from(arena->current, bytes, alignment);
    }
    return block;
}

void *reel__arena_grow(reel_tape *t, reel__arena *arena, void *array, uint32_t count,
                       uint32_t *capacity, size_t element)
{
    if (count < *capacity) {
        return array;
    }
    uint32_t room = 2 * *capacity + 8;
    void *grown = reel__arena_take(t, arena, room * element);
    if (grown && count) {
        memcpy(grown, array, count * element);
    }
    *capacity = grown ? room : *capacity;
    return grown;
}

void reel__arena_reset(reel__arena *arena)
{
    arena->current = arena->first;
    if (arena->first) {
        arena->first->used = 0;
    }
}

void reel__arena_free(reel_tape *t, reel__arena *arena)
{
    for (reel__chunk *chunk = arena->first, *next; chunk; chunk = next) {
        next = chunk->next;
        reel__resize(t, chunk, sizeof *chunk + chunk->size, 0);
    }
    *arena = (reel__arena){ 0 };
}

void *reel__tape_store(reel_tape *t, size_t bytes)
{
    void *block = reel__arena_take(t, &t->store, bytes ? bytes : 1);
    return block ? memset(block, 0, bytes) : NULL;
}

char *reel__tape_store_text(reel_tape *t, const char *text)
{
    size_t length = strlen(text) + 1;
    char *copy = reel__tape_store(t, length);
    return copy ? memcpy(copy, text, length) : NULL;
}

bool reel__tape_on_free(reel_tape *t, void (*call)(void *self), void *self)
{
    reel__on_free *entry = reel__tape_store(t, sizeof *entry);
    if (entry == NULL) {
        return false;
    }
    *entry = (reel__on_free){ .next = t->on_free, .call = call, .self = self };
    t->on_free = entry;
    return true;
}

/* ---- the pool of values -------------------------------------------------------------------- */

/* Four classes to each power of two: at most a quarter of a buffer lies idle. */
static uint32_t size_class_of(size_t bytes, size_t *rounded)
{
    size_t power = 256;
    uint32_t class_of_power = 0;
    while (power < bytes && power < SIZE_MAX / 4) {
        power *= 2;
        class_of_power += 4;
    }
    if (class_of_power == 0) {
        *rounded = power;
        return 0;
    }
    size_t quarter = power / 8;
    size_t quarters = (bytes - power / 2 + quarter - 1) / quarter;
    *rounded = power / 2 + quarters * quarter;
    return class_of_power - 4 + (uint32_t)quarters;
}

static size_t block_size(const reel__buffer *buffer)
{
    return buffer->size + 2 * REEL__ALIGNMENT;
}

char *reel__buffer_data(reel__buffer *buffer)
{
    uintptr_t start = (uintptr_t)(buffer + 1);
    return (char *)((start + REEL__ALIGNMENT - 1) & ~(uintptr_t)(REEL__ALIGNMENT - 1));
}

static bool within_limit(reel_tape *t, size_t bytes)
{
    size_t limit = t->options.memory_limit, now = t->statistics.bytes_now;
    if (limit == 0 || (bytes <= limit && now <= limit - bytes)) {
        return true;
    }
    char text[160];
    snprintf(text, sizeof text,
             "memory limit exceeded: %zu bytes in use and %zu asked for, limit %zu", now, bytes,
             limit);
    reel__fail_text(t, REEL_MEMORY_LIMIT, "tape", text);
    return false;
}

reel__buffer *reel__buffer_take(reel_tape *t, size_t bytes)
{
    if (bytes > SIZE_MAX / 4) {
        reel__fail_text(t, REEL_OUT_OF_MEMORY, "tape", "out of memory: the size overflows");
        return NULL;
    }
    size_t size;
    uint32_t size_class = size_class_of(bytes, &size);
    if (!within_limit(t, size)) {
        return NULL;
    }
    reel__buffer *buffer = t->free_buffers[size_class];
    if (buffer) {
        t->free_buffers[size_class] = buffer->next_free;
    } else {
        buffer = reel__resize(t, NULL, 0, size + 2 * REEL__ALIGNMENT);
        if (buffer == NULL) {
            return NULL;
        }
        *buffer = (reel__buffer){ .size = size, .size_class = size_class };
    }
    buffer->references = 1;
    t->statistics.bytes_now += size;
    if (t->statistics.bytes_now > t->statistics.bytes_peak) {
        t->statistics.bytes_peak = t->statistics.bytes_now;
    }
    return buffer;
}

void reel__buffer_release(reel_tape *t, reel__buffer *buffer)
{
    if (buffer == NULL || --buffer->references > 0) {
        return;
    }
    t->statistics.bytes_now -= buffer->size;
    buffer->next_free = t->free_buffers[buffer->size_class];
    t->free_buffers[buffer->size_class] = buffer;
}

void reel__pool_free(reel_tape *t)
{
    for (int i = 0; i < REEL__SIZE_CLASSES; i++) {
        for (reel__buffer *buffer = t->free_buffers[i], *next; buffer; buffer = next) {
            next = buffer->next_free;
            reel__resize(t, buffer, block_size(buffer), 0);
        }
        t->free_buffers[i] = NULL;
    }
}

void *reel__scratch(reel_tape *t, size_t bytes)
{
    size_t wanted = bytes + REEL__ALIGNMENT;
    if (wanted > t->scratch_size) {
        void *block = reel__resize(t, t->scratch, t->scratch_size, wanted);
        if (block == NULL) {
            return NULL;
        }
        t->scratch = block;
        t->scratch_size = wanted;
    }
    uintptr_t start = (uintptr_t)t->scratch;
    return (void *)((start + REEL__ALIGNMENT - 1) & ~(uintptr_t)(REEL__ALIGNMENT - 1));
}

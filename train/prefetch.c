/* prefetch.c: items made ahead of time by a thread. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "data.h"

struct reel_prefetch {
    reel_next_fn next;
    void *self;
    size_t bytes;
    int depth, first, count; /* a ring of items that are ready */
    bool ended, stopping;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    char *items;
};

/* The item that is being made has its place in the ring but is not counted yet, so nobody reads it;
 * the lock is free while it is made. */
static void *work(void *argument)
{
    reel_prefetch *p = argument;
    pthread_mutex_lock(&p->lock);
    while (!p->stopping && !p->ended) {
        if (p->count == p->depth) {
            pthread_cond_wait(&p->changed, &p->lock);
            continue;
        }
        char *item = p->items + (size_t)((p->first + p->count) % p->depth) * p->bytes;
        pthread_mutex_unlock(&p->lock);
        bool made = p->next(p->self, item);
        pthread_mutex_lock(&p->lock);
        p->count += made;
        p->ended = !made;
        pthread_cond_broadcast(&p->changed);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

reel_prefetch *reel_prefetch_new(reel_next_fn next, void *self, size_t bytes, int depth)
{
    reel_prefetch *p = next && bytes > 0 && depth > 0 ? calloc(1, sizeof *p) : NULL;
    if (!p || !(p->items = calloc((size_t)depth, bytes))) {
        free(p);
        return NULL;
    }
    p->next = next;
    p->self = self;
    p->bytes = bytes;
    p->depth = depth;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->changed, NULL);
    if (pthread_create(&p->thread, NULL, work, p) != 0) {
        pthread_cond_destroy(&p->changed);
        pthread_mutex_destroy(&p->lock);
        free(p->items);
        free(p);
        return NULL;
    }
    return p;
}

bool reel_prefetch_next(reel_prefetch *p, void *item)
{
    if (!p) {
        return false;
    }
    pthread_mutex_lock(&p->lock);
    while (p->count == 0 && !p->ended) {
        pthread_cond_wait(&p->changed, &p->lock);
    }
    bool any = p->count > 0;
    if (any) {
        memcpy(item, p->items + (size_t)p->first * p->bytes, p->bytes);
        p->first = (p->first + 1) % p->depth;
        p->count--;
        pthread_cond_broadcast(&p->changed);
    }
    pthread_mutex_unlock(&p->lock);
    return any;
}

void reel_prefetch_free(reel_prefetch *p)
{
    if (!p) {
        return;
    }
    pthread_mutex_lock(&p->lock);
    p->stopping = true;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
    pthread_join(p->thread, NULL);
    pthread_cond_destroy(&p->changed);
    pthread_mutex_destroy(&p->lock);
    free(p->items);
    free(p);
}

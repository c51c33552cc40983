/* interrupt.c: SIGINT as a wish to stop. A signal handler has no argument of its own, so this file
 * holds the library's only mutable state outside a tape: one flag, while one fit asks for it. */
#define _POSIX_C_SOURCE 200809L
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>

#include "interrupt.h"

static volatile sig_atomic_t seen;
static atomic_flag taken = ATOMIC_FLAG_INIT;
static struct sigaction before;

static void note(int number)
{
    (void)number;
    seen = 1;
}

bool reel__interrupt_catch(void)
{
    if (atomic_flag_test_and_set(&taken)) {
        return false;
    }
    struct sigaction action = { .sa_handler = note };
    sigemptyset(&action.sa_mask);
    seen = 0;
    if (sigaction(SIGINT, &action, &before) != 0) {
        atomic_flag_clear(&taken);
        return false;
    }
    return true;
}

bool reel__interrupt_seen(void)
{
    return seen != 0;
}

void reel__interrupt_release(void)
{
    sigaction(SIGINT, &before, NULL);
    atomic_flag_clear(&taken);
}

/* forks.c -- counts the forks that led to this process. */
#include "forks.h"

#include <pthread.h>
#include <stdatomic.h>

static _Atomic uint32_t forks;

static void in_child(void)
{
    atomic_fetch_add(&forks, 1);
}

__attribute__((constructor)) static void watch_forks(void)
{
    pthread_atfork(NULL, NULL, in_child);
}

uint32_t forks_seen(void)
{
    return atomic_load_explicit(&forks, memory_order_relaxed);
}

/* clock.c -- the one clock of the runtime, and its chance: a simulation sets
 * both.
 */
#include "clock.h"

#include <stdatomic.h>
#include <sys/random.h>

#include "connector.h"

#define SECOND_NS 1000000000u

/* The time that a simulation set; 0: time is real. */
static _Atomic uint64_t virtual_ns;

void weir_set_now(uint64_t ns)
{
    atomic_store_explicit(&virtual_ns, ns, memory_order_relaxed);
}

uint64_t weir_now(void)
{
    uint64_t ns = atomic_load_explicit(&virtual_ns, memory_order_relaxed);
    struct timespec t;

    if (ns != 0)
        return ns;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * SECOND_NS + (uint64_t)t.tv_nsec;
}

uint64_t weir_seed(void)
{
    uint64_t seed;

    if (atomic_load_explicit(&virtual_ns, memory_order_relaxed) != 0)
        return 1;
    if (getrandom(&seed, sizeof seed, 0) != sizeof seed)
        seed = weir_now() ^ (uintptr_t)&seed;
    return seed;
}

struct timespec clock_timespec(uint64_t ns)
{
    return (struct timespec){.tv_sec = (time_t)(ns / SECOND_NS),
                             .tv_nsec = (long)(ns % SECOND_NS)};
}

struct timespec clock_left(uint64_t until, uint64_t now)
{
    return clock_timespec(until > now ? until - now : 0);
}

uint64_t clock_after(uint64_t now, uint64_t ns)
{
    return ns < UINT64_MAX - now ? now + ns : UINT64_MAX;
}

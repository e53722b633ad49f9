/* clock.c -- the one clock of the runtime. */
#include <stdatomic.h>
#include <time.h>

#include "weir.h"

/* What a simulation set; 0: time is real. */
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
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

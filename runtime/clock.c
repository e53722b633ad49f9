/* clock.c -- the one clock of the runtime. */
#include <time.h>

#include "weir.h"

uint64_t weir_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* pingpong.h -- the reference for one operation there and back: two threads
 * that wake each other through eventfds, placed on the same CPUs as the
 * operation. */
#ifndef WEIR_BENCH_PINGPONG_H
#define WEIR_BENCH_PINGPONG_H

#include <sched.h>
#include <sys/eventfd.h>

#include "bench.h"

static cpu_set_t cpus; /* that we may use */

/* Puts the calling thread, and those it starts, on the nth CPU or, when there
 * are not so many, leaves it free. */
static void cpu_use(int nth)
{
    cpu_set_t set;
    int cpu = 0;

    while (cpu < CPU_SETSIZE && (!CPU_ISSET(cpu, &cpus) || nth-- > 0))
        cpu++;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    sched_setaffinity(0, sizeof set, cpu < CPU_SETSIZE ? &set : &cpus);
}

struct pong {
    int there, back;
};

static void *pong_run(void *arg)
{
    struct pong *p = arg;
    eventfd_t n;

    while (eventfd_read(p->there, &n) == 0 && n < 1000)
        eventfd_write(p->back, 1);
    return NULL;
}

/* The median time of a ping-pong over two eventfds, in ns. */
static double pong_round(const struct pong *p, double *samples, unsigned n)
{
    eventfd_t x;

    for (unsigned i = 0; i < n; i++) {
        uint64_t start = weir_now();

        eventfd_write(p->there, 1);
        eventfd_read(p->back, &x);
        samples[i] = (double)(weir_now() - start);
    }
    return bench_median(samples, n);
}

#endif

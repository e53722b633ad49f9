/* look.c -- when a worker looks for what it waits for before it sleeps.
 *
 * To sleep and be woken costs more than a short look, in the server, too, which
 * wakes us. So before each sleep a worker looks for work, or for bytes on its
 * fd, for up to longest_ns and yields in between. A look that finds nothing
 * wastes a core, so a worker looks in each wait only while waits are short: it
 * skips 1, 3, 7, .. 63 waits after so many looks in a row that found nothing.
 * Measured on two idle cores with looks of 50 us before each sleep against one
 * of 10 us a reply: 1.5 times the gets of 64 KiB x 16 over a unix socket, 1.3
 * times those of 64 B x 16.
 *
 * It looks again earlier when waits have become shorter than a look. For work
 * one such wait is enough. For bytes it takes eight in a row, because a look
 * may miss a reply that a sleep gets at once: if the server is to run on the
 * worker's core, it runs only when the worker sleeps. A yield gives the core to
 * processes of the worker's own group alone (autogroups, cgroups). When one
 * short wait was enough for bytes, too, a worker in that state looked in vain
 * in every second wait: 64 B sets, four in flight, were 0.9 to 1.0 times those
 * of blocking threads, and are 1.3 times now.
 *
 * A yield that took long gave the core to another process, perhaps at the price
 * of the worker's next turns. Then the worker pauses: it does not look for 16
 * times as long. If less time than that passes until the next such yield, the
 * pause is at least twice as long as the one before, up to 640 ms. On a machine
 * that is always busy a worker thus hardly ever looks. After a few such yields,
 * as batches for three servers cause on two cores, it soon looks again: when
 * each of them cost a pause of 20 to 640 ms, single gets from a cluster took
 * 80 us instead of 50 for a second. */
#include "look.h"

#define YIELD_LONG_NS 200000u
#define PAUSE_YIELDS 16u
#define PAUSE_MAX_NS 640000000u

enum { MISSES_MAX = 6 }; /* then it skips 63 waits */

bool look_pays(const struct looks *all, struct look *l, uint64_t now)
{
    if (all->longest_ns == 0 || now < all->paused)
        return false;
    if (l->rest == 0)
        return true;
    l->rest--;
    return false;
}

void look_found(struct look *l)
{
    l->misses = l->rest = l->shorts = 0;
}

void look_missed(struct look *l)
{
    if (l->misses < MISSES_MAX)
        l->misses++;
    l->rest = (1u << l->misses) - 1;
}

void look_slept(const struct looks *all, struct look *l, uint64_t ns)
{
    l->shorts = ns <= all->longest_ns ? l->shorts + 1 : 0;
    if (l->shorts >= l->enough)
        l->rest = l->shorts = 0;
}

bool looks_yielded(struct looks *all, uint64_t from, uint64_t to)
{
    uint64_t pause = PAUSE_YIELDS * (to - from);

    if (to - from < YIELD_LONG_NS)
        return true;
    if (from - all->paused < pause && pause < 2 * all->pause_ns)
        pause = 2 * all->pause_ns;
    all->pause_ns = pause < PAUSE_MAX_NS ? pause : PAUSE_MAX_NS;
    all->paused = to + all->pause_ns;
    return false;
}

/* lock.h -- locks that processes share and that outlive any of them.
 *
 * A lock is one word: 0, or who holds it. A holder is a number that a process
 * gets with its seat (seats.h). The kernel frees the seat when the process
 * ends, in whatever way, so those who wait can tell that a holder is dead and
 * take the lock from it. What the holder was doing stays half done: the shard's
 * flag `dirty` tells the next one (shard.h).
 *
 * This is not pthread's robust mutex since that keeps pointers in shared
 * memory, which glibc follows: whoever can write the mapping could make any
 * process write anywhere. */
#ifndef SHM_LOCK_H
#define SHM_LOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct seats;

struct lock {
    _Atomic uint32_t word; /* 0, or a holder, with SEATS_WAITERS */
};

enum { LOCK_PATIENCE_MS = 500 };

/* lock_wait acquires a lock that another one holds. -EBUSY: a living process
 * has not released it in LOCK_PATIENCE_MS. */
int lock_wait(struct lock *l, struct seats *seats);

/* lock_wake releases a lock that others may wait for. A lock that the holder
 * has no longer stays as it is. */
void lock_wake(struct lock *l, uint32_t holder);

static inline bool lock_try(struct lock *l, uint32_t holder)
{
    uint32_t is_free = 0;

    return atomic_compare_exchange_strong_explicit(
        &l->word, &is_free, holder, memory_order_acquire, memory_order_relaxed);
}

/* lock_release releases a lock that the holder has. */
static inline void lock_release(struct lock *l, uint32_t holder)
{
    uint32_t word = holder;

    if (!atomic_compare_exchange_strong_explicit(
            &l->word, &word, 0, memory_order_release, memory_order_relaxed))
        lock_wake(l, holder);
}

#endif

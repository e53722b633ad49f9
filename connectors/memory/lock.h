/* lock.h -- a spin lock for short sections: at most some microseconds.
 *
 * To acquire it costs one exchange and to release it a plain store, half of a
 * mutex. When the holder has lost its processor, the others yield theirs. */
#ifndef MEMORY_LOCK_H
#define MEMORY_LOCK_H

#include <sched.h>
#include <stdatomic.h>

struct lock {
    _Atomic unsigned taken;
};

static inline void lock_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

static inline void lock_acquire(struct lock *l)
{
    while (atomic_exchange_explicit(&l->taken, 1, memory_order_acquire)) {
        for (int spins = 0;
             atomic_load_explicit(&l->taken, memory_order_relaxed); spins++) {
            if (spins < 100)
                lock_pause();
            else
                sched_yield();
        }
    }
}

static inline void lock_release(struct lock *l)
{
    atomic_store_explicit(&l->taken, 0, memory_order_release);
}

#endif

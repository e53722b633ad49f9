/* lock.c -- see lock.h. */
#include "lock.h"

#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "point.h"
#include "seats.h"

enum {
    SPINS = 100,
    YIELDS = 10,
    SLEEP_NS = 2000000, /* between two looks whether the holder lives */
};

static void lock_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

/* Tries for as long as a holder that runs needs. */
static bool lock_spin(struct lock *l, uint32_t holder)
{
    for (int i = 0; i < SPINS + YIELDS; i++) {
        if (atomic_load_explicit(&l->word, memory_order_relaxed) == 0 &&
            lock_try(l, holder))
            return true;
        if (i < SPINS)
            lock_pause();
        else
            sched_yield();
    }
    return false;
}

/* Sleeps until the word is no longer that, but not for long. True: it still
 * was. */
static bool lock_sleep(struct lock *l, uint32_t word)
{
    struct timespec t = {0, SLEEP_NS};

    SHM_POINT("sleep");
    return syscall(SYS_futex, &l->word, FUTEX_WAIT, word, &t, NULL, 0) < 0 &&
           errno == ETIMEDOUT;
}

static bool lock_swap(struct lock *l, uint32_t from, uint32_t to)
{
    return atomic_compare_exchange_strong_explicit(
        &l->word, &from, to, memory_order_acq_rel, memory_order_relaxed);
}

/* One turn of waiting. True: acquired. A lock acquired here keeps the mark that
 * others may wait, since they may. *slept: the last turn slept in vain, so look
 * whether the holder lives. */
static bool lock_turn(struct lock *l, struct seats *seats, bool *slept)
{
    uint32_t word = atomic_load_explicit(&l->word, memory_order_relaxed);
    bool dead = word != 0 && *slept && !seats_alive(seats, word);

    *slept = false;
    if (word == 0 || dead) {
        if (!lock_swap(l, word, seats->holder | SEATS_WAITERS))
            return false;
        if (dead)
            atomic_fetch_add(&seats->shared->taken_over, 1);
        return true;
    }
    if (word & SEATS_WAITERS || lock_swap(l, word, word | SEATS_WAITERS))
        *slept = lock_sleep(l, word | SEATS_WAITERS);
    return false;
}

/* What counts is how often a sleep ended in vain, and not the time: a process
 * that gets no processor must not take that for the holder's fault. */
int lock_wait(struct lock *l, struct seats *seats)
{
    bool slept = false;
    int vain = 0;

    if (lock_spin(l, seats->holder))
        return 0;
    while (!lock_turn(l, seats, &slept)) {
        vain = slept ? vain + 1 : 0;
        if (vain > LOCK_PATIENCE_MS * 1000000 / SLEEP_NS)
            return -EBUSY;
    }
    return 0;
}

void lock_wake(struct lock *l, uint32_t holder)
{
    if (lock_swap(l, holder | SEATS_WAITERS, 0))
        syscall(SYS_futex, &l->word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

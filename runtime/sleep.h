/* sleep.h -- how worker threads sleep and are woken. */
#ifndef WEIR_SLEEP_H
#define WEIR_SLEEP_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "look.h"

/* What a worker needs in order to sleep. */
struct sleeper {
    struct sleepers *among;   /* those of its lane */
    int fd;                   /* an eventfd: written to wake the worker */
    _Atomic bool interrupted; /* the store closes: every wait ends, for good */

    /* The worker's own. */
    struct looks looks;
    struct look for_work, for_bytes;
    bool takes_work;   /* it has room, so a wait in finish ends for new work */
    bool went_on_list; /* during this finish */

    /* Under the lock of among. */
    struct sleeper *next;
    bool listed;
    bool asleep; /* on the list: a push must wake it */
    bool has_session;
};

/* The workers of a lane that may be given work. */
struct sleepers {
    pthread_mutex_t lock;  /* guards the list, and the queue of the lane */
    struct sleeper *first; /* the one that came last */
    _Atomic bool work;     /* the queue is not empty; read without the lock */
    bool stopping;         /* no more work comes */
};

void sleepers_init(struct sleepers *all);
void sleepers_destroy(struct sleepers *all);

/* sleepers_take removes up to n workers from the list. Returns how many of them
 * must be woken, in out. Call it with the lock held, and sleeper_wake for each
 * after releasing it. */
uint32_t sleepers_take(struct sleepers *all, struct sleeper **out, uint32_t n);

/* sleepers_is_stopping says whether no more work comes. */
bool sleepers_is_stopping(struct sleepers *all);

/* sleeper_init prepares a worker to sleep, which looks for up to spin_ns before
 * it does. Returns 0 or a negative errno. */
int sleeper_init(struct sleeper *s, struct sleepers *among, uint64_t spin_ns);
void sleeper_destroy(struct sleeper *s);

/* sleeper_wake ends a worker's sleep, or its next one if it is awake. */
void sleeper_wake(struct sleeper *s);

/* sleeper_interrupt wakes a worker and makes all its waits end from now on. */
void sleeper_interrupt(struct sleeper *s);

/* sleeper_offer puts a worker on the list that is awake and looks at the queue
 * next. It does nothing if there is work already. */
void sleeper_offer(struct sleeper *s);

/* sleeper_is_connecting takes a worker that is going to connect off the list,
 * and wakes one that has a session, if there is one, so that the work does not
 * wait for the connect. */
void sleeper_is_connecting(struct sleeper *self);

/* sleeper_awake takes a worker off the list if it is there. Call it with the
 * lock held. */
void sleeper_awake(struct sleeper *s);

/* sleeper_set_session notes whether the worker has a session. */
void sleeper_set_session(struct sleeper *s, bool has_session);

/* sleeper_has_work says whether the queue has work, without the lock. */
static inline bool sleeper_has_work(const struct sleeper *s)
{
    return atomic_load_explicit(&s->among->work, memory_order_relaxed);
}

/* sleep_for_work sleeps until the worker is woken. Returns at once when there
 * is work. false: no work is left and none comes; the worker ends. */
bool sleep_for_work(struct sleeper *s);

/* sleep_until sleeps until a time, off the list: no push wakes the worker for
 * work meanwhile. false: no more work comes. */
bool sleep_until(struct sleeper *s, uint64_t until);

/* sleep_begin_finish and sleep_end_finish stand around a connector's finish.
 * In between, takes_work says whether new work ends a wait. */
void sleep_begin_finish(struct sleeper *s, bool takes_work);
void sleep_end_finish(struct sleeper *s);

/* sleep_on_fd sleeps until fd (-1: none) is ready for events, a time has come
 * (UINT64_MAX: never) or the worker is woken. s is NULL on a thread of the
 * host. Returns revents; 0: look again why; -EAGAIN: there is new work; or
 * another negative errno. */
int sleep_on_fd(struct sleeper *s, int fd, short events, uint64_t until,
                uint64_t now);

#endif

/* sleep.c -- how worker threads sleep and are woken.
 *
 * A worker sleeps in one of three places:
 *
 *     sleep_for_work   it has nothing to do. It waits for work.
 *     sleep_on_fd      it is in a connector, inside weir_call_wait. It waits
 *                      for the backend and, in finish, for work, too.
 *     sleep_until      its connection is under backoff while other workers
 *                      have theirs. It waits for the end of the backoff.
 *
 * Every worker has an eventfd, and sleeper_wake writes to it. Any thread may
 * wake any worker at any time, but not while it holds the lock below, for which
 * the woken worker would wait. A worker that was woken without need looks
 * around and sleeps again, so a late wake is harmless.
 *
 * The list. A worker that can take work goes on the list of its lane before it
 * sleeps. A push takes as many workers off the list as the batch has slices,
 * the last to come first, because its cache is warm, and wakes them. A worker
 * comes when it has answered its last slice, before the host learns of it, and
 * is awake then: it looks at the queue before it sleeps, and a push does not
 * wake it. Without that, a host with one batch on its way would wake another
 * worker each time. A push to a lane with an awake worker on the list, or with
 * none, makes no system call.
 *
 * No wake is lost. One lock guards the queue and the list. A worker goes on the
 * list, or becomes one that sleeps there, only if the queue is empty under this
 * lock, and a push looks at the list under the same lock after it filled the
 * queue. So either the worker sees the batch or the push sees the worker. A
 * claim, a push, a connect, sleep_until, the end of finish and the end of the
 * worker take it off the list.
 *
 * Looking first. Before each sleep a worker looks for what it waits for, if a
 * look pays: see look.c.
 *
 * In finish. A worker with requests in flight waits for the oldest reply. If
 * it has room for more it goes on the list as well, and a push ends its wait
 * with -EAGAIN. The worker then starts the new slice and calls finish again. It
 * leaves the list when finish returns.
 *
 * Teardown. Once stopping is set, a worker ends as soon as the queue is empty.
 * close wakes all workers after it set stopping, because those in sleep_until
 * are not on the list. close interrupts a worker by setting interrupted first
 * and waking it second: every wait looks at the flag before it sleeps, so all
 * further waits end at once. The eventfds are closed after the threads were
 * joined and the host has freed the store, when no thread can wake any more. */
#include "sleep.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "clock.h"
#include "weir.h"

/* ---- the list ---- */

void sleepers_init(struct sleepers *all)
{
    pthread_mutex_init(&all->lock, NULL);
}

void sleepers_destroy(struct sleepers *all)
{
    pthread_mutex_destroy(&all->lock);
}

uint32_t sleepers_take(struct sleepers *all, struct sleeper **out, uint32_t n)
{
    uint32_t taken = 0;

    while (taken < n && all->first != NULL) {
        struct sleeper *s = all->first;

        all->first = s->next;
        s->listed = false;
        if (s->asleep)
            out[taken++] = s;
        else
            n--;
    }
    return taken;
}

void sleeper_awake(struct sleeper *s)
{
    struct sleeper **at = &s->among->first;

    if (!s->listed)
        return;
    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    s->listed = false;
}

/* Puts a worker on the list if it is not there. Under lock. */
static void list(struct sleeper *s, bool asleep)
{
    s->asleep = asleep;
    if (s->listed)
        return;
    s->listed = true;
    s->next = s->among->first;
    s->among->first = s;
}

void sleeper_offer(struct sleeper *s)
{
    pthread_mutex_lock(&s->among->lock);
    if (!s->among->work && !s->among->stopping)
        list(s, false);
    pthread_mutex_unlock(&s->among->lock);
}

static void leave_list(struct sleeper *s)
{
    pthread_mutex_lock(&s->among->lock);
    sleeper_awake(s);
    pthread_mutex_unlock(&s->among->lock);
}

enum listing {
    LISTED,    /* on the list as one that sleeps: sleep now */
    LIST_WORK, /* there is work */
    LIST_STOP, /* there is no work, and none comes */
};

static enum listing go_on_list(struct sleeper *s)
{
    struct sleepers *all = s->among;
    enum listing listing = LISTED;

    pthread_mutex_lock(&all->lock);
    if (all->work) {
        listing = LIST_WORK;
    } else if (all->stopping) {
        sleeper_awake(s);
        listing = LIST_STOP;
    } else {
        list(s, true);
    }
    pthread_mutex_unlock(&all->lock);
    return listing;
}

void sleeper_is_connecting(struct sleeper *self)
{
    struct sleepers *all = self->among;
    struct sleeper *s;

    pthread_mutex_lock(&all->lock);
    sleeper_awake(self);
    s = all->first;
    while (s != NULL && !s->has_session)
        s = s->next;
    if (s != NULL)
        sleeper_awake(s);
    pthread_mutex_unlock(&all->lock);
    if (s != NULL)
        sleeper_wake(s);
}

bool sleepers_is_stopping(struct sleepers *all)
{
    bool stopping;

    pthread_mutex_lock(&all->lock);
    stopping = all->stopping;
    pthread_mutex_unlock(&all->lock);
    return stopping;
}

/* ---- one worker ---- */

int sleeper_init(struct sleeper *s, struct sleepers *among, uint64_t spin_ns)
{
    s->among = among;
    s->looks.longest_ns = spin_ns;
    s->for_work.enough = 1;
    s->for_bytes.enough = 8;
    s->fd = eventfd(0, EFD_CLOEXEC);
    return s->fd < 0 ? -errno : 0;
}

void sleeper_destroy(struct sleeper *s)
{
    if (s->fd >= 0)
        close(s->fd);
}

void sleeper_wake(struct sleeper *s)
{
    eventfd_write(s->fd, 1);
}

void sleeper_interrupt(struct sleeper *s)
{
    atomic_store(&s->interrupted, true);
    sleeper_wake(s);
}

void sleeper_set_session(struct sleeper *s, bool has_session)
{
    pthread_mutex_lock(&s->among->lock);
    s->has_session = has_session;
    pthread_mutex_unlock(&s->among->lock);
}

/* ---- looking ---- */

enum found { FOUND_NOTHING, FOUND_READY, FOUND_WORK };

/* Looks, until a time at most, whether work comes (if for_work) or one of two
 * fds becomes ready (p may be NULL). */
static enum found look_around(struct sleeper *s, struct look *l, bool for_work,
                              struct pollfd *p, uint64_t now, uint64_t until)
{
    uint64_t before;

    if (!look_pays(&s->looks, l, now))
        return FOUND_NOTHING;
    if (until - now > s->looks.longest_ns)
        until = now + s->looks.longest_ns;
    while (now < until) {
        bool work = for_work && sleeper_has_work(s);

        if (work || (p != NULL && poll(p, 2, 0) > 0)) {
            look_found(l);
            return work ? FOUND_WORK : FOUND_READY;
        }
        before = now;
        sched_yield();
        now = weir_now();
        if (!looks_yielded(&s->looks, before, now))
            return FOUND_NOTHING;
    }
    look_missed(l);
    return FOUND_NOTHING;
}

/* A wait that began then has ended. */
static void note_wait(const struct sleeper *s, struct look *l, uint64_t began)
{
    if (l->misses > 0)
        look_slept(&s->looks, l, weir_now() - began);
}

/* ---- sleeping ---- */

bool sleep_for_work(struct sleeper *s)
{
    uint64_t now = weir_now();
    eventfd_t wakes;
    enum listing listing;

    look_around(s, &s->for_work, true, NULL, now, UINT64_MAX);
    listing = go_on_list(s);
    if (listing == LISTED) {
        eventfd_read(s->fd, &wakes);
        note_wait(s, &s->for_work, now);
    }
    return listing != LIST_STOP;
}

bool sleep_until(struct sleeper *s, uint64_t until)
{
    struct pollfd p = {.fd = s->fd, .events = POLLIN};
    struct timespec left = clock_left(until, weir_now());
    eventfd_t wakes;

    if (sleepers_is_stopping(s->among))
        return false;
    leave_list(s);
    if (ppoll(&p, 1, &left, NULL) > 0)
        eventfd_read(s->fd, &wakes);
    return true;
}

void sleep_begin_finish(struct sleeper *s, bool takes_work)
{
    s->takes_work = takes_work;
}

void sleep_end_finish(struct sleeper *s)
{
    s->takes_work = false;
    if (!s->went_on_list)
        return;
    s->went_on_list = false;
    leave_list(s);
}

/* Before the first wait in a finish with room: goes on the list. true: there is
 * work, do not sleep. */
static bool finds_work(struct sleeper *s)
{
    enum listing listing = go_on_list(s);

    s->went_on_list = listing == LISTED;
    return listing == LIST_WORK;
}

/* Which of the two fds, the backend's and the worker's eventfd, ended a wait.
 * The eventfd is written for work, or for an interrupt, which the caller
 * finds. */
static int wait_ended(struct sleeper *s, const struct pollfd *p)
{
    eventfd_t wakes;

    if (p[0].revents != 0)
        return p[0].revents;
    if (p[1].revents == 0)
        return 0;
    eventfd_read(s->fd, &wakes);
    return s->takes_work && !atomic_load(&s->interrupted) ? -EAGAIN : 0;
}

static int sleep_on(struct sleeper *s, struct pollfd *p, uint64_t until,
                    uint64_t now)
{
    struct timespec left = clock_left(until, now);

    if (ppoll(p, 2, until == UINT64_MAX ? NULL : &left, NULL) < 0)
        return errno == EINTR ? 0 : -errno;
    return wait_ended(s, p);
}

int sleep_on_fd(struct sleeper *s, int fd, short events, uint64_t until,
                uint64_t now)
{
    struct pollfd p[2] = {{.fd = fd, .events = events},
                          {.fd = s != NULL ? s->fd : -1, .events = POLLIN}};
    bool for_work = s != NULL && s->takes_work && !s->went_on_list;
    enum found found = FOUND_NOTHING;
    int rc;

    if (s != NULL && fd >= 0)
        found = look_around(s, &s->for_bytes, for_work, p, now, until);
    if (found == FOUND_READY)
        return wait_ended(s, p);
    if (found == FOUND_WORK || (for_work && finds_work(s)))
        return -EAGAIN;
    rc = sleep_on(s, p, until, now);
    if (s != NULL)
        note_wait(s, &s->for_bytes, now);
    return rc;
}

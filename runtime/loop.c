/* loop.c -- libev for Lua. The callbacks of libev append to an array, and poll
 * returns its entries. Watches are found by fd or signal, so the caller keeps
 * no pointers. Linked into libweir-ev.so only. */
#include "loop.h"

#include <errno.h>
#include <ev.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct watch {
    struct ev_io io;
    uint64_t id;
};

struct signal_watch {
    struct ev_signal signal;
    uint64_t id;
    struct sigaction before; /* the action that the watch replaced */
    bool ends;               /* weir_loop_signal_ends was called for it */
};

/* The loop that watches each signal. A second one would make libev abort. */
static _Atomic(struct weir_loop *) watchers[NSIG];

/* For weir_loop_signal_ends. The first signal starts the timer and removes its
 * handler. If no poll takes the signal in time, the timer sends it again, and
 * its default action ends the process. The handler reads this. */
static struct last_call {
    timer_t timer;
    struct itimerspec patience;
} last_calls[NSIG];

/* Forks that led to this process. libev could look itself (EVFLAG_FORKCHECK),
 * by a system call for each turn of the loop. */
static _Atomic uint32_t loop_forks;

static void loop_in_child(void)
{
    atomic_fetch_add(&loop_forks, 1);
}

__attribute__((constructor)) static void loop_watch_forks(void)
{
    pthread_atfork(NULL, NULL, loop_in_child);
}

struct weir_loop {
    struct ev_loop *ev;
    uint32_t forks;         /* loop_forks when ev was made, or made anew */
    struct ev_timer alarm;  /* ends a poll */
    struct watch **watches; /* by fd */
    int n_watches;
    struct signal_watch *signals[NSIG];
    struct weir_loop_event *events;
    size_t first, n, capacity; /* events first to n were not returned yet */
    int failed;                /* an event was lost, because memory was short */
};

static void loop_add(struct weir_loop *loop, uint64_t id, uint32_t events)
{
    if (loop->n == loop->capacity) {
        size_t capacity = loop->capacity ? 2 * loop->capacity : 64;
        struct weir_loop_event *grown =
            realloc(loop->events, capacity * sizeof *grown);

        if (grown == NULL) {
            loop->failed = 1;
            return;
        }
        loop->events = grown;
        loop->capacity = capacity;
    }
    loop->events[loop->n++] =
        (struct weir_loop_event){.id = id, .events = events};
}

static void loop_on_fd(struct ev_loop *ev, struct ev_io *io, int revents)
{
    uint32_t events = (revents & EV_READ ? WEIR_LOOP_READ : 0u) |
                      (revents & EV_WRITE ? WEIR_LOOP_WRITE : 0u);

    loop_add(ev_userdata(ev), ((struct watch *)io)->id, events);
}

static void last_call_in(int signum, const struct itimerspec *patience)
{
    timer_settime(last_calls[signum].timer, 0, patience, NULL);
}

static void on_last_signal(int signum)
{
    int saved = errno;

    last_call_in(signum, &last_calls[signum].patience);
    ev_feed_signal(signum);
    errno = saved;
}

static void loop_on_signal(struct ev_loop *ev, struct ev_signal *s, int revents)
{
    static const struct itimerspec never;

    (void)revents;
    if (((struct signal_watch *)s)->ends)
        last_call_in(s->signum, &never);
    loop_add(ev_userdata(ev), ((struct signal_watch *)s)->id, WEIR_LOOP_SIGNAL);
}

static void loop_on_alarm(struct ev_loop *ev, struct ev_timer *t, int revents)
{
    (void)ev;
    (void)t;
    (void)revents;
}

int weir_loop_new(struct weir_loop **out)
{
    struct weir_loop *loop = calloc(1, sizeof *loop);

    if (loop == NULL)
        return -ENOMEM;
    loop->ev = ev_loop_new(EVFLAG_AUTO);
    loop->forks = atomic_load(&loop_forks);
    if (loop->ev == NULL) {
        free(loop);
        return -ENOMEM;
    }
    ev_set_userdata(loop->ev, loop);
    ev_timer_init(&loop->alarm, loop_on_alarm, 0., 0.);
    *out = loop;
    return 0;
}

/* Restores the action of a signal, if this loop watches it. */
static void loop_end_signal(struct weir_loop *loop, int signum)
{
    struct signal_watch *w = loop->signals[signum];

    if (atomic_load(&watchers[signum]) != loop)
        return;
    ev_signal_stop(loop->ev, &w->signal);
    sigaction(signum, &w->before, NULL);
    if (w->ends)
        timer_delete(last_calls[signum].timer);
    w->ends = false;
    atomic_store(&watchers[signum], NULL);
}

void weir_loop_free(struct weir_loop *loop)
{
    if (loop == NULL)
        return;
    for (int fd = 0; fd < loop->n_watches; fd++) {
        if (loop->watches[fd] != NULL)
            ev_io_stop(loop->ev, &loop->watches[fd]->io);
        free(loop->watches[fd]);
    }
    for (int i = 1; i < NSIG; i++) {
        loop_end_signal(loop, i);
        free(loop->signals[i]);
    }
    ev_loop_destroy(loop->ev);
    free(loop->watches);
    free(loop->events);
    free(loop);
}

/* Makes room for the watch of an fd. */
static int loop_room(struct weir_loop *loop, int fd)
{
    int n = loop->n_watches ? loop->n_watches : 16;
    struct watch **grown;

    if (fd < loop->n_watches)
        return 0;
    while (n <= fd)
        n *= 2;
    grown = realloc(loop->watches, (size_t)n * sizeof *grown);
    if (grown == NULL)
        return -ENOMEM;
    memset(grown + loop->n_watches, 0,
           (size_t)(n - loop->n_watches) * sizeof *grown);
    loop->watches = grown;
    loop->n_watches = n;
    return 0;
}

int weir_loop_watch(struct weir_loop *loop, int fd, uint32_t events,
                    uint64_t id)
{
    struct watch *w;

    if (fd < 0)
        return -EINVAL;
    if (loop_room(loop, fd) < 0)
        return -ENOMEM;
    w = loop->watches[fd];
    if (w == NULL) {
        w = calloc(1, sizeof *w);
        if (w == NULL)
            return -ENOMEM;
        ev_init(&w->io, loop_on_fd);
        loop->watches[fd] = w;
    }
    ev_io_stop(loop->ev, &w->io);
    w->id = id;
    if (events == 0)
        return 0;
    ev_io_set(&w->io, fd,
              (events & WEIR_LOOP_READ ? EV_READ : 0) |
                  (events & WEIR_LOOP_WRITE ? EV_WRITE : 0));
    ev_io_start(loop->ev, &w->io);
    return 0;
}

int weir_loop_signal(struct weir_loop *loop, int signum, uint64_t id)
{
    struct weir_loop *watcher = NULL;
    struct signal_watch *w;

    if (signum <= 0 || signum >= NSIG || signum == SIGKILL || signum == SIGSTOP)
        return -EINVAL;
    if (id == 0) {
        loop_end_signal(loop, signum);
        return 0;
    }
    w = loop->signals[signum];
    if (w == NULL) {
        w = calloc(1, sizeof *w);
        if (w == NULL)
            return -ENOMEM;
        ev_signal_init(&w->signal, loop_on_signal, signum);
        loop->signals[signum] = w;
    }
    if (!atomic_compare_exchange_strong(&watchers[signum], &watcher, loop) &&
        watcher != loop)
        return -EBUSY;
    w->id = id;
    if (watcher != loop)
        sigaction(signum, NULL, &w->before);
    ev_signal_start(loop->ev, &w->signal);
    return 0;
}

int weir_loop_signal_ends(struct weir_loop *loop, int signum,
                          uint64_t patience_ns)
{
    struct sigaction action = {.sa_handler = on_last_signal,
                               .sa_flags = (int)SA_RESETHAND | SA_RESTART};
    struct sigevent again = {.sigev_notify = SIGEV_SIGNAL,
                             .sigev_signo = signum};
    struct last_call *call;

    if (signum <= 0 || signum >= NSIG || atomic_load(&watchers[signum]) != loop)
        return -EINVAL;
    call = &last_calls[signum];
    if (!loop->signals[signum]->ends &&
        timer_create(CLOCK_MONOTONIC, &again, &call->timer) < 0)
        return -errno;
    loop->signals[signum]->ends = true;
    call->patience.it_value =
        (struct timespec){.tv_sec = (time_t)(patience_ns / 1000000000u),
                          .tv_nsec = (long)(patience_ns % 1000000000u)};
    sigfillset(&action.sa_mask);
    return sigaction(signum, &action, NULL) < 0 ? -errno : 0;
}

/* Runs the loop until an event was added or the time is up. */
static void loop_run(struct weir_loop *loop, uint64_t timeout_ns)
{
    uint32_t forks = atomic_load(&loop_forks);

    if (loop->forks != forks) {
        ev_loop_fork(loop->ev);
        loop->forks = forks;
    }
    if (timeout_ns == 0) {
        ev_run(loop->ev, EVRUN_NOWAIT);
        return;
    }
    if (timeout_ns != UINT64_MAX) {
        ev_now_update(loop->ev);
        ev_timer_set(&loop->alarm, (double)timeout_ns / 1e9, 0.);
        ev_timer_start(loop->ev, &loop->alarm);
    }
    ev_run(loop->ev, EVRUN_ONCE);
    ev_timer_stop(loop->ev, &loop->alarm);
}

int weir_loop_poll(struct weir_loop *loop, uint64_t timeout_ns,
                   struct weir_loop_event *out, int max)
{
    int n = 0;

    if (loop->first == loop->n) {
        loop->first = loop->n = 0;
        loop_run(loop, timeout_ns);
    }
    if (loop->failed) {
        loop->failed = 0;
        return -ENOMEM;
    }
    while (n < max && loop->first < loop->n)
        out[n++] = loop->events[loop->first++];
    return n;
}

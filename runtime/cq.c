/* cq.c -- completion queues: finished batches, and one fd that announces them.
 *
 * DESIGN
 * Workers append a batch under the lock and ring the notifier only if it is not
 * armed. Armed means: a ring was written and not read, or the thread that armed
 * the queue is about to write it. The host's drain reads the ring first and
 * takes the batches second. A batch that is appended in between rings again, so
 * no wake is lost. Only a drain that has read the ring disarms the queue. A
 * drain that comes before the ring was written takes the batches, and the ring
 * then wakes the host once for nothing, which is harmless.
 *
 * With a socket instead of the eventfd the host reads the byte itself, then
 * drains until a drain returns less than max. So the drain that empties the
 * queue, with room left, disarms it. Any later batch rings again, and the host
 * has read the earlier byte by then. Disarming earlier would send a second
 * byte before the first was read.
 *
 * A thread in weir_cq_wait sleeps on a futex, not on the fd. A batch that comes
 * to an empty queue meanwhile wakes it and does not ring, so the drain that
 * follows has no ring to read. The thread counts itself first and looks at the
 * queue second. A push fills the queue first and looks at the count second. So
 * either the thread sees the batch or the push sees the thread.
 *
 * The worker rings or wakes after the lock is released, so that the woken host
 * finds the lock free. Meanwhile a reference keeps the queue. A thread that
 * removes the socket waits for the one call that may be writing to it.
 *
 * A queue lives until its host has freed it and every batch announced to it has
 * been drained or freed. drain.c hands the batches to the host. */
#include "cq.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clock.h"
#include "forks.h"

struct weir_cq {
    pthread_mutex_t lock;
    struct batch *head, **tail; /* under lock */
    _Atomic bool armed;         /* under lock; read without it as a hint */
    bool closed;                /* under lock: the host has freed it */
    _Atomic int socket;         /* under lock; read without it by the host; -1 =
                                   the eventfd rings */
    int fd;                     /* the eventfd, non-blocking */
    uint32_t forks;             /* forks_seen() when it was made */
    _Atomic uint32_t refs;      /* the host, announced batches, rings, bells */
    _Atomic uint64_t pending;   /* announced and not drained */
    _Atomic uint32_t ringing;   /* threads about to write to the socket */
    _Atomic uint32_t filled;    /* 1: head is not NULL. A futex; changed under
                                   lock, read without it */
    _Atomic uint32_t waiters;   /* threads in weir_cq_wait */
};

int weir_cq_new(struct weir_cq **out)
{
    struct weir_cq *cq = calloc(1, sizeof *cq);

    *out = NULL;
    if (cq == NULL)
        return -ENOMEM;
    cq->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (cq->fd < 0) {
        int rc = -errno;

        free(cq);
        return rc;
    }
    cq->forks = forks_seen();
    pthread_mutex_init(&cq->lock, NULL);
    cq->tail = &cq->head;
    cq->socket = -1;
    atomic_init(&cq->refs, 1);
    *out = cq;
    return 0;
}

bool cq_is_own(const struct weir_cq *cq)
{
    return cq->forks == forks_seen();
}

void cq_ref(struct weir_cq *cq)
{
    atomic_fetch_add_explicit(&cq->refs, 1, memory_order_relaxed);
}

void cq_unref(struct weir_cq *cq)
{
    if (atomic_fetch_sub_explicit(&cq->refs, 1, memory_order_acq_rel) > 1)
        return;
    close(cq->fd);
    pthread_mutex_destroy(&cq->lock);
    free(cq);
}

/* Takes everything there is. Under lock. */
static struct batch *take_all(struct weir_cq *cq)
{
    struct batch *all = cq->head;

    cq->head = NULL;
    cq->tail = &cq->head;
    atomic_store_explicit(&cq->filled, 0, memory_order_relaxed);
    return all;
}

/* Waits for the threads that write to a socket that was removed. */
static void await_ringing(struct weir_cq *cq)
{
    while (atomic_load_explicit(&cq->ringing, memory_order_acquire) > 0)
        sched_yield();
}

struct batch *cq_close(struct weir_cq *cq)
{
    struct batch *rest;

    pthread_mutex_lock(&cq->lock);
    cq->closed = true;
    cq->socket = -1;
    rest = take_all(cq);
    pthread_mutex_unlock(&cq->lock);
    await_ringing(cq);
    return rest;
}

int weir_cq_fd(const struct weir_cq *cq)
{
    return cq->fd;
}

int weir_cq_notify_socket(struct weir_cq *cq, int fd)
{
    if (!cq_is_own(cq))
        return -ECHILD;
    pthread_mutex_lock(&cq->lock);
    cq->socket = fd;
    if (fd < 0) {
        /* Rings even when the queue is empty: the drain that follows empties
         * the fd of a ring that came late, for a batch drained long ago. */
        cq->armed = true;
        eventfd_write(cq->fd, 1);
    } else {
        cq->armed = cq->head != NULL;
        if (cq->armed)
            send(fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    pthread_mutex_unlock(&cq->lock);
    await_ringing(cq);
    return 0;
}

uint64_t weir_cq_pending(const struct weir_cq *cq)
{
    return atomic_load_explicit(&cq->pending, memory_order_relaxed);
}

void cq_expect(struct weir_cq *cq)
{
    cq_ref(cq);
    atomic_fetch_add_explicit(&cq->pending, 1, memory_order_relaxed);
}

void cq_forget(struct weir_cq *cq)
{
    atomic_fetch_sub_explicit(&cq->pending, 1, memory_order_relaxed);
    cq_unref(cq);
}

/* Arms the queue. true: the caller must ring, on *socket or, with -1, on the
 * eventfd. Under lock. */
static bool arm(struct weir_cq *cq, int *socket)
{
    if (cq->armed)
        return false;
    cq->armed = true;
    cq_ref(cq);
    *socket = cq->socket;
    if (*socket >= 0)
        atomic_fetch_add_explicit(&cq->ringing, 1, memory_order_relaxed);
    return true;
}

static void ring(struct weir_cq *cq, int socket)
{
    if (socket < 0) {
        eventfd_write(cq->fd, 1);
    } else {
        /* A full socket has unread bytes, which wake the host. */
        send(socket, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
        atomic_fetch_sub_explicit(&cq->ringing, 1, memory_order_release);
    }
    cq_unref(cq);
}

/* Appends a batch. Under lock. */
static void append(struct weir_cq *cq, struct batch *b)
{
    b->next = NULL;
    *cq->tail = b;
    cq->tail = &b->next;
    atomic_store(&cq->filled, 1);
}

static void wake_waiters(struct weir_cq *cq)
{
    syscall(SYS_futex, &cq->filled, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL,
            0);
    cq_unref(cq);
}

bool cq_push(struct weir_cq *cq, struct batch *b)
{
    bool rings = false, wakes = false, closed;
    int socket = -1;

    pthread_mutex_lock(&cq->lock);
    closed = cq->closed;
    if (!closed) {
        bool was_empty = cq->head == NULL;

        append(cq, b);
        if (atomic_load(&cq->waiters) == 0)
            rings = arm(cq, &socket);
        else
            wakes = was_empty;
        if (wakes)
            cq_ref(cq);
    }
    pthread_mutex_unlock(&cq->lock);
    if (rings)
        ring(cq, socket);
    if (wakes)
        wake_waiters(cq);
    return !closed;
}

/* Takes up to max batches. true: these were all, with room left. Under lock. */
static bool take_some(struct weir_cq *cq, int max, struct batch **first)
{
    struct batch **last = first;
    int n;

    *first = cq->head;
    for (n = 0; n < max && *last != NULL; n++)
        last = &(*last)->next;
    if (*last == NULL) {
        take_all(cq);
        return n < max;
    }
    cq->head = *last;
    *last = NULL;
    return false;
}

/* Takes up to max batches. rang says that the caller has read the eventfd.
 * true: these were all, with room left. */
static bool take(struct weir_cq *cq, int max, bool rang, struct batch **first)
{
    bool emptied;

    pthread_mutex_lock(&cq->lock);
    emptied = take_some(cq, max, first);
    if (cq->socket >= 0 ? emptied : rang)
        cq->armed = false;
    if (cq->head != NULL && !cq->armed && cq->socket < 0) {
        cq->armed = true;
        eventfd_write(cq->fd, 1);
    }
    pthread_mutex_unlock(&cq->lock);
    return emptied;
}

bool cq_is_quiet(const struct weir_cq *cq)
{
    return !atomic_load_explicit(&cq->filled, memory_order_relaxed) &&
           !atomic_load_explicit(&cq->armed, memory_order_relaxed);
}

/* Reads the eventfd if a ring was written or is going to be. With a socket the
 * host has read the ring itself. */
static bool read_ring(struct weir_cq *cq)
{
    eventfd_t rings;

    if (atomic_load_explicit(&cq->socket, memory_order_relaxed) >= 0)
        return true;
    return atomic_load_explicit(&cq->armed, memory_order_relaxed) &&
           eventfd_read(cq->fd, &rings) == 0;
}

bool cq_take(struct weir_cq *cq, int max, struct batch **first)
{
    return take(cq, max, read_ring(cq), first);
}

/* Sleeps until a batch waits, the time has come, or for no reason. true: the
 * time has come. */
static bool sleep_while_empty(struct weir_cq *cq, uint64_t until)
{
    struct timespec t = clock_timespec(until);

    return syscall(SYS_futex, &cq->filled, FUTEX_WAIT_BITSET_PRIVATE, 0,
                   until == WEIR_FOREVER ? NULL : &t, NULL,
                   FUTEX_BITSET_MATCH_ANY) < 0 &&
           errno == ETIMEDOUT;
}

int weir_cq_wait(struct weir_cq *cq, uint64_t timeout_ns)
{
    uint64_t until;

    if (!cq_is_own(cq))
        return -ECHILD;
    if (atomic_load(&cq->filled) || timeout_ns == 0)
        return atomic_load(&cq->filled) != 0;
    until = clock_after(weir_now(), timeout_ns);
    atomic_fetch_add(&cq->waiters, 1);
    while (!atomic_load(&cq->filled) && !sleep_while_empty(cq, until))
        continue;
    atomic_fetch_sub(&cq->waiters, 1);
    return atomic_load(&cq->filled) != 0;
}

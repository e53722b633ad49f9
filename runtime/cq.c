/* cq.c -- completion queues: finished batches, and one fd that says so.
 *
 * DESIGN
 * Workers append under the lock and ring the notifier only if it is not armed.
 * Armed means: a ring is unread, or about to be written by the thread that
 * armed it. The host's drain reads the ring first and takes the batches after,
 * so that a batch appended in between rings anew: no wake-up is lost. Only a
 * drain that has read the ring disarms; one that comes too early (armed, ring
 * not yet written) takes the batches and leaves the ring to wake the host once
 * more for nothing, which is harmless.
 *
 * With a socket instead of the eventfd the host reads the byte itself before
 * it drains, and drains until a drain returns less than max. So the drain that
 * empties the queue with room left disarms, once: the next ring is for a batch
 * that comes after it, and finds the byte before it read. Disarming earlier
 * would put a second byte on its way.
 *
 * Either is written outside of the lock, so that the host that wakes finds the
 * lock free: a reference keeps the queue and its eventfd meanwhile, and whoever
 * takes a socket away waits for the one call that may be writing to it.
 *
 * A queue lives until its host let go of it and every batch announced to it has
 * arrived and been taken or freed. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cq.h"
#include "forks.h"

struct weir_cq {
    pthread_mutex_t lock;
    struct batch *head, **tail; /* under lock */
    _Atomic bool armed;         /* under lock; read without as a hint */
    bool closed;                /* under lock: the host let go */
    _Atomic int socket;       /* under lock; read without by the host; -1 = the
                                 eventfd rings */
    int fd;                   /* the eventfd, non-blocking */
    uint32_t forks;           /* seen when it was made */
    _Atomic uint32_t refs;    /* the host, announced batches, rings, bells */
    _Atomic uint64_t pending; /* announced and not drained */
    _Atomic uint32_t ringing; /* threads about to write to the socket */
    _Atomic bool waiting;     /* head is not NULL; a hint without the lock */
};

int weir_cq_new(struct weir_cq **out)
{
    struct weir_cq *cq = calloc(1, sizeof *cq);

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
    atomic_store_explicit(&cq->waiting, false, memory_order_relaxed);
    return all;
}

/* A batch whose queue has no host any more. */
static void cq_discard(struct weir_cq *cq, struct batch *b)
{
    batch_deliver(b);
    atomic_fetch_sub_explicit(&cq->pending, 1, memory_order_relaxed);
    cq_unref(cq);
}

/* Waits until nobody writes any more to a socket that was taken away. */
static void await_ringing(struct weir_cq *cq)
{
    while (atomic_load_explicit(&cq->ringing, memory_order_acquire) > 0)
        sched_yield();
}

void weir_cq_free(struct weir_cq *cq)
{
    struct batch *rest;

    if (cq == NULL || !cq_is_own(cq))
        return;
    pthread_mutex_lock(&cq->lock);
    cq->closed = true;
    cq->socket = -1;
    rest = take_all(cq);
    pthread_mutex_unlock(&cq->lock);
    await_ringing(cq);
    while (rest != NULL) {
        struct batch *next = rest->next;

        cq_discard(cq, rest);
        rest = next;
    }
    cq_unref(cq);
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
        /* Also when nothing waits: the drain that it brings empties the fd of
         * a ring that came late, for a batch drained long ago. */
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

/* Arms the queue. Returns whether the caller is to ring, and where. Under lock.
 */
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
        /* A full socket has unread bytes: the host will wake. */
        send(socket, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
        atomic_fetch_sub_explicit(&cq->ringing, 1, memory_order_release);
    }
    cq_unref(cq);
}

void cq_push(struct weir_cq *cq, struct batch *b)
{
    bool armed = false, closed;
    int socket = -1;

    b->next = NULL;
    pthread_mutex_lock(&cq->lock);
    closed = cq->closed;
    if (!closed) {
        *cq->tail = b;
        cq->tail = &b->next;
        atomic_store_explicit(&cq->waiting, true, memory_order_relaxed);
        armed = arm(cq, &socket);
    }
    pthread_mutex_unlock(&cq->lock);
    if (armed)
        ring(cq, socket);
    if (closed)
        cq_discard(cq, b);
}

/* Under lock: takes up to max batches. Returns whether that was all, with room
 * left. */
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

/* Takes up to max batches; rang says that the caller has read the eventfd.
 * Returns whether that was all, with room left. */
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

/* Nothing waits and no ring is on its way: no need to look. */
static bool quiet(struct weir_cq *cq)
{
    return !atomic_load_explicit(&cq->waiting, memory_order_relaxed) &&
           !atomic_load_explicit(&cq->armed, memory_order_relaxed);
}

/* Reads the eventfd; with a socket the host has read the ring. */
static bool read_ring(struct weir_cq *cq)
{
    eventfd_t rings;

    return atomic_load_explicit(&cq->socket, memory_order_relaxed) >= 0 ||
           eventfd_read(cq->fd, &rings) == 0;
}

int weir_cq_drain(struct weir_cq *cq, struct weir_batch **out, int max)
{
    bool emptied = false;
    int n = 0;

    if (!cq_is_own(cq))
        return 0;
    /* Orphans are freed on the way, so that one turn may bring too few. */
    while (n < max && !emptied && !quiet(cq)) {
        struct batch *b;

        emptied = take(cq, max - n, read_ring(cq), &b);
        while (b != NULL) {
            struct batch *next = b->next;

            atomic_fetch_sub_explicit(&cq->pending, 1, memory_order_relaxed);
            if (batch_deliver(b))
                out[n++] = &b->pub;
            cq_unref(cq);
            b = next;
        }
    }
    return n;
}

/* What is left until a time, as ppoll wants it. */
static struct timespec time_left(uint64_t until, uint64_t now)
{
    uint64_t left = until > now ? until - now : 0;

    return (struct timespec){.tv_sec = (time_t)(left / 1000000000u),
                             .tv_nsec = (long)(left % 1000000000u)};
}

int weir_cq_wait(struct weir_cq *cq, uint64_t timeout_ns)
{
    struct pollfd p = {.fd = cq->fd, .events = POLLIN};
    uint64_t now = weir_now();
    uint64_t until = now + timeout_ns;

    if (!cq_is_own(cq))
        return -ECHILD;
    if (until < now)
        until = WEIR_FOREVER;
    for (;;) {
        struct timespec left = time_left(until, now);
        eventfd_t rings;

        if (atomic_load_explicit(&cq->waiting, memory_order_acquire))
            return 1;
        if (ppoll(&p, 1, until == WEIR_FOREVER ? NULL : &left, NULL) > 0 &&
            !atomic_load_explicit(&cq->waiting, memory_order_acquire)) {
            /* A ring for batches that were drained before it was written. */
            struct batch *none;

            take(cq, 0, eventfd_read(cq->fd, &rings) == 0, &none);
        }
        now = weir_now();
        if (now >= until)
            return atomic_load_explicit(&cq->waiting, memory_order_acquire);
    }
}

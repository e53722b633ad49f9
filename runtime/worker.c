/* worker.c -- the threads that run batches.
 *
 * DESIGN
 * A worker claims a slice of the oldest batch, runs it in its session, settles
 * the items and counts them off; whoever answers the last item of a batch sends
 * it to its completion queue. Nothing is locked while a connector runs.
 *
 * With a connector that has start and finish, the worker starts slices while
 * its window (items, bytes) has room and finishes the oldest, so the requests
 * of one slice travel while the replies of another arrive, across batches too.
 * While it waits in finish it is on the idle list: a submitter rings it, finish
 * returns -EAGAIN, the new slice is started, and finish goes on.
 *
 * A wait in finish ends at the earliest deadline of all slices, whichever is
 * the oldest. The worker then asks the connector to expire each slice that is
 * late: its items are answered, its batch goes back, and the session goes on
 * with the others. The slice's place in the ring stays taken, without a batch,
 * until those before it are done. A connector that cannot do this loses the
 * session.
 *
 * A session that breaks takes all its slices with it: what is pending in those
 * past their deadline gets TIMEOUT, in the others RESET, because they may have
 * been applied. The next slice finds a new session.
 *
 * A worker ends when its lane stops and the queue is empty. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "session.h"
#include "store.h"
#include "worker.h"

int thread_start(pthread_t *thread, void *(*main)(void *), void *arg)
{
    sigset_t all, before;
    int rc;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(thread, NULL, main, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -rc;
}

void worker_ring(struct worker *w)
{
    eventfd_write(w->fd, 1);
}

void worker_interrupt(struct worker *w)
{
    const struct weir_connector *c = w->store->connector;

    atomic_store(&w->interrupted, true);
    worker_ring(w);
    if (c->interrupt == NULL)
        return;
    pthread_mutex_lock(&w->lane->lock);
    c->interrupt(w->session);
    pthread_mutex_unlock(&w->lane->lock);
}

/* ---- slices ---- */

#define NO_ANSWER "no answer in time"

static struct slice *oldest_slice(struct worker *w)
{
    return &w->slices[w->oldest];
}

static bool is_late(const struct slice *s, uint64_t now)
{
    return s->call.deadline_ns != 0 && now >= s->call.deadline_ns;
}

/* The slice's items are answered: settle, count off, forget. */
static void slice_done(struct worker *w, struct slice *s)
{
    struct batch *b = s->batch;
    uint32_t n = s->call.n;
    uint64_t now = weir_now();

    store_settle(w->store, b, w->stats, s->call.items, n);
    histogram_add(&w->stats->op[b->pub.op].service, now - s->started_ns);
    w->items -= n;
    w->bytes -= s->bytes;
    s->batch = NULL;
    while (w->n > 0 && oldest_slice(w)->batch == NULL) {
        w->oldest = (w->oldest + 1) % WORKER_SLICES;
        w->n--;
    }
    if (batch_answered(b, n))
        batch_finish(b);
}

static void slice_fail(struct slice *s, int status, int rc)
{
    for (uint32_t i = 0; i < s->call.n; i++) {
        if (s->call.items[i].status != WEIR_PENDING)
            continue;
        if (status == WEIR_TIMEOUT)
            weir_call_fail(&s->call, NULL, status, NO_ANSWER);
        else
            weir_call_fail(&s->call, NULL, status, "session dropped: %s",
                           rc == -ETIMEDOUT   ? NO_ANSWER
                           : rc == -ECANCELED ? "interrupted by close"
                                              : strerror(-rc));
        return;
    }
}

/* Whether a wait ended because some slice is past its deadline. */
static bool any_late(const struct worker *w, uint64_t now)
{
    for (uint32_t i = 0; i < w->n; i++) {
        const struct slice *s = &w->slices[(w->oldest + i) % WORKER_SLICES];

        if (s->batch != NULL && is_late(s, now))
            return true;
    }
    return false;
}

/* The session broke in culprit. Slices end in the order they were started. */
static void session_broke(struct worker *w, const struct slice *culprit, int rc)
{
    uint64_t now = weir_now();
    bool deadline = rc == -ETIMEDOUT && any_late(w, now);

    session_drop(w);
    while (w->n > 0) {
        struct slice *s = oldest_slice(w);
        bool late =
            deadline ? is_late(s, now) : rc == -ETIMEDOUT && s == culprit;

        slice_fail(s, late ? WEIR_TIMEOUT : WEIR_RESET, rc);
        slice_done(w, s);
    }
}

/* Answers the slices past their deadline and learns which is next. */
static void expire_late(struct worker *w)
{
    const struct weir_connector *c = w->store->connector;
    uint32_t first = w->oldest, n = w->n;
    uint64_t now = weir_now(), next = 0;

    if (c->expire == NULL || w->earliest_ns == 0 || now < w->earliest_ns)
        return;
    for (uint32_t i = 0; i < n; i++) {
        struct slice *s = &w->slices[(first + i) % WORKER_SLICES];
        int rc = 0;

        if (s->batch == NULL || s->call.deadline_ns == 0)
            continue;
        if (now < s->call.deadline_ns) {
            if (next == 0 || s->call.deadline_ns < next)
                next = s->call.deadline_ns;
            continue;
        }
        rc = c->expire(w->session, &s->call);
        if (rc == 0) {
            slice_done(w, s);
        } else if (rc == -EBUSY) {
            s->call.deadline_ns = 0;
        } else {
            session_broke(w, s, rc);
            break;
        }
    }
    w->earliest_ns = next;
}

static void slice_start(struct worker *w, const struct claim *claim)
{
    const struct weir_connector *c = w->store->connector;
    struct slice *s = &w->slices[(w->oldest + w->n) % WORKER_SLICES];
    struct batch *b = claim->batch;
    int rc;

    *s = (struct slice){
        .call = {.op = b->pub.op,
                 .n = claim->n,
                 .items = b->pub.items + claim->first,
                 .deadline_ns = b->deadline_ns},
        .batch = b,
        .worker = w,
        .bytes = claim->bytes,
        .started_ns = weir_now(),
    };
    histogram_add(&w->stats->op[b->pub.op].queue,
                  s->started_ns - b->submitted_ns);
    w->n++;
    w->items += claim->n;
    w->bytes += claim->bytes;
    if (b->deadline_ns != 0 &&
        (w->n == 1 || w->earliest_ns == 0 || b->deadline_ns < w->earliest_ns))
        w->earliest_ns = b->deadline_ns;
    else if (w->n == 1)
        w->earliest_ns = 0;
    rc = c->start != NULL ? c->start(w->session, &s->call)
                          : c->run(w->session, &s->call);
    if (rc < 0)
        session_broke(w, s, rc);
    else if (c->start == NULL)
        slice_done(w, s);
}

/* ---- the loop ---- */

static bool has_room(const struct worker *w)
{
    return w->n == 0 || (!w->retiring && w->n < WORKER_SLICES &&
                         w->items < w->store->window.items &&
                         w->bytes < w->store->window.bytes);
}

/* Claims a slice and starts it; false: there was none. */
static bool take_work(struct worker *w)
{
    struct weir_slice room = w->store->slice;
    struct batch *expired = NULL;
    struct claim claim;
    bool claimed;

    claimed = lane_claim(w->lane, w, &room, &claim, &expired);
    lane_end_late(w->lane, expired);
    if (claimed)
        slice_start(w, &claim);
    return claimed;
}

/* Other sessions work, this one's time has not come: out of their way. False:
 * the lane stops, and they will empty it. */
static bool nap(struct worker *w)
{
    struct pollfd p = {.fd = w->fd, .events = POLLIN};
    struct timespec left;
    uint64_t now = weir_now(), retry;
    eventfd_t rings;
    bool stopping;

    pthread_mutex_lock(&w->lane->lock);
    retry = w->lane->retry_ns;
    stopping = w->lane->stopping;
    pthread_mutex_unlock(&w->lane->lock);
    if (stopping)
        return false;
    retry = retry > now ? retry - now : 0;
    left.tv_sec = (time_t)(retry / 1000000000u);
    left.tv_nsec = (long)(retry % 1000000000u);
    lane_wake(w->lane, w);
    if (ppoll(&p, 1, &left, NULL) > 0)
        eventfd_read(w->fd, &rings);
    return true;
}

static void finish_oldest(struct worker *w)
{
    struct slice *s = oldest_slice(w);
    int rc;

    w->listening = has_room(w);
    w->finishing = true;
    rc = w->store->connector->finish(w->session, &s->call);
    w->listening = w->finishing = false;
    if (w->resting) {
        w->resting = false;
        lane_wake(w->lane, w);
    }
    w->retiring |= rc > 0;
    if (rc >= 0)
        slice_done(w, s);
    else if (rc == -EAGAIN)
        expire_late(w);
    else
        session_broke(w, s, rc);
}

/* A wake-up costs more than a short look: try for spin_ns, letting others run.
 */
static void spin(struct worker *w)
{
    uint64_t until;

    if (w->store->config.spin_ns == 0)
        return;
    until = weir_now() + w->store->config.spin_ns;
    while (!atomic_load_explicit(&w->lane->waiting, memory_order_relaxed) &&
           weir_now() < until)
        sched_yield();
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    struct weir_store *s = w->store;
    enum rest rest = REST_WORK;

    while (rest != REST_STOP || w->n > 0) {
        eventfd_t rings;

        if (has_room(w) &&
            atomic_load_explicit(&w->lane->waiting, memory_order_relaxed)) {
            enum ready ready = session_ready(w);

            if (ready == READY_YES && take_work(w))
                continue;
            if (ready == READY_FAIL)
                lane_end_list(lane_take_all(w->lane), w->why_status,
                              w->why.code, w->why.message);
            else if (ready == READY_LATER && !nap(w))
                break;
        }
        if (w->n > 0) {
            finish_oldest(w);
            continue;
        }
        spin(w);
        rest = lane_rest(w->lane, w);
        if (rest == REST_SLEEP)
            eventfd_read(w->fd, &rings);
    }
    session_drop(w);
    pthread_mutex_lock(&s->lock);
    s->running--;
    pthread_cond_broadcast(&s->ended);
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

/* ---- life ---- */

int worker_init(struct worker *w, struct lane *l, struct stats *stats)
{
    size_t size = l->store->connector->session_size;

    w->store = l->store;
    w->lane = l;
    w->stats = stats;
    w->session = size > 0 ? calloc(1, size) : l->store->state;
    w->fd = eventfd(0, EFD_CLOEXEC);
    if (w->fd < 0)
        return -errno;
    return w->session == NULL && size > 0 ? -ENOMEM : 0;
}

int worker_start(struct worker *w)
{
    return thread_start(&w->thread, worker_main, w);
}

void worker_destroy(struct worker *w)
{
    if (w->store == NULL)
        return;
    if (w->fd >= 0)
        close(w->fd);
    if (w->store->connector->session_size > 0)
        free(w->session);
}

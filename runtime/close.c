/* close.c -- the end of a store.
 *
 * DESIGN
 * One close runs at a time, under close_lock. It stops the lanes and waits
 * until the workers have emptied them and ended. The store keeps the wishes of
 * all closes that run or wait: the earliest deadline counts, and
 * WEIR_CLOSE_FAIL of one of them counts for all. So an urgent close never waits
 * for the deadline of another one.
 *
 * A worker that connects is a special case. If the queue of its lane is empty,
 * no batch needs the session, and the close interrupts the connect. It also
 * interrupts a connect that has taken CONNECT_NS, because then the backend
 * hangs. Deadlines may empty a queue at any time, so the close looks again
 * every LOOK_NS.
 *
 * Teardown goes in this order: stop the lanes, end and join the workers, end
 * the reaper and the watcher, close the connector. weir_store_free then frees
 * workers and reaper, since no thread of the host uses the store any more. The
 * rest of the store lives until its last batch is drained.
 *
 * weir_close_begin and weir_store_drop close on a thread of their own. When a
 * process exits, it waits up to GRACE_NS for these threads, so that a
 * connector's libraries are not torn down while it uses them. */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>

#include "clock.h"
#include "cq.h"
#include "finish.h"
#include "forks.h"
#include "thread.h"
#include "worker.h"

/* The time that a connector has to notice an interrupt: 2 s. */
#define GRACE_NS 2000000000u

/* A connect that takes longer than this while a store closes hangs: 1 s. */
#define CONNECT_NS 1000000000u

/* How often a close looks for connects to interrupt: 10 ms. */
#define LOOK_NS 10000000u

/* ---- closing, on the thread of a caller ---- */

/* Waits for the workers until a time or until another close begins. true: all
 * have ended. */
static bool wait_ended(struct weir_store *s, uint64_t until)
{
    struct timespec t = clock_timespec(until);
    bool ended;

    pthread_mutex_lock(&s->lock);
    if (s->running > 0)
        pthread_cond_timedwait(&s->ended, &s->lock, &t);
    ended = s->running == 0;
    pthread_mutex_unlock(&s->lock);
    return ended;
}

/* Adds the wishes of a close to those of the others. */
static void want(struct weir_store *s, uint64_t deadline_ns, int mode)
{
    pthread_mutex_lock(&s->lock);
    if (!s->close_wanted || deadline_ns < s->close_ns)
        s->close_ns = deadline_ns;
    s->close_wanted = true;
    s->close_fails = s->close_fails || mode == WEIR_CLOSE_FAIL;
    pthread_cond_broadcast(&s->ended);
    pthread_mutex_unlock(&s->lock);
}

/* Returns the deadline of all closes. */
static uint64_t wanted(struct weir_store *s, bool *fails)
{
    uint64_t deadline_ns;

    pthread_mutex_lock(&s->lock);
    deadline_ns = s->close_ns;
    *fails = s->close_fails;
    pthread_mutex_unlock(&s->lock);
    return deadline_ns;
}

static void skip_queued(struct weir_store *s)
{
    for (uint32_t i = 0; i < s->n_lanes; i++)
        finish_list(lane_take_all(&s->lanes[i]), WEIR_SKIPPED, -ESHUTDOWN,
                    "closed");
}

/* Interrupts the connects that no queued batch needs, and those that hang. */
static void end_connects(struct weir_store *s, uint64_t now)
{
    uint64_t before = now > CONNECT_NS ? now - CONNECT_NS : 0;

    for (uint32_t i = 0; i < s->n_started; i++)
        session_interrupt_connect(&s->workers[i].session, before);
}

/* Lets the workers empty the queue until the deadline. true: all have ended. */
static bool finish_workers(struct weir_store *s)
{
    uint64_t now, until;
    bool fails;

    for (;;) {
        until = wanted(s, &fails);
        if (fails)
            skip_queued(s);
        now = weir_now();
        end_connects(s, now);
        if (wait_ended(s, until < now + LOOK_NS ? until : now + LOOK_NS))
            return true;
        if (now >= until)
            return false;
    }
}

/* Interrupts the workers. true: all have ended. */
static bool interrupt_workers(struct weir_store *s)
{
    uint64_t until = weir_now() + GRACE_NS;
    bool ended;

    skip_queued(s);
    for (uint32_t i = 0; i < s->n_started; i++)
        session_interrupt(&s->workers[i].session);
    do
        ended = wait_ended(s, until);
    while (!ended && weir_now() < until);
    return ended;
}

static int stop_workers(struct weir_store *s)
{
    for (uint32_t i = 0; i < s->n_lanes; i++)
        lane_stop(&s->lanes[i]);
    for (uint32_t i = 0; i < s->n_started; i++)
        sleeper_wake(&s->workers[i].sleeper);
    if (!finish_workers(s) && !interrupt_workers(s))
        return -ETIMEDOUT;
    for (uint32_t i = 0; i < s->n_started; i++)
        pthread_join(s->workers[i].thread, NULL);
    return 0;
}

/* Ends the calls of weir_ask, once no worker is left to answer them. */
static void end_asks(struct weir_store *s)
{
    if (atomic_load(&s->asking) == 0)
        return;
    for (uint32_t i = 0; i < s->n_started; i++)
        session_interrupt(&s->workers[i].session);
    while (atomic_load(&s->asking) > 0)
        sched_yield();
}

int weir_close(struct weir_store *s, uint64_t deadline_ns, int mode)
{
    int rc = 0;

    if (s->forks != forks_seen())
        return -ECHILD;
    want(s, deadline_ns, mode);
    pthread_mutex_lock(&s->close_lock);
    if (!s->closed) {
        atomic_store(&s->closing, true);
        while (atomic_load(&s->inside) > 0)
            sched_yield();
        rc = stop_workers(s);
        if (rc == 0) {
            end_asks(s);
            reaper_stop(&s->reaper);
            watcher_stop(&s->watcher);
            s->connector->close(s->state);
            s->closed = true;
        }
    }
    pthread_mutex_unlock(&s->close_lock);
    return rc;
}

/* Frees the workers and the reaper, whose threads have ended. */
static void free_threads(struct weir_store *s)
{
    for (uint32_t i = 0; i < s->n_workers && s->workers != NULL; i++)
        worker_destroy(&s->workers[i]);
    free(s->workers);
    reaper_destroy(&s->reaper);
}

void weir_store_free(struct weir_store *s)
{
    /* After a fork, or with a worker that does not end, the memory stays: other
     * threads still use it. */
    if (s == NULL || weir_close(s, weir_now(), WEIR_CLOSE_FAIL) < 0)
        return;
    free_threads(s);
    store_unref(s);
}

/* ---- closing, on a thread of its own ---- */

/* The job of a closing thread. */
struct closing {
    struct weir_store *store;
    struct batch *batch; /* pushed when it is done; NULL: free the store */
    uint64_t deadline_ns;
    int mode;
};

/* The closing threads of this process. */
static _Atomic uint32_t closers;

static void await_closers(void)
{
    uint64_t until = weir_now() + GRACE_NS;
    struct timespec pause = clock_timespec(1000000);

    while (atomic_load(&closers) > 0 && weir_now() < until)
        nanosleep(&pause, NULL);
}

static void forget_closers(void)
{
    atomic_store(&closers, 0);
}

__attribute__((constructor)) static void watch_closers(void)
{
    pthread_atfork(NULL, NULL, forget_closers);
}

/* Registers the wait when the first closing thread starts. exit calls the last
 * registered function first, so the wait comes before the teardown of a TLS
 * library that a connector has loaded. */
static void await_at_exit(void)
{
    atexit(await_closers);
}

static void *closer_main(void *arg)
{
    struct closing c = *(struct closing *)arg;
    int rc;

    free(arg);
    if (c.batch == NULL) {
        weir_store_free(c.store);
    } else {
        rc = weir_close(c.store, c.deadline_ns, c.mode);
        if (rc < 0)
            batch_explain(c.batch, rc, "a worker does not stop");
        finish_push(c.batch);
    }
    atomic_fetch_sub(&closers, 1);
    return NULL;
}

static int closer_start(struct closing closing)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct closing *arg = malloc(sizeof *arg);
    pthread_t thread;
    int rc;

    if (arg == NULL)
        return -ENOMEM;
    *arg = closing;
    pthread_once(&once, await_at_exit);
    atomic_fetch_add(&closers, 1);
    rc = thread_start(&thread, closer_main, arg);
    if (rc == 0)
        return pthread_detach(thread);
    atomic_fetch_sub(&closers, 1);
    free(arg);
    return rc;
}

int weir_close_begin(struct weir_store *s, struct weir_cq *cq,
                     struct weir_batch *pub, uint64_t deadline_ns, int mode)
{
    struct batch *b = batch_of(pub);
    int rc;

    if (s->forks != forks_seen() || !cq_is_own(cq))
        return -ECHILD;
    if (pub->n > 0)
        return -EINVAL;
    if (batch_accept(b) < 0)
        return -EBUSY;
    b->store = s;
    b->store_name = s->name;
    b->cq = cq;
    cq_expect(cq);
    store_ref(s);
    rc = closer_start((struct closing){s, b, deadline_ns, mode});
    if (rc < 0) {
        cq_forget(cq);
        b->store = NULL;
        b->store_name = NULL;
        batch_refuse(b);
        store_unref(s);
    }
    return rc;
}

void weir_store_drop(struct weir_store *s)
{
    if (s == NULL || s->forks != forks_seen())
        return;
    if (s->n_started == 0 || closer_start((struct closing){.store = s}) < 0)
        weir_store_free(s);
}

/* job.c -- work on threads of the runtime, for hosts that must not block.
 *
 * There is one pool for the process, with at most one thread a core. A thread
 * is started when a job comes and no idle one is left for it, and ends after
 * IDLE_NS without a job. Jobs are begun in their order. There is no bound on
 * their number: each has a batch of its host's, so the host bounds them.
 *
 * After a fork the child has none of the threads, and the lock may be locked:
 * the child begins with a pool of its own, and forgets the jobs of its parent.
 * A process that exits waits for jobs that run, up to GRACE_NS, so that the
 * libraries which they use are not torn down. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "batch.h"
#include "clock.h"
#include "cq.h"
#include "finish.h"
#include "forks.h"
#include "thread.h"

#define IDLE_NS 1000000000u
#define GRACE_NS 2000000000u

struct job {
    struct job *next;
    struct batch *batch;
    void (*fn)(void *arg);
    void *arg;
};

struct pool {
    pthread_mutex_t lock;
    pthread_cond_t added; /* a job was, or none of the running ones is left */
    struct job *head, **tail;
    uint32_t threads, idle, running;
    uint32_t queued; /* jobs in the list */
    uint32_t forks;  /* forks_seen() when it was made */
};

static pthread_mutex_t pool_lock = PTHREAD_MUTEX_INITIALIZER;
static struct pool *pool; /* under pool_lock; never freed */

/* ---- the threads ---- */

/* Returns the next job, or NULL after a while without one. Under lock. */
static struct job *next_job(struct pool *p)
{
    uint64_t until = weir_now() + IDLE_NS;
    struct timespec t = clock_timespec(until);
    struct job *j;

    p->idle++;
    while (p->head == NULL && weir_now() < until)
        pthread_cond_timedwait(&p->added, &p->lock, &t);
    p->idle--;
    j = p->head;
    if (j == NULL)
        return NULL;
    p->queued--;
    p->head = j->next;
    if (p->head == NULL)
        p->tail = &p->head;
    return j;
}

static void *pool_main(void *arg)
{
    struct pool *p = arg;
    struct job *j;

    pthread_mutex_lock(&p->lock);
    while ((j = next_job(p)) != NULL) {
        p->running++;
        pthread_mutex_unlock(&p->lock);
        j->fn(j->arg);
        finish_push(j->batch);
        free(j);
        pthread_mutex_lock(&p->lock);
        if (--p->running == 0)
            pthread_cond_broadcast(&p->added);
    }
    p->threads--;
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* ---- the pool ---- */

static uint32_t cores(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);

    return n > 0 ? (uint32_t)n : 1;
}

static struct pool *pool_new(void)
{
    struct pool *p = calloc(1, sizeof *p);

    if (p == NULL)
        return NULL;
    pthread_mutex_init(&p->lock, NULL);
    thread_cond_init(&p->added);
    p->tail = &p->head;
    p->forks = forks_seen();
    return p;
}

/* A fork while another thread holds pool_lock would leave it locked in the
 * child, so the fork waits for it. */
static void lock_pool(void)
{
    pthread_mutex_lock(&pool_lock);
}

static void unlock_pool(void)
{
    pthread_mutex_unlock(&pool_lock);
}

static void await_jobs(void)
{
    struct timespec t = clock_timespec(weir_now() + GRACE_NS);
    struct pool *p = pool;
    int rc = 0;

    if (p == NULL || p->forks != forks_seen())
        return;
    pthread_mutex_lock(&p->lock);
    while (p->running > 0 && rc == 0)
        rc = pthread_cond_timedwait(&p->added, &p->lock, &t);
    pthread_mutex_unlock(&p->lock);
}

/* The pool of this process; NULL: out of memory. */
static struct pool *pool_here(void)
{
    static bool prepared;
    struct pool *p;

    lock_pool();
    if (!prepared) {
        pthread_atfork(lock_pool, unlock_pool, unlock_pool);
        atexit(await_jobs);
        prepared = true;
    }
    if (pool == NULL || pool->forks != forks_seen())
        pool = pool_new();
    p = pool;
    unlock_pool();
    return p;
}

/* Starts a thread for a new job, unless enough threads are idle for it and for
 * the jobs that none of them has taken yet. If no thread can be started, the
 * job waits for one of the others. Under lock. */
static int add_thread(struct pool *p)
{
    pthread_t thread;
    int rc;

    if (p->idle > p->queued || p->threads >= cores())
        return 0;
    rc = thread_start(&thread, pool_main, p);
    if (rc < 0)
        return p->threads > 0 ? 0 : rc;
    pthread_detach(thread);
    p->threads++;
    return 0;
}

static int pool_add(struct pool *p, struct job *j)
{
    int rc;

    pthread_mutex_lock(&p->lock);
    rc = add_thread(p);
    if (rc == 0) {
        *p->tail = j;
        p->tail = &j->next;
        p->queued++;
        pthread_cond_signal(&p->added);
    }
    pthread_mutex_unlock(&p->lock);
    return rc;
}

int weir_job_start(struct weir_cq *cq, struct weir_batch *pub,
                   void (*fn)(void *arg), void *arg)
{
    struct batch *b = batch_of(pub);
    struct pool *p;
    struct job *j;
    int rc;

    if (!cq_is_own(cq))
        return -ECHILD;
    if (pub->n > 0)
        return -EINVAL;
    p = pool_here();
    j = p != NULL ? malloc(sizeof *j) : NULL;
    if (j == NULL)
        return -ENOMEM;
    if (batch_accept(b) < 0) {
        free(j);
        return -EBUSY;
    }
    *j = (struct job){.batch = b, .fn = fn, .arg = arg};
    b->store = NULL;
    b->store_name = NULL;
    b->cq = cq;
    cq_expect(cq);
    rc = pool_add(p, j);
    if (rc < 0) {
        cq_forget(cq);
        batch_refuse(b);
        free(j);
    }
    return rc;
}

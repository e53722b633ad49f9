/* jobs.c -- work on threads of the runtime: each job runs once, and its batch
 * comes back once, whoever frees what first. */
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "harness.h"

enum { JOBS = 2000 };

static _Atomic int ran;

static void count(void *arg)
{
    atomic_fetch_add((_Atomic int *)arg, 1);
}

static void slowly(void *arg)
{
    nap_ms(50);
    count(arg);
}

static struct weir_batch *batch_with(uint64_t tag)
{
    struct weir_batch *b = weir_batch_new(1);

    CHECK(b != NULL);
    b->tag = tag;
    return b;
}

static void each_comes_back_once(void)
{
    struct weir_batch *out[16];
    struct weir_cq *cq;
    int back = 0;

    CHECK(weir_cq_new(&cq) == 0);
    for (int i = 0; i < JOBS; i++)
        CHECK(weir_job_start(cq, batch_with(7), count, &ran) == 0);
    while (back < JOBS) {
        int n;

        CHECK(weir_cq_wait(cq, 10ull * SECOND) >= 0);
        while ((n = weir_cq_drain(cq, out, 16)) > 0) {
            back += n;
            for (int i = 0; i < n; i++) {
                CHECK(out[i]->tag == 7);
                weir_batch_free(out[i]);
            }
        }
    }
    CHECK(atomic_load(&ran) == JOBS && weir_cq_pending(cq) == 0);
    weir_cq_free(cq);
}

static void the_host_may_leave(void)
{
    struct weir_batch *b = batch_with(1), *late = batch_with(2);
    struct weir_cq *cq;

    atomic_store(&ran, 0);
    CHECK(weir_cq_new(&cq) == 0);
    CHECK(weir_job_start(cq, b, slowly, &ran) == 0);
    CHECK(weir_job_start(cq, b, slowly, &ran) == -EBUSY);
    weir_batch_free(b);
    CHECK(weir_job_start(cq, late, slowly, &ran) == 0);
    weir_cq_free(cq);
    CHECK(EVENTUALLY(atomic_load(&ran) == 2));
    weir_batch_free(late);
}

/* ---- two jobs, one idle thread ---- */

static sem_t second_began;

static void await_second(void *arg)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    t.tv_sec += 10;
    atomic_store((_Atomic int *)arg, sem_timedwait(&second_began, &t) == 0);
}

static void begin_second(void *arg)
{
    (void)arg;
    sem_post(&second_began);
}

static void await_batch(struct weir_cq *cq)
{
    struct weir_batch *out;

    CHECK(weir_cq_wait(cq, PATIENCE) >= 0);
    CHECK(weir_cq_drain(cq, &out, 1) == 1);
    weir_batch_free(out);
}

/* The thread that is idle when both come takes only one of them. */
static void the_second_job_gets_a_thread(void)
{
    _Atomic int met = 0;
    struct weir_cq *cq;

    if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
        return; /* there is one thread, which runs them in turn */
    CHECK(sem_init(&second_began, 0, 0) == 0 && weir_cq_new(&cq) == 0);
    CHECK(weir_job_start(cq, batch_with(1), count, &met) == 0);
    await_batch(cq);
    atomic_store(&met, 0);
    CHECK(weir_job_start(cq, batch_with(2), await_second, &met) == 0);
    CHECK(weir_job_start(cq, batch_with(3), begin_second, NULL) == 0);
    await_batch(cq);
    await_batch(cq);
    CHECK(atomic_load(&met) == 1);
    weir_cq_free(cq);
}

static void refuses_items(void)
{
    struct weir_batch *b = batch_with(1);
    struct weir_cq *cq;

    CHECK(weir_cq_new(&cq) == 0);
    weir_batch_reset(b, WEIR_GET, 1);
    CHECK(weir_job_start(cq, b, count, &ran) == -EINVAL);
    weir_batch_free(b);
    weir_cq_free(cq);
}

#ifndef __SANITIZE_THREAD__ /* it allows no threads after such a fork */

/* A child has no threads of its parent, and makes its own. */
static void works_after_a_fork(void)
{
    struct weir_batch *b = batch_with(3), *out;
    struct weir_cq *old, *cq;
    int status;
    pid_t child;

    CHECK(weir_cq_new(&old) == 0);
    child = fork();
    if (child == 0) {
        deadline_s(100);
        CHECK(weir_job_start(old, b, count, &ran) == -ECHILD);
        CHECK(weir_cq_new(&cq) == 0);
        CHECK(weir_job_start(cq, b, count, &ran) == 0);
        CHECK(weir_cq_wait(cq, 10ull * SECOND) >= 0);
        CHECK(weir_cq_drain(cq, &out, 1) == 1 && out->tag == 3);
        _exit(0);
    }
    CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0);
    weir_batch_free(b);
    weir_cq_free(old);
}

#endif

int main(void)
{
    deadline_s(200);
    the_second_job_gets_a_thread();
    each_comes_back_once();
    the_host_may_leave();
    refuses_items();
#ifndef __SANITIZE_THREAD__
    works_after_a_fork();
#endif
    return 0;
}

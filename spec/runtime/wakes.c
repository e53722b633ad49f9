/* wakes.c -- a host that waits with one batch on its way costs few wakes: each
 * batch goes to the worker that answered the one before, and a host that sleeps
 * in weir_cq_wait is woken without a ring. */
#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>

#include "harness.h"

enum { OPS = SANITIZED ? 1000 : 4000, SLOW_OPS = 200, WAITERS = 3 };

static _Atomic uint32_t rings; /* writes to an eventfd by a worker */

/* Stands in for that of libc, for the runtime too. */
__attribute__((visibility("default"))) int eventfd_write(int fd, eventfd_t n)
{
    rings += syscall(SYS_gettid) != getpid();
    return write(fd, &n, sizeof n) == (ssize_t)sizeof n ? 0 : -1;
}

static void one_by_one(struct weir_store *store, struct weir_cq *cq,
                       const char *prefix, int n)
{
    for (int i = 0; i < n; i++) {
        CHECK(weir_submit(store, cq, keyed_batch(WEIR_SET, 1, prefix)) == 0);
        weir_batch_free(next_done(cq));
    }
}

/* Whether all threads but this one sleep. */
static bool others_sleep(void)
{
    DIR *tasks = opendir("/proc/self/task");
    struct dirent *task;
    int awake = 0;

    CHECK(tasks != NULL);
    while ((task = readdir(tasks)) != NULL) {
        char path[300], state = 'S';
        FILE *f;

        snprintf(path, sizeof path, "/proc/self/task/%s/stat", task->d_name);
        f = task->d_name[0] != '.' ? fopen(path, "r") : NULL;
        if (f == NULL)
            continue;
        CHECK(fscanf(f, "%*d (%*[^)]) %c", &state) == 1);
        fclose(f);
        awake += state != 'S';
    }
    closedir(tasks);
    return awake <= 1;
}

static void one_worker_serves_one_batch_at_a_time(const char *spin)
{
    static struct script script;
    struct weir_store *store = open_scripted(&script, "workers=4", spin, NULL);
    struct weir_cq *cq = new_cq();

    CHECK(EVENTUALLY(others_sleep()));
    script.connects = 0;
    one_by_one(store, cq, "k", OPS);
    CHECK(script.connects == 1);
    weir_store_free(store);
    weir_cq_free(cq);
}

static void a_host_that_sleeps_in_a_wait_is_not_rung_for(void)
{
    static struct script script = {.slow_ns = MS};
    struct weir_store *store = open_scripted(&script, "workers=1", NULL);
    struct weir_cq *cq = new_cq();
    struct pollfd p = {.fd = weir_cq_fd(cq), .events = POLLIN};

    rings = 0;
    one_by_one(store, cq, "!k", SLOW_OPS);
    CHECK(rings < SLOW_OPS / 2); /* it may sleep late on a busy machine */
    weir_store_free(store);
    CHECK(EVENTUALLY(poll(&p, 1, 0) == 0 || weir_cq_drain(cq, NULL, 0) == 0));
    weir_cq_free(cq);
}

/* What a drain after a wait leaves behind makes the fd readable. */
static void a_drain_after_a_wait_rings_for_the_rest(void)
{
    static struct script script = {.slow_ns = 20 * MS};
    struct weir_store *store = open_scripted(&script, "workers=1", NULL);
    struct weir_cq *cq = new_cq();
    struct pollfd p = {.fd = weir_cq_fd(cq), .events = POLLIN};
    struct weir_batch *first;

    for (int i = 0; i < 3; i++)
        CHECK(weir_submit(store, cq, keyed_batch(WEIR_SET, 1, "!k")) == 0);
    CHECK(weir_cq_wait(cq, WEIR_FOREVER) == 1);
    CHECK(EVENTUALLY(script.calls == 3 && script.inside == 0));
    weir_store_free(store);
    CHECK(weir_cq_drain(cq, &first, 1) == 1);
    weir_batch_free(first);
    CHECK(poll(&p, 1, 30000) == 1);
    weir_batch_free(next_done(cq));
    weir_batch_free(next_done(cq));
    weir_cq_free(cq);
}

struct crowd {
    struct weir_cq *cq;
    _Atomic int left; /* batches not drained */
};

static void *wait_and_drain(void *arg)
{
    struct crowd *c = arg;
    struct weir_batch *b;

    while (c->left > 0) {
        weir_cq_wait(c->cq, 20 * MS);
        while (weir_cq_drain(c->cq, &b, 1) == 1) {
            weir_batch_free(b);
            c->left--;
        }
    }
    return NULL;
}

static void several_threads_wait_for_one_queue(void)
{
    static struct script script;
    struct weir_store *store = open_scripted(&script, "workers=2", NULL);
    struct crowd c = {.cq = new_cq(), .left = OPS};
    pthread_t threads[WAITERS];

    for (int i = 0; i < WAITERS; i++)
        CHECK(pthread_create(&threads[i], NULL, wait_and_drain, &c) == 0);
    for (int i = 0; i < OPS; i++) {
        struct weir_batch *b = keyed_batch(WEIR_SET, 1, "k");

        while (weir_submit(store, c.cq, b) != 0)
            nap_ms(1);
    }
    for (int i = 0; i < WAITERS; i++)
        pthread_join(threads[i], NULL);
    CHECK(weir_cq_pending(c.cq) == 0);
    weir_store_free(store);
    weir_cq_free(c.cq);
}

int main(void)
{
    deadline_s(200);
    one_worker_serves_one_batch_at_a_time("spin=0");
    one_worker_serves_one_batch_at_a_time("spin=100us");
    a_host_that_sleeps_in_a_wait_is_not_rung_for();
    a_drain_after_a_wait_rings_for_the_rest();
    several_threads_wait_for_one_queue();
    return 0;
}

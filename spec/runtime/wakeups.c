/* wakeups.c -- promise 9: the fd rings when the queue goes from quiet to not,
 * once, and no wake-up is lost. */
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "harness.h"

enum { ROUNDS = SANITIZED ? 6000 : 20000, THREADS = 3 };

static struct script script;
static struct weir_store *store;

static void submit_sets(struct weir_cq *cq, uint32_t batches)
{
    for (uint32_t i = 0; i < batches; i++)
        CHECK(weir_submit(store, cq, keyed_batch(WEIR_SET, 1, "k")) == 0);
}

static void drain_and_free(struct weir_cq *cq, uint32_t batches)
{
    while (batches-- > 0)
        weir_batch_free(next_done(cq));
}

static void rings_once_while_nobody_drains(void)
{
    struct weir_cq *cq = new_cq();
    eventfd_t rings = 0;

    submit_sets(cq, 100);
    CHECK(EVENTUALLY(weir_cq_pending(cq) == 100 && script.inside == 0 &&
                     script.calls >= 100));
    nap_ms(20);
    CHECK(eventfd_read(weir_cq_fd(cq), &rings) == 0);
    CHECK(rings == 1);
    eventfd_write(weir_cq_fd(cq), 1); /* what was taken is given back */
    drain_and_free(cq, 100);
    CHECK(weir_cq_pending(cq) == 0);
    weir_cq_free(cq);
}

static void a_part_of_a_drain_leaves_the_fd_readable(void)
{
    struct weir_cq *cq = new_cq();
    struct weir_batch *out[3];
    uint32_t drained = 0;

    submit_sets(cq, 7);
    CHECK(EVENTUALLY(script.calls >= 7 && script.inside == 0));
    while (drained < 7) {
        struct pollfd p = {.fd = weir_cq_fd(cq), .events = POLLIN};
        int n;

        CHECK(poll(&p, 1, 30000) == 1);
        n = weir_cq_drain(cq, out, 3);
        for (int i = 0; i < n; i++)
            weir_batch_free(out[i]);
        drained += (uint32_t)n;
    }
    weir_cq_free(cq);
}

static void a_socket_gets_one_byte(void)
{
    struct weir_cq *cq = new_cq();
    char bytes[64];
    int pair[2];

    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
    CHECK(weir_cq_notify_socket(cq, pair[0]) == 0);
    for (int round = 0; round < 3; round++) {
        struct pollfd p = {.fd = pair[1], .events = POLLIN};
        struct weir_batch *out[64];
        int drained = 0;

        script.calls = 0;
        submit_sets(cq, 50);
        CHECK(EVENTUALLY(script.calls == 50 && script.inside == 0));
        nap_ms(20);
        while (drained < 50) { /* once, if the worker was not held up */
            int n;

            CHECK(poll(&p, 1, 30000) == 1);
            CHECK(recv(pair[1], bytes, sizeof bytes, 0) == 1);
            n = weir_cq_drain(cq, out, 64);
            for (int i = 0; i < n; i++)
                weir_batch_free(out[i]);
            drained += n;
        }
    }
    CHECK(weir_cq_notify_socket(cq, -1) == 0);
    submit_sets(cq, 1);
    drain_and_free(cq, 1);
    weir_cq_free(cq);
    close(pair[0]);
    close(pair[1]);
}

/* A worker may write its ring when the notifier is a socket already: that must
 * not keep the fd readable for ever. */
static void a_late_ring_is_taken_when_the_eventfd_is_back(void)
{
    struct weir_cq *cq = new_cq();
    struct pollfd p = {.fd = weir_cq_fd(cq), .events = POLLIN};
    struct weir_batch *out;
    int pair[2];

    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
    CHECK(weir_cq_notify_socket(cq, pair[0]) == 0);
    eventfd_write(weir_cq_fd(cq), 1);
    CHECK(weir_cq_notify_socket(cq, -1) == 0);
    CHECK(weir_cq_drain(cq, &out, 1) == 0);
    CHECK(poll(&p, 1, 0) == 0);
    weir_cq_free(cq);
    close(pair[0]);
    close(pair[1]);
}

static _Atomic bool waited;

static void *ring_for_nothing(void *arg)
{
    for (; !waited; nap_ms(10))
        eventfd_write(weir_cq_fd(arg), 1);
    return NULL;
}

/* Another thread may have drained what a ring was for, time and again; a wait
 * that never ends is the alarm's. */
static void rings_for_nothing_do_not_prolong_a_wait(void)
{
    struct weir_cq *cq = new_cq();
    uint64_t started = weir_now();
    pthread_t thread;

    CHECK(pthread_create(&thread, NULL, ring_for_nothing, cq) == 0);
    CHECK(weir_cq_wait(cq, 50 * MS) == 0);
    CHECK(weir_now() - started >= 50 * MS);
    waited = true;
    pthread_join(thread, NULL);
    weir_cq_free(cq);
}

/* A host that only ever polls the fd with no time-out hangs on the first
 * wake-up that is lost; the alarm says so. */
static void *host(void *arg)
{
    struct weir_cq *cq = new_cq();
    struct weir_batch *flying[4], *out[4];

    (void)arg;
    for (int i = 0; i < 4; i++)
        flying[i] = keyed_batch(WEIR_SET, 1, "k");
    for (int round = 0, pending = 0; round < ROUNDS; round++) {
        struct pollfd p = {.fd = weir_cq_fd(cq), .events = POLLIN};
        int n;

        while (pending < 4) {
            struct weir_batch *b = flying[pending++];

            b->items[0].status = 0;
            CHECK(weir_submit(store, cq, b) == 0);
        }
        CHECK(poll(&p, 1, -1) == 1);
        n = weir_cq_drain(cq, out, 4);
        for (int i = 0; i < n; i++)
            flying[--pending] = out[i];
        if (round == ROUNDS - 1) {
            for (int i = pending; i < 4; i++)
                weir_batch_free(flying[i]);
            while (pending-- > 0)
                weir_batch_free(next_done(cq));
        }
    }
    CHECK(weir_cq_pending(cq) == 0);
    weir_cq_free(cq);
    return NULL;
}

int main(void)
{
    pthread_t threads[THREADS];

    deadline_s(200);
    store = open_scripted(&script, "workers=2", NULL);
    rings_once_while_nobody_drains();
    script.calls = 0;
    a_part_of_a_drain_leaves_the_fd_readable();
    a_socket_gets_one_byte();
    a_late_ring_is_taken_when_the_eventfd_is_back();
    rings_for_nothing_do_not_prolong_a_wait();
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, host, NULL) == 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    weir_store_free(store);
    return 0;
}

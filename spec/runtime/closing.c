/* closing.c -- promise 10: close stops taking, finishes or fails what is
 * queued, interrupts what hangs at its deadline; every batch has its
 * completion. */
#include <poll.h>
#include <pthread.h>
#include <sys/wait.h>

#include "harness.h"

enum { QUEUED = 3000 };

static struct script script;
static struct weir_cq *cq;

/* Holds one worker and queues QUEUED batches behind it. */
static struct weir_store *busy_store(void)
{
    struct weir_store *store = open_scripted(&script, "workers=1", NULL);

    script.calls = script.closes = 0;
    script.hold = true;
    for (int i = 0; i < QUEUED; i++)
        CHECK(weir_submit(store, cq, keyed_batch(WEIR_EXISTS, 2, "k")) == 0);
    CHECK(EVENTUALLY(script.calls == 1));
    return store;
}

/* Takes all completions; returns how many batches had that status throughout.
 */
static int completions(int status)
{
    int with = 0;

    for (int i = 0; i < QUEUED; i++) {
        struct weir_batch *b = next_done(cq);

        with += count_status(b, status) == 2;
        weir_batch_free(b);
    }
    CHECK(weir_cq_pending(cq) == 0 && weir_cq_wait(cq, 0) == 0);
    return with;
}

static void refuses_from_then_on(struct weir_store *store)
{
    struct weir_batch *b = keyed_batch(WEIR_EXISTS, 2, "k");

    CHECK(weir_submit(store, cq, b) == -ESHUTDOWN);
    CHECK(count_status(b, WEIR_SKIPPED) == 2);
    CHECK(strstr(b->error.message, "closed") != NULL);
    weir_batch_free(b);
    CHECK(weir_close(store, 0, WEIR_CLOSE_DRAIN) == 0);
    CHECK(script.closes == 1);
}

static void drains(void)
{
    struct weir_store *store = busy_store();

    script.hold = false;
    CHECK(weir_close(store, weir_now() + 30ull * SECOND, WEIR_CLOSE_DRAIN) ==
          0);
    CHECK(completions(WEIR_OK) == QUEUED);
    refuses_from_then_on(store);
    weir_store_free(store);
}

static void fails_what_is_queued(void)
{
    struct weir_store *store = busy_store();
    uint64_t started = weir_now();

    CHECK(weir_close(store, started + 20 * MS, WEIR_CLOSE_FAIL) == 0);
    CHECK(weir_now() - started < PATIENCE);
    CHECK(completions(WEIR_SKIPPED) == QUEUED - 1); /* one was running */
    refuses_from_then_on(store);
    weir_store_free(store);
}

static void interrupts_at_the_deadline(void)
{
    struct weir_store *store = busy_store();
    uint64_t started = weir_now();

    CHECK(weir_close(store, started + 50 * MS, WEIR_CLOSE_DRAIN) == 0);
    CHECK(weir_now() - started >= 50 * MS);
    CHECK(weir_now() - started < PATIENCE);
    CHECK(completions(WEIR_SKIPPED) == QUEUED - 1);
    refuses_from_then_on(store);
    weir_store_free(store);
}

static void a_deaf_connector_is_not_waited_for(void)
{
    struct weir_store *store;
    uint64_t started = weir_now();

    script.deaf = true;
    store = busy_store();
    CHECK(weir_close(store, weir_now(), WEIR_CLOSE_FAIL) == -ETIMEDOUT);
    CHECK(weir_now() - started < PATIENCE);
    script.hold = script.deaf = false;
    CHECK(weir_close(store, weir_now() + PATIENCE, WEIR_CLOSE_FAIL) == 0);
    CHECK(completions(WEIR_SKIPPED) == QUEUED - 1);
    weir_store_free(store);
}

/* Close does not wait until its own deadline for a connect that nobody needs:
 * what was queued has failed, or its deadline has passed. */
static void a_pointless_connect_is_not_waited_for(int mode)
{
    struct weir_store *store =
        open_scripted(&script, "workers=1", "connect_timeout=60s", NULL);
    struct weir_batch *b = keyed_batch(WEIR_EXISTS, 1, "k");

    script.hang_connect = true;
    script.connects = 0;
    b->deadline_ns = weir_now() + 300 * MS;
    CHECK(weir_submit(store, cq, b) == 0);
    CHECK(EVENTUALLY(script.connects == 1));
    CHECK(weir_close(store, weir_now() + 50ull * SECOND, mode) == 0);
    CHECK(weir_now() < b->deadline_ns + PATIENCE);
    CHECK(next_done(cq) == b);
    if (mode == WEIR_CLOSE_DRAIN) {
        CHECK(b->items[0].status == WEIR_UNAVAILABLE);
        CHECK(strstr(b->error.message, "no connection in time") != NULL);
    } else {
        CHECK(b->items[0].status == WEIR_SKIPPED);
    }
    script.hang_connect = false;
    weir_batch_free(b);
    weir_store_free(store);
}

static void a_hanging_connect_is_interrupted(void)
{
    struct weir_store *store;
    struct weir_batch *b = keyed_batch(WEIR_EXISTS, 1, "k");
    uint64_t started = weir_now();

    script.hang_connect = true;
    store = open_scripted(&script, "workers=1", "connect_timeout=60s", NULL);
    script.connects = 0;
    CHECK(weir_submit(store, cq, b) == 0);
    CHECK(EVENTUALLY(script.connects == 1));
    CHECK(weir_close(store, weir_now() + 10 * MS, WEIR_CLOSE_DRAIN) == 0);
    CHECK(weir_now() - started < PATIENCE);
    CHECK(next_done(cq) == b && b->items[0].status == WEIR_SKIPPED);
    script.hang_connect = false;
    weir_batch_free(b);
    weir_store_free(store);
}

/* Opens a store whose one worker hangs in a connect, for a batch that has such
 * a deadline. */
static struct weir_store *connecting_store(struct weir_batch *b,
                                           uint64_t deadline_ns)
{
    struct weir_store *store;

    script.hang_connect = true;
    store = open_scripted(&script, "workers=1", "connect_timeout=60s", NULL);
    script.connects = 0;
    b->items[0].status = 0;
    b->deadline_ns = deadline_ns;
    CHECK(weir_submit(store, cq, b) == 0);
    CHECK(EVENTUALLY(script.connects == 1));
    return store;
}

static void a_connect_that_nothing_waits_for_is_interrupted_at_once(void)
{
    struct weir_batch *b = keyed_batch(WEIR_EXISTS, 1, "k");
    struct weir_store *store = connecting_store(b, weir_now() + 50 * MS);

    CHECK(next_done(cq) == b && b->items[0].status == WEIR_UNAVAILABLE);
    CHECK(weir_close(store, WEIR_FOREVER, WEIR_CLOSE_DRAIN) == 0);
    weir_store_free(store);
    store = connecting_store(b, 0);
    CHECK(weir_close(store, WEIR_FOREVER, WEIR_CLOSE_FAIL) == 0);
    CHECK(next_done(cq) == b && b->items[0].status == WEIR_SKIPPED);
    CHECK(strstr(b->error.message, "closed") != NULL);
    script.hang_connect = false;
    weir_batch_free(b);
    weir_store_free(store);
}

static void a_connect_that_hangs_is_not_drained_for(void)
{
    struct weir_batch *b = keyed_batch(WEIR_EXISTS, 1, "k");
    struct weir_store *store = connecting_store(b, 0);

    CHECK(weir_close(store, WEIR_FOREVER, WEIR_CLOSE_DRAIN) == 0);
    CHECK(next_done(cq) == b && b->items[0].status == WEIR_SKIPPED);
    CHECK(strstr(b->error.message, "closed") != NULL);
    script.hang_connect = false;
    weir_batch_free(b);
    weir_store_free(store);
}

/* ---- without waiting ---- */

static struct weir_batch *begin(struct weir_store *store, uint64_t deadline_ns)
{
    struct weir_batch *end = weir_batch_new(0);

    CHECK(weir_batch_reset(end, WEIR_GET, 0) == 0);
    end->tag = 7;
    CHECK(weir_close_begin(store, cq, end, deadline_ns, WEIR_CLOSE_DRAIN) == 0);
    CHECK(weir_close_begin(store, cq, end, 0, WEIR_CLOSE_DRAIN) == -EBUSY);
    return end;
}

static void a_close_that_was_begun_tells_the_queue(void)
{
    struct weir_store *store = open_scripted(&script, "workers=1", NULL);
    struct weir_batch *b = keyed_batch(WEIR_EXISTS, 1, "k"), *end;

    CHECK(weir_close_begin(store, cq, b, 0, WEIR_CLOSE_DRAIN) == -EINVAL);
    script.hold = true;
    script.closes = 0;
    CHECK(weir_submit(store, cq, b) == 0);
    CHECK(EVENTUALLY(script.inside == 1));
    end = begin(store, WEIR_FOREVER);
    CHECK(weir_cq_pending(cq) == 2 && weir_cq_wait(cq, 50 * MS) == 0);
    script.hold = false;
    CHECK(next_done(cq) == b && b->items[0].status == WEIR_OK);
    CHECK(next_done(cq) == end && end->error.code == 0 && end->tag == 7);
    refuses_from_then_on(store);
    weir_batch_free(b);
    weir_batch_free(end);
    weir_store_free(store);
}

static void a_close_that_was_begun_says_what_went_wrong(void)
{
    struct weir_store *store = open_scripted(&script, "workers=1", NULL);
    struct weir_batch *b = keyed_batch(WEIR_EXISTS, 1, "k"), *end;

    script.hold = script.deaf = true;
    CHECK(weir_submit(store, cq, b) == 0);
    CHECK(EVENTUALLY(script.inside == 1));
    end = begin(store, 0);
    CHECK(next_done(cq) == end && end->error.code == -ETIMEDOUT);
    CHECK(strstr(end->error.message, "a worker does not stop") != NULL);
    weir_batch_free(end);
    script.hold = script.deaf = false;
    CHECK(next_done(cq) == b);
    weir_batch_free(b);
    weir_store_free(store);
}

/* The patient close would never end by itself. */
static void who_is_in_a_hurry_does_not_wait_for_who_is_patient(void)
{
    struct weir_store *store = open_scripted(&script, "workers=1", NULL);
    struct weir_batch *b = keyed_batch(WEIR_EXISTS, 1, "k"), *end;

    script.hold = true;
    CHECK(weir_submit(store, cq, b) == 0);
    CHECK(EVENTUALLY(script.inside == 1));
    end = begin(store, WEIR_FOREVER);
    weir_store_free(store);
    CHECK(next_done(cq) == b && b->items[0].status > WEIR_REJECTED);
    CHECK(next_done(cq) == end && end->error.code == 0);
    script.hold = false;
    weir_batch_free(b);
    weir_batch_free(end);
}

/* The worker is deaf for longer than a drop may take. */
static void a_drop_does_not_wait(void)
{
    struct weir_store *store = open_scripted(&script, "workers=1", NULL);
    struct weir_batch *b = keyed_batch(WEIR_EXISTS, 1, "k");

    script.closes = 0;
    script.hold = script.deaf = true;
    CHECK(weir_submit(store, cq, b) == 0);
    CHECK(EVENTUALLY(script.inside == 1));
    weir_store_drop(store);
    CHECK(script.inside == 1 && script.closes == 0);
    script.hold = script.deaf = false;
    CHECK(next_done(cq) == b);
    CHECK(EVENTUALLY(script.closes == 1));
    weir_batch_free(b);
}

static void *read_gauges(void *store)
{
    struct weir_gauge gauge;

    while (weir_store_gauges(store, &gauge, 1) == 1)
        ;
    return NULL;
}

/* The connector aborts when its state goes while it tells its gauges. */
static void close_waits_for_who_reads_gauges(void)
{
    struct weir_store *store = open_scripted(&script, "workers=1", NULL);
    pthread_t reader;

    script.slow_ns = 50 * MS;
    CHECK(pthread_create(&reader, NULL, read_gauges, store) == 0);
    nap_ms(20);
    CHECK(weir_close(store, 0, WEIR_CLOSE_FAIL) == 0);
    script.slow_ns = 0;
    pthread_join(reader, NULL);
    weir_store_free(store);
}

static void *close_slowly(void *store)
{
    CHECK(weir_close(store, weir_now() + 60ull * SECOND, WEIR_CLOSE_DRAIN) ==
          0);
    return NULL;
}

/* Whoever shows numbers does not hang for as long as a store drains. */
static void gauges_do_not_wait_for_a_close(void)
{
    struct weir_store *store = open_scripted(&script, "workers=1", NULL);
    struct weir_batch *b = keyed_batch(WEIR_EXISTS, 1, "k");
    struct weir_gauge gauge;
    pthread_t closer;

    CHECK(weir_store_gauges(store, &gauge, 1) == 1);
    CHECK(strcmp(gauge.name, "calls") == 0);
    script.hold = true;
    CHECK(weir_submit(store, cq, b) == 0);
    CHECK(pthread_create(&closer, NULL, close_slowly, store) == 0);
    CHECK(EVENTUALLY(weir_store_gauges(store, &gauge, 1) == 0));
    script.hold = false;
    pthread_join(closer, NULL);
    CHECK(weir_store_gauges(store, &gauge, 1) == 0);
    weir_batch_free(next_done(cq));
    weir_store_free(store);
}

/* What a child may do to what its parent made, all to no effect. */
static void child_of_a_fork(struct weir_store *store, struct weir_batch *flying)
{
    struct weir_batch *b = keyed_batch(WEIR_EXISTS, 1, "k"), *out;
    struct weir_store_stats stats;
    struct weir_gauge gauge;

    CHECK(weir_submit(store, cq, b) == -ECHILD);
    CHECK(strstr(b->error.message, "opened before a fork") != NULL);
    CHECK(weir_close(store, 0, WEIR_CLOSE_FAIL) == -ECHILD);
    CHECK(weir_close_begin(store, cq, b, 0, WEIR_CLOSE_FAIL) == -ECHILD);
    weir_store_drop(store);
    weir_batch_cancel(flying);
    weir_batch_abandon(flying);
    weir_batch_free(flying);
    CHECK(weir_cq_drain(cq, &out, 1) == 0);
    CHECK(weir_cq_wait(cq, WEIR_FOREVER) == -ECHILD);
    CHECK(weir_cq_notify_socket(cq, -1) == -ECHILD);
    weir_store_stats(store, &stats);
    CHECK(stats.workers == 1 && stats.sessions == 1);
    CHECK(weir_store_gauges(store, &gauge, 1) == 0);
    weir_cq_free(cq);
    weir_store_free(store);
}

static void a_forked_child_is_refused(void)
{
    struct weir_store *store = open_scripted(&script, "workers=1", NULL);
    struct weir_batch *done = keyed_batch(WEIR_EXISTS, 1, "k");
    struct weir_batch *flying = keyed_batch(WEIR_EXISTS, 1, "k");
    struct pollfd p = {.fd = weir_cq_fd(cq), .events = POLLIN};
    pid_t child;
    int status;

    CHECK(weir_submit(store, cq, done) == 0);
    CHECK(poll(&p, 1, 30000) == 1);
    script.calls = 0;
    script.hold = true;
    CHECK(weir_submit(store, cq, flying) == 0);
    CHECK(EVENTUALLY(script.calls == 1));
    child = fork();
    if (child == 0) {
        deadline_s(100);
        child_of_a_fork(store, flying);
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(poll(&p, 1, 0) == 1); /* the ring is the parent's still */
    script.hold = false;
    CHECK(next_done(cq) == done && next_done(cq) == flying);
    CHECK(flying->items[0].status == WEIR_OK);
    weir_batch_free(done);
    weir_batch_free(flying);
    weir_store_free(store);
}

/* The first of all, while there are no threads: the child starts some. */
static void a_child_needs_a_queue_of_its_own(void)
{
    struct weir_batch *b = keyed_batch(WEIR_EXISTS, 1, "k");
    struct weir_store *store;
    pid_t child = fork();
    int status;

    if (child == 0) {
        store = open_scripted(&script, "workers=1", NULL);
        CHECK(weir_submit(store, cq, b) == -ECHILD);
        CHECK(strstr(b->error.message, "queue") != NULL);
        cq = new_cq();
        CHECK(weir_submit(store, cq, b) == 0);
        CHECK(next_done(cq) == b && b->items[0].status == WEIR_OK);
        weir_store_free(store);
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    weir_batch_free(b);
}

int main(void)
{
    deadline_s(200);
    cq = new_cq();
    a_child_needs_a_queue_of_its_own();
    drains();
    fails_what_is_queued();
    interrupts_at_the_deadline();
    a_deaf_connector_is_not_waited_for();
    a_hanging_connect_is_interrupted();
    a_pointless_connect_is_not_waited_for(WEIR_CLOSE_FAIL);
    a_pointless_connect_is_not_waited_for(WEIR_CLOSE_DRAIN);
    a_connect_that_nothing_waits_for_is_interrupted_at_once();
    a_connect_that_hangs_is_not_drained_for();
    a_close_that_was_begun_tells_the_queue();
    a_close_that_was_begun_says_what_went_wrong();
    who_is_in_a_hurry_does_not_wait_for_who_is_patient();
    a_drop_does_not_wait();
    close_waits_for_who_reads_gauges();
    gauges_do_not_wait_for_a_close();
    a_forked_child_is_refused();
    weir_cq_free(cq);
    return 0;
}

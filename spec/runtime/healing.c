/* healing.c -- promise 6: sessions heal without help, and what waits for one
 * that cannot be had fails at once, with the reason. */
#include "harness.h"

static struct script script;

static struct weir_batch *get_one(struct weir_store *store, struct weir_cq *cq)
{
    struct weir_batch *b = keyed_batch(WEIR_GET, 1, "k");

    CHECK(weir_submit(store, cq, b) == 0);
    CHECK(next_done(cq) == b);
    return b;
}

static int status_of_one(struct weir_store *store, struct weir_cq *cq)
{
    struct weir_batch *b = get_one(store, cq);
    int status = b->items[0].status;

    weir_batch_free(b);
    return status;
}

static void a_failed_connect_is_told_and_retried(struct weir_cq *cq)
{
    struct weir_store *store;
    struct weir_store_stats stats;
    struct weir_batch *b;
    uint64_t first = weir_now(), started;

    script.refuse_connects = 1 << 30;
    store = open_scripted(&script, "workers=1", "backoff=10ms",
                          "max_backoff=50ms", NULL);
    CHECK(script.connects == 0); /* open does not touch the network */
    b = get_one(store, cq);
    CHECK(b->items[0].status == WEIR_UNAVAILABLE);
    CHECK(strstr(b->error.message, "scripted: cannot connect") != NULL);
    weir_batch_free(b);
    started = weir_now();
    while (weir_now() - started < 200 * MS || script.connects < 2)
        CHECK(status_of_one(store, cq) == WEIR_UNAVAILABLE);
    /* Backoff: 10, 20, 40, 50, 50, ... ms, half of each certain, from the
     * first failure until now; without it there is one a request. */
    CHECK(script.connects <= 4 + (weir_now() - first) / (25 * MS));
    script.refuse_connects = 0;
    started = weir_now();
    while (status_of_one(store, cq) != WEIR_OK)
        CHECK(weir_now() - started < PATIENCE);
    weir_store_stats(store, &stats);
    CHECK(stats.connect_failures == script.connects - 1);
    CHECK(stats.sessions == 1);
    weir_store_free(store);
    CHECK(script.disconnects == 1);
}

/* All workers have work and no session; a connect takes a while to fail. */
static void one_worker_at_a_time_knocks(struct weir_cq *cq)
{
    struct weir_store *store =
        open_scripted(&script, "workers=4", "slice_items=1", "backoff=1s",
                      "max_backoff=1s", NULL);
    struct weir_batch *b;

    script.refuse_connects = 1 << 30;
    CHECK(status_of_one(store, cq) == WEIR_UNAVAILABLE);
    nap_ms(200); /* until a worker that came first to the same batch failed */
    script.most_connecting = 0;
    script.refuse_ns = 50 * MS;
    while (script.most_connecting == 0 || script.connecting > 0) {
        b = keyed_batch(WEIR_GET, 8, "k");
        CHECK(weir_submit(store, cq, b) == 0 && next_done(cq) == b);
        CHECK(count_status(b, WEIR_UNAVAILABLE) == 8);
        weir_batch_free(b);
    }
    CHECK(script.most_connecting == 1);
    script.refuse_ns = 0;
    script.refuse_connects = 0;
    weir_store_free(store);
}

static void a_broken_session_is_replaced(struct weir_cq *cq)
{
    struct weir_store *store = open_scripted(&script, "workers=1", NULL);
    struct weir_store_stats stats;

    CHECK(status_of_one(store, cq) == WEIR_OK);
    script.answer = ANSWER_BREAK;
    CHECK(status_of_one(store, cq) == WEIR_RESET);
    script.answer = ANSWER_WELL;
    CHECK(status_of_one(store, cq) == WEIR_OK);
    weir_store_stats(store, &stats);
    CHECK(stats.reconnects == 1 && stats.last_error_ns != 0);
    CHECK(strstr(stats.last_error.message, "session dropped") != NULL);
    weir_store_free(store);
}

static void a_session_that_died_idle_is_replaced_before_use(struct weir_cq *cq)
{
    struct weir_store *store = open_scripted(&script, "workers=1", NULL);

    CHECK(status_of_one(store, cq) == WEIR_OK);
    script.connects = 0;
    script.stale = true;
    CHECK(status_of_one(store, cq) == WEIR_OK);
    CHECK(script.connects == 1);
    weir_store_free(store);
}

/* ... if it is one of an error. */
static void the_reason_of_a_connect_keeps_its_status(struct weir_cq *cq,
                                                     int says, int gives)
{
    struct weir_store *store = open_scripted(&script, "workers=1", NULL);
    struct weir_batch *b;

    script.deny = says;
    b = get_one(store, cq);
    CHECK(b->items[0].status == gives && b->errors == 1);
    CHECK(strcmp(b->error.message, "scripted: wrong password") == 0);
    weir_batch_free(b);
    script.deny = 0;
    weir_store_free(store);
}

static void a_connect_that_hangs_ends(struct weir_cq *cq)
{
    struct weir_store *store = open_scripted(
        &script, "workers=1", "connect_timeout=50ms", "backoff=1ms", NULL);
    uint64_t started = weir_now();

    script.hang_connect = true;
    CHECK(status_of_one(store, cq) == WEIR_UNAVAILABLE);
    CHECK(weir_now() - started >= 50 * MS);
    script.hang_connect = false;
    nap_ms(5);
    CHECK(status_of_one(store, cq) == WEIR_OK);
    weir_store_free(store);
}

/* A worker without a session leaves the work to those that have one. */
static void one_working_session_serves_alone(struct weir_cq *cq)
{
    struct weir_store *store = open_scripted(
        &script, "workers=4", "slice_items=1", "backoff=1s", NULL);
    struct weir_batch *b;

    CHECK(status_of_one(store, cq) == WEIR_OK);
    script.refuse_connects = 1000;
    for (int i = 0; i < 50; i++) {
        b = keyed_batch(WEIR_GET, 8, "k");
        CHECK(weir_submit(store, cq, b) == 0);
        CHECK(next_done(cq) == b && count_status(b, WEIR_OK) == 8);
        weir_batch_free(b);
    }
    script.refuse_connects = 0;
    weir_store_free(store);
}

/* Opens a store of two workers, both asleep, each with a session. */
static struct weir_store *two_sessions(struct weir_cq *cq,
                                       const char *connect_timeout)
{
    struct weir_store *store =
        open_scripted(&script, "workers=2", "slice_items=1", "backoff=60s",
                      "max_backoff=60s", connect_timeout, NULL);
    struct weir_batch *b = keyed_batch(WEIR_GET, 2, "k");

    script.connects = 0;
    script.hold = true;
    CHECK(weir_submit(store, cq, b) == 0);
    CHECK(EVENTUALLY(script.connects == 2));
    script.hold = false;
    CHECK(next_done(cq) == b);
    weir_batch_free(b);
    nap_ms(20); /* past the workers' spinning */
    return store;
}

/* The worker that was rung lost its session and cannot have another, or not
 * soon; the one that has one sleeps. */
static void a_sleeping_session_is_woken(struct weir_cq *cq, bool hang)
{
    struct weir_store *store = two_sessions(cq, "connect_timeout=60s");

    script.hang_connect = hang;
    script.refuse_connects = hang ? 0 : 1000;
    script.stale = true;
    CHECK(status_of_one(store, cq) == WEIR_OK);
    CHECK(!script.stale);
    script.hang_connect = false;
    script.refuse_connects = 0;
    weir_store_free(store);
}

/* A connect that fails while another worker empties the queue of a closing
 * store is not waited out. */
static void close_does_not_wait_for_a_backoff(struct weir_cq *cq)
{
    struct weir_store *store = two_sessions(cq, "connect_timeout=1s");
    struct weir_batch *b = keyed_batch(WEIR_EXISTS, 1, "!");
    uint64_t started = weir_now();

    script.hang_connect = script.stale = true;
    script.slow_ns = 1500ull * MS;
    CHECK(weir_submit(store, cq, b) == 0);
    CHECK(EVENTUALLY(script.connects == 3));
    CHECK(weir_close(store, started + 50ull * SECOND, WEIR_CLOSE_DRAIN) == 0);
    CHECK(weir_now() - started < PATIENCE);
    CHECK(next_done(cq) == b && b->items[0].status == WEIR_OK);
    script.hang_connect = false;
    weir_batch_free(b);
    weir_store_free(store);
}

int main(void)
{
    struct weir_cq *cq = new_cq();

    deadline_s(200);
    a_failed_connect_is_told_and_retried(cq);
    one_worker_at_a_time_knocks(cq);
    a_broken_session_is_replaced(cq);
    a_session_that_died_idle_is_replaced_before_use(cq);
    the_reason_of_a_connect_keeps_its_status(cq, WEIR_DENIED, WEIR_DENIED);
    the_reason_of_a_connect_keeps_its_status(cq, WEIR_OK, WEIR_UNAVAILABLE);
    the_reason_of_a_connect_keeps_its_status(cq, 200, WEIR_UNAVAILABLE);
    a_connect_that_hangs_ends(cq);
    one_working_session_serves_alone(cq);
    a_sleeping_session_is_woken(cq, false);
    a_sleeping_session_is_woken(cq, true);
    close_does_not_wait_for_a_backoff(cq);
    weir_cq_free(cq);
    return 0;
}

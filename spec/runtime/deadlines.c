/* deadlines.c -- promise 7: what is queued ends at its deadline even while all
 * workers hang, what runs is told how long it has, cancel does so on demand. */
#include "harness.h"

static struct script script;
static struct weir_store *store;
static struct weir_cq *cq;

/* Puts the only worker into a call that hangs, deaf to its deadline. */
static struct weir_batch *hang_the_worker(void)
{
    struct weir_batch *b = keyed_batch(WEIR_GET, 1, "h");

    script.calls = 0;
    script.deaf = script.hold = true;
    CHECK(weir_submit(store, cq, b) == 0);
    CHECK(EVENTUALLY(script.calls == 1));
    return b;
}

static void release(struct weir_batch *hung)
{
    script.hold = script.deaf = false;
    CHECK(next_done(cq) == hung && hung->items[0].status == WEIR_OK);
    weir_batch_free(hung);
}

static void queued_batches_end_at_their_deadline(void)
{
    struct weir_batch *hung = hang_the_worker();
    struct weir_batch *late = keyed_batch(WEIR_GET, 3, "l");
    struct weir_batch *later = keyed_batch(WEIR_GET, 3, "m");
    uint64_t started = weir_now();

    later->deadline_ns = started + 400 * MS;
    late->deadline_ns = started + 200 * MS;
    CHECK(weir_submit(store, cq, later) == 0);
    CHECK(weir_submit(store, cq, late) == 0);
    CHECK(next_done(cq) == late);
    CHECK(weir_now() - started >= 200 * MS);
    CHECK(next_done(cq) == later);
    CHECK(weir_now() - started >= 400 * MS);
    CHECK(count_status(late, WEIR_SKIPPED) == 3);
    CHECK(strstr(late->error.message, "deadline") != NULL);
    CHECK(script.calls == 1); /* never sent */
    weir_batch_free(late);
    weir_batch_free(later);
    release(hung);
}

static void cancel_ends_what_is_queued_now(void)
{
    struct weir_batch *hung = hang_the_worker();
    struct weir_batch *b = keyed_batch(WEIR_GET, 3, "c");

    CHECK(weir_submit(store, cq, b) == 0);
    weir_batch_cancel(b);
    CHECK(next_done(cq) == b && count_status(b, WEIR_SKIPPED) == 3);
    weir_batch_cancel(b); /* no longer in flight: nothing happens */
    weir_batch_free(b);
    release(hung);
}

static void a_running_call_ends_by_its_deadline(void)
{
    struct weir_batch *b = keyed_batch(WEIR_GET, 2, "r");

    script.hold = true;
    go_late(store, cq, b, 20);
    CHECK(weir_now() >= b->deadline_ns);
    CHECK(count_status(b, WEIR_TIMEOUT) == 2);
    script.hold = false;
    weir_batch_free(b);
}

static void the_store_has_a_default(void)
{
    struct weir_store *quick =
        open_scripted(&script, "workers=1", "timeout=20ms", NULL);
    struct weir_batch *b = keyed_batch(WEIR_GET, 1, "d");

    script.hold = true;
    do {
        b->items[0].status = WEIR_PENDING;
        CHECK(weir_submit(quick, cq, b) == 0);
        CHECK(next_done(cq) == b);
    } while (b->items[0].status == WEIR_SKIPPED); /* the worker came late */
    CHECK(b->items[0].status == WEIR_TIMEOUT);
    CHECK(b->deadline_ns == 0); /* the host's field is the host's */
    script.hold = false;
    weir_batch_free(b);
    weir_store_free(quick);
}

static void a_batch_in_flight_may_be_freed(void)
{
    struct weir_batch *hung = hang_the_worker();

    for (int i = 0; i < 100; i++) {
        struct weir_batch *b = keyed_batch(WEIR_GET, 3, "f");

        CHECK(weir_submit(store, cq, b) == 0);
        CHECK(weir_submit(store, cq, b) == -EBUSY);
        CHECK(weir_batch_reset(b, WEIR_GET, 1) == -EBUSY);
        weir_batch_free(b);
    }
    release(hung);
    CHECK(EVENTUALLY(weir_cq_drain(cq, &hung, 1) == 0 &&
                     weir_cq_pending(cq) == 0));
}

static void a_queue_may_be_freed_before_its_batches(void)
{
    struct weir_batch *hung = hang_the_worker();
    struct weir_batch *b = keyed_batch(WEIR_GET, 1, "q");
    struct weir_cq *short_lived = new_cq();

    CHECK(weir_submit(store, short_lived, b) == 0);
    weir_cq_free(short_lived);
    CHECK(weir_batch_reset(b, WEIR_GET, 1) == -EBUSY);
    release(hung);
    CHECK(EVENTUALLY(weir_batch_reset(b, WEIR_GET, 1) == 0));
    weir_batch_free(b);
}

int main(void)
{
    deadline_s(200);
    cq = new_cq();
    store = open_scripted(&script, "workers=1", NULL);
    queued_batches_end_at_their_deadline();
    cancel_ends_what_is_queued_now();
    a_running_call_ends_by_its_deadline();
    the_store_has_a_default();
    a_batch_in_flight_may_be_freed();
    a_queue_may_be_freed_before_its_batches();
    weir_store_free(store);
    weir_cq_free(cq);
    return 0;
}

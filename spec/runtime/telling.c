/* telling.c -- promise 11: counts by op and status, bytes, latencies within 3 %
 * of what they were, read while others work. */
#include <pthread.h>

#include "harness.h"

static struct script script;
static struct weir_store *store;
static struct weir_cq *cq;

static void buckets_are_narrow(void)
{
    for (uint32_t i = 0; i + 1 < WEIR_HISTOGRAM; i++) {
        uint64_t floor = weir_histogram_floor(i);
        uint64_t next = weir_histogram_floor(i + 1);

        CHECK(next > floor);
        /* A latency is told as the middle of its bucket. */
        CHECK((next - floor) / 2.0 <= 0.03 * floor || next - floor == 1);
    }
    CHECK(weir_histogram_floor(0) == 0);
    CHECK(weir_histogram_floor(WEIR_HISTOGRAM - 1) > 3600ull * SECOND);
}

static void submit_and_free(uint32_t op, uint32_t n)
{
    struct weir_batch *b = keyed_batch(op, n, "k");

    CHECK(weir_submit(store, cq, b) == 0);
    CHECK(next_done(cq) == b);
    weir_batch_free(b);
}

static void counts_by_op_and_status(void)
{
    struct weir_op_stats get, set;

    for (int i = 0; i < 10; i++)
        submit_and_free(WEIR_GET, 3);
    script.answer = ANSWER_ERROR;
    submit_and_free(WEIR_GET, 2);
    script.answer = ANSWER_WELL;
    CHECK(weir_store_op_stats(store, WEIR_GET, &get) == 0);
    CHECK(get.batches == 11 && get.items == 32);
    CHECK(get.status[WEIR_OK] == 30 && get.status[WEIR_FAILED] == 2);
    CHECK(get.bytes_read == 30 * 32 && get.bytes_written == 0);
    CHECK(get.queue.count == 11 && get.service.count == 11);
    CHECK(get.queue.p999_ns <= get.queue.max_ns);
    CHECK(get.service.p999_ns <= get.service.max_ns);
    CHECK(weir_store_op_stats(store, WEIR_SET, &set) == 0 && set.items == 0);
    CHECK(weir_store_op_stats(store, 77, &set) == -EINVAL);
}

static struct weir_batch *submit_behind(struct weir_store *held, uint32_t n)
{
    struct weir_batch *b = keyed_batch(WEIR_DELETE, n, "k");

    CHECK(weir_submit(held, cq, b) == 0);
    return b;
}

/* Items are counted once each, wherever they were answered; those of refused
 * batches are not. */
static void counts_what_no_worker_saw(void)
{
    struct weir_store *held =
        open_scripted(&script, "workers=1", "queue=10", NULL);
    struct weir_batch *b, *late, *full = keyed_batch(WEIR_DELETE, 10, "k");
    struct weir_store_stats stats;
    struct weir_op_stats op;

    script.calls = 0;
    script.hold = true;
    submit_behind(held, 1);
    CHECK(EVENTUALLY(script.calls == 1));
    weir_batch_cancel(submit_behind(held, 2));
    late = keyed_batch(WEIR_DELETE, 3, "k");
    late->deadline_ns = weir_now() + 1;
    CHECK(weir_submit(held, cq, late) == 0);
    b = keyed_batch(WEIR_DELETE, 1, "k");
    b->items[0].key_len = 0;
    CHECK(weir_submit(held, cq, b) == 1);
    weir_batch_free(b);
    weir_batch_free(next_done(cq));
    weir_batch_free(next_done(cq));
    submit_behind(held, 4);
    full->items[0].key_len = 0;
    CHECK(weir_submit(held, cq, full) == -EAGAIN);
    script.hold = false;
    weir_batch_free(next_done(cq));
    weir_batch_free(next_done(cq));
    CHECK(weir_store_op_stats(held, WEIR_DELETE, &op) == 0);
    CHECK(op.batches == 5 && op.items == 11);
    CHECK(op.status[WEIR_OK] == 5 && op.status[WEIR_SKIPPED] == 5);
    CHECK(op.status[WEIR_INVALID] == 1 && op.status[WEIR_BUSY] == 0);
    weir_store_stats(held, &stats);
    CHECK(stats.refused == 1);
    b = keyed_batch(WEIR_TOUCH, 2, "k");
    CHECK(weir_submit(held, cq, b) == 1);
    CHECK(weir_store_op_stats(held, WEIR_TOUCH, &op) == 0);
    CHECK(op.batches == 1 && op.status[WEIR_UNSUPPORTED] == 2);
    CHECK(weir_close(held, 0, WEIR_CLOSE_FAIL) == 0);
    CHECK(weir_submit(held, cq, full) == -ESHUTDOWN);
    CHECK(weir_store_op_stats(held, WEIR_DELETE, &op) == 0 && op.items == 11);
    weir_batch_free(b);
    weir_batch_free(full);
    weir_store_free(held);
}

/* Submits a batch that is answered in place, with an error. */
static void submit_wrong(struct weir_store *s, struct weir_batch *b,
                         const char *says)
{
    struct weir_store_stats stats;
    uint64_t before = weir_now();

    CHECK(weir_submit(s, cq, b) == 1 && b->errors == 1);
    weir_batch_free(b);
    weir_store_stats(s, &stats);
    CHECK(stats.last_error_ns >= before);
    CHECK(strstr(stats.last_error.message, says) != NULL);
}

static void errors_at_submit_are_the_last(void)
{
    struct weir_store_stats stats;
    struct weir_store *in_place;
    struct weir_error err;
    struct weir_batch *b;
    char buffer[8];

    CHECK(weir_open(&in_place, "null://?max_value=10&hit=yes&size=100", NULL, 0,
                    &err) == 0);
    weir_store_stats(in_place, &stats);
    CHECK(stats.last_error_ns == 0);
    b = keyed_batch(WEIR_SET, 1, "k");
    b->items[0].data = buffer;
    b->items[0].size = 11;
    submit_wrong(in_place, b, "value too large");
    b = keyed_batch(WEIR_GET, 1, "k");
    b->items[0].data = buffer;
    b->items[0].cap = sizeof buffer;
    submit_wrong(in_place, b, "does not fit");
    submit_wrong(in_place, keyed_batch(WEIR_SCAN, 1, "k"), "cannot do that");
    b = keyed_batch(WEIR_GET, 1, "k");
    b->items[0].key_len = 0;
    submit_wrong(store, b, "a key is empty");
    weir_store_free(in_place);
}

static void latencies_are_those_that_were(void)
{
    uint64_t counts[WEIR_HISTOGRAM], total = 0, started, took = 0;
    struct weir_op_stats stats;

    script.slow_ns = 20 * MS;
    for (int i = 0; i < 5; i++) {
        struct weir_batch *b = keyed_batch(WEIR_EXISTS, 1, "!");

        started = weir_now();
        CHECK(weir_submit(store, cq, b) == 0);
        CHECK(next_done(cq) == b);
        took = weir_now() - started > took ? weir_now() - started : took;
        weir_batch_free(b);
    }
    CHECK(weir_store_op_stats(store, WEIR_EXISTS, &stats) == 0);
    CHECK(stats.service.p50_ns >= 20 * MS * 0.97);
    CHECK(stats.service.max_ns >= 20 * MS && stats.service.max_ns <= took);
    CHECK(stats.service.p50_ns <= stats.service.p99_ns);
    CHECK(stats.service.p999_ns <= stats.service.max_ns);
    CHECK(stats.service.sum_ns >= 100 * MS);
    CHECK(weir_store_histogram(store, WEIR_EXISTS, 0, counts) == 0);
    for (uint32_t i = 0; i < WEIR_HISTOGRAM; i++)
        total += counts[i];
    CHECK(total == 5);
}

static void *reader(void *arg)
{
    struct weir_store_stats stats;
    struct weir_op_stats op;

    for (int i = 0; i < 200; i++) {
        weir_store_stats(store, &stats);
        CHECK(weir_store_op_stats(store, WEIR_SET, &op) == 0);
        CHECK(stats.inflight_batches <= 1 && stats.workers == 2);
    }
    return arg;
}

static void readers_do_not_disturb(void)
{
    struct weir_store_stats stats;
    pthread_t thread;

    CHECK(pthread_create(&thread, NULL, reader, NULL) == 0);
    for (int i = 0; i < 2000; i++)
        submit_and_free(WEIR_SET, 4);
    pthread_join(thread, NULL);
    weir_store_stats(store, &stats);
    CHECK(stats.inflight_batches == 0 && stats.inflight_items == 0);
    CHECK(stats.inflight_bytes == 0);
}

int main(void)
{
    deadline_s(200);
    cq = new_cq();
    store = open_scripted(&script, "workers=2", NULL);
    buckets_are_narrow();
    counts_by_op_and_status();
    counts_what_no_worker_saw();
    errors_at_submit_are_the_last();
    latencies_are_those_that_were();
    readers_do_not_disturb();
    weir_store_free(store);
    weir_cq_free(cq);
    return 0;
}

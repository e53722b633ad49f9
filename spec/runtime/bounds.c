/* bounds.c -- promises 2, 3 and 5: full is an answer, one bad item does not
 * hinder the others, nonsense from a connector is an error and not a miss. */
#include "harness.h"

static struct script script;

static void fill_until_busy(struct weir_store *store, struct weir_cq *cq,
                            struct weir_batch *(*make)(void), uint32_t accepts)
{
    struct weir_batch *b;
    uint32_t taken = 0;

    script.calls = 0;
    script.hold = true;
    CHECK(weir_submit(store, cq, make()) == 0);
    CHECK(EVENTUALLY(script.calls == 1)); /* it left the queue */
    while (weir_submit(store, cq, b = make()) == 0)
        CHECK(weir_store_queue(store, WEIR_SET) == ++taken / (double)accepts);
    CHECK(taken == accepts);
    CHECK(weir_submit(store, cq, b) == -EAGAIN);
    CHECK(count_status(b, WEIR_BUSY) == b->n);
    CHECK(strstr(b->error.message, "full") != NULL);
    script.hold = false;
    for (taken++; taken > 0; taken--)
        weir_batch_free(next_done(cq));
    CHECK(weir_submit(store, cq, b) == 0);
    CHECK(next_done(cq) == b && count_status(b, WEIR_OK) == b->n);
    CHECK(weir_store_queue(store, WEIR_SET) == 0);
    weir_batch_free(b);
}

/* Each op is asked for its own queue. An inline store has none. */
static void ops_have_their_own_queues(struct weir_cq *cq)
{
    struct weir_store *s =
        open_scripted(&script, "lanes=set=1", "workers=1", "queue=10", NULL);
    struct weir_batch *held = keyed_batch(WEIR_SET, 1, "k");
    struct weir_batch *b = keyed_batch(WEIR_SET, 3, "k");
    struct weir_store *ram;
    struct weir_error err;

    script.calls = 0;
    script.hold = true;
    CHECK(weir_submit(s, cq, held) == 0);
    CHECK(EVENTUALLY(script.calls == 1));
    CHECK(weir_submit(s, cq, b) == 0);
    CHECK(weir_store_queue(s, WEIR_SET) == 0.3);
    CHECK(weir_store_queue(s, WEIR_GET) == 0);
    CHECK(weir_store_queue(s, 99) == -1);
    script.hold = false;
    CHECK(next_done(cq) == held && next_done(cq) == b);
    weir_batch_free(held);
    weir_batch_free(b);
    weir_store_free(s);
    CHECK(weir_open(&ram, "memory", NULL, 0, &err) == 0);
    CHECK(weir_store_queue(ram, WEIR_SET) == 0);
    weir_store_free(ram);
}

static struct weir_batch *ten_keys(void)
{
    return keyed_batch(WEIR_SET, 10, "k");
}

static struct weir_batch *a_mebibyte(void)
{
    static char bytes[1 << 20];
    struct weir_batch *b = keyed_batch(WEIR_SET, 1, "k");

    b->items[0].data = bytes;
    b->items[0].size = sizeof bytes;
    return b;
}

static void a_batch_over_the_bound_fits_an_empty_queue(struct weir_store *s,
                                                       struct weir_cq *cq)
{
    struct weir_batch *b = keyed_batch(WEIR_SET, 1000, "k");

    CHECK(weir_submit(s, cq, b) == 0);
    CHECK(next_done(cq) == b && count_status(b, WEIR_OK) == 1000);
    weir_batch_free(b);
}

static void bad_items_are_answered_alone(struct weir_store *store,
                                         struct weir_cq *cq)
{
    struct weir_batch *b = keyed_batch(WEIR_SET, 5, "k");
    static char big[2 << 20];

    b->items[0].key_len = 0;
    b->items[1].key = NULL;
    b->items[2].key = big;
    b->items[2].key_len = 65; /* the connector takes 64 */
    b->items[3].data = big;
    b->items[3].size = sizeof big; /* over max_value */
    CHECK(weir_submit(store, cq, b) == 0);
    CHECK(next_done(cq) == b && b->errors == 4);
    CHECK(b->items[0].status == WEIR_INVALID);
    CHECK(b->items[1].status == WEIR_INVALID);
    CHECK(b->items[2].status == WEIR_INVALID);
    CHECK(b->items[3].status == WEIR_TOOBIG);
    CHECK(b->items[4].status == WEIR_OK);
    weir_batch_free(b);
}

/* Neither what was answered at submit nor how much room a buffer has fills the
 * queue. */
static void only_what_waits_weighs(struct weir_store *store, struct weir_cq *cq)
{
    struct weir_batch *held = keyed_batch(WEIR_SET, 1, "k");
    struct weir_batch *set = keyed_batch(WEIR_SET, 2, "k");
    struct weir_batch *get = keyed_batch(WEIR_GET, 2, "k");
    struct weir_store_stats stats;
    char bytes[64];

    script.calls = 0;
    script.hold = true;
    CHECK(weir_submit(store, cq, held) == 0);
    CHECK(EVENTUALLY(script.calls == 1));
    set->items[0].data = set->items[1].data = bytes;
    set->items[0].size = UINT64_MAX;
    set->items[1].size = 10;
    CHECK(weir_submit(store, cq, set) == 0);
    weir_store_stats(store, &stats);
    CHECK(stats.inflight_batches == 2 && stats.inflight_bytes == 10);
    get->items[0].data = bytes;
    get->items[0].cap = UINT64_MAX / 2;
    CHECK(weir_submit(store, cq, get) == 0);
    weir_store_stats(store, &stats);
    CHECK(stats.inflight_bytes < 2 << 20); /* max_value, and a mean */
    script.hold = false;
    CHECK(next_done(cq) == held && next_done(cq) == set);
    CHECK(next_done(cq) == get && get->errors == 0);
    weir_store_stats(store, &stats);
    CHECK(stats.inflight_bytes == 0);
    weir_batch_free(held);
    weir_batch_free(set);
    weir_batch_free(get);
}

/* What was cancelled gives its room back. */
static void cancelling_makes_room(struct weir_store *store, struct weir_cq *cq)
{
    struct weir_batch *queued[8];

    script.calls = 0;
    script.hold = true;
    CHECK(weir_submit(store, cq, a_mebibyte()) == 0);
    CHECK(EVENTUALLY(script.calls == 1));
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 8; i++) {
            queued[i] = a_mebibyte();
            CHECK(weir_submit(store, cq, queued[i]) == 0);
        }
        for (int i = 0; i < 8; i++)
            weir_batch_cancel(queued[i]);
        for (int i = 0; i < 8; i++)
            weir_batch_free(next_done(cq));
    }
    script.hold = false;
    weir_batch_free(next_done(cq));
}

static void batches_of_none_and_of_refused(struct weir_store *store,
                                           struct weir_cq *cq)
{
    struct weir_batch *b = keyed_batch(WEIR_SET, 0, "k");

    CHECK(weir_submit(store, cq, b) == 1 && b->errors == 0);
    weir_batch_free(b);
    b = keyed_batch(WEIR_TOUCH, 1, "k");
    CHECK(weir_submit(store, cq, b) == 1);
    CHECK(b->items[0].status == WEIR_UNSUPPORTED && b->errors == 1);
    weir_batch_free(b);
    b = keyed_batch(99, 1, "k");
    CHECK(weir_submit(store, cq, b) == -EINVAL);
    CHECK(b->items[0].status == WEIR_INVALID);
    CHECK(weir_batch_reset(b, WEIR_GET, 2) == -EINVAL);
    weir_batch_free(b);
    b = keyed_batch(WEIR_GET, 1, "k");
    CHECK(weir_submit(store, NULL, b) == -EINVAL);
    weir_batch_free(b);
}

static void nonsense_is_an_error(struct weir_store *store, struct weir_cq *cq)
{
    static const struct {
        enum answer answer;
        int status;
        const char *words;
    } CASES[] = {
        {ANSWER_NOTHING, WEIR_FAILED, "without an answer"},
        {ANSWER_NO_STATUS, WEIR_FAILED, "does not exist"},
        {ANSWER_NO_VALUE, WEIR_FAILED, "without a value"},
        {ANSWER_ERROR, WEIR_FAILED, "scripted: as told"},
        {ANSWER_OVERRUN, WEIR_CORRUPT, "more than the buffer"},
    };

    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct weir_batch *b = keyed_batch(WEIR_GET, 3, "k");
        char buffers[3][64];

        script.answer = CASES[i].answer;
        for (int k = 0; k < 3 && CASES[i].answer == ANSWER_OVERRUN; k++) {
            b->items[k].data = buffers[k];
            b->items[k].cap = sizeof buffers[k];
        }
        CHECK(weir_submit(store, cq, b) == 0);
        CHECK(next_done(cq) == b && b->errors == 3);
        CHECK(count_status(b, CASES[i].status) == 3);
        CHECK(strstr(b->error.message, CASES[i].words) != NULL);
        weir_batch_free(b);
    }
    script.answer = ANSWER_WELL;
}

/* Values that got into the backend under another limit. */
static void max_value_holds_for_gets(struct weir_cq *cq)
{
    struct weir_store *s = open_scripted(&script, "max_value=31", NULL);
    struct weir_batch *b = keyed_batch(WEIR_GET, 2, "k");
    char buffer[64];

    b->items[1].data = buffer;
    b->items[1].cap = sizeof buffer;
    CHECK(weir_submit(s, cq, b) == 0);
    CHECK(next_done(cq) == b && count_status(b, WEIR_TOOBIG) == 2);
    CHECK(b->items[0].value == NULL && b->items[0].size == 32);
    CHECK(strstr(b->error.message, "max_value") != NULL);
    weir_batch_free(b);
    weir_store_free(s);
}

int main(void)
{
    struct weir_store *store;
    struct weir_cq *cq = new_cq();

    deadline_s(200);
    store = open_scripted(&script, "workers=1", "queue=100", "queue_bytes=8MiB",
                          "max_value=1MiB", NULL);
    fill_until_busy(store, cq, ten_keys, 10);
    fill_until_busy(store, cq, a_mebibyte, 8);
    a_batch_over_the_bound_fits_an_empty_queue(store, cq);
    bad_items_are_answered_alone(store, cq);
    max_value_holds_for_gets(cq);
    ops_have_their_own_queues(cq);
    cancelling_makes_room(store, cq);
    only_what_waits_weighs(store, cq);
    batches_of_none_and_of_refused(store, cq);
    nonsense_is_an_error(store, cq);
    weir_store_free(store);
    weir_cq_free(cq);
    return 0;
}

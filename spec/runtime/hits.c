/* hits.c -- weir_submit_hits: what an inline store has is answered and counted,
 * the rest is as if it had not been asked. */
#include "harness.h"

static uint64_t misses(struct weir_store *s, uint64_t *keys, uint64_t *batches)
{
    struct weir_op_stats stats;

    CHECK(weir_store_op_stats(s, WEIR_GET, &stats) == 0);
    *keys = stats.items;
    *batches = stats.batches;
    return stats.status[WEIR_MISS];
}

static struct weir_store *open_memory(const char *target)
{
    struct weir_store *store;
    struct weir_error err;

    CHECK(weir_open(&store, target, NULL, 0, &err) == 0);
    return store;
}

/* Sets the keys k0, k3, k6, ... below n. */
static void fill(struct weir_store *store, uint32_t n)
{
    struct weir_batch *b = keyed_batch(WEIR_SET, n, "k");
    static char value[] = "value";

    for (uint32_t i = 0; i < n; i += 3) {
        b->items[i / 3] = b->items[i];
        b->items[i / 3].data = value;
        b->items[i / 3].size = 5;
    }
    b->n = (n + 2) / 3;
    CHECK(weir_submit(store, NULL, b) == 1 && b->errors == 0);
    weir_batch_free(b);
}

static void answers_what_is_there(struct weir_store *store)
{
    struct weir_batch *b = keyed_batch(WEIR_GET, 9, "k");
    uint64_t keys, batches;

    CHECK(weir_submit_hits(store, b) == 3);
    for (uint32_t i = 0; i < 9; i++) {
        const struct weir_item *item = &b->items[i];

        CHECK(item->status == (i % 3 == 0 ? WEIR_OK : WEIR_PENDING));
        CHECK((item->value != NULL) == (i % 3 == 0));
    }
    CHECK(b->items[3].size == 5 &&
          memcmp(b->items[3].value->data, "value", 5) == 0);
    CHECK(misses(store, &keys, &batches) == 0 && keys == 3 && batches == 1);
    weir_batch_free(b);

    b = keyed_batch(WEIR_GET, 4, "x");
    CHECK(weir_submit_hits(store, b) == 0 &&
          count_status(b, WEIR_PENDING) == 4);
    CHECK(misses(store, &keys, &batches) == 0 && keys == 3 && batches == 1);
    /* The batch can be submitted as always. */
    CHECK(weir_submit(store, NULL, b) == 1 && count_status(b, WEIR_MISS) == 4);
    CHECK(misses(store, &keys, &batches) == 4 && keys == 7 && batches == 2);
    weir_batch_free(b);
}

static void leaves_bad_keys_to_the_host(struct weir_store *store)
{
    struct weir_batch *b = keyed_batch(WEIR_GET, 4, "k");

    b->items[1].key_len = 0;
    CHECK(weir_submit_hits(store, b) == 0 &&
          count_status(b, WEIR_PENDING) == 4);
    weir_batch_free(b);
    b = keyed_batch(WEIR_GET, 1, "k");
    b->n = 0;
    CHECK(weir_submit_hits(store, b) == 0);
    weir_batch_free(b);
}

static void refuses_what_it_cannot_do(struct weir_store *store)
{
    struct weir_store *queued = open_memory("memory://?inline=false");
    struct weir_batch *b = keyed_batch(WEIR_DELETE, 1, "k");

    CHECK(weir_submit_hits(store, b) == -EINVAL);
    CHECK(weir_batch_reset(b, WEIR_GET, 0) == 0);
    CHECK(weir_submit_hits(queued, b) == -EINVAL);
    weir_batch_free(b);
    weir_store_free(queued);
}

static void finds_nothing_once_closed(struct weir_store *store)
{
    struct weir_batch *b = keyed_batch(WEIR_GET, 1, "k");

    CHECK(weir_submit_hits(store, b) == 1);
    CHECK(weir_close(store, weir_now() + SECOND, WEIR_CLOSE_DRAIN) == 0);
    CHECK(weir_batch_reset(b, WEIR_GET, 1) == 0);
    b->items[0].key = "k0";
    b->items[0].key_len = 2;
    CHECK(weir_submit_hits(store, b) == 0);
    CHECK(b->items[0].status == WEIR_PENDING);
    weir_batch_free(b);
}

int main(void)
{
    struct weir_store *store = open_memory("memory://");

    deadline_s(200);
    fill(store, 9);
    answers_what_is_there(store);
    leaves_bad_keys_to_the_host(store);
    refuses_what_it_cannot_do(store);
    finds_nothing_once_closed(store);
    weir_store_free(store);
    return 0;
}

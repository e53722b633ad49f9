/* claiming.c -- promise 8: work is claimed in slices, not dealt out; a small
 * batch stays whole; lanes keep loads from waiting behind stores. */
#include "harness.h"

static struct script script;

static void one_slow_key_does_not_idle_the_others(struct weir_cq *cq)
{
    struct weir_store *store =
        open_scripted(&script, "workers=2", "slice_items=4", NULL);
    struct weir_batch *b = keyed_batch(WEIR_EXISTS, 400, "k");

    /* Dealt out in halves, the second worker would have nothing to do while
     * the first waits with 199 keys behind the slow one. */
    script.slow_ns = PATIENCE;
    b->items[0].key = "!";
    b->items[0].key_len = 1;
    CHECK(weir_submit(store, cq, b) == 0);
    CHECK(EVENTUALLY(script.calls == 100));
    CHECK(EVENTUALLY(script.inside == 1)); /* the slow key's */
    script.slow_ns = 0;
    CHECK(next_done(cq) == b && count_status(b, WEIR_OK) == 400);
    CHECK(script.largest == 4 && script.most_inside == 2);
    weir_batch_free(b);
    weir_store_free(store);
}

static void a_small_batch_stays_whole(struct weir_cq *cq)
{
    struct weir_store *store = open_scripted(&script, "workers=4", NULL);
    struct weir_batch *b = keyed_batch(WEIR_EXISTS, 64, "k");

    script.calls = script.largest = 0;
    CHECK(weir_submit(store, cq, b) == 0);
    CHECK(next_done(cq) == b);
    CHECK(script.calls == 1 && script.largest == 64);
    weir_batch_free(b);
    weir_store_free(store);
}

static void large_values_are_spread(struct weir_cq *cq)
{
    static char bytes[1 << 20];
    struct weir_store *store = open_scripted(&script, "workers=4", NULL);
    struct weir_batch *b = keyed_batch(WEIR_SET, 8, "k");

    for (int i = 0; i < 8; i++) {
        b->items[i].data = bytes;
        b->items[i].size = sizeof bytes;
    }
    script.calls = script.largest = 0;
    CHECK(weir_submit(store, cq, b) == 0);
    CHECK(next_done(cq) == b && count_status(b, WEIR_OK) == 8);
    CHECK(script.calls == 8 && script.largest == 1);
    weir_batch_free(b);
    weir_store_free(store);
}

static void a_lane_does_not_wait_for_another(struct weir_cq *cq)
{
    struct weir_store *store =
        open_scripted(&script, "workers=1", "lanes=set=1", NULL);
    struct weir_batch *set = keyed_batch(WEIR_SET, 1, "s");
    struct weir_batch *get = keyed_batch(WEIR_GET, 1, "g");
    struct weir_store_stats stats;

    weir_store_stats(store, &stats);
    CHECK(stats.workers == 2);
    script.calls = 0;
    script.slow_ns = PATIENCE;
    set->items[0].key = "!";
    set->items[0].key_len = 1;
    CHECK(weir_submit(store, cq, set) == 0);
    CHECK(EVENTUALLY(script.calls == 1));
    CHECK(weir_submit(store, cq, get) == 0);
    CHECK(next_done(cq) == get);
    script.slow_ns = 0;
    CHECK(next_done(cq) == set);
    weir_batch_free(set);
    weir_batch_free(get);
    weir_store_free(store);
}

int main(void)
{
    struct weir_cq *cq = new_cq();

    deadline_s(200);
    one_slow_key_does_not_idle_the_others(cq);
    a_small_batch_stays_whole(cq);
    large_values_are_spread(cq);
    a_lane_does_not_wait_for_another(cq);
    weir_cq_free(cq);
    return 0;
}

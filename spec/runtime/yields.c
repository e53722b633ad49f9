/* yields.c -- a worker looks for work before it sleeps, but seldom if work
 * comes later than a look takes, and not for a while after a yield that gave
 * its core to another process. */
#include <sched.h>

#include "harness.h"

enum { OPS = 200, PAUSE_MIN_NS = 16 * MS, SLOW_OPS = 64, LOOKS_MAX = 24 };

static _Atomic uint32_t yields, yield_ms;

/* Stands in for that of libc, for the runtime too. */
__attribute__((visibility("default"))) int sched_yield(void)
{
    atomic_fetch_add(&yields, 1);
    if (yield_ms > 0)
        nap_ms(yield_ms);
    return 0;
}

/* One key after the other, each of which finds the worker without work. Returns
 * the time that it took. */
static uint64_t run(struct weir_store *store, struct weir_cq *cq)
{
    uint64_t start = weir_now();

    for (int i = 0; i < OPS; i++) {
        CHECK(weir_submit(store, cq, keyed_batch(WEIR_SET, 1, "k")) == 0);
        weir_batch_free(next_done(cq));
    }
    return weir_now() - start;
}

/* Each key comes after the look has ended. A look yields at least once, so keys
 * after which the worker yielded are counted. */
static void slow_work_is_seldom_looked_for(struct weir_store *store,
                                           struct weir_cq *cq)
{
    uint32_t looks = 0;

    for (int i = 0; i < SLOW_OPS; i++) {
        uint32_t before = yields;

        CHECK(weir_submit(store, cq, keyed_batch(WEIR_SET, 1, "k")) == 0);
        weir_batch_free(next_done(cq));
        nap_ms(10);
        looks += yields != before;
    }
    CHECK(looks <= LOOKS_MAX);
}

int main(void)
{
    static struct script script;
    struct weir_store *store;
    struct weir_cq *cq = new_cq();
    uint64_t took;

    deadline_s(200);
    store = open_scripted(&script, "workers=1", "spin=10ms", NULL);
    run(store, cq);
    CHECK(yields > OPS);

    yield_ms = 1;
    nap_ms(20);
    yields = 0;
    took = run(store, cq);
    CHECK(yields <= 1 + took / PAUSE_MIN_NS);

    yield_ms = 0; /* the core is free again */
    CHECK(EVENTUALLY(run(store, cq) > 0 && yields > 2 * OPS));
    weir_store_free(store);

    store = open_scripted(&script, "workers=1", "spin=500us", NULL);
    slow_work_is_seldom_looked_for(store, cq);
    weir_store_free(store);
    weir_cq_free(cq);
    return 0;
}

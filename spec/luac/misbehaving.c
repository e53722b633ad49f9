/* misbehaving.c -- policies of one's own that raise, never return, or ignore
 * the deadline. */
#include "tree.h"

/* An error fails its request, and only that. */
static void raises(struct weir_store *store, struct weir_cq *cq)
{
    struct weir_batch *b = one_batch(WEIR_GET, "error", 0);

    CHECK(weir_submit(store, cq, b) == 0 && next_done(cq) == b);
    CHECK(b->items[0].status == WEIR_FAILED);
    snprintf(answer, sizeof answer, "%s", b->error.message);
    CHECK(says("bad.lua:5: a mistake") && says("lua bad.lua: "));
    weir_batch_free(b);
    CHECK(do_one(store, cq, WEIR_SET, "a") == WEIR_OK);
}

/* A loop without an end ends soon after its deadline. What is queued and what
 * is in flight with it end at theirs, or right after the loop. */
static void loops(struct weir_store *store, struct weir_cq *cq)
{
    struct weir_batch *slow = one_batch(WEIR_GET, "slow60000", 1000);
    struct weir_batch *loop = one_batch(WEIR_GET, "loop", 1000);
    struct weir_batch *queued = one_batch(WEIR_GET, "a", 500);
    struct weir_batch *after = one_batch(WEIR_GET, "a", 20000);
    uint64_t began = weir_now();

    CHECK(weir_submit(store, cq, slow) == 0);
    nap_ms(20);
    CHECK(weir_submit(store, cq, loop) == 0);
    nap_ms(20);
    CHECK(weir_submit(store, cq, queued) == 0);
    CHECK(weir_submit(store, cq, after) == 0);
    CHECK(next_done(cq) == queued);
    CHECK(queued->items[0].status == WEIR_SKIPPED);
    for (int i = 0; i < 3; i++)
        next_done(cq);
    CHECK(weir_now() - began < 4500ull * MS); /* 5 s is for those without one */
    CHECK(slow->items[0].status == WEIR_TIMEOUT);
    CHECK(loop->items[0].status == WEIR_FAILED);
    snprintf(answer, sizeof answer, "%s", loop->error.message);
    CHECK(says("bad.lua:4: this ran on"));
    CHECK(after->items[0].status == WEIR_OK);
    weir_batch_free(slow);
    weir_batch_free(loop);
    weir_batch_free(queued);
    weir_batch_free(after);
}

/* Without any deadline, it ends after some seconds. */
static void loops_for_ever(struct weir_store *store, struct weir_cq *cq)
{
    struct weir_batch *loop = one_batch(WEIR_GET, "loop", 0), *back = NULL;

    CHECK(weir_submit(store, cq, loop) == 0);
    CHECK(weir_cq_wait(cq, 30ull * SECOND) == 1);
    CHECK(weir_cq_drain(cq, &back, 1) == 1 && back == loop);
    CHECK(loop->items[0].status == WEIR_FAILED);
    weir_batch_free(loop);
    CHECK(do_one(store, cq, WEIR_GET, "a") == WEIR_OK);
}

/* Requests that sleep past their deadlines leave room for others until there
 * are too many of them, and are thrown away when they end. */
static void ignores_deadlines(struct weir_store *store, struct weir_cq *cq)
{
    enum { N = 1024 };
    int busy = 0;

    for (int i = 0; i < N + 64; i += 64) {
        struct weir_batch *b[64];

        for (int k = 0; k < 64; k++) {
            b[k] = one_batch(WEIR_GET, "slow3000", 20);
            CHECK(weir_submit(store, cq, b[k]) == 0);
        }
        for (int k = 0; k < 64; k++)
            next_done(cq);
        for (int k = 0; k < 64; k++) {
            int status = b[k]->items[0].status;

            busy += status == WEIR_BUSY;
            if (status == WEIR_FAILED) /* the machine kept it from going on */
                CHECK(strstr(b[k]->error.message, "this ran on") != NULL);
            else
                CHECK(status == WEIR_TIMEOUT || status == WEIR_SKIPPED ||
                      status == WEIR_BUSY);
            weir_batch_free(b[k]);
        }
    }
    printf("%d of %d busy\n", busy, N + 64);
    CHECK(EVENTUALLY(do_one(store, cq, WEIR_GET, "a") == WEIR_OK));
}

int main(void)
{
    struct weir_store *store = tree_open("bad.lua", MISBEHAVING);
    struct weir_cq *cq = new_cq();

    deadline_s(200);
    raises(store, cq);
    loops(store, cq);
    loops_for_ever(store, cq);
    ignores_deadlines(store, cq);
    weir_store_free(store);
    weir_cq_free(cq);
    return 0;
}

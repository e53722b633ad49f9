/* working.c -- requests that overtake each other, work between calls, and the
 * end of a store with all of that under way. */
#include "tree.h"

/* A slow request holds no other one up. */
static void overtakes(void)
{
    struct weir_store *store = tree_open("slow.lua", MISBEHAVING);
    struct weir_cq *cq = new_cq();
    struct weir_batch *slow = one_batch(WEIR_GET, "slow1500", 20000);

    CHECK(weir_submit(store, cq, slow) == 0);
    for (int i = 0; i < 100; i++)
        CHECK(do_one(store, cq, WEIR_SET, "a") == WEIR_OK);
    CHECK(slow->items[0].status == WEIR_PENDING);
    CHECK(next_done(cq) == slow && slow->items[0].status == WEIR_MISS);
    weir_batch_free(slow);
    weir_store_free(store);
    weir_cq_free(cq);
}

/* A copy goes up in the background, and a timer fires, while no call is in
 * flight. */
static void goes_on(void)
{
    struct weir_store *store = tree_open(
        "idle.lua", "local weir = require 'weir'\n"
                    "local up, down = memory {}, memory { inline = false }\n"
                    "local ticks = 0\n"
                    "weir.spawn(function()\n"
                    "  while true do weir.sleep(0.005) ticks = ticks + 1 end\n"
                    "end)\n"
                    "local t = tier { delay(up, { 0.05 }), down }\n"
                    "return policy { children = { t, up, down },\n"
                    "  run = function(self, req)\n"
                    "    local key = req.keys[1]\n"
                    "    if key == 'ticks' then\n"
                    "      return require('weir.core.reply').uniform(req,\n"
                    "        ticks > 20 and 'ok' or 'miss') end\n"
                    "    if req.op == 'set' then return down:run(req) end\n"
                    "    if req.op == 'exists' then return up:run(req) end\n"
                    "    return t:run(req)\n"
                    "  end }\n");
    struct weir_cq *cq = new_cq();
    struct weir_store_stats stats;

    nap_ms(600);
    CHECK(do_one(store, cq, WEIR_DELETE, "ticks") == WEIR_OK);
    CHECK(do_one(store, cq, WEIR_SET, "a") == WEIR_OK);
    CHECK(do_one(store, cq, WEIR_EXISTS, "a") == WEIR_MISS);
    CHECK(do_one(store, cq, WEIR_GET, "a") == WEIR_OK);
    weir_store_stats(store, &stats);
    CHECK(stats.inflight_batches == 0);
    nap_ms(1500); /* nothing wakes the worker but its own timers */
    CHECK(do_one(store, cq, WEIR_EXISTS, "a") == WEIR_OK);
    weir_store_free(store);
    weir_cq_free(cq);
}

/* Every batch comes back, whatever the mode. */
static void closes(int mode, unsigned ms)
{
    struct weir_store *store = tree_open("close.lua", MISBEHAVING);
    struct weir_cq *cq = new_cq();
    struct weir_batch *b[32];
    uint64_t began = weir_now();

    for (int i = 0; i < 32; i++) {
        b[i] = one_batch(WEIR_GET, i % 2 ? "slow300" : "slow60000", 0);
        CHECK(weir_submit(store, cq, b[i]) == 0);
    }
    nap_ms(50);
    CHECK(weir_close(store, weir_now() + (uint64_t)ms * MS, mode) == 0);
    CHECK(weir_now() - began < 10ull * SECOND);
    for (int i = 0; i < 32; i++)
        next_done(cq);
    for (int i = 0; i < 32; i++) {
        CHECK(b[i]->items[0].status != WEIR_PENDING);
        if (i % 2 && mode == WEIR_CLOSE_DRAIN)
            CHECK(b[i]->items[0].status == WEIR_MISS);
        if (i % 2 == 0)
            CHECK(b[i]->items[0].status == WEIR_RESET);
        weir_batch_free(b[i]);
    }
    weir_store_free(store);
    weir_cq_free(cq);
}

/* Cancelled and abandoned batches: the memory is the caller's at once. */
static void abandons(void)
{
    struct weir_store *store = tree_open("leave.lua", MISBEHAVING);
    struct weir_cq *cq = new_cq();
    struct weir_batch *b = one_batch(WEIR_GET, "slow300", 0);
    char buffer[64] = "untouched";

    CHECK(do_one(store, cq, WEIR_SET, "slow300") == WEIR_OK);
    b->items[0].data = buffer;
    b->items[0].cap = sizeof buffer;
    CHECK(weir_submit(store, cq, b) == 0);
    nap_ms(50);
    weir_batch_abandon(b);
    CHECK(next_done(cq) == b && b->items[0].status == WEIR_SKIPPED);
    CHECK(strcmp(buffer, "untouched") == 0);
    CHECK(weir_batch_reset(b, WEIR_GET, 1) == 0);
    b->items[0] = (struct weir_item){
        .key = "slow300", .key_len = 7, .data = buffer, .cap = sizeof buffer};
    CHECK(weir_submit(store, cq, b) == 0 && next_done(cq) == b);
    CHECK(b->items[0].status == WEIR_OK && b->items[0].size == 7);
    CHECK(memcmp(buffer, "slow300", 7) == 0);
    weir_batch_free(b);
    weir_store_free(store);
    weir_cq_free(cq);
}

int main(void)
{
    deadline_s(200);
    overtakes();
    goes_on();
    closes(WEIR_CLOSE_DRAIN, 1500);
    closes(WEIR_CLOSE_FAIL, 0);
    abandons();
    return 0;
}

/* values.c -- how long the Lua state keeps the values of requests: no longer
 * than the stores and policies need them. What is left to its collector takes
 * the processor's cache from the next values. */
#include <stdatomic.h>

#include "tree.h"

enum { SETS = 16 };

/* Memory stores keep shorter values as copies. */
static char text[8192];

static _Atomic int released;

static void release(void *arg)
{
    (void)arg;
    atomic_fetch_add(&released, 1);
}

/* Sets a key to a value whose end release sees, and keeps no reference. */
static void set_watched(struct weir_store *store, struct weir_cq *cq,
                        const char *key)
{
    struct weir_batch *b = one_batch(WEIR_SET, key, 20000);

    b->items[0].data = NULL;
    b->items[0].value = weir_value_wrap(text, sizeof text, release, NULL);
    CHECK(b->items[0].value != NULL);
    CHECK(weir_submit(store, cq, b) == 0 && next_done(cq) == b);
    CHECK(b->items[0].status == WEIR_OK);
    weir_batch_free(b);
}

/* Reads a key into memory of our own and compares it. */
static void get_lent(struct weir_store *store, struct weir_cq *cq,
                     const char *key)
{
    struct weir_batch *b = one_batch(WEIR_GET, key, 20000);
    char buffer[sizeof text];

    b->items[0].data = buffer;
    b->items[0].cap = sizeof buffer;
    CHECK(weir_submit(store, cq, b) == 0 && next_done(cq) == b);
    CHECK(b->items[0].status == WEIR_OK && b->items[0].size == sizeof text);
    CHECK(memcmp(buffer, text, sizeof text) == 0);
    weir_batch_free(b);
}

/* Replaces a value again and again, reading each, and returns how many of the
 * replaced ones are gone: after the last set, not after a collection. */
static int replaced(const char *name, const char *tree)
{
    struct weir_store *store = tree_open(name, tree);
    struct weir_cq *cq = new_cq();
    int gone;

    atomic_store(&released, 0);
    for (int i = 0; i < SETS; i++) {
        set_watched(store, cq, "a key");
        get_lent(store, cq, "a key");
    }
    gone = atomic_load(&released);
    weir_store_free(store);
    weir_cq_free(cq);
    CHECK(EVENTUALLY(atomic_load(&released) == SETS));
    return gone;
}

/* Values that a policy of one's own keeps stay as they are. */
static void kept_by_a_policy(void)
{
    struct weir_store *store = tree_open(
        "own.lua",
        "local kept\n"
        "return policy { children = { memory {} }, immediate = true,\n"
        "  run = function(self, req)\n"
        "    if req.op == 'set' then kept = kept or req.values[1] end\n"
        "    local reply = self.children[1]:run(req)\n"
        "    if req.op == 'get' then reply:set(1, 'ok', { value = kept }) end\n"
        "    return reply\n"
        "  end }\n");
    struct weir_cq *cq = new_cq();

    set_watched(store, cq, "a key");
    for (int i = 0; i < SETS; i++) {
        CHECK(do_one(store, cq, WEIR_SET, "a key") == WEIR_OK);
        get_lent(store, cq, "a key");
    }
    weir_store_free(store);
    weir_cq_free(cq);
}

int main(void)
{
    deadline_s(200);
    memset(text, 'v', sizeof text);
    CHECK(replaced("memory.lua", "return memory {}\n") == SETS - 1);
    CHECK(replaced("words.lua", "return tier { memory {}, memory {} }\n"
                                "  :retry { 2 } :deadline(10)\n") == SETS - 1);
    CHECK(replaced("fs.lua", "return fs { path = '%s/fs' }\n") == SETS);
    kept_by_a_policy();
    return 0;
}

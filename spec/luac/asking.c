/* asking.c -- weir_ask: what a policy tree answers, and what other stores do.
 */
#include <pthread.h>

#include "tree.h"

static void tree(void)
{
    struct weir_store *store =
        tree_open("kv.lua", "return tier { memory {}, memory {} }\n");
    struct weir_cq *cq = new_cq();

    CHECK(ask(store, "tree") == 0 && says("tier") && says("memory"));
    CHECK(ask(store, "help") == 0 && says("reload"));
    CHECK(ask(store, "explain get user:1 and more") == 0 && says("[1]"));
    CHECK(ask(store, "explain gett user:1") == -EINVAL && says("\"get\""));
    CHECK(ask(store, "explain get") == -EINVAL && says("an op and a key"));
    CHECK(ask(store, "relaod") == -EINVAL && says("did you mean \"reload\"?"));
    CHECK(do_one(store, cq, WEIR_SET, "a") == WEIR_OK);
    CHECK(ask(store, "stats") == 0 && says("weir_"));
    weir_store_free(store);
    weir_cq_free(cq);
}

static void reload(void)
{
    struct weir_store *store = tree_open("re.lua", "return memory {}\n");
    struct weir_cq *cq = new_cq();

    CHECK(ask(store, "undo") == -EINVAL);
    CHECK(do_one(store, cq, WEIR_SET, "a") == WEIR_OK);
    tree_file("re.lua", "return memmory {}\n");
    CHECK(ask(store, "reload") == -EINVAL && says("re.lua:1:"));
    CHECK(says("did you mean \"memory\"?"));
    CHECK(do_one(store, cq, WEIR_GET, "a") == WEIR_OK);
    tree_file("re.lua", "return readonly(memory {})\n");
    CHECK(ask(store, "reload") == 0);
    CHECK(do_one(store, cq, WEIR_GET, "a") == WEIR_OK);
    CHECK(do_one(store, cq, WEIR_SET, "a") == WEIR_DENIED);
    CHECK(ask(store, "undo") == 0);
    CHECK(do_one(store, cq, WEIR_SET, "a") == WEIR_OK);
    weir_store_free(store);
    weir_cq_free(cq);
}

static void breaker(void)
{
    struct weir_store *store = tree_open(
        "br.lua", "return route { a = memory {}:breaker {}, default = "
                  "memory {}:breaker {} }\n");
    struct weir_cq *cq = new_cq();

    CHECK(ask(store, "breaker") == 0 && says("closed       a.breaker"));
    CHECK(ask(store, "breaker open") == -EINVAL && says("say which"));
    CHECK(ask(store, "breaker opn a.breaker") == -EINVAL &&
          says("did you mean \"open\"?"));
    CHECK(ask(store, "breaker open a.breker") == -EINVAL &&
          says("did you mean \"a.breaker\"?"));
    CHECK(ask(store, "breaker open a.breaker") == 0 && says("forced_open"));
    CHECK(do_one(store, cq, WEIR_SET, "a") == WEIR_SKIPPED);
    CHECK(do_one(store, cq, WEIR_SET, "b") == WEIR_OK);
    CHECK(ask(store, "breaker reset a.breaker") == 0 && says("closed"));
    CHECK(do_one(store, cq, WEIR_SET, "a") == WEIR_OK);
    weir_store_free(store);
    weir_cq_free(cq);
}

static void others(void)
{
    struct weir_store *store = tree_open("kv.lua", "return memory {}");
    struct weir_error err;

    CHECK(ask(store, NULL) == -EINVAL && says("there are no words"));
    weir_store_free(store);
    CHECK(weir_open(&store, "memory", NULL, 0, &err) == 0);
    CHECK(ask(store, "tree") == -ENOTSUP && says("memory"));
    CHECK(weir_close(store, weir_now(), WEIR_CLOSE_FAIL) == 0);
    weir_store_free(store);
}

/* A question waits at most until its deadline, and ends with the store. */
static void *ask_for_long(void *store)
{
    struct weir_value *value;
    struct weir_error err;

    return (void *)(intptr_t)weir_ask(store, "tree", 0, &value, &err);
}

static void stuck(void)
{
    struct weir_store *store = tree_open("loop.lua", MISBEHAVING);
    struct weir_cq *cq = new_cq();
    struct weir_batch *b = one_batch(WEIR_GET, "loop", 0);
    struct weir_value *value;
    struct weir_error err;
    pthread_t thread;
    void *rc;

    CHECK(weir_submit(store, cq, b) == 0);
    nap_ms(20);
    CHECK(weir_ask(store, "tree", weir_now() + 50 * MS, &value, &err) ==
          -ETIMEDOUT);
    CHECK(pthread_create(&thread, NULL, ask_for_long, store) == 0);
    nap_ms(20);
    CHECK(weir_close(store, weir_now(), WEIR_CLOSE_FAIL) == 0);
    CHECK(pthread_join(thread, &rc) == 0);
    CHECK((intptr_t)rc == -ESHUTDOWN || (intptr_t)rc == 0);
    CHECK(ask(store, "tree") == -ESHUTDOWN);
    CHECK(next_done(cq) == b && b->items[0].status == WEIR_FAILED);
    weir_batch_free(b);
    weir_store_free(store);
    weir_cq_free(cq);
}

/* Questions of many threads while requests run. */
static void *ask_often(void *store)
{
    struct weir_value *value;
    struct weir_error err;

    for (int i = 0; i < 200; i++) {
        CHECK(weir_ask(store, i % 2 ? "tree" : "explain set a",
                       weir_now() + 20ull * SECOND, &value, &err) == 0);
        weir_value_unref(value);
    }
    return NULL;
}

static void crowd(void)
{
    struct weir_store *store = tree_open("crowd.lua", "return memory {}\n");
    struct weir_cq *cq = new_cq();
    pthread_t threads[4];

    for (int i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, ask_often, store) == 0);
    for (int i = 0; i < 500; i++)
        CHECK(do_one(store, cq, WEIR_SET, "a") == WEIR_OK);
    for (int i = 0; i < 4; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    weir_store_free(store);
    weir_cq_free(cq);
}

int main(void)
{
    deadline_s(200);
    tree();
    reload();
    breaker();
    others();
    stuck();
    crowd();
    return 0;
}

/* once.c -- promise 1: exactly one completion for every accepted batch, however
 * workers, sessions, answers, cancels and close misbehave. */
#include <pthread.h>

#include "harness.h"

enum { HOSTS = 3, ITEMS = 40 };

static struct script script;
static struct weir_store *store;
static _Atomic bool stop;
static _Atomic uint64_t accepted, completed, orphaned;

/* xorshift, a state a thread: the program is the same each time but for the
 * order of threads. */
static uint32_t draw(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

static void check_answered(const struct weir_batch *b)
{
    uint32_t errors = 0;

    for (uint32_t i = 0; i < b->n; i++) {
        const struct weir_item *item = &b->items[i];
        const struct weir_status_info *info = weir_status_info(item->status);

        CHECK(info != NULL);
        errors += info->klass == WEIR_CLASS_ERROR;
        if (b->op == WEIR_GET && item->status == WEIR_OK && item->data == NULL)
            CHECK(item->value->size == 32 &&
                  item->value->data[0] == item->key[0]);
    }
    CHECK(b->errors == errors);
    CHECK((errors > 0) == (b->error.message[0] != '\0'));
}

static void drain(struct weir_cq *cq, uint64_t timeout_ns)
{
    struct weir_batch *out[8];
    int n;

    weir_cq_wait(cq, timeout_ns);
    while ((n = weir_cq_drain(cq, out, 8)) > 0) {
        for (int i = 0; i < n; i++) {
            CHECK(out[i]->tag == 1); /* the second time it would be 2 */
            out[i]->tag = 2;
            check_answered(out[i]);
            atomic_fetch_add(&completed, 1);
            weir_batch_free(out[i]);
        }
    }
}

static void submit_one(struct weir_cq *cq, uint32_t *seed)
{
    static const uint32_t OPS[] = {WEIR_GET, WEIR_SET, WEIR_EXISTS};
    uint32_t n = 1 + draw(seed) % ITEMS;
    char prefix[2] = {(char)('a' + draw(seed) % 26), '\0'};
    struct weir_batch *b = keyed_batch(OPS[draw(seed) % 3], n, prefix);
    int rc;

    b->tag = 1;
    if (draw(seed) % 4 == 0)
        b->deadline_ns = weir_now() + draw(seed) % (2 * MS);
    rc = weir_submit(store, cq, b);
    if (rc != 0) {
        CHECK(rc == -ESHUTDOWN || rc == -EAGAIN);
        CHECK(b->items[0].status == WEIR_SKIPPED ||
              b->items[0].status == WEIR_BUSY);
        weir_batch_free(b);
        return;
    }
    atomic_fetch_add(&accepted, 1);
    if (draw(seed) % 8 == 0) {
        weir_batch_cancel(b);
    } else if (draw(seed) % 16 == 0) {
        atomic_fetch_add(&orphaned, 1);
        weir_batch_free(b);
    }
}

static void *host(void *arg)
{
    uint32_t seed = 2463534242u + (uint32_t)(uintptr_t)arg;
    struct weir_cq *cq = new_cq();

    while (!stop) {
        submit_one(cq, &seed);
        drain(cq, draw(&seed) % 4 == 0 ? MS / 10 : 0);
    }
    while (weir_cq_pending(cq) > 0)
        drain(cq, SECOND);
    weir_cq_free(cq);
    return NULL;
}

static void one_run(uint32_t ms, int mode)
{
    pthread_t threads[HOSTS];

    accepted = completed = orphaned = 0;
    stop = false;
    script.closes = script.connects = script.disconnects = 0;
    store = open_scripted(&script, "workers=3", "queue=200", "backoff=1ms",
                          "max_backoff=4ms", "slice_items=16", NULL);
    for (uintptr_t i = 0; i < HOSTS; i++)
        CHECK(pthread_create(&threads[i], NULL, host, (void *)i) == 0);
    for (uint32_t i = 0; i < ms / 10; i++) {
        script.refuse_connects = i % 7 == 0 ? 2 : 0;
        script.answer = i % 5 == 0 ? ANSWER_WELL : ANSWER_RANDOM;
        script.hold = i % 11 == 0;
        nap_ms(10);
    }
    script.hold = false;
    CHECK(weir_close(store, weir_now() + SECOND, mode) == 0);
    CHECK(weir_close(store, 0, mode) == 0);
    stop = true;
    for (int i = 0; i < HOSTS; i++)
        pthread_join(threads[i], NULL);
    CHECK(accepted > 0 && completed + orphaned == accepted);
    CHECK(script.closes == 1 && script.inside == 0);
    weir_store_free(store);
}

int main(void)
{
    const char *soak = getenv("WEIR_SOAK");
    uint32_t ms = soak != NULL ? (uint32_t)atoi(soak) * 500 : 1500;

    deadline_s(200 + ms / 250);
    one_run(ms, WEIR_CLOSE_DRAIN);
    one_run(ms, WEIR_CLOSE_FAIL);
    return 0;
}

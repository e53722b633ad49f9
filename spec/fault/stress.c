/* stress.c -- sessions that break, hang and lie, under several workers: every
 * batch comes back once with every item answered, and closing in the middle of
 * it ends in time. Run it under the sanitizers. */
#include <string.h>

#include "../check.h"
#include "weir.h"

enum { BATCHES = 32, ITEMS = 20, KEYS = 500 };

static struct weir_store *open_fault(void)
{
    static const struct weir_setting SETTINGS[] = {
        {"rate", "0.05"},         {"die", "0.02"},
        {"hang", "0.01"},         {"garbage", "0.05"},
        {"truncate", "0.05"},     {"applied", "true"},
        {"jitter", "50us"},       {"connect_failures", "3"},
        {"connect_rate", "0.02"}, {"workers", "3"},
        {"backoff", "1ms"},       {"max_backoff", "2ms"},
    };
    struct weir_error err;
    struct weir_store *store;
    int rc = weir_open(&store, "fault", SETTINGS,
                       sizeof SETTINGS / sizeof *SETTINGS, &err);

    if (rc < 0)
        fprintf(stderr, "%s\n", err.message);
    CHECK(rc == 0);
    return store;
}

static void fill(struct weir_batch *b, char (*keys)[8], uint64_t *random)
{
    static const uint32_t OPS[] = {WEIR_GET, WEIR_SET, WEIR_EXISTS, WEIR_SCAN};
    uint32_t op = OPS[random_below(random, 4)];

    CHECK(weir_batch_reset(b, op, ITEMS) == 0);
    b->deadline_ns = weir_now() + 20000000;
    for (uint32_t i = 0; i < ITEMS; i++) {
        struct weir_item *item = &b->items[i];

        snprintf(keys[i], sizeof keys[i], "k%03u",
                 (unsigned)random_below(random, KEYS));
        item->key = keys[i];
        item->key_len = op == WEIR_SCAN ? 3 : 4;
        if (op == WEIR_SET)
            item->value = weir_value_copy("0123456789", 10);
    }
}

static void check_answers(const struct weir_batch *b)
{
    for (uint32_t i = 0; i < b->n; i++) {
        const struct weir_item *item = &b->items[i];

        CHECK(weir_status_info(item->status) != NULL);
        if (b->op == WEIR_GET && item->status == WEIR_OK)
            CHECK(item->size == 10 || item->size == 5);
    }
}

/* Keep all batches in flight until the time is up; returns how many came. */
static uint64_t keep_busy(struct weir_store *store, struct weir_cq *cq,
                          struct weir_batch **batches, uint64_t until_ns)
{
    static char keys[BATCHES][ITEMS][8];
    uint64_t random = check_seed, done = 0;
    struct weir_batch *back[BATCHES];

    for (uint64_t i = 0; i < BATCHES; i++) {
        fill(batches[i], keys[i], &random);
        batches[i]->tag = i;
        CHECK(weir_submit(store, cq, batches[i]) == 0);
    }
    while (weir_now() < until_ns) {
        int n;

        CHECK(weir_cq_wait(cq, 5000000000) == 1);
        n = weir_cq_drain(cq, back, BATCHES);
        for (int i = 0; i < n; i++, done++) {
            uint64_t tag = back[i]->tag;

            check_answers(back[i]);
            fill(back[i], keys[tag], &random);
            back[i]->tag = tag;
            CHECK(weir_submit(store, cq, back[i]) == 0);
        }
    }
    return done;
}

static void drain_all(struct weir_cq *cq)
{
    struct weir_batch *back[BATCHES];
    int n = weir_cq_drain(cq, back, BATCHES);

    CHECK(n == BATCHES && weir_cq_pending(cq) == 0);
    for (int i = 0; i < n; i++)
        check_answers(back[i]);
}

int main(void)
{
    const char *soak = getenv("WEIR_SOAK");
    uint64_t seconds = soak != NULL ? strtoull(soak, NULL, 10) : 1;
    struct weir_store *store = open_fault();
    struct weir_batch *batches[BATCHES];
    struct weir_store_stats stats;
    struct weir_cq *cq;
    uint64_t done;

    check_seed = 5;
    CHECK(weir_cq_new(&cq) == 0);
    for (int i = 0; i < BATCHES; i++)
        batches[i] = weir_batch_new(ITEMS);
    done = keep_busy(store, cq, batches, weir_now() + seconds * 1000000000);
    CHECK(weir_close(store, weir_now(), WEIR_CLOSE_DRAIN) == 0);
    drain_all(cq);
    weir_store_stats(store, &stats);
    printf("%llu batches, %llu reconnects\n", (unsigned long long)done,
           (unsigned long long)stats.reconnects);
    CHECK(done > 10 && stats.reconnects > 3);
    for (int i = 0; i < BATCHES; i++)
        weir_batch_free(batches[i]);
    weir_store_free(store);
    weir_cq_free(cq);
    return 0;
}

/* full.c -- a server that is full says -OOM to what is set, while values of
 * equal size that say whose they are are got through the same sessions: 100,000
 * of them, each verified. */
#include "server.h"

enum {
    KEYS = 1000,
    SIZE = 1024,
    BATCH = 50,
    FLIGHT = 8,
    GETS = 100000,
};

static void value_of(char *out, uint32_t i)
{
    memset(out, '.', SIZE);
    out[snprintf(out, SIZE, "value of %u", i)] = ' ';
}

static char keys[KEYS][16];

static void fill_gets(struct weir_batch *b, uint32_t *at)
{
    CHECK(weir_batch_reset(b, WEIR_GET, BATCH) == 0);
    for (uint32_t i = 0; i < BATCH; i++) {
        b->items[i].key = keys[*at];
        b->items[i].key_len = (uint32_t)strlen(keys[*at]);
        *at = (*at + 7) % KEYS;
    }
}

/* New keys, until there is no room for them, and then still more. */
static void fill_sets(struct weir_batch *b, uint32_t *at, uint64_t slot,
                      const char *bytes)
{
    static char names[FLIGHT][BATCH][24];

    CHECK(weir_batch_reset(b, WEIR_SET, BATCH) == 0);
    for (uint32_t i = 0; i < BATCH; i++) {
        char *name = names[slot][i];

        b->items[i].key_len =
            (uint32_t)snprintf(name, sizeof names[0][0], "new%u", (*at)++);
        b->items[i].key = name;
        b->items[i].data = (char *)bytes;
        b->items[i].size = SIZE;
    }
}

static void verify(const struct weir_batch *b)
{
    char want[SIZE];

    for (uint32_t i = 0; i < b->n; i++) {
        const struct weir_item *item = &b->items[i];
        char number[16] = "";

        memcpy(number, item->key + 1, item->key_len - 1);
        CHECK(item->status == WEIR_OK && item->size == SIZE);
        value_of(want, (uint32_t)atoi(number));
        CHECK(memcmp(item->value->data, want, SIZE) == 0);
    }
}

static void store_values(struct weir_store *s, struct weir_cq *cq)
{
    struct weir_batch *b = weir_batch_new(KEYS);
    char *bytes = malloc((size_t)KEYS * SIZE);

    CHECK(weir_batch_reset(b, WEIR_SET, KEYS) == 0);
    for (uint32_t i = 0; i < KEYS; i++) {
        snprintf(keys[i], sizeof keys[i], "k%u", i);
        value_of(bytes + (size_t)i * SIZE, i);
        b->items[i].key = keys[i];
        b->items[i].key_len = (uint32_t)strlen(keys[i]);
        b->items[i].data = bytes + (size_t)i * SIZE;
        b->items[i].size = SIZE;
    }
    go(s, cq, b);
    CHECK(count_status(b, WEIR_OK) == KEYS);
    free(bytes);
    weir_batch_free(b);
}

static void everything(struct weir_store *s, struct weir_cq *cq)
{
    uint32_t got = 0, sent = 0, full = 0, at = 0, name = 0;
    struct weir_batch *batches[FLIGHT], *b;
    char bytes[SIZE] = {0};

    for (uint32_t i = 0; i < FLIGHT; i++) {
        batches[i] = weir_batch_new(BATCH);
        fill_gets(batches[i], &at);
        batches[i]->tag = i;
        CHECK(weir_submit(s, cq, batches[i]) == 0);
    }
    for (uint32_t open = FLIGHT; open > 0; open--) {
        uint64_t slot;

        b = next_done(cq);
        slot = b->tag;
        if (b->items->data == NULL) {
            verify(b);
            got += BATCH;
        } else {
            uint32_t refused = count_status(b, WEIR_NOSPACE);

            CHECK(refused + count_status(b, WEIR_OK) == BATCH);
            CHECK(refused == 0 || strstr(b->error.message, "-OOM ") != NULL);
            full += refused;
        }
        if (got >= GETS)
            continue;
        if (slot % 4 == 0)
            fill_sets(b, &name, slot, bytes);
        else
            fill_gets(b, &at);
        b->tag = slot;
        CHECK(weir_submit(s, cq, b) == 0);
        sent++;
        open++;
    }
    CHECK(full > 10000 && sent > GETS / BATCH);
    for (uint32_t i = 0; i < FLIGHT; i++)
        weir_batch_free(batches[i]);
}

int main(void)
{
    struct weir_store_stats stats;
    struct weir_store *s;
    struct server server;
    struct weir_cq *cq;

    deadline_s(200);
    server_start(&server, "--maxmemory", "8mb", "--maxmemory-policy",
                 "noeviction", NULL);
    cq = new_cq();
    s = open_redis(server.url, "workers=4", NULL);
    store_values(s, cq);
    everything(s, cq);
    weir_store_stats(s, &stats);
    CHECK(stats.reconnects == 0);
    weir_store_free(s);
    weir_cq_free(cq);
    server_stop(&server);
    return 0;
}

/* both_ways.c -- large values go both ways on one connection while the server
 * stops for a while: nobody waits for the other for ever, and nothing is lost.
 * A thousand sets of 4 MiB, and 250 gets of what they set; fewer under a
 * sanitizer. */
#include "server.h"

enum { SIZE = 4 << 20, KEYS = 8, BATCH = 25, FLIGHT = 4 };

static char *values[KEYS];

static void fill(struct weir_batch *b, int set)
{
    static char names[KEYS][8];

    CHECK(weir_batch_reset(b, set ? WEIR_SET : WEIR_GET, BATCH) == 0);
    for (uint32_t i = 0; i < BATCH; i++) {
        snprintf(names[i % KEYS], sizeof names[0], "big%u", i % KEYS);
        b->items[i].key = names[i % KEYS];
        b->items[i].key_len = 4;
        if (set) {
            b->items[i].data = values[i % KEYS];
            b->items[i].size = SIZE;
        }
    }
}

static void verify(struct weir_batch *b)
{
    CHECK(count_status(b, WEIR_OK) == BATCH);
    for (uint32_t i = 0; i < BATCH && b->items->data == NULL; i++) {
        const struct weir_value *v = b->items[i].value;

        CHECK(v->size == SIZE);
        CHECK(memcmp(v->data, values[i % KEYS], SIZE) == 0);
    }
}

int main(int argc, char **argv)
{
    uint32_t total = argc > 1    ? (uint32_t)atoi(argv[1])
                     : SANITIZED ? 400
                                 : 1250;
    uint32_t sent = 0, ended = 0;
    struct weir_batch *b;
    struct weir_store *s;
    struct server server;
    struct weir_cq *cq;

    deadline_s(200);
    server_start(&server, NULL);
    cq = new_cq();
    s = open_redis(server.url, "workers=1", "queue_bytes=16GiB", NULL);
    for (int i = 0; i < KEYS; i++) {
        values[i] = malloc(SIZE);
        memset(values[i], 'a' + i, SIZE);
    }
    for (; sent < FLIGHT * BATCH; sent += BATCH) {
        b = weir_batch_new(BATCH);
        fill(b, sent / BATCH % 5 != 1);
        CHECK(weir_submit(s, cq, b) == 0);
        if (sent == 0)
            CHECK(next_done(cq) == b && weir_submit(s, cq, b) == 0);
    }
    while (ended < total) {
        CHECK(weir_cq_wait(cq, 20ull * SECOND) == 1);
        if (weir_cq_drain(cq, &b, 1) == 0)
            continue;
        verify(b);
        ended += BATCH;
        if (ended == total / 2) {
            kill(server.pid, SIGSTOP);
            nap_ms(300);
            kill(server.pid, SIGCONT);
        }
        if (sent >= total) {
            weir_batch_free(b);
            continue;
        }
        fill(b, sent / BATCH % 5 != 1);
        CHECK(weir_submit(s, cq, b) == 0);
        sent += BATCH;
    }
    for (int i = 0; i < KEYS; i++)
        free(values[i]);
    weir_store_free(s);
    weir_cq_free(cq);
    server_stop(&server);
    return 0;
}

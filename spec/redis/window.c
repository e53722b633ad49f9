/* window.c -- what a server must hold of replies that we do not read yet: some
 * values, never a whole batch, also when so many keys were not there that none
 * is expected, and when none has been seen. */
#include "server.h"

enum { VALUES = 128, SIZE = 1 << 20 };

static struct weir_cq *cq;
static struct server server;

static long memory(const char *name)
{
    char line[128];
    long bytes = 0;
    FILE *p;

    snprintf(
        line, sizeof line,
        "redis-cli -p %d info memory | sed -n 's/^%s:\\([0-9]*\\).*/\\1/p'",
        server.port, name);
    p = popen(line, "r");
    CHECK(p != NULL && fscanf(p, "%ld", &bytes) == 1);
    pclose(p);
    return bytes;
}

static void store_values(struct weir_store *s)
{
    struct weir_batch *b = keyed_batch(WEIR_SET, VALUES, "big");
    char *bytes;

    b->items[0].value = weir_value_new(SIZE, &bytes);
    memset(bytes, 'b', SIZE);
    for (uint32_t i = 1; i < VALUES; i++)
        b->items[i].value = weir_value_ref(b->items[0].value);
    go(s, cq, b);
    CHECK(count_status(b, WEIR_OK) == VALUES);
    weir_batch_free(b);
}

static void get(struct weir_store *s, const char *prefix, int status)
{
    struct weir_batch *b = keyed_batch(WEIR_GET, VALUES, prefix);

    go(s, cq, b);
    CHECK(count_status(b, status) == VALUES);
    weir_batch_free(b);
}

/* The most that the server held beside its data so far. */
static long most_held(void)
{
    return memory("used_memory_peak") - memory("used_memory");
}

/* Values among many misses, on sessions that take turns or one alone. */
static void some_are_there(const char *workers)
{
    struct weir_store *s = open_redis(server.url, workers, NULL);

    for (int i = 0; i < 4; i++) {
        get(s, "big", WEIR_OK);
        get(s, "nowhere", WEIR_MISS);
        get(s, "nowhere", WEIR_MISS);
    }
    weir_store_free(s);
}

int main(void)
{
    struct weir_store *s;

    deadline_s(200);
    server_start(&server, NULL);
    cq = new_cq();
    s = open_redis(server.url, "workers=1", NULL);
    store_values(s);
    weir_store_free(s);
    some_are_there("workers=1");
    some_are_there("workers=2");
    CHECK(most_held() < 24 * SIZE);
    s = open_redis(server.url, "workers=1", NULL);
    for (int i = 0; i < 4; i++)
        get(s, "nowhere", WEIR_MISS);
    get(s, "big", WEIR_OK);
    CHECK(most_held() < 72 * SIZE);
    weir_store_free(s);
    weir_cq_free(cq);
    server_stop(&server);
    return 0;
}

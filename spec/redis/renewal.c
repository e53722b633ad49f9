/* renewal.c -- errors that say that another server should be asked: the session
 * is replaced, but not more than once a second. */
#include "scripted_server.h"

static struct weir_cq *cq;
static struct weir_batch *b;
static struct script_server server;

/* Asks again and again for ms milliseconds, and until that has made so many
 * connections; returns how many it made. */
static int connections(struct weir_store *s, int least, uint64_t ms, int status)
{
    uint64_t until = weir_now() + ms * MS;
    int before = atomic_load(&server.accepted);

    while (weir_now() < until ||
           atomic_load(&server.accepted) - before < least) {
        CHECK(ask(s, cq, b, WEIR_SET, "key") == status);
        nap_ms(10);
    }
    return atomic_load(&server.accepted) - before;
}

static void say(const char *words)
{
    atomic_store(&server.commands, 0);
    server.position = -1;
    server.nonsense = words;
}

static struct weir_store *open_store(const char *url)
{
    struct weir_store *s = open_redis(url, "workers=1", NULL);

    server.nonsense = NULL;
    CHECK(ask(s, cq, b, WEIR_SET, "key") == WEIR_OK);
    return s;
}

/* At once, if the session is not young. */
static void failed_over(const char *url, const char *words, int status)
{
    struct weir_store *s = open_store(url);
    uint64_t start;
    int n;

    nap_ms(1050);
    say(words);
    start = weir_now();
    n = connections(s, 1, 400, status);
    CHECK((uint64_t)n <= 1 + (weir_now() - start) / SECOND);
    start = weir_now();
    n = connections(s, 1, 1300, status);
    CHECK((uint64_t)n <= 1 + (weir_now() - start) / SECOND);
    server.nonsense = NULL;
    CHECK(connections(s, 0, 50, WEIR_OK) <= 1);
    weir_store_free(s);
}

/* When it does not pass. */
static void for_long(const char *url, const char *words, int status)
{
    struct weir_store *s = open_store(url);
    uint64_t start = weir_now();
    int n;

    nap_ms(1050);
    say(words);
    CHECK(ask(s, cq, b, WEIR_GET, "key") == status);
    n = atomic_load(&server.accepted);
    CHECK(ask(s, cq, b, WEIR_GET, "key") == status);
    CHECK(atomic_load(&server.accepted) == n || weir_now() - start > SECOND);
    CHECK(EVENTUALLY(ask(s, cq, b, WEIR_GET, "key") == status &&
                     atomic_load(&server.accepted) > n));
    weir_store_free(s);
}

/* What says nothing about the server keeps the session. */
static void kept(const char *url, const char *words, int status)
{
    struct weir_store *s = open_store(url);

    nap_ms(1050);
    say(words);
    CHECK(connections(s, 0, 1500, status) == 0);
    weir_store_free(s);
}

/* Batches on their way are answered before the session goes. */
static void in_flight(const char *url)
{
    struct weir_store *s = open_store(url);
    struct weir_batch *many[20];

    nap_ms(1050);
    say("-READONLY You can't write against a read only replica.\r\n");
    server.position = 3;
    for (int i = 0; i < 20; i++) {
        many[i] = keyed_batch(WEIR_EXISTS, 1, "key");
        CHECK(weir_submit(s, cq, many[i]) == 0);
    }
    for (int i = 0; i < 20; i++)
        next_done(cq);
    for (int i = 0; i < 20; i++) {
        CHECK(count_status(many[i], i == 3 ? WEIR_UNAVAILABLE : WEIR_OK) == 1);
        weir_batch_free(many[i]);
    }
    weir_store_free(s);
}

int main(void)
{
    char url[64];

    deadline_s(200);
    cq = new_cq();
    b = weir_batch_new(1);
    script_start(&server);
    snprintf(url, sizeof url, "redis://127.0.0.1:%d", server.port);
    failed_over(url, "-READONLY You can't write against a replica.\r\n",
                WEIR_UNAVAILABLE);
    failed_over(url, "-NOAUTH Authentication required.\r\n", WEIR_DENIED);
    for_long(url, "-LOADING Redis is loading the dataset in memory\r\n",
             WEIR_BUSY);
    for_long(url, "-MASTERDOWN Link with MASTER is down\r\n", WEIR_UNAVAILABLE);
    kept(url, "-OOM command not allowed\r\n", WEIR_NOSPACE);
    in_flight(url);
    script_stop(&server);
    weir_batch_free(b);
    weir_cq_free(cq);
    return 0;
}

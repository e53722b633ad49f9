/* unreachable.c -- servers that cannot be found or do not answer: a clear
 * status within the deadline; and what to do about names with several
 * addresses. */
#include <dlfcn.h>
#include <netdb.h>

#include "scripted_server.h"

static struct weir_cq *cq;
static struct weir_batch *b;

/* A connect that hangs: the batch's own deadline and connect_timeout call it
 * the same, and a close that drops what is queued waits for neither. */
static void hangs(const char *url)
{
    struct weir_store *s = open_redis(url, "workers=1", "connect_timeout=200ms",
                                      "verify=false", NULL);
    uint64_t start;

    CHECK(ask(s, cq, b, WEIR_GET, "key") == WEIR_UNAVAILABLE);
    CHECK(strstr(b->error.message, "no connection in time") != NULL);
    weir_store_free(s);
    s = open_redis(url, "workers=1", "connect_timeout=60s", "verify=false",
                   NULL);
    one(b, WEIR_GET, "key");
    b->deadline_ns = weir_now() + 50 * MS;
    go(s, cq, b);
    CHECK(b->items->status == WEIR_UNAVAILABLE);
    CHECK(strstr(b->error.message, "no connection in time") != NULL);
    one(b, WEIR_GET, "key");
    CHECK(weir_submit(s, cq, b) == 0);
    start = weir_now();
    CHECK(weir_close(s, start + 50ull * SECOND, WEIR_CLOSE_FAIL) == 0);
    CHECK(weir_now() - start < PATIENCE);
    CHECK(next_done(cq) == b && b->items->status == WEIR_SKIPPED);
    weir_store_free(s);
}

/* ---- names, as this program's resolver knows them ---- */

typedef int lookup(const char *host, const char *port,
                   const struct addrinfo *hints, struct addrinfo **out);

static _Atomic bool lookups_end;
static _Atomic int lookups; /* of "slow.test", in progress */

static void look_up_slowly(void)
{
    atomic_fetch_add(&lookups, 1);
    while (!atomic_load(&lookups_end))
        nap_ms(1);
    atomic_fetch_sub(&lookups, 1);
}

/* "two.test" is 127.0.0.2, where nobody listens, and then 127.0.0.1; to find
 * "slow.test" takes until lookups_end. The connector's calls arrive here. */
__attribute__((visibility("default"))) int
getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
            struct addrinfo **out)
{
    lookup *real = (lookup *)dlsym(RTLD_NEXT, "getaddrinfo");
    int rc;

    if (hints->ai_flags & AI_NUMERICHOST)
        return real(host, port, hints, out);
    if (strcmp(host, "slow.test") == 0)
        look_up_slowly();
    else if (strcmp(host, "two.test") != 0)
        return real(host, port, hints, out);
    rc = real("127.0.0.2", port, hints, out);
    return rc != 0 ? rc : real("127.0.0.1", port, hints, &(*out)->ai_next);
}

static void names(void)
{
    struct script_server scripted;
    struct weir_store *s;
    char url[64];

    script_start(&scripted);
    snprintf(url, sizeof url, "redis://two.test:%d", scripted.port);
    s = open_redis(url, NULL);
    CHECK(ask(s, cq, b, WEIR_EXISTS, "key") == WEIR_OK);
    weir_store_free(s);
    script_stop(&scripted);
    s = open_redis(url, NULL);
    CHECK(ask(s, cq, b, WEIR_EXISTS, "key") == WEIR_UNAVAILABLE);
    CHECK(strstr(b->error.message, "127.0.0.1") != NULL);
    weir_store_free(s);
    s = open_redis("redis://slow.test", "connect_timeout=100ms", NULL);
    CHECK(ask(s, cq, b, WEIR_EXISTS, "key") == WEIR_UNAVAILABLE);
    weir_store_free(s);
    hangs("redis://slow.test");
    CHECK(atomic_load(&lookups) > 0); /* they delayed no one */
    atomic_store(&lookups_end, true);
    CHECK(EVENTUALLY(atomic_load(&lookups) == 0));
    nap_ms(20); /* for what is freed after a lookup */
}

/* ---- places ---- */

static void nobody(void)
{
    struct weir_store *s;
    char url[64];

    snprintf(url, sizeof url, "redis://127.0.0.1:%d", free_port());
    s = open_redis(url, NULL);
    CHECK(ask(s, cq, b, WEIR_GET, "key") == WEIR_UNAVAILABLE);
    CHECK(strstr(b->error.message, "Connection refused") != NULL);
    weir_store_free(s);
    s = open_redis("redis://no-such-host.invalid", "connect_timeout=1s", NULL);
    CHECK(ask(s, cq, b, WEIR_GET, "key") == WEIR_UNAVAILABLE);
    CHECK(strstr(b->error.message, "no-such-host.invalid") != NULL);
    weir_store_free(s);
    s = open_redis("redis+unix:///nowhere/redis.sock", NULL);
    CHECK(ask(s, cq, b, WEIR_GET, "key") == WEIR_UNAVAILABLE);
    weir_store_free(s);
}

/* A listener that never accepts: first its queue has room, then it has not. */
static void deaf(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    int listener = socket(AF_INET, SOCK_STREAM, 0), full[4];
    struct weir_store *s;
    char url[64], secure[64];
    uint64_t start;

    CHECK(bind(listener, (struct sockaddr *)&a, sizeof a) == 0);
    CHECK(listen(listener, 0) == 0);
    CHECK(getsockname(listener, (struct sockaddr *)&a, &len) == 0);
    snprintf(url, sizeof url, "redis://127.0.0.1:%d", ntohs(a.sin_port));
    snprintf(secure, sizeof secure, "rediss://127.0.0.1:%d", ntohs(a.sin_port));
    for (int round = 0; round < 2; round++) {
        s = open_redis(url, "workers=1", "connect_timeout=200ms", NULL);
        start = weir_now();
        CHECK(ask(s, cq, b, WEIR_GET, "key") == WEIR_UNAVAILABLE);
        CHECK(weir_now() - start > 150 * MS);
        weir_store_free(s);
        hangs(url);
        hangs(secure);
        for (int i = 0; i < 4 && round == 0; i++) {
            full[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
            connect(full[i], (struct sockaddr *)&a, sizeof a);
        }
    }
    for (int i = 0; i < 4; i++)
        close(full[i]);
    close(listener);
}

/* The server ends its half of the connection and goes on listening. */
static void half_closed(void)
{
    struct script_server scripted;
    struct weir_store *s;
    char url[64];

    script_start(&scripted);
    snprintf(url, sizeof url, "redis://127.0.0.1:%d", scripted.port);
    s = open_redis(url, "workers=1", "backoff=1ms", "max_backoff=2ms", NULL);
    CHECK(ask(s, cq, b, WEIR_EXISTS, "key") == WEIR_OK);
    atomic_store(&scripted.commands, 0);
    scripted.position = 0;
    scripted.half_close = 1;
    scripted.nonsense = ":1\r\n";
    CHECK(ask(s, cq, b, WEIR_EXISTS, "key") == WEIR_OK);
    nap_ms(5);
    scripted.half_close = 0;
    CHECK(ask(s, cq, b, WEIR_EXISTS, "key") == WEIR_OK);
    CHECK(atomic_load(&scripted.accepted) == 2);
    weir_store_free(s);
    script_stop(&scripted);
}

/* It does so with replies due, and with a large value half sent. */
static void half_closed_amid(void)
{
    size_t size = 16 << 20;
    char *bytes = calloc(1, size);
    struct script_server scripted;
    struct weir_store *s;
    struct weir_batch *gets;
    char url[64];

    script_start(&scripted);
    snprintf(url, sizeof url, "redis://127.0.0.1:%d", scripted.port);
    s = open_redis(url, "workers=1", "backoff=1ms", "max_backoff=2ms", NULL);
    CHECK(ask(s, cq, b, WEIR_EXISTS, "key") == WEIR_OK);
    atomic_store(&scripted.commands, 0);
    scripted.position = 2;
    scripted.half_close = scripted.silent = 1;
    scripted.nonsense = "";
    gets = keyed_batch(WEIR_GET, 4, "key");
    one(b, WEIR_SET, "large")->data = bytes;
    b->items->size = size;
    CHECK(weir_submit(s, cq, gets) == 0 && weir_submit(s, cq, b) == 0);
    next_done(cq);
    next_done(cq);
    CHECK(gets->items[0].status == WEIR_OK && gets->items[1].status == WEIR_OK);
    CHECK(count_status(gets, WEIR_RESET) == 2);
    CHECK(b->items->status == WEIR_UNAVAILABLE ||
          b->items->status == WEIR_RESET); /* it had left whole, even so */
    scripted.nonsense = NULL;
    scripted.half_close = scripted.silent = 0;
    CHECK(EVENTUALLY(ask(s, cq, b, WEIR_EXISTS, "key") == WEIR_OK));
    weir_batch_free(gets);
    weir_store_free(s);
    script_stop(&scripted);
    free(bytes);
}

int main(void)
{
    deadline_s(200);
    cq = new_cq();
    b = weir_batch_new(1);
    names();
    nobody();
    deaf();
    half_closed();
    half_closed_amid();
    weir_batch_free(b);
    weir_cq_free(cq);
    return 0;
}

/* faults.c -- what happens to servers and networks happens to one of ours:
 * every batch completes once, with the status that fits, and the store recovers
 * by itself, holding no more descriptors than before. */

#include "../descriptors.h"
#include "server.h"

static struct weir_cq *cq;
static struct weir_batch *b;
static struct server server;

static int command(const char *words)
{
    char line[256];

    snprintf(line, sizeof line, "redis-cli -p %d %s >/dev/null 2>&1",
             server.port, words);
    return system(line);
}

static struct weir_store *open_store(const char *option)
{
    return open_redis(server.url, "backoff=10ms", "max_backoff=50ms",
                      "read_timeout=1s", "write_timeout=1s",
                      "connect_timeout=1s", option, NULL);
}

/* Recovery without help, well within what the backoff allows. */
static void recovers(struct weir_store *s)
{
    CHECK(EVENTUALLY(ask(s, cq, b, WEIR_SET, "key") == WEIR_OK));
    CHECK(EVENTUALLY(ask(s, cq, b, WEIR_GET, "key") == WEIR_OK));
    CHECK(memcmp(b->items->value->data, "value", 5) == 0);
}

/* Batches on their way while something happens; counts their ends. */
static void during(struct weir_store *s, void (*happens)(void),
                   const int *allowed)
{
    struct weir_batch *many[40], *done;

    for (int i = 0; i < 40; i++) {
        many[i] = keyed_batch(i % 2 ? WEIR_GET : WEIR_EXISTS, 20, "key");
        CHECK(weir_submit(s, cq, many[i]) == 0);
        if (i == 10)
            happens();
    }
    for (int i = 0; i < 40; i++)
        done = next_done(cq);
    (void)done;
    CHECK(weir_cq_pending(cq) == 0);
    for (int i = 0; i < 40; i++) {
        for (uint32_t k = 0; k < many[i]->n; k++) {
            const int *a = allowed;

            while (*a != 0 && *a != many[i]->items[k].status)
                a++;
            CHECK(*a != 0);
        }
        weir_batch_free(many[i]);
    }
}

static const int BROKEN[] = {
    WEIR_OK,      WEIR_MISS,    WEIR_RESET, WEIR_UNAVAILABLE,
    WEIR_TIMEOUT, WEIR_SKIPPED, 0};

static void stop_server(void)
{
    kill(server.pid, SIGSTOP);
}

static void kill_server(void)
{
    server_kill(&server);
}

static void stopped(struct weir_store *s)
{
    struct weir_item *item;

    recovers(s);
    during(s, stop_server, BROKEN);
    item = one(b, WEIR_GET, "key");
    b->deadline_ns = weir_now() + 50 * MS;
    go(s, cq, b);
    CHECK(item->status == WEIR_TIMEOUT || item->status == WEIR_UNAVAILABLE ||
          item->status == WEIR_SKIPPED);
    kill(server.pid, SIGCONT);
    recovers(s);
}

/* A deadline comes before the timeout of the store, which would also end the
 * session. */
static void deadline(void)
{
    struct weir_store *s =
        open_redis(server.url, "workers=1", "read_timeout=60s", NULL);
    struct weir_store_stats stats;

    recovers(s);
    stop_server();
    one(b, WEIR_GET, "key");
    go_late(s, cq, b, 50);
    CHECK(b->items->status == WEIR_TIMEOUT);
    CHECK(weir_now() >= b->deadline_ns);
    kill(server.pid, SIGCONT);
    recovers(s);
    weir_store_stats(s, &stats);
    CHECK(stats.reconnects == 0);
    weir_store_free(s);
}

/* Silence is not over because there is more and more to ask. */
static void silent(void)
{
    enum { MOST = 400 };
    struct weir_store *s = open_store("workers=1");
    struct weir_batch *many[MOST], *first = NULL;
    uint64_t start;
    int n = 0;

    recovers(s);
    stop_server();
    start = weir_now();
    while (weir_cq_drain(cq, &first, 1) == 0) {
        CHECK(n < MOST);
        many[n] = keyed_batch(WEIR_GET, 1, "key");
        CHECK(weir_submit(s, cq, many[n++]) == 0);
        nap_ms(50);
    }
    CHECK(first == many[0] && first->items->status == WEIR_TIMEOUT);
    CHECK(weir_now() - start >= SECOND);
    while (weir_cq_pending(cq) > 0)
        next_done(cq);
    for (int i = 0; i < n; i++)
        weir_batch_free(many[i]);
    kill(server.pid, SIGCONT);
    recovers(s);
    weir_store_free(s);
}

/* A value that the server does not take: it gives up in time, and says that
 * nothing was applied. */
static void stuck(struct weir_store *s)
{
    size_t size = 64 << 20;
    char *bytes = calloc(1, size);
    struct weir_item *item;

    recovers(s);
    stop_server();
    item = one(b, WEIR_SET, "key");
    item->data = bytes;
    item->size = size;
    go(s, cq, b);
    CHECK(item->status == WEIR_SKIPPED);
    kill(server.pid, SIGCONT);
    CHECK(EVENTUALLY(ask(s, cq, b, WEIR_GET, "key") == WEIR_OK));
    CHECK(b->items->size == 5);
    free(bytes);
}

/* A value over the server's own limit: it says so when it has read how long it
 * is, and hangs up on the rest. What it answered before stands. */
static void over_limit(void)
{
    struct weir_store *s = open_store("workers=1");
    struct weir_batch *small = keyed_batch(WEIR_SET, 50, "limit");
    struct weir_batch *large = weir_batch_new(1);
    size_t size = 16 << 20;
    char *bytes = calloc(1, size);

    CHECK(command("config set proto-max-bulk-len 1mb") == 0);
    for (uint32_t i = 0; i < 50; i++) {
        small->items[i].data = bytes;
        small->items[i].size = 10;
    }
    go(s, cq, small);
    for (int i = 0; i < 10; i++) {
        recovers(s);
        weir_batch_free(small);
        small = keyed_batch(WEIR_GET, 50, "limit");
        one(large, WEIR_SET, "large")->data = bytes;
        large->items->size = size;
        CHECK(weir_submit(s, cq, small) == 0);
        CHECK(weir_submit(s, cq, large) == 0);
        next_done(cq);
        next_done(cq);
        CHECK(count_status(small, WEIR_OK) == 50);
        CHECK(large->items->status == WEIR_TOOBIG);
        CHECK(strstr(large->error.message, "invalid bulk length") != NULL);
    }
    CHECK(command("config set proto-max-bulk-len 512mb") == 0);
    weir_batch_free(small);
    weir_batch_free(large);
    weir_store_free(s);
    free(bytes);
}

static void killed(struct weir_store *s)
{
    char *none[] = {NULL};

    recovers(s);
    during(s, kill_server, BROKEN);
    CHECK(EVENTUALLY(ask(s, cq, b, WEIR_GET, "key") == WEIR_UNAVAILABLE &&
                     strstr(b->error.message, "Connection refused") != NULL));
    server_run(&server, none);
    recovers(s);
}

/* A session that the server closed while it was idle is not used again. */
static void closed_idle(struct weir_store *s)
{
    recovers(s);
    CHECK(command("client kill type normal") == 0);
    CHECK(ask(s, cq, b, WEIR_GET, "key") == WEIR_OK);
    CHECK(command("config set timeout 1") == 0);
    recovers(s);
    nap_ms(2300);
    CHECK(ask(s, cq, b, WEIR_GET, "key") == WEIR_OK);
    CHECK(command("config set timeout 0") == 0);
}

static long resident(void)
{
    FILE *f = fopen("/proc/self/statm", "r");
    long pages = 0;

    CHECK(f != NULL && fscanf(f, "%*d %ld", &pages) == 1);
    fclose(f);
    return pages * sysconf(_SC_PAGESIZE);
}

#ifdef __SANITIZE_ADDRESS__ /* which keeps what was freed, and finds leaks */
enum { GROWTH = 1 << 30 };
#else
enum { GROWTH = 4 << 20 };
#endif

/* A hundred reconnects leave nothing behind. One worker: another one's connect
 * might be what is killed, and put off the next. */
static void reconnects(void)
{
    struct weir_store *s = open_store("workers=1");
    long before = 0;
    int open;

    recovers(s);
    open = count_descriptors();
    for (int i = 0; i < 120; i++) {
        if (i == 20)
            before = resident();
        CHECK(command("client kill type normal") == 0);
        CHECK(ask(s, cq, b, WEIR_GET, "key") == WEIR_OK);
    }
    CHECK(count_descriptors() <= open);
    CHECK(resident() - before < GROWTH);
    weir_store_free(s);
}

static void paused(struct weir_store *s)
{
    recovers(s);
    CHECK(command("client pause 100 all") == 0);
    CHECK(ask(s, cq, b, WEIR_GET, "key") == WEIR_OK);
    CHECK(command("client pause 3000 all") == 0);
    CHECK(ask(s, cq, b, WEIR_GET, "key") == WEIR_TIMEOUT);
    recovers(s);
}

static void passwords(void)
{
    struct weir_store *s = open_store("password=right");

    CHECK(ask(s, cq, b, WEIR_GET, "key") == WEIR_DENIED);
    CHECK(command("config set requirepass wrong") == 0);
    CHECK(EVENTUALLY(ask(s, cq, b, WEIR_GET, "key") == WEIR_DENIED &&
                     strstr(b->error.message, "-WRONGPASS") != NULL));
    CHECK(strstr(b->error.message, "right") == NULL);
    CHECK(command("-a wrong config set requirepass right") == 0);
    recovers(s);
    weir_store_free(s);
    s = open_store("workers=1");
    CHECK(ask(s, cq, b, WEIR_GET, "key") == WEIR_DENIED);
    CHECK(strstr(b->error.message, "-NOAUTH") != NULL);
    CHECK(command("-a right config set requirepass ''") == 0);
    recovers(s);
    weir_store_free(s);
}

/* Allowed to read, not to write; allowed nothing but the plain commands. */
static void permissions(void)
{
    struct weir_batch *many = keyed_batch(WEIR_SET, 20, "key");
    struct weir_store *s;
    char url[96];

    CHECK(command("acl setuser reader on '>pw' '~*' +@read +ping") == 0);
    CHECK(command("acl setuser plain on '>pw' '~*' +get +set +del +select") ==
          0);
    snprintf(url, sizeof url, "redis://reader:pw@127.0.0.1:%d", server.port);
    s = open_redis(url, NULL);
    CHECK(ask(s, cq, b, WEIR_GET, "key") == WEIR_OK);
    CHECK(ask(s, cq, b, WEIR_SET, "key") == WEIR_DENIED);
    CHECK(strstr(b->error.message, "-NOPERM") != NULL);
    CHECK(ask(s, cq, b, WEIR_GET, "key") == WEIR_OK);
    weir_store_free(s);
    snprintf(url, sizeof url, "redis://plain:pw@127.0.0.1:%d/2", server.port);
    s = open_redis(url, NULL);
    for (uint32_t i = 0; i < 20; i++) {
        many->items[i].data = (char *)"value";
        many->items[i].size = 5;
    }
    go(s, cq, many);
    CHECK(count_status(many, WEIR_OK) == 20);
    weir_batch_free(many);
    /* The next connection selects the database and logs in, too. */
    CHECK(command("client kill type normal") == 0);
    many = keyed_batch(WEIR_DELETE, 20, "key");
    go(s, cq, many);
    CHECK(count_status(many, WEIR_OK) == 20);
    weir_batch_free(many);
    weir_store_free(s);
}

static long calls(const char *name)
{
    char line[160];
    long n = 0;
    FILE *p;

    snprintf(line, sizeof line,
             "redis-cli -p %d info commandstats | "
             "sed -n 's/^cmdstat_%s:calls=\\([0-9]*\\).*/\\1/p'",
             server.port, name);
    p = popen(line, "r");
    if (fscanf(p, "%ld", &n) != 1)
        n = 0;
    pclose(p);
    return n;
}

/* One key that the user may not touch is no reason to do without the commands
 * for many. */
static void forbidden_key(void)
{
    struct weir_batch *many = keyed_batch(WEIR_GET, 20, "open");
    struct weir_store *s;
    char url[96];
    long mget, unlink;

    CHECK(command("acl setuser some on '>pw' '~open*' +@all") == 0);
    snprintf(url, sizeof url, "redis://some:pw@127.0.0.1:%d", server.port);
    s = open_redis(url, "workers=1", NULL);
    for (int i = 0; i < 3; i++) {
        weir_batch_free(many);
        many = keyed_batch(WEIR_GET, 20, "open");
        many->items[7].key = "secret";
        many->items[7].key_len = 6;
        go(s, cq, many);
        CHECK(count_status(many, WEIR_MISS) == 19);
        CHECK(many->items[7].status == WEIR_DENIED);
    }
    CHECK(ask(s, cq, b, WEIR_DELETE, "secret") == WEIR_DENIED);
    mget = calls("mget");
    unlink = calls("unlink");
    weir_batch_free(many);
    many = keyed_batch(WEIR_GET, 20, "open");
    go(s, cq, many);
    CHECK(count_status(many, WEIR_MISS) == 20);
    CHECK(ask(s, cq, b, WEIR_DELETE, "open") == WEIR_MISS);
    CHECK(calls("mget") > mget && calls("unlink") > unlink);
    weir_batch_free(many);
    weir_store_free(s);
}

/* Close with work on its way to a server that hangs: bounded, and complete. */
static void closed_hanging(void)
{
    struct weir_store *s = open_redis(server.url, "read_timeout=60s", NULL);
    struct weir_batch *many[8];
    uint64_t start;

    CHECK(ask(s, cq, b, WEIR_SET, "key") == WEIR_OK);
    stop_server();
    for (int i = 0; i < 8; i++) {
        many[i] = keyed_batch(WEIR_GET, 100, "key");
        CHECK(weir_submit(s, cq, many[i]) == 0);
    }
    start = weir_now();
    CHECK(weir_close(s, start + 100 * MS, WEIR_CLOSE_DRAIN) == 0);
    CHECK(weir_now() - start < PATIENCE);
    for (int i = 0; i < 8; i++)
        next_done(cq);
    for (int i = 0; i < 8; i++) {
        CHECK(count_status(many[i], WEIR_OK) == 0);
        CHECK(count_status(many[i], WEIR_PENDING) == 0);
        weir_batch_free(many[i]);
    }
    weir_store_free(s);
    kill(server.pid, SIGCONT);
}

int main(void)
{
    struct weir_store *s;
    int before;

    deadline_s(200);
    server_start(&server, NULL);
    cq = new_cq();
    b = weir_batch_new(1);
    before = count_descriptors();
    s = open_store("workers=2");
    deadline();
    stopped(s);
    stuck(s);
    killed(s);
    closed_idle(s);
    paused(s);
    weir_store_free(s);
    reconnects();
    silent();
    over_limit();
    passwords();
    permissions();
    forbidden_key();
    closed_hanging();
    CHECK(EVENTUALLY(count_descriptors() == before));
    weir_batch_free(b);
    weir_cq_free(cq);
    server_stop(&server);
    return 0;
}

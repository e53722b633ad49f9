/* late.c -- a call that is past its deadline ends alone: its neighbours on the
 * session get their own answers, and its memory is not touched any more. What
 * never ends on the server's side ends for the caller. */
#include "scripted_server.h"

enum { LARGE = 8 << 20 };

static struct weir_cq *cq;
static struct weir_batch *b;
static struct server server;

static uint64_t reconnects(struct weir_store *s)
{
    struct weir_store_stats stats;

    weir_store_stats(s, &stats);
    return stats.reconnects;
}

static uint64_t sessions(struct weir_store *s)
{
    struct weir_store_stats stats;

    weir_store_stats(s, &stats);
    return stats.sessions;
}

static struct weir_store *open_store(const char *url, const char *option)
{
    struct weir_store *s = open_redis(url, "workers=1", "backoff=1ms",
                                      "max_backoff=5ms", option, NULL);

    CHECK(ask(s, cq, b, WEIR_SET, "key") == WEIR_OK);
    return s;
}

static void stall(void)
{
    kill(server.pid, SIGSTOP);
}

static void go_on(void)
{
    kill(server.pid, SIGCONT);
}

/* A batch that is submitted while the server stalls ends at its deadline. */
static void ends_late(struct weir_store *s, struct weir_batch *late)
{
    go_late(s, cq, late, 50);
    CHECK(weir_now() >= late->deadline_ns);
    CHECK(strstr(late->error.message, "no answer in time") != NULL);
    CHECK(late->items[0].status == WEIR_TIMEOUT);
    for (uint32_t i = 1; i < late->n; i++)
        CHECK(late->items[i].status == WEIR_TIMEOUT ||
              (late->op == WEIR_GET && /* the window was full */
               late->items[i].status == WEIR_SKIPPED));
    weir_batch_free(late);
}

/* Calls without a deadline around a late one; true: they were answered as if
 * nothing had been. */
static void among_neighbours(struct weir_store *s, struct weir_batch *late)
{
    struct weir_batch *patient[9];
    uint64_t before = reconnects(s);

    stall();
    for (int i = 0; i < 8; i++) {
        patient[i] = keyed_batch(i % 2 ? WEIR_EXISTS : WEIR_GET, 1, "key");
        patient[i]->items[0].key_len = 3;
        CHECK(weir_submit(s, cq, patient[i]) == 0);
    }
    ends_late(s, late);
    patient[8] = keyed_batch(WEIR_GET, 1, "key");
    patient[8]->items[0].key_len = 3;
    CHECK(weir_submit(s, cq, patient[8]) == 0);
    go_on();
    for (int i = 0; i < 9; i++)
        next_done(cq);
    for (int i = 0; i < 9; i++) {
        const struct weir_item *item = patient[i]->items;

        CHECK(item->status == WEIR_OK);
        CHECK(patient[i]->op != WEIR_GET ||
              (item->value->size == 5 &&
               memcmp(item->value->data, "value", 5) == 0));
        weir_batch_free(patient[i]);
    }
    CHECK(reconnects(s) == before);
}

static void every_op(const char *url)
{
    static const uint32_t OPS[] = {WEIR_GET,  WEIR_EXISTS, WEIR_DELETE,
                                   WEIR_STAT, WEIR_TOUCH,  WEIR_SCAN};
    struct weir_store *s = open_store(url, "read_timeout=0");

    for (size_t i = 0; i < sizeof OPS / sizeof *OPS; i++) {
        among_neighbours(s, keyed_batch(OPS[i], 1, "other"));
        if (OPS[i] != WEIR_SCAN)
            among_neighbours(s, keyed_batch(OPS[i], 20, "other"));
    }
    weir_store_free(s);
}

/* Sets n large values, the store's own or lent, of which a part leaves. What
 * has begun arrives whole, though the caller changes its memory. */
static void half_sent(const char *url, uint32_t n, bool own)
{
    struct weir_store *s = open_store(url, "write_timeout=20s");
    struct weir_batch *late = keyed_batch(WEIR_SET, n, "large");
    char *lent = malloc(LARGE);
    const char *got;

    memset(lent, 'a', LARGE);
    for (uint32_t i = 0; i < n; i++) {
        char *bytes;

        late->items[i].data = lent;
        late->items[i].size = LARGE;
        if (own) {
            late->items[i].value = weir_value_new(LARGE, &bytes);
            memset(bytes, 'a', LARGE);
        }
    }
    stall();
    go_late(s, cq, late, 50);
    CHECK(late->items[0].status == WEIR_TIMEOUT);
    CHECK(count_status(late, WEIR_TIMEOUT) + count_status(late, WEIR_SKIPPED) ==
          n);
    weir_batch_free(late);
    memset(lent, 'b', LARGE);
    go_on();
    CHECK(ask(s, cq, b, WEIR_GET, "key") == WEIR_OK);
    CHECK(ask(s, cq, b, WEIR_GET, "large0") == WEIR_OK);
    CHECK(b->items->size == LARGE);
    got = b->items->value->data;
    CHECK(got[0] == 'a' && memcmp(got, got + 1, LARGE - 1) == 0);
    CHECK(reconnects(s) == 0);
    free(lent);
    weir_store_free(s);
}

/* ---- bounds ---- */

/* Silence for read_timeout ends a session that only late replies are due on. */
static void silent_for_long(void)
{
    struct weir_store *s = open_store(server.url, "read_timeout=1s");

    stall();
    ends_late(s, keyed_batch(WEIR_GET, 1, "key"));
    nap_ms(1100);
    one(b, WEIR_GET, "key");
    CHECK(weir_submit(s, cq, b) == 0);
    CHECK(EVENTUALLY(sessions(s) == 0));
    go_on();
    CHECK(next_done(cq) == b && b->items->status == WEIR_OK);
    weir_store_free(s);
}

/* Late replies that came while the session was idle are no silence. */
static void late_while_idle(void)
{
    struct weir_store *s = open_store(server.url, "read_timeout=1s");

    stall();
    ends_late(s, keyed_batch(WEIR_GET, 40, "key"));
    go_on();
    nap_ms(1100);
    CHECK(ask(s, cq, b, WEIR_GET, "key") == WEIR_OK);
    CHECK(reconnects(s) == 0);
    weir_store_free(s);
}

static void too_many(void)
{
    struct weir_store *s = open_redis(
        server.url, "workers=1", "backoff=1ms", "max_backoff=5ms",
        "multi=false", "read_timeout=0", "connect_timeout=200ms", NULL);
    bool gone = false; /* and cannot be replaced while the server stalls */
    uint32_t late = 0;

    CHECK(ask(s, cq, b, WEIR_SET, "key") == WEIR_OK);
    stall();
    while (late < 2000 && !gone) {
        struct weir_batch *many = keyed_batch(WEIR_EXISTS, 100, "key");

        many->deadline_ns = weir_now() + 20 * MS;
        go(s, cq, many);
        CHECK(count_status(many, WEIR_OK) == 0);
        gone = many->items[0].status == WEIR_UNAVAILABLE;
        late += count_status(many, WEIR_TIMEOUT); /* the others did not leave */
        CHECK(gone || count_status(many, WEIR_TIMEOUT) +
                              count_status(many, WEIR_SKIPPED) ==
                          100);
        weir_batch_free(many);
    }
    CHECK(late > 500 && late < 2000);
    go_on();
    CHECK(EVENTUALLY(ask(s, cq, b, WEIR_GET, "key") == WEIR_OK));
    CHECK(reconnects(s) >= 1);
    weir_store_free(s);
}

/* ---- payloads and pages ---- */

static _Atomic int let_go;
static char *payload;

static bool say(int fd, const char *bytes, size_t len)
{
    return send(fd, bytes, len, MSG_NOSIGNAL) == (ssize_t)len;
}

/* Half of a large value, the rest when it is wanted no more. */
static bool half_and_rest(int fd)
{
    char head[32];
    int n = snprintf(head, sizeof head, "$%d\r\n", LARGE);
    bool good = say(fd, head, (size_t)n) && say(fd, payload, LARGE / 2);

    while (!let_go)
        nap_ms(1);
    return good && say(fd, payload + LARGE / 2, LARGE / 2) &&
           say(fd, "\r\n", 2);
}

static bool endless(int fd, const char *head)
{
    bool good = say(fd, head, strlen(head));

    while (good)
        good = say(fd, payload, 1 << 20);
    return false;
}

static bool endless_value(int fd)
{
    return endless(fd, "$4294967296\r\n");
}

static bool endless_key(int fd)
{
    return endless(fd, "*2\r\n$1\r\n0\r\n*1000000\r\n$4294967296\r\n");
}

/* Sound keys without end. */
static bool page(int fd, const char *head)
{
    size_t len = 0;
    char *keys = malloc(1 << 20);
    bool good = say(fd, head, strlen(head));

    while (len + 1200 < 1 << 20)
        len += (size_t)sprintf(keys + len, "$1000\r\n%1000d\r\n", 1);
    while (good)
        good = say(fd, keys, len);
    free(keys);
    return false;
}

static bool endless_page(int fd)
{
    return page(fd, "*2\r\n$1\r\n0\r\n*1000000\r\n");
}

static bool absurd_page(int fd)
{
    return page(fd, "*2\r\n$1\r\n0\r\n*2000000000\r\n");
}

static void in_mid_payload(struct script_server *scripted, const char *url)
{
    struct weir_store *s = open_redis(url, "workers=1", NULL);
    struct weir_batch *next = keyed_batch(WEIR_EXISTS, 1, "key");
    char *lent = calloc(1, LARGE);

    for (int lend = 0; lend < 2; lend++) {
        CHECK(ask(s, cq, b, WEIR_EXISTS, "key") == WEIR_OK);
        let_go = 0;
        scripted->play = half_and_rest;
        one(b, WEIR_GET, "large");
        b->items->data = lend ? lent : NULL;
        b->items->cap = LARGE;
        go_late(s, cq, b, 100);
        CHECK(b->items->status == WEIR_TIMEOUT);
        memset(lent, 'b', LARGE);
        let_go = 1;
        scripted->play = NULL;
        weir_batch_reset(next, WEIR_GET, 1);
        next->items[0].key = "small";
        next->items[0].key_len = 5;
        go(s, cq, next);
        CHECK(next->items[0].status == WEIR_OK);
        CHECK(memcmp(next->items[0].value->data, "this is the value of small",
                     26) == 0);
        CHECK(lent[0] == 'b' && memcmp(lent, lent + 1, LARGE - 1) == 0);
    }
    CHECK(reconnects(s) == 0);
    weir_batch_free(next);
    weir_store_free(s);
    free(lent);
}

static long peak(void)
{
    char line[128];
    long kib = 0;
    FILE *f = fopen("/proc/self/status", "r");

    while (kib == 0 && fgets(line, sizeof line, f) != NULL)
        sscanf(line, "VmHWM: %ld", &kib);
    fclose(f);
    return kib;
}

/* As fast as the server talks: the deadline is kept, then close is. */
static void never_ending(struct script_server *scripted, const char *url,
                         uint32_t op, bool (*play)(int fd))
{
    struct weir_store *s = open_redis(url, "workers=1", NULL);
    struct weir_batch *other = keyed_batch(WEIR_EXISTS, 1, "key");
    long before = peak();

    CHECK(ask(s, cq, b, WEIR_EXISTS, "key") == WEIR_OK);
    scripted->play = play;
    one(b, op, "key");
    go_late(s, cq, b, 200);
    CHECK(b->items->status == WEIR_TIMEOUT || b->items->status == WEIR_RESET ||
          b->items->status == WEIR_TOOBIG); /* a page, in mid reply */
    CHECK(weir_submit(s, cq, other) == 0);
    nap_ms(50);
    CHECK(weir_close(s, weir_now() + 100 * MS, WEIR_CLOSE_FAIL) == 0);
    CHECK(next_done(cq) == other);
    CHECK(peak() - before < 192 << 10);
    scripted->play = NULL;
    weir_batch_free(other);
    weir_store_free(s);
}

/* A page that no server sends ends even without a deadline. */
static void absurd(struct script_server *scripted, const char *url)
{
    struct weir_store *s = open_redis(url, "workers=1", NULL);

    scripted->play = absurd_page;
    CHECK(ask(s, cq, b, WEIR_SCAN, "key") == WEIR_RESET);
    scripted->play = NULL;
    CHECK(ask(s, cq, b, WEIR_EXISTS, "key") == WEIR_OK);
    weir_store_free(s);
}

/* ---- max_value ---- */

static void too_big(const char *url, uint64_t size, const char *max)
{
    struct weir_store *s = open_store(url, NULL), *limited;
    struct weir_batch *many = keyed_batch(WEIR_GET, 20, "key");
    struct weir_item *item = one(b, WEIR_SET, "key7");
    char *bytes = calloc(1, size);
    long before;

    item->data = bytes;
    item->size = size;
    go(s, cq, b);
    for (int i = 0; i < 20; i++)
        many->items[i].key_len = i == 7 ? 4 : 3;
    limited = open_redis(url, "workers=1", max, NULL);
    before = peak();
    for (int i = 0; i < 2; i++) {
        if (i == 1)
            many->items[7].data = bytes;
        many->items[7].cap = size;
        go(limited, cq, many);
        CHECK(many->items[7].status == WEIR_TOOBIG);
        CHECK(many->items[7].size == size);
        CHECK(strstr(many->error.message, "max_value") != NULL);
        CHECK(count_status(many, WEIR_OK) == 19);
        for (int k = 0; k < 20; k++)
            CHECK(k == 7 ||
                  memcmp(many->items[k].value->data, "value", 5) == 0);
        weir_batch_free(many);
        many = keyed_batch(WEIR_GET, 20, "key");
        for (int k = 0; k < 20; k++)
            many->items[k].key_len = k == 7 ? 4 : 3;
    }
    CHECK(peak() - before < 8 << 10);
    CHECK(reconnects(limited) == 0);
    CHECK(ask(s, cq, b, WEIR_DELETE, "key7") == WEIR_OK);
    weir_batch_free(many);
    weir_store_free(limited);
    weir_store_free(s);
    free(bytes);
}

int main(void)
{
    struct script_server scripted;
    char url[64];

    deadline_s(200);
    server_start(&server, NULL);
    cq = new_cq();
    b = weir_batch_new(1);
    every_op(server.url);
    every_op(server.unix_url);
    for (uint32_t n = 1; n <= 3; n += 2) {
        half_sent(server.url, n, false);
        half_sent(server.unix_url, n, true);
    }
    silent_for_long();
    late_while_idle();
    too_many();
    too_big(server.url, 48 << 20, "max_value=1MiB");
    too_big(server.unix_url, 200, "max_value=100");
    server_stop(&server);
    payload = malloc(LARGE);
    memset(payload, 'a', LARGE);
    script_start(&scripted);
    snprintf(url, sizeof url, "redis://127.0.0.1:%d", scripted.port);
    in_mid_payload(&scripted, url);
    never_ending(&scripted, url, WEIR_GET, endless_value);
    never_ending(&scripted, url, WEIR_SCAN, endless_key);
    never_ending(&scripted, url, WEIR_SCAN, endless_page);
    absurd(&scripted, url);
    script_stop(&scripted);
    free(payload);
    weir_batch_free(b);
    weir_cq_free(cq);
    return 0;
}

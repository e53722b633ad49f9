/* nonsense.c -- after any nonsense from the server no get returns another key's
 * bytes: each kind at each position of a pipeline, of singles and of MGETs. The
 * one exception is a reply too many with another call on the way. */
#include "scripted_server.h"

/* What a server might say in place of a reply to GET. */
struct nonsense {
    const char *words;
    int status;  /* of that item alone, the others OK; 0: the session breaks */
    int after;   /* the right reply comes before it */
    int hang_up; /* and nothing after it: the connection ends, */
    int silent;  /* or stays silent */
};

static const struct nonsense NONSENSE[] = {
    {.words = "-OOM command not allowed when used memory > 'maxmemory'.\r\n",
     .status = WEIR_NOSPACE},
    {.words = "-LOADING Redis is loading the dataset in memory\r\n",
     .status = WEIR_BUSY},
    {.words = "-BUSY Redis is busy running a script.\r\n", .status = WEIR_BUSY},
    {.words = "-WRONGTYPE Operation against a key\r\n", .status = WEIR_FAILED},
    {.words = "-READONLY You can't write against a read only replica.\r\n",
     .status = WEIR_UNAVAILABLE},
    {.words = "-MASTERDOWN Link with MASTER is down\r\n",
     .status = WEIR_UNAVAILABLE},
    {.words = "-CLUSTERDOWN The cluster is down\r\n",
     .status = WEIR_UNAVAILABLE},
    {.words = "-MOVED 3999 127.0.0.1:6381\r\n", .status = WEIR_FAILED},
    {.words = "-ASK 3999 127.0.0.1:6381\r\n", .status = WEIR_FAILED},
    {.words = "-NOAUTH Authentication required.\r\n", .status = WEIR_DENIED},
    {.words = "-NOPERM this user has no permissions\r\n",
     .status = WEIR_DENIED},
    {.words = "-ERR unknown command\r\n", .status = WEIR_UNSUPPORTED},
    {.words = "-ERR something else\r\n", .status = WEIR_FAILED},
    {.words = "$-1\r\n", .status = WEIR_MISS},
    /* wrong lengths */
    {.words = "$5\r\nhello world\r\n"},
    {.words = "$60\r\nshort\r\n"},
    {.words = "$0\r\nx\r\n"},
    {.words = "$-2\r\n"},
    {.words = "$99999999999999999999\r\n"},
    {.words = "$5 \r\nhello\r\n"},
    {.words = "$\r\nhello\r\n"},
    {.words = "$five\r\nhello\r\n"},
    /* wrong types */
    {.words = "+OK\r\n"},
    {.words = ":1\r\n"},
    {.words = "*1\r\n$1\r\na\r\n"},
    {.words = "*-1\r\n"},
    {.words = "_\r\n"},
    {.words = "%1\r\n$1\r\na\r\n$1\r\nb\r\n"},
    {.words = "HTTP/1.1 400 Bad Request\r\n\r\n"},
    {.words = "\r\n"},
    {.words = "hello\r\n"},
    /* half a reply, then the end or silence */
    {.words = "", .hang_up = 1},
    {.words = "$", .hang_up = 1},
    {.words = "$70\r\nthis is the value of", .hang_up = 1},
    {.words = "$5\r\nhello", .hang_up = 1},
    {.words = "-OOM comm", .hang_up = 1},
    {.words = "$5\r\nhello\r", .silent = 1},
    {.words = "", .silent = 1},
    {.words = "-LOADING", .silent = 1},
    /* more than was asked for */
    {.words = "$5\r\nhello\r\n", .after = 1},
    {.words = "-ERR Protocol error\r\n", .after = 1},
    {.words = "$-1\r\n", .after = 1},
    {.words = "\r\n", .after = 1},
    {.words = "x", .after = 1},
};

static struct weir_cq *cq;

/* Whether the item holds the value of its own key. */
static int is_true(const struct weir_item *item)
{
    char value[256];
    int n = true_value(value, sizeof value, item->key, (int)item->key_len);

    return item->value != NULL && item->value->size == (uint64_t)n &&
           memcmp(item->value->data, value, (size_t)n) == 0;
}

/* Gets n keys; what came as OK is right. Returns how many that is. */
static uint32_t get(struct weir_store *s, struct weir_batch *b, uint32_t n)
{
    static char keys[64][16];
    uint32_t good = 0;

    CHECK(weir_batch_reset(b, WEIR_GET, n) == 0);
    for (uint32_t i = 0; i < n; i++) {
        b->items[i].key_len =
            (uint32_t)snprintf(keys[i], sizeof keys[i], "key-%02u", i);
        b->items[i].key = keys[i];
    }
    go(s, cq, b);
    for (uint32_t i = 0; i < n; i++) {
        if (b->items[i].status != WEIR_OK)
            continue;
        good++;
        CHECK(is_true(&b->items[i]));
    }
    return good;
}

/* Gets n keys until all are right, and no more often. */
static void recovers(struct weir_store *s, struct weir_batch *b, uint32_t n)
{
    uint64_t until = weir_now() + PATIENCE;

    while (get(s, b, n) != n)
        CHECK(weir_now() < until);
}

static void script_set(struct script_server *server, const struct nonsense *n,
                       int position)
{
    server->after = n->after;
    server->hang_up = n->hang_up;
    server->silent = n->silent;
    server->position = position;
    atomic_store(&server->commands, 0);
    server->nonsense = n->words;
}

/* Whether the session is replaced after such an error, if it is older than a
 * second (see refusal.c): on a busy machine it is. */
static bool renews(const struct nonsense *kind)
{
    static const char *const CODES[] = {"-READONLY", "-NOAUTH", "-LOADING",
                                        "-MASTERDOWN", "-CLUSTERDOWN"};

    for (size_t i = 0; i < sizeof CODES / sizeof *CODES; i++) {
        if (strncmp(kind->words, CODES[i], strlen(CODES[i])) == 0 &&
            kind->status != 0)
            return true;
    }
    return false;
}

/* Whether the store waits for more until its read_timeout. */
static bool waits(const struct nonsense *kind)
{
    return kind->silent || strncmp(kind->words, "$60\r", 4) == 0;
}

/* One kind at one position of a pipeline of n gets on one session. */
static void singles(struct script_server *server, struct weir_store *s,
                    const struct nonsense *kind, int position, uint32_t n)
{
    struct weir_batch *b = weir_batch_new(n);
    uint32_t good;
    int accepted;

    recovers(s, b, n); /* connected, learned the sizes */
    accepted = atomic_load(&server->accepted);
    script_set(server, kind, position);
    good = get(s, b, n);
    server->nonsense = NULL;
    if (kind->status != 0) {
        CHECK(good == n - 1 && b->items[position].status == kind->status);
        CHECK(kind->status == WEIR_MISS ||
              strstr(b->error.message, kind->words + 1) != NULL ||
              memcmp(strchr(b->error.message, '-') + 1, kind->words + 1, 8) ==
                  0);
    } else if (!kind->after) {
        CHECK(good == 0 || good == (uint32_t)position ||
              (waits(kind) && good < (uint32_t)position));
        CHECK(b->items[position].status == WEIR_RESET ||
              b->items[position].status == WEIR_TIMEOUT);
        CHECK(count_status(b, WEIR_MISS) == 0);
    }
    recovers(s, b, n);
    CHECK(renews(kind) ||
          (atomic_load(&server->accepted) == accepted) == (kind->status != 0));
    weir_batch_free(b);
}

/* The same in place of the reply to an MGET, or of one of its elements. */
static void many(struct script_server *server, struct weir_store *s,
                 const struct nonsense *kind, int element)
{
    const struct nonsense end = {.words = "", .hang_up = 1};
    struct weir_batch *b = weir_batch_new(32);

    script_set(server, &end, 0); /* a session that was refused no MGET yet */
    get(s, b, 1);
    server->nonsense = NULL;
    do
        recovers(s, b, 32); /* one by one, the first time */
    while (get(s, b, 32) != 32);
    server->element = element;
    script_set(server, kind, 0);
    get(s, b, 32);
    server->element = -1;
    server->nonsense = NULL;
    CHECK(count_status(b, WEIR_MISS) == 0 || kind->status == WEIR_MISS);
    CHECK(element < 0 || kind->status == WEIR_MISS ||
          count_status(b, WEIR_OK) <= (uint32_t)element + 1);
    recovers(s, b, 32);
    weir_batch_free(b);
}

static void fill_gets(struct weir_batch *b, char keys[4][16], const char *name)
{
    CHECK(weir_batch_reset(b, WEIR_GET, 4) == 0);
    for (uint32_t i = 0; i < 4; i++) {
        b->items[i].key_len =
            (uint32_t)snprintf(keys[i], sizeof keys[i], "%s-%u", name, i);
        b->items[i].key = keys[i];
    }
}

/* A value too many in the first of two batches on the way: its items up to
 * there are right, and the last batch is, where it is OK; it is noticed with
 * that one, and the next goes over another connection. */
static void one_too_many(struct script_server *server, struct weir_store *s,
                         int position)
{
    const struct nonsense extra = {.words = "$5\r\nhello\r\n", .after = 1};
    struct weir_batch *first = weir_batch_new(4), *last = weir_batch_new(4);
    static char keys[2][4][16];
    int accepted;

    recovers(s, first, 4);
    accepted = atomic_load(&server->accepted);
    script_set(server, &extra, position);
    fill_gets(first, keys[0], "first");
    fill_gets(last, keys[1], "last");
    CHECK(weir_submit(s, cq, first) == 0 && weir_submit(s, cq, last) == 0);
    next_done(cq);
    next_done(cq);
    server->nonsense = NULL;
    for (int i = 0; i < 4; i++) {
        CHECK(i > position || first->items[i].status != WEIR_OK ||
              is_true(&first->items[i]));
        CHECK(last->items[i].status != WEIR_OK || is_true(&last->items[i]));
    }
    recovers(s, last, 4);
    CHECK(atomic_load(&server->accepted) > accepted);
    weir_batch_free(first);
    weir_batch_free(last);
}

/* Wrong answers to the command at a position of another op: no item is OK, none
 * a miss. */
static void others(struct script_server *server, struct weir_store *s,
                   uint32_t op, uint32_t n, int position, const char *words)
{
    const struct nonsense kind = {.words = words};
    struct weir_batch *b = keyed_batch(op, n, "k");

    script_set(server, &kind, position);
    for (uint32_t i = 0; i < n && op == WEIR_SET; i++) {
        b->items[i].data = (char *)"v";
        b->items[i].size = 1;
    }
    go(s, cq, b);
    server->nonsense = NULL;
    CHECK(count_status(b, WEIR_RESET) == n);
    CHECK(strstr(b->error.message, "expected ") != NULL);
    weir_batch_free(b);
    b = weir_batch_new(4);
    recovers(s, b, 4);
    weir_batch_free(b);
}

static const struct {
    uint32_t op, n;
    int position;
    const char *words;
} OTHERS[] = {
    {WEIR_SET, 4, 1, "$2\r\nOK\r\n"},
    {WEIR_SET, 4, 1, "+NO\r\n"},
    {WEIR_SET, 16, 0, ":16\r\n"}, /* MSET */
    {WEIR_EXISTS, 4, 1, ":2\r\n"},
    {WEIR_EXISTS, 4, 1, "+OK\r\n"},
    {WEIR_EXISTS, 16, 0, ":17\r\n"}, /* of many */
    {WEIR_EXISTS, 16, 0, ":-1\r\n"},
    {WEIR_EXISTS, 16, 0, "+OK\r\n"},
    {WEIR_EXISTS, 16, 0, "$2\r\n16\r\n"},
    {WEIR_EXISTS, 16, 0, "*0\r\n"},
    {WEIR_DELETE, 4, 1, ":-1\r\n"},
    {WEIR_DELETE, 4, 1, "$-1\r\n"},
    {WEIR_STAT, 4, 0, ":-1\r\n"}, /* STRLEN */
    {WEIR_STAT, 4, 0, "$1\r\n3\r\n"},
    {WEIR_STAT, 4, 1, ":-3\r\n"}, /* PTTL */
    {WEIR_STAT, 4, 1, "+OK\r\n"},
    {WEIR_TOUCH, 4, 0, "+OK\r\n"}, /* PERSIST */
    {WEIR_TOUCH, 4, 1, ":2\r\n"},  /* EXISTS */
    {WEIR_TOUCH, 4, 1, "$-1\r\n"},
    {WEIR_SCAN, 1, 0, "+OK\r\n"},
    {WEIR_SCAN, 1, 0, ":0\r\n"},
    {WEIR_SCAN, 1, 0, "*-1\r\n"},
    {WEIR_SCAN, 1, 0, "*1\r\n$1\r\n0\r\n"},
    {WEIR_SCAN, 1, 0, "*2\r\n:0\r\n*0\r\n"},
    {WEIR_SCAN, 1, 0, "*2\r\n$1\r\nx\r\n*0\r\n"},
    {WEIR_SCAN, 1, 0, "*2\r\n$2\r\n0\r\n*0\r\n"},
    {WEIR_SCAN, 1, 0, "*2\r\n$1\r\n0\r\n$-1\r\n"},
    {WEIR_SCAN, 1, 0, "*2\r\n$1\r\n0\r\n*1\r\n:1\r\n"},
    {WEIR_SCAN, 1, 0, "*2\r\n$1\r\n0\r\n*1\r\n$2\r\nk0:1\r\n"},
};

static const char *const DOWN[] = {
    "-READONLY You can't write against a read only replica.\r\n",
    "-MASTERDOWN Link with MASTER is down\r\n",
    "-CLUSTERDOWN The cluster is down\r\n",
};

/* A server that takes no sets just now, one by one or many at once: each item
 * may be tried again, in the server's own words. */
static void down(struct script_server *server, struct weir_store *s,
                 const char *words, uint32_t n)
{
    const struct nonsense kind = {.words = words};
    struct weir_batch *b = keyed_batch(WEIR_SET, n, "k");
    int accepted;

    CHECK(EVENTUALLY(ask(s, cq, b, WEIR_EXISTS, "k") == WEIR_OK));
    accepted = atomic_load(&server->accepted);
    weir_batch_free(b);
    b = keyed_batch(WEIR_SET, n, "k");
    for (uint32_t i = 0; i < n; i++) {
        b->items[i].data = (char *)"v";
        b->items[i].size = 1;
    }
    script_set(server, &kind, -1);
    go(s, cq, b);
    server->nonsense = NULL;
    CHECK(count_status(b, WEIR_UNAVAILABLE) == n);
    CHECK(strstr(b->error.message, ": -") != NULL &&
          strncmp(strstr(b->error.message, ": -") + 2, words,
                  strlen(words) - 2) == 0);
    CHECK(atomic_load(&server->accepted) == accepted);
    weir_batch_free(b);
}

/* A reply too many that comes when all is answered and the session idle. */
static void late(struct script_server *server, struct weir_store *s)
{
    struct weir_batch *b = weir_batch_new(4);

    recovers(s, b, 4);
    server->late = "$5\r\nhello\r\n";
    CHECK(get(s, b, 4) == 4);
    CHECK(EVENTUALLY(server->late == NULL));
    CHECK(get(s, b, 4) == 4);
    weir_batch_free(b);
}

/* Two prefixes in one batch, the first refused: the other has its own keys. */
static void scan_after_refusal(struct script_server *server,
                               struct weir_store *s)
{
    const struct nonsense busy = {.words = "-BUSY a script runs\r\n"};
    struct weir_batch *b = weir_batch_new(2);

    CHECK(weir_batch_reset(b, WEIR_SCAN, 2) == 0);
    b->items[0].key = "aaa";
    b->items[1].key = "bbb";
    b->items[0].key_len = b->items[1].key_len = 3;
    script_set(server, &busy, 0);
    go(s, cq, b);
    server->nonsense = NULL;
    CHECK(b->items[0].status == WEIR_BUSY && b->items[1].status == WEIR_OK);
    CHECK(b->items[1].value->size == sizeof(struct weir_scan_entry) + 8);
    CHECK(memcmp(b->items[1].value->data + sizeof(struct weir_scan_entry),
                 "bbb:1", 5) == 0);
    weir_batch_free(b);
}

/* The last millisecond of a key is not for ever. */
static void last_millisecond(struct script_server *server, struct weir_store *s)
{
    const struct nonsense none_left = {.words = ":0\r\n"};
    struct weir_batch *b = keyed_batch(WEIR_STAT, 1, "k");

    script_set(server, &none_left, 1); /* PTTL; STRLEN comes first */
    go(s, cq, b);
    server->nonsense = NULL;
    CHECK(b->items->status == WEIR_OK && b->items->ttl_ms == 1);
    weir_batch_free(b);
}

static struct weir_store *open_store(const char *url, const char *read_timeout,
                                     const char *multi)
{
    return open_redis(url, "workers=1", "backoff=1ms", "max_backoff=2ms",
                      read_timeout, multi, NULL);
}

/* After some nonsense the store waits for more until its read_timeout: the
 * hasty stores are for that. Where a server answers, the other stores leave it
 * time, so that a busy machine is not taken for a silent server. */
int main(void)
{
    size_t kinds = sizeof NONSENSE / sizeof *NONSENSE;
    struct script_server server;
    struct weir_store *s, *multi, *hasty, *hasty_multi;
    char url[64];

    deadline_s(200);
    script_start(&server);
    snprintf(url, sizeof url, "redis://127.0.0.1:%d", server.port);
    cq = new_cq();
    s = open_store(url, "read_timeout=60s", "multi=false");
    multi = open_store(url, "read_timeout=60s", NULL);
    hasty = open_store(url, "read_timeout=100ms", "multi=false");
    hasty_multi = open_store(url, "read_timeout=100ms", NULL);
    for (size_t i = 0; i < kinds; i++) {
        const struct nonsense *kind = &NONSENSE[i];

        for (int position = 0; position < 8; position++)
            singles(&server, waits(kind) ? hasty : s, kind, position, 8);
        many(&server, hasty_multi, kind, -1);
        many(&server, hasty_multi, kind, 0);
        many(&server, hasty_multi, kind, 5);
        many(&server, hasty_multi, kind, 31);
    }
    for (int i = 0; i < 40; i++)
        one_too_many(&server, s, i % 4);
    late(&server, s);
    scan_after_refusal(&server, s);
    last_millisecond(&server, s);
    for (size_t i = 0; i < sizeof OTHERS / sizeof *OTHERS; i++)
        others(&server, OTHERS[i].n < 8 ? s : multi, OTHERS[i].op, OTHERS[i].n,
               OTHERS[i].position, OTHERS[i].words);
    for (size_t i = 0; i < sizeof DOWN / sizeof *DOWN; i++) {
        down(&server, multi, DOWN[i], 1);
        down(&server, multi, DOWN[i], 16);
    }
    weir_store_free(s);
    weir_store_free(multi);
    weir_store_free(hasty);
    weir_store_free(hasty_multi);
    script_stop(&server);
    weir_cq_free(cq);
    return 0;
}

/* abandoned.c -- a batch whose lent values are taken back on their way, while
 * the server reads nothing: what was not begun goes from the stream and nobody
 * else notices; what was begun costs the session, and is SKIPPED alone. */
#include "server.h"

enum { SIZE = 4 << 20 };

static struct weir_cq *cq;
static struct server server;
static char *lent;
static unsigned pause_ms = 20; /* for the worker to begin a batch */

/* Sets n values of SIZE bytes: the store's own, or lent. */
static struct weir_batch *sets(uint32_t n, const char *prefix, bool own)
{
    struct weir_batch *b = keyed_batch(WEIR_SET, n, prefix);

    for (uint32_t i = 0; i < n; i++) {
        char *bytes;

        if (own) {
            b->items[i].value = weir_value_new(SIZE, &bytes);
            memset(bytes, 'o', SIZE);
        } else {
            b->items[i].data = lent;
            b->items[i].size = SIZE;
        }
    }
    return b;
}

static struct weir_store *open_store(const char *url)
{
    struct weir_store *s =
        open_redis(url, "workers=1", "backoff=1ms", "max_backoff=2ms", NULL);
    struct weir_batch *b = weir_batch_new(1);

    CHECK(ask(s, cq, b, WEIR_SET, "key") == WEIR_OK);
    weir_batch_free(b);
    return s;
}

static void submit(struct weir_store *s, struct weir_batch *b)
{
    CHECK(weir_submit(s, cq, b) == 0);
    nap_ms(pause_ms);
}

static void take_back(struct weir_batch *b)
{
    weir_batch_cancel(b);
    weir_batch_abandon(b);
    memset(lent, 'x', SIZE); /* the caller's again */
}

/* Behind own values that the link is full of, so many that the lent ones wait
 * in the outbox, or for their turn. */
static void not_begun(const char *url, uint32_t own)
{
    struct weir_store *s = open_store(url);
    struct weir_batch *before = sets(own, "own", true);
    struct weir_batch *taken = sets(2, "taken", false);
    struct weir_batch *after = keyed_batch(WEIR_GET, 20, "after");
    struct weir_store_stats stats;

    kill(server.pid, SIGSTOP);
    submit(s, before);
    submit(s, taken);
    submit(s, after);
    take_back(taken);
    kill(server.pid, SIGCONT);
    for (int i = 0; i < 3; i++)
        next_done(cq);
    CHECK(count_status(before, WEIR_OK) == own);
    CHECK(count_status(taken, WEIR_SKIPPED) == 2);
    CHECK(count_status(after, WEIR_MISS) == 20);
    weir_store_stats(s, &stats);
    CHECK(stats.reconnects == 0);
    weir_batch_free(before);
    weir_batch_free(taken);
    weir_batch_free(after);
    weir_store_free(s);
}

/* The link is full of the lent value itself: the server waits for its rest.
 * False: it was taken back before the worker had begun to send it. */
static bool begun(const char *url)
{
    struct weir_store *s = open_store(url);
    struct weir_batch *before = keyed_batch(WEIR_EXISTS, 20, "before");
    struct weir_batch *taken = sets(1, "taken", false);
    struct weir_batch *after = keyed_batch(WEIR_GET, 20, "after");
    bool sent;

    kill(server.pid, SIGSTOP);
    submit(s, before);
    submit(s, taken);
    submit(s, after);
    take_back(taken);
    kill(server.pid, SIGCONT);
    for (int i = 0; i < 3; i++)
        next_done(cq);
    sent = count_status(after, WEIR_MISS) < 20;
    CHECK(count_status(before, WEIR_MISS) + count_status(before, WEIR_RESET) ==
          20);
    CHECK(count_status(taken, WEIR_SKIPPED) == 1);
    CHECK(!sent || count_status(after, WEIR_UNAVAILABLE) == 20);
    weir_batch_free(taken);
    taken = keyed_batch(WEIR_EXISTS, 1, "taken");
    go(s, cq, taken);
    CHECK(count_status(taken, WEIR_MISS) == 1);
    weir_batch_free(before);
    weir_batch_free(taken);
    weir_batch_free(after);
    weir_store_free(s);
    return sent;
}

int main(void)
{
    deadline_s(200);
    server_start(&server, NULL);
    cq = new_cq();
    lent = calloc(1, SIZE);
    for (uint32_t own = 1; own <= 4; own++)
        not_begun(server.url, own);
    not_begun(server.unix_url, 1);
    while (!begun(server.url) || !begun(server.unix_url))
        CHECK((pause_ms *= 2) < 10000);
    free(lent);
    weir_cq_free(cq);
    server_stop(&server);
    return 0;
}

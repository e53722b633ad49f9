/* trickle.c -- a long value that comes in pieces: the session sleeps until much
 * of it is there, yet a slow one is not taken for a silent one, and neither an
 * end nor a silence in its middle is slept over. */
#include "scripted_server.h"

enum { SIZE = 2 << 20, PIECE = 64 << 10, SLOW = 10, PAUSE_MS = 40 };

static struct weir_cq *cq;
static struct script_server server;
static char *value; /* and the end of line behind it */

static bool say(int fd, const char *bytes, size_t len)
{
    return send(fd, bytes, len, MSG_NOSIGNAL) == (ssize_t)len;
}

static bool say_head(int fd)
{
    char head[32];

    return say(fd, head, (size_t)snprintf(head, sizeof head, "$%d\r\n", SIZE));
}

/* Every pause is short, all of them are not. */
static bool slowly(int fd)
{
    bool good = say_head(fd);

    for (int i = 0; i < SLOW; i++) {
        good = good && say(fd, value + i * PIECE, PIECE);
        nap_ms(PAUSE_MS);
    }
    return good && say(fd, value + SLOW * PIECE, SIZE + 2 - SLOW * PIECE);
}

/* What comes last is little, and late. */
static bool last_bytes_late(int fd)
{
    bool good = say_head(fd) && say(fd, value, SIZE - 10);

    nap_ms(PAUSE_MS);
    return good && say(fd, value + SIZE - 10, 12);
}

static bool half(int fd)
{
    return say_head(fd) && say(fd, value, SIZE / 2);
}

static bool half_and_end(int fd)
{
    half(fd);
    return false;
}

static bool nothing_there(int fd)
{
    return say(fd, "$-1\r\n", 5);
}

/* Gets once from what plays; *ms: how long it took. */
static int get(struct weir_store *s, bool (*play)(int fd), uint64_t *ms)
{
    struct weir_batch *b = weir_batch_new(1);
    uint64_t start = weir_now();
    int status;

    server.play = play;
    status = ask(s, cq, b, WEIR_GET, "key");
    *ms = (weir_now() - start) / 1000000;
    if (status == WEIR_OK)
        CHECK(b->items[0].size == SIZE &&
              memcmp(b->items[0].value->data, value, SIZE) == 0);
    weir_batch_free(b);
    return status;
}

int main(void)
{
    struct weir_store *s;
    char url[64];
    uint64_t ms;

    deadline_s(60);
    cq = new_cq();
    value = malloc(SIZE + 2);
    for (int i = 0; i < SIZE; i++)
        value[i] = (char)(i * 2654435761u >> 24);
    memcpy(value + SIZE, "\r\n", 2);
    script_start(&server);
    snprintf(url, sizeof url, "redis://127.0.0.1:%d", server.port);
    s = open_redis(url, "workers=1", "read_timeout=200ms", "backoff=1ms",
                   "max_backoff=2ms", NULL);

    CHECK(get(s, slowly, &ms) == WEIR_OK);
    CHECK(ms >= SLOW * PAUSE_MS);
    CHECK(get(s, last_bytes_late, &ms) == WEIR_OK);
    CHECK(ms < 200);
    CHECK(get(s, nothing_there, &ms) == WEIR_MISS);
    CHECK(ms < 200);
    CHECK(get(s, half_and_end, &ms) == WEIR_RESET);
    CHECK(ms < 200);
    CHECK(get(s, half, &ms) == WEIR_TIMEOUT);
    CHECK(ms >= 200);
    CHECK(server.accepted == 2);

    weir_store_free(s);
    script_stop(&server);
    weir_cq_free(cq);
    free(value);
    return 0;
}

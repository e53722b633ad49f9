/* trickle.c -- a long value that comes in pieces: the session sleeps until much
 * of it is there, yet a slow one is not taken for a silent one, and neither an
 * end nor a silence in its middle is slept over. */
#include <dirent.h>

#include "scripted_server.h"

enum { SIZE = 2 << 20, PIECE = 64 << 10, PIECES = SIZE / PIECE };
enum { TIMEOUT_MS = 1000, PAUSE_MS = 125, SLOW = 10 };

static struct weir_cq *cq;
static struct script_server server, second; /* second: of a cluster */
static char *value;                         /* and the end of line behind it */
static int thread[16], first_thread, n_threads; /* of the store: from first */

/* ---- what the server says to a get ---- */

static bool say(int fd, const char *bytes, size_t len)
{
    return send(fd, bytes, len, MSG_NOSIGNAL) == (ssize_t)len;
}

static bool say_head(int fd)
{
    char head[32];

    return say(fd, head, (size_t)snprintf(head, sizeof head, "$%d\r\n", SIZE));
}

static bool say_pieces(int fd, int n, uint64_t pause_ms)
{
    bool good = say_head(fd);

    for (int i = 0; i < n; i++) {
        good = good && say(fd, value + i * PIECE, PIECE);
        nap_ms(pause_ms);
    }
    return good && say(fd, value + n * PIECE, (size_t)(SIZE + 2 - n * PIECE));
}

/* Each pause is shorter than the timeout, all of them are longer. */
static bool slowly(int fd)
{
    return say_pieces(fd, SLOW, PAUSE_MS);
}

static bool steadily(int fd)
{
    return say_pieces(fd, PIECES - 1, 1);
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

/* ---- what comes of it ---- */

/* The threads of this process; returns how many. */
static int threads(int *out, int max)
{
    DIR *d = opendir("/proc/self/task");
    struct dirent *e;
    int n = 0;

    CHECK(d != NULL);
    while ((e = readdir(d)) != NULL && n < max) {
        if (e->d_name[0] != '.')
            out[n++] = atoi(e->d_name);
    }
    closedir(d);
    return n;
}

/* How often the store's threads went to sleep so far. */
static int sleeps(void)
{
    int all = 0;

    for (int i = first_thread; i < n_threads; i++) {
        char path[64], line[128];
        int n = -1;
        FILE *f;

        snprintf(path, sizeof path, "/proc/self/task/%d/status", thread[i]);
        f = fopen(path, "r");
        CHECK(f != NULL);
        while (fgets(line, sizeof line, f) != NULL)
            sscanf(line, "voluntary_ctxt_switches: %d", &n);
        fclose(f);
        CHECK(n >= 0);
        all += n;
    }
    return all;
}

static uint64_t now_ms(void)
{
    return weir_now() / 1000000;
}

/* What a get gave, *ms: after how long. While it lasts, other work comes to the
 * same session every few ms when busy. */
static int get(struct weir_store *s, bool (*play)(int fd), bool busy,
               uint64_t *ms)
{
    struct weir_batch *b = weir_batch_new(1);
    uint64_t start = now_ms();
    int status, others = 0;

    server.play = play;
    one(b, WEIR_GET, "key");
    CHECK(weir_submit(s, cq, b) == 0);
    while (busy && now_ms() - start < SLOW * PAUSE_MS) {
        struct weir_batch *other = weir_batch_new(1);

        one(other, WEIR_EXISTS, "other");
        CHECK(weir_submit(s, cq, other) == 0);
        others++;
        nap_ms(8);
    }
    for (; others >= 0; others--) {
        struct weir_batch *done = next_done(cq);

        CHECK(done == b || done->items[0].status == WEIR_OK);
        if (done == b)
            *ms = now_ms() - start;
        else
            weir_batch_free(done);
    }
    status = b->items[0].status;
    if (status == WEIR_OK)
        CHECK(b->items[0].size == SIZE &&
              memcmp(b->items[0].value->data, value, SIZE) == 0);
    weir_batch_free(b);
    return status;
}

static void slow_is_not_silent(struct weir_store *s)
{
    uint64_t ms;

    CHECK(get(s, slowly, false, &ms) == WEIR_OK);
    CHECK(ms >= SLOW * PAUSE_MS);
    CHECK(get(s, slowly, true, &ms) == WEIR_OK);
    CHECK(get(s, nothing_there, false, &ms) == WEIR_MISS);
    CHECK(ms < TIMEOUT_MS);
}

/* A piece a millisecond wakes it only when it looks, every ten of them. */
static void much_wakes_once(struct weir_store *s)
{
    int before = sleeps();
    uint64_t ms;

    CHECK(get(s, steadily, false, &ms) == WEIR_OK);
    CHECK((uint64_t)(sleeps() - before) < PIECES / 3 + ms / 5);
}

static void ends_are_seen(struct weir_store *s)
{
    uint64_t ms;

    CHECK(get(s, half_and_end, false, &ms) == WEIR_RESET);
    CHECK(ms < TIMEOUT_MS);
    CHECK(get(s, half, false, &ms) == WEIR_TIMEOUT);
    CHECK(ms >= TIMEOUT_MS);
    CHECK(server.accepted == 2);
}

/* Opens a store with one worker, whose threads are looked at. */
static struct weir_store *open_one(const char *url)
{
    struct weir_store *s;

    first_thread = threads(thread, 16);
    s = open_redis(url, "workers=1", "read_timeout=1s", "backoff=1ms",
                   "max_backoff=2ms", NULL);
    n_threads = threads(thread, 16);
    CHECK(n_threads > first_thread);
    return s;
}

/* ---- two nodes of a cluster at once ---- */

/* Opens a cluster of both servers: each has half of the slots. */
static struct weir_store *open_two(void)
{
    static char slots[256];
    char url[80];

    snprintf(
        slots, sizeof slots,
        "*2\r\n*3\r\n:0\r\n:8191\r\n*3\r\n$9\r\n127.0.0.1\r\n:%d\r\n$1\r\nx"
        "\r\n*3\r\n:8192\r\n:16383\r\n*3\r\n$9\r\n127.0.0.1\r\n:%d\r\n"
        "$1\r\ny\r\n",
        server.port, second.port);
    server.slots = second.slots = slots;
    snprintf(url, sizeof url, "redis://127.0.0.1:%d/?cluster=true",
             server.port);
    return open_one(url);
}

/* A get of a key of each node gives this status. Returns how long it took. */
static uint64_t both(struct weir_store *s, bool (*play)(int fd), int status)
{
    struct weir_batch *b = weir_batch_new(2);
    uint64_t start = now_ms(), ms;

    server.play = second.play = play;
    CHECK(weir_batch_reset(b, WEIR_GET, 2) == 0);
    b->items[0].key = "bar"; /* slot 5061 */
    b->items[1].key = "foo"; /* slot 12182 */
    b->items[0].key_len = b->items[1].key_len = 3;
    go(s, cq, b);
    ms = now_ms() - start;
    for (int i = 0; i < 2; i++) {
        CHECK(b->items[i].status == status);
        CHECK(status != WEIR_OK ||
              (b->items[i].value->size == SIZE &&
               memcmp(b->items[i].value->data, value, SIZE) == 0));
    }
    weir_batch_free(b);
    return ms;
}

static void two_nodes(void)
{
    struct weir_store *s = open_two();
    uint64_t ms;
    int before;

    CHECK(both(s, nothing_there, WEIR_MISS) < TIMEOUT_MS);
    before = sleeps();
    ms = both(s, steadily, WEIR_OK);
    CHECK((uint64_t)(sleeps() - before) < 2 * (PIECES / 3) + ms / 5);
    CHECK(both(s, slowly, WEIR_OK) >= SLOW * PAUSE_MS);
    CHECK(both(s, half, WEIR_TIMEOUT) >= TIMEOUT_MS);
    CHECK(both(s, half_and_end, WEIR_RESET) < TIMEOUT_MS);
    weir_store_free(s);
}

int main(void)
{
    struct weir_store *s;
    char url[64];

    deadline_s(200);
    cq = new_cq();
    value = malloc(SIZE + 2);
    for (int i = 0; i < SIZE; i++)
        value[i] = (char)((uint32_t)i * 2654435761u >> 24);
    memcpy(value + SIZE, "\r\n", 2);
    script_start(&server);
    snprintf(url, sizeof url, "redis://127.0.0.1:%d", server.port);
    s = open_one(url);
    slow_is_not_silent(s);
    much_wakes_once(s);
    ends_are_seen(s);

    weir_store_free(s);
    script_start(&second);
    two_nodes();
    script_stop(&second);
    script_stop(&server);
    weir_cq_free(cq);
    free(value);
    return 0;
}

/* looks.c -- a worker that waits for the pieces of a long value looks for them
 * before each sleep, not only before the first one. On a busy machine it looks
 * less often, or not at all for a while (look.c): one get of many shows it. */
#include <poll.h>
#include <sys/syscall.h>

#include "scripted_server.h"

enum {
    SIZE = 1 << 20,
    PIECE = 64 << 10,
    PIECES = 10,
    PAUSE_MS = 30,
    GETS = 150,
};

static char value[SIZE + 2]; /* and the end of line behind it */

static _Atomic bool slept = true;
static _Atomic uint32_t looks; /* the first after a sleep counts */

/* These stand in for those of libc, for the runtime too. */
__attribute__((visibility("default"))) int poll(struct pollfd *fds, nfds_t n,
                                                int timeout)
{
    if (timeout == 0 && atomic_exchange(&slept, false))
        looks++;
    return (int)syscall(SYS_poll, fds, n, timeout);
}

__attribute__((visibility("default"))) int ppoll(struct pollfd *fds, nfds_t n,
                                                 const struct timespec *timeout,
                                                 const sigset_t *mask)
{
    struct timespec left = timeout != NULL ? *timeout : (struct timespec){0};

    if (n == 2) /* a worker's wait: for bytes and for work */
        slept = true;
    return (int)syscall(SYS_ppoll, fds, n, timeout != NULL ? &left : NULL, mask,
                        8);
}

static bool say(int fd, const char *bytes, size_t len)
{
    return send(fd, bytes, len, MSG_NOSIGNAL) == (ssize_t)len;
}

static bool in_pieces(int fd)
{
    char head[32];
    bool good =
        say(fd, head, (size_t)snprintf(head, sizeof head, "$%d\r\n", SIZE));

    for (int i = 0; i < PIECES; i++) {
        good = good && say(fd, value + i * PIECE, PIECE);
        nap_ms(PAUSE_MS);
    }
    return good && say(fd, value + PIECES * PIECE,
                       sizeof value - (size_t)PIECES * PIECE);
}

int main(void)
{
    static struct script_server server;
    struct weir_batch *b = weir_batch_new(1);
    struct weir_cq *cq = new_cq();
    char url[64];

    deadline_s(60);
    memset(value, 'v', SIZE);
    memcpy(value + SIZE, "\r\n", 2);
    script_start(&server);
    server.play = in_pieces;
    snprintf(url, sizeof url, "redis://127.0.0.1:%d", server.port);

    /* A worker that has looked in vain looks less often: a new one each time.
     */
    for (int i = 0; i < GETS && looks <= 2; i++) {
        struct weir_store *s = open_redis(url, "workers=1", "spin=100us", NULL);

        looks = 0;
        one(b, WEIR_GET, "key");
        go(s, cq, b);
        CHECK(b->items[0].status == WEIR_OK && b->items[0].size == SIZE);
        weir_store_free(s);
    }
    CHECK(looks > 2);

    weir_batch_free(b);
    script_stop(&server);
    weir_cq_free(cq);
    return 0;
}

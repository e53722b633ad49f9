/* redis_alone.h -- the server alone: as many connections as weir has send
 * commands that were made beforehand, and discard the replies. No client can be
 * much faster, so a cell near this rate is limited by the server. */
#ifndef REDIS_ALONE_H
#define REDIS_ALONE_H

#include "redis_blocking.h"

/* A connection that sends the same commands again and again. */
struct alone {
    const struct cell *cell;
    char *burst; /* the commands of a batch */
    size_t len, reply;
    uint64_t until, keys;
    pthread_t thread;
};

static inline size_t alone_command(char *to, const struct cell *c, uint32_t key)
{
    int n = sprintf(to, "*%d\r\n$3\r\n%s\r\n$%d\r\n%s\r\n",
                    c->op == WEIR_SET ? 3 : 2,
                    c->op == WEIR_SET ? "SET" : "GET", KEY_LEN, cell_keys[key]);

    if (c->op != WEIR_SET)
        return (size_t)n;
    n += sprintf(to + n, "$%u\r\n", c->size);
    memcpy(to + n, cell_payload, c->size);
    memcpy(to + n + c->size, "\r\n", 2);
    return (size_t)n + c->size + 2;
}

static inline void alone_prepare(struct alone *a, const struct cell *c)
{
    char head[32];
    uint32_t n = c->batch;

    a->cell = c;
    a->burst = malloc((size_t)n * (c->size + 128) + 64);
    a->len = 0;
    if (c->op == WEIR_EXISTS) {
        a->len = (size_t)sprintf(a->burst, "*%u\r\n$6\r\nEXISTS\r\n", n + 1);
        for (uint32_t i = 0; i < n; i++)
            a->len += (size_t)sprintf(a->burst + a->len, "$%d\r\n%s\r\n",
                                      KEY_LEN, cell_keys[i]);
        a->reply = (size_t)snprintf(head, sizeof head, ":%u\r\n", n);
        return;
    }
    for (uint32_t i = 0; i < n; i++)
        a->len += alone_command(a->burst + a->len, c, i);
    a->reply = strlen("+OK\r\n");
    if (c->op == WEIR_GET)
        a->reply = (size_t)snprintf(head, sizeof head, "$%u\r\n", c->size) +
                   c->size + 2;
    a->reply *= n;
}

static inline void alone_send(const struct alone *a, int fd)
{
    struct iovec iov = {a->burst, a->len};

    blocking_send(fd, &iov, 1);
}

static inline void *alone_main(void *arg)
{
    static _Thread_local char rubbish[256 << 10];
    struct alone *a = arg;
    int fd = blocking_connect(a->cell);
    bool more = true;

    alone_send(a, fd);
    while (more) {
        size_t left = a->reply;

        more = weir_now() < a->until;
        if (more)
            alone_send(a, fd);
        while (left > 0) {
            size_t most = left < sizeof rubbish ? left : sizeof rubbish;
            ssize_t n = recv(fd, rubbish, most, 0);

            if (n <= 0)
                bench_die("recv", "the server is gone");
            left -= (size_t)n;
        }
        a->keys += a->cell->batch;
    }
    close(fd);
    return NULL;
}

/* alone_run returns the keys/s of the server with as many connections as weir
 * has, two batches on their way on each. For GET, SET and EXISTS of many. */
static inline double alone_run(const struct cell *c, double seconds)
{
    struct alone all[8];
    uint64_t start = weir_now(), keys = 0;

    for (uint32_t i = 0; i < c->workers; i++) {
        all[i] = (struct alone){.until = start + (uint64_t)(seconds * 1e9)};
        alone_prepare(&all[i], c);
        pthread_create(&all[i].thread, NULL, alone_main, &all[i]);
    }
    for (uint32_t i = 0; i < c->workers; i++) {
        pthread_join(all[i].thread, NULL);
        keys += all[i].keys;
        free(all[i].burst);
    }
    return (double)keys * 1e9 / (double)(weir_now() - start);
}

#endif

/* redis_alone.h -- the server alone: as many connections as weir has send
 * commands that were made beforehand, and discard the replies. No client can be
 * much faster, so a cell near this rate is limited by the server. */
#ifndef REDIS_ALONE_H
#define REDIS_ALONE_H

#include "redis_blocking.h"

enum { ALONE_PARTS = 3 * CELL_BATCH_MAX };

/* A connection that sends the commands of one batch again and again. Its sets
 * share one payload, as those of a cell do. */
struct alone {
    const struct cell *cell;
    char *heads; /* the commands without their payloads */
    struct iovec parts[ALONE_PARTS];
    int n;
    size_t reply; /* bytes of the replies to a batch */
    uint64_t until, keys;
    pthread_t thread;
};

static inline char *alone_add(struct alone *a, char *bytes, int len)
{
    a->parts[a->n++] = (struct iovec){bytes, (size_t)len};
    return bytes + len;
}

static inline void alone_sets(struct alone *a, const struct cell *c)
{
    char *at = a->heads;

    for (uint32_t i = 0; i < c->batch; i++) {
        at = alone_add(a, at,
                       sprintf(at, "*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$%u\r\n",
                               KEY_LEN, cell_keys[i], c->size));
        alone_add(a, cell_payload, (int)c->size);
        alone_add(a, (char *)"\r\n", 2);
    }
    a->reply = strlen("+OK\r\n") * c->batch;
}

static inline void alone_gets(struct alone *a, const struct cell *c)
{
    char head[32], *at = a->heads;

    for (uint32_t i = 0; i < c->batch; i++)
        at += sprintf(at, "*2\r\n$3\r\nGET\r\n$%d\r\n%s\r\n", KEY_LEN,
                      cell_keys[i]);
    alone_add(a, a->heads, (int)(at - a->heads));
    a->reply = (size_t)snprintf(head, sizeof head, "$%u\r\n\r\n", c->size);
    a->reply = (a->reply + c->size) * c->batch;
}

static inline void alone_exists(struct alone *a, const struct cell *c)
{
    char head[32], *at = a->heads;

    at += sprintf(at, "*%u\r\n$6\r\nEXISTS\r\n", c->batch + 1);
    for (uint32_t i = 0; i < c->batch; i++)
        at += sprintf(at, "$%d\r\n%s\r\n", KEY_LEN, cell_keys[i]);
    alone_add(a, a->heads, (int)(at - a->heads));
    a->reply = (size_t)snprintf(head, sizeof head, ":%u\r\n", c->batch);
}

static inline void alone_prepare(struct alone *a, const struct cell *c)
{
    a->cell = c;
    a->heads = malloc(((size_t)c->batch + 1) * 96);
    if (c->op == WEIR_SET)
        alone_sets(a, c);
    else if (c->op == WEIR_GET)
        alone_gets(a, c);
    else
        alone_exists(a, c);
}

static inline void alone_send(const struct alone *a, int fd)
{
    struct iovec parts[ALONE_PARTS];

    memcpy(parts, a->parts, (size_t)a->n * sizeof *parts);
    blocking_send(fd, parts, a->n);
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
        free(all[i].heads);
    }
    return (double)keys * 1e9 / (double)(weir_now() - start);
}

#endif

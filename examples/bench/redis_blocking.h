/* redis_blocking.h -- the reference: the same cell through blocking threads,
 * one socket each, one request a round trip, payloads received in place.
 *
 * Batches are cut into as many tiles as there are threads; tiles wait in one
 * queue under a mutex; the thread that ends a batch's last tile puts it on the
 * list of finished ones and rings an eventfd if that was empty. */
#ifndef REDIS_BLOCKING_H
#define REDIS_BLOCKING_H

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "redis_cell.h"

enum { BLOCKING_THREADS = 8, BLOCKING_TILES = 4096, LINE_BYTES = 4096 };

struct tile {
    uint32_t slot; /* the batch */
    uint32_t first, n;
};

struct blocking {
    struct cell cell;
    uint32_t n_threads;
    pthread_t threads[BLOCKING_THREADS];
    pthread_mutex_t lock; /* guards the queue and the list */
    pthread_cond_t work;
    struct tile tiles[BLOCKING_TILES];
    uint32_t first, end; /* ever taken, ever put */
    bool stop;
    uint32_t *done; /* slots */
    uint32_t n_done;
    int bell;
    _Atomic uint32_t *left; /* keys of each slot not done */
    uint32_t *base;         /* first key of each slot */
    char **buffers;
    uint32_t at;
};

/* ---- one thread: a socket, one request at a time ---- */

struct blocking_line {
    int fd;
    char bytes[LINE_BYTES];
    size_t begin, end;
};

static inline int blocking_connect(const struct cell *c)
{
    struct sockaddr_in in = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons((uint16_t)c->port)};
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    int fd = socket(c->socket ? AF_UNIX : AF_INET, SOCK_STREAM, 0), one = 1;
    int rc;

    if (c->socket != NULL) {
        strncpy(un.sun_path, c->socket, sizeof un.sun_path - 1);
        rc = connect(fd, (struct sockaddr *)&un, sizeof un);
    } else {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        rc = connect(fd, (struct sockaddr *)&in, sizeof in);
    }
    if (rc < 0)
        bench_die("connect", "nobody listens");
    return fd;
}

static inline void blocking_send(int fd, struct iovec *iov, int n)
{
    while (n > 0) {
        ssize_t moved = writev(fd, iov, n);

        if (moved <= 0)
            bench_die("writev", "the server is gone");
        while (n > 0 && (size_t)moved >= iov->iov_len) {
            moved -= (ssize_t)iov->iov_len;
            iov++;
            n--;
        }
        if (n > 0) {
            iov->iov_base = (char *)iov->iov_base + moved;
            iov->iov_len -= (size_t)moved;
        }
    }
}

/* The next line, ended by a NUL in place of its CR. */
static inline char *blocking_line(struct blocking_line *l)
{
    for (;;) {
        char *start = l->bytes + l->begin;
        char *lf = memchr(start, '\n', l->end - l->begin);
        ssize_t n;

        if (lf != NULL) {
            lf[-1] = '\0';
            l->begin = (size_t)(lf + 1 - l->bytes);
            return start;
        }
        if (l->begin == l->end)
            l->begin = l->end = 0;
        n = recv(l->fd, l->bytes + l->end, sizeof l->bytes - l->end, 0);
        if (n <= 0)
            bench_die("recv", "the server is gone");
        l->end += (size_t)n;
    }
}

/* A bulk's payload to its place, then its end of line. */
static inline void blocking_payload(struct blocking_line *l, char *to,
                                    size_t size)
{
    size_t here = l->end - l->begin < size ? l->end - l->begin : size;

    memcpy(to, l->bytes + l->begin, here);
    l->begin += here;
    while (here < size) {
        ssize_t n = recv(l->fd, to + here, size - here, 0);

        if (n <= 0)
            bench_die("recv", "the server is gone");
        here += (size_t)n;
    }
    blocking_line(l);
}

static inline void blocking_request(struct blocking *b, struct blocking_line *l,
                                    uint32_t slot, uint32_t i)
{
    static const char *const NAMES[] = {
        [WEIR_GET] = "*2\r\n$3\r\nGET",
        [WEIR_SET] = "*3\r\n$3\r\nSET",
        [WEIR_EXISTS] = "*2\r\n$6\r\nEXISTS",
        [WEIR_DELETE] = "*2\r\n$6\r\nUNLINK",
    };
    const struct cell *c = &b->cell;
    uint32_t key = (b->base[slot] + i) % cell_range(c);
    char head[96];
    struct iovec iov[3] = {
        {head, 0}, {cell_payload, c->size}, {(char *)"\r\n", 2}};
    char *line;

    if (c->op == WEIR_SET)
        iov[0].iov_len =
            (size_t)snprintf(head, sizeof head, "%s\r\n$%d\r\n%s\r\n$%u\r\n",
                             NAMES[c->op], KEY_LEN, cell_keys[key], c->size);
    else
        iov[0].iov_len =
            (size_t)snprintf(head, sizeof head, "%s\r\n$%d\r\n%s\r\n",
                             NAMES[c->op], KEY_LEN, cell_keys[key]);
    blocking_send(l->fd, iov, c->op == WEIR_SET ? 3 : 1);
    line = blocking_line(l);
    if (*line == '-')
        bench_die("the server", line);
    if (c->op == WEIR_GET)
        blocking_payload(l, b->buffers[slot] + (size_t)i * c->size,
                         strtoul(line + 1, NULL, 10));
}

/* One EXISTS for the keys of a tile. */
static inline void blocking_exists(struct blocking *b, struct blocking_line *l,
                                   const struct tile *t)
{
    static _Thread_local char bytes[(KEY_LEN + 8) * CELL_BATCH_MAX + 64];
    int n = snprintf(bytes, sizeof bytes, "*%u\r\n$6\r\nEXISTS\r\n", t->n + 1);
    struct iovec iov = {bytes, 0};

    for (uint32_t i = t->first; i < t->first + t->n; i++) {
        uint32_t key = (b->base[t->slot] + i) % cell_range(&b->cell);

        memcpy(bytes + n, "$16\r\n", 5);
        memcpy(bytes + n + 5, cell_keys[key], KEY_LEN);
        memcpy(bytes + n + 5 + KEY_LEN, "\r\n", 2);
        n += KEY_LEN + 7;
    }
    iov.iov_len = (size_t)n;
    blocking_send(l->fd, &iov, 1);
    if (strtoul(blocking_line(l) + 1, NULL, 10) != t->n)
        bench_die("exists", "a key is not there");
}

/* ---- the pool ---- */

static inline void blocking_done(struct blocking *b, uint32_t slot)
{
    bool ring;

    pthread_mutex_lock(&b->lock);
    ring = b->n_done == 0;
    b->done[b->n_done++] = slot;
    pthread_mutex_unlock(&b->lock);
    if (ring)
        eventfd_write(b->bell, 1);
}

static inline void *blocking_main(void *arg)
{
    struct blocking *b = arg;
    struct blocking_line line = {.fd = blocking_connect(&b->cell)};

    pthread_mutex_lock(&b->lock);
    while (!b->stop) {
        struct tile t;

        if (b->first == b->end) {
            pthread_cond_wait(&b->work, &b->lock);
            continue;
        }
        t = b->tiles[b->first++ % BLOCKING_TILES];
        pthread_mutex_unlock(&b->lock);
        if (b->cell.many)
            blocking_exists(b, &line, &t);
        for (uint32_t i = t.first; i < t.first + t.n && !b->cell.many; i++)
            blocking_request(b, &line, t.slot, i);
        if (atomic_fetch_sub(&b->left[t.slot], t.n) == t.n)
            blocking_done(b, t.slot);
        pthread_mutex_lock(&b->lock);
    }
    pthread_mutex_unlock(&b->lock);
    close(line.fd);
    return NULL;
}

static inline void blocking_submit(struct blocking *b, uint32_t slot)
{
    uint32_t n = b->cell.batch;
    uint32_t tiles = n < b->n_threads ? n : b->n_threads;

    atomic_store(&b->left[slot], n);
    b->base[slot] = b->at;
    b->at = (b->at + n) % cell_range(&b->cell);
    pthread_mutex_lock(&b->lock);
    for (uint32_t i = 0; i < tiles; i++)
        b->tiles[b->end++ % BLOCKING_TILES] = (struct tile){
            slot, n * i / tiles, n * (i + 1) / tiles - n * i / tiles};
    pthread_mutex_unlock(&b->lock);
    if (tiles == 1)
        pthread_cond_signal(&b->work);
    else
        pthread_cond_broadcast(&b->work);
}

static inline void blocking_open(struct blocking *b, const struct cell *c,
                                 uint32_t threads)
{
    *b = (struct blocking){.cell = *c,
                           .n_threads = threads,
                           .lock = PTHREAD_MUTEX_INITIALIZER,
                           .work = PTHREAD_COND_INITIALIZER,
                           .bell = eventfd(0, 0)};
    b->done = calloc(c->flight, sizeof *b->done);
    b->left = calloc(c->flight, sizeof *b->left);
    b->base = calloc(c->flight, sizeof *b->base);
    b->buffers = calloc(c->flight, sizeof *b->buffers);
    for (uint32_t i = 0; i < c->flight; i++) {
        b->buffers[i] = cell_buffers(c);
    }
    for (uint32_t i = 0; i < threads; i++)
        pthread_create(&b->threads[i], NULL, blocking_main, b);
}

static inline void blocking_close(struct blocking *b)
{
    pthread_mutex_lock(&b->lock);
    b->stop = true;
    pthread_mutex_unlock(&b->lock);
    pthread_cond_broadcast(&b->work);
    for (uint32_t i = 0; i < b->n_threads; i++)
        pthread_join(b->threads[i], NULL);
    for (uint32_t i = 0; i < b->cell.flight; i++)
        free(b->buffers[i]);
    close(b->bell);
    free(b->done);
    free(b->left);
    free(b->base);
    free(b->buffers);
}

/* As weir_side_run. */
static inline struct outcome blocking_run(struct blocking *b, double seconds)
{
    uint64_t *submitted = calloc(b->cell.flight, sizeof *submitted);
    uint32_t *done = calloc(b->cell.flight, sizeof *done);
    uint32_t range = cell_range(&b->cell), sent = 0, open = 0;
    struct meter m;

    b->at = 0;
    meter_start(&m, seconds);
    for (; open < b->cell.flight && sent < range; sent += b->cell.batch) {
        submitted[open] = weir_now();
        blocking_submit(b, open++);
    }
    while (open > 0) {
        eventfd_t rings;
        uint32_t n;

        eventfd_read(b->bell, &rings);
        pthread_mutex_lock(&b->lock);
        n = b->n_done;
        memcpy(done, b->done, n * sizeof *done);
        b->n_done = 0;
        pthread_mutex_unlock(&b->lock);
        for (uint32_t i = 0; i < n; i++) {
            meter_batch(&m, submitted[done[i]], b->cell.batch);
            open--;
            if (seconds > 0 ? weir_now() < m.until : sent < range) {
                submitted[done[i]] = weir_now();
                blocking_submit(b, done[i]);
                sent += b->cell.batch;
                open++;
            }
        }
    }
    free(submitted);
    free(done);
    return meter_stop(&m);
}

#endif

/* redis_others.h -- what the cells are held against besides the blocking
 * client: redis-benchmark, a bare hiredis, a pair of sockets that moves the
 * same bytes with no server in between. */
#ifndef REDIS_OTHERS_H
#define REDIS_OTHERS_H

#include <hiredis/hiredis.h>

#include "redis_blocking.h"

static const char *const CELL_OPS[] = {[WEIR_GET] = "get",
                                       [WEIR_SET] = "set",
                                       [WEIR_EXISTS] = "exists",
                                       [WEIR_DELETE] = "delete"};

/* ---- redis-benchmark ---- */

/* benchmark_run returns the keys/s of redis-benchmark with the same pipeline
 * and connections over that many requests; 0: it is not there. */
static inline double benchmark_run(const struct cell *c, double requests)
{
    char where[200], what[64], command[400], line[256];
    double rate = 0;
    FILE *f;

    if (c->socket != NULL)
        snprintf(where, sizeof where, "-s %s", c->socket);
    else
        snprintf(where, sizeof where, "-p %d", c->port);
    if (c->op == WEIR_GET || c->op == WEIR_SET)
        snprintf(what, sizeof what, "-t %s", CELL_OPS[c->op]);
    else
        snprintf(what, sizeof what, "%s key:__rand_int__",
                 c->op == WEIR_EXISTS ? "EXISTS" : "UNLINK");
    snprintf(command, sizeof command,
             "redis-benchmark %s --csv -P %u -c %u -n %.0f -d %u -r %u %s "
             "2>/dev/null",
             where, c->batch, c->workers, requests, c->size, cell_range(c),
             what);
    f = popen(command, "r");
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        char *comma = strstr(line, "\",\"");

        if (comma != NULL && strtod(comma + 3, NULL) > 0)
            rate = strtod(comma + 3, NULL);
    }
    if (f != NULL)
        pclose(f);
    return rate;
}

/* ---- hiredis ---- */

/* hiredis_run returns the median time of one GET and its reply, in ns. */
static inline double hiredis_run(const struct cell *c, unsigned n)
{
    redisContext *h = redisConnect("127.0.0.1", c->port);

    if (h == NULL || h->err)
        bench_die("hiredis", h ? h->errstr : "out of memory");
    for (unsigned i = 0; i < n; i++) {
        uint64_t start = weir_now();
        void *reply = redisCommand(h, "GET %s", cell_keys[i % cell_range(c)]);

        if (reply == NULL)
            bench_die("hiredis", h->errstr);
        freeReplyObject(reply);
        cell_latencies[i] = (double)(weir_now() - start);
    }
    redisFree(h);
    return bench_median(cell_latencies, n);
}

/* ---- a pair of sockets ---- */

struct raw {
    int from, to;
    size_t size;
    _Atomic bool stop;
};

static inline void *raw_send(void *arg)
{
    struct raw *r = arg;

    while (!atomic_load(&r->stop)) {
        struct iovec iov = {cell_payload, r->size};

        while (iov.iov_len > 0) {
            ssize_t n = writev(r->from, &iov, 1);

            if (n <= 0)
                return NULL;
            iov = (struct iovec){(char *)iov.iov_base + n,
                                 iov.iov_len - (size_t)n};
        }
    }
    shutdown(r->from, SHUT_WR);
    return NULL;
}

static inline void raw_connect(struct raw *r, bool local)
{
    struct sockaddr_in in = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof in;
    int pair[2], listener;

    if (local) {
        if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
            bench_die("socketpair", "none");
    } else {
        listener = socket(AF_INET, SOCK_STREAM, 0);
        pair[0] = socket(AF_INET, SOCK_STREAM, 0);
        if (bind(listener, (struct sockaddr *)&in, sizeof in) < 0 ||
            listen(listener, 1) < 0 ||
            getsockname(listener, (struct sockaddr *)&in, &len) < 0 ||
            connect(pair[0], (struct sockaddr *)&in, len) < 0)
            bench_die("raw", "no connection to oneself");
        pair[1] = accept(listener, NULL, NULL);
        close(listener);
    }
    r->from = pair[0];
    r->to = pair[1];
}

/* raw_run returns how many payloads a second go from one thread to another. */
static inline double raw_run(const struct cell *c, double seconds)
{
    struct raw r = {.size = c->size};
    char *to = malloc(c->size);
    uint64_t start, total = 0;
    pthread_t thread;
    double rate;

    memset(to, 0, c->size);
    raw_connect(&r, c->socket != NULL);
    pthread_create(&thread, NULL, raw_send, &r);
    start = weir_now();
    while ((double)(weir_now() - start) < seconds * 1e9) {
        ssize_t n = recv(r.to, to, c->size, 0);

        total += n > 0 ? (uint64_t)n : 0;
    }
    rate = (double)total * 1e9 / (double)(weir_now() - start) / c->size;
    atomic_store(&r.stop, true);
    while (recv(r.to, to, c->size, 0) > 0)
        continue;
    pthread_join(thread, NULL);
    close(r.from);
    close(r.to);
    free(to);
    return rate;
}

#endif

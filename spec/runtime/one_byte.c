/* one_byte.c -- a host that polls its socket, reads it, and drains until a
 * drain returns less than max never finds two bytes there, and no wake-up is
 * lost. A drain that comes without a byte may bring one byte more. */
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>

#include "harness.h"

enum { ROUNDS = SANITIZED ? 15000 : 60000, FLYING = 6, HOSTS = 2 };

static struct script script;
static struct weir_store *store;

struct host {
    struct weir_cq *cq;
    int pair[2];
    struct weir_batch *idle[FLYING + 1];
    int n_idle;
    uint64_t bytes, most;
};

static void submit_all(struct host *h)
{
    while (h->n_idle > 0) {
        struct weir_batch *b = h->idle[--h->n_idle];

        b->items[0].status = 0;
        CHECK(weir_submit(store, h->cq, b) == 0);
    }
}

static void drain(struct host *h, int max)
{
    int n;

    do {
        n = weir_cq_drain(h->cq, h->idle + h->n_idle, max);
        h->n_idle += n;
    } while (n == max);
}

/* A lost wake-up is a poll that ends by its time. */
static void read_bytes(struct host *h)
{
    struct pollfd p = {.fd = h->pair[1], .events = POLLIN};
    char bytes[64];
    ssize_t n;

    CHECK(poll(&p, 1, 20000) == 1);
    n = recv(h->pair[1], bytes, sizeof bytes, 0);
    CHECK(n > 0);
    h->bytes += (uint64_t)n;
    if ((uint64_t)n > h->most)
        h->most = (uint64_t)n;
}

static void host_begin(struct host *h)
{
    *h = (struct host){.cq = new_cq()};
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, h->pair) == 0);
    CHECK(weir_cq_notify_socket(h->cq, h->pair[0]) == 0);
    for (; h->n_idle < FLYING; h->n_idle++)
        h->idle[h->n_idle] = keyed_batch(WEIR_SET, 1, "k");
}

static void host_end(struct host *h)
{
    while (weir_cq_pending(h->cq) > 0) {
        read_bytes(h);
        drain(h, 1);
    }
    for (int i = 0; i < FLYING; i++)
        weir_batch_free(h->idle[i]);
    weir_cq_free(h->cq);
    close(h->pair[0]);
    close(h->pair[1]);
}

/* max 1: many drains for each byte that was read. */
static void *reads_before_it_drains(void *arg)
{
    int max = 1 + (arg != NULL);
    struct host h;

    host_begin(&h);
    for (int round = 0; round < ROUNDS; round++) {
        submit_all(&h);
        read_bytes(&h);
        drain(&h, max);
    }
    host_end(&h);
    CHECK(h.most == 1);
    return NULL;
}

/* Every other drain comes without a byte, as one does that looks whether a
 * batch has ended meanwhile. A byte needs a drain that made room for it. */
static void drains_in_between(void)
{
    struct host h;
    uint64_t drains = 0;

    host_begin(&h);
    for (int round = 0; round < ROUNDS / 4; round++) {
        submit_all(&h);
        drain(&h, FLYING + 1);
        submit_all(&h);
        read_bytes(&h);
        drain(&h, FLYING + 1);
        drains += 2;
    }
    CHECK(h.bytes <= drains + 1);
    host_end(&h);
}

int main(void)
{
    pthread_t threads[HOSTS];

    deadline_s(200);
    store = open_scripted(&script, "workers=2", "spin=0", NULL);
    for (long i = 0; i < HOSTS; i++)
        CHECK(pthread_create(&threads[i], NULL, reads_before_it_drains,
                             (void *)i) == 0);
    for (int i = 0; i < HOSTS; i++)
        pthread_join(threads[i], NULL);
    drains_in_between();
    weir_store_free(store);
    return 0;
}

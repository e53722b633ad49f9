/* server.c -- a server and its turns. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "state.h"

enum {
    EVENTS = 128,
    BULKY_AT_ONCE = 4,
    ROUNDS = 64, /* most looks at the sockets in one turn */
    HOPE = 8,    /* looks in vain until a turn has only one, */
    PROBE = 16,  /* and turns until one looks again nevertheless */
};

/* A turn is over after this time, so that the host's other work goes on. */
static const uint64_t TURN_NS = 500 * 1000;

static const uint64_t SWEEP_NS = UINT64_C(1000) * 1000000;

/* As many descriptors as the system lets the process have. */
static void raise_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
        limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int weir_server_new(struct weir_server **out,
                    const struct weir_server_limits *limits)
{
    struct weir_server *s = calloc(1, sizeof *s);
    struct epoll_event e = {.events = EPOLLIN};
    int rc = -ENOMEM;

    if (s == NULL)
        return rc;
    s->limits = *limits;
    s->databases = calloc(limits->databases, sizeof *s->databases);
    if (s->databases == NULL)
        goto free_server;
    s->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (s->epoll < 0) {
        rc = -errno;
        goto free_databases;
    }
    rc = weir_cq_new(&s->cq);
    if (rc < 0)
        goto close_epoll;
    s->cq_kind = KIND_QUEUE;
    e.data.ptr = &s->cq_kind;
    epoll_ctl(s->epoll, EPOLL_CTL_ADD, weir_cq_fd(s->cq), &e);
    s->queue_end = &s->queue;
    s->now_ns = s->swept_ns = weir_now();
    s->accepts = true;
    raise_descriptors();
    *out = s;
    return 0;

close_epoll:
    close(s->epoll);
free_databases:
    free(s->databases);
free_server:
    free(s);
    return rc;
}

static void free_requests(struct weir_server *s)
{
    while (s->spare != NULL) {
        struct request *r = s->spare;

        s->spare = r->next;
        request_free(NULL, r);
    }
    free(s->commands);
    free(s->names);
}

void weir_server_free(struct weir_server *s)
{
    if (s == NULL)
        return;
    weir_server_deaf(s);
    for (struct client *c = s->first, *next; c != NULL; c = next) {
        struct request *r = c->request;

        next = c->next;
        c->request = NULL;
        c->is_later = false;
        client_close(s, c);
        if (r != NULL)
            request_free(NULL, r);
    }
    free_requests(s);
    while (s->n_buffers > 0)
        free(s->buffers[--s->n_buffers]);
    link_context_free(s->tls);
    weir_cq_free(s->cq);
    close(s->epoll);
    free(s->databases);
    free(s);
}

static void ignore_sigpipe(void)
{
    struct sigaction now;

    if (sigaction(SIGPIPE, NULL, &now) == 0 && now.sa_handler == SIG_DFL)
        signal(SIGPIPE, SIG_IGN);
}

int weir_server_secure(struct weir_server *s, const char *cert, const char *key,
                       const char *ca, struct weir_error *err)
{
    struct ssl_ctx_st *fresh;
    int rc = link_context(&fresh, cert, key, ca, err);

    if (rc < 0)
        return rc;
    link_context_free(s->tls);
    s->tls = fresh;
    ignore_sigpipe();
    return 0;
}

void weir_server_error(struct weir_server *s, uint32_t status, const char *code,
                       const char *words)
{
    if (status < WEIR_STATUSES)
        s->errors[status] = (struct status_text){code, words};
}

int weir_server_bind(struct weir_server *s, uint32_t db,
                     struct weir_store *store)
{
    if (db >= s->limits.databases)
        return -EINVAL;
    s->databases[db].store = store;
    s->databases[db].is_inline = store != NULL && weir_store_inline(store);
    return 0;
}

int weir_server_fd(const struct weir_server *s)
{
    return s->epoll;
}

void weir_server_stats(const struct weir_server *s,
                       struct weir_server_stats *out)
{
    *out = s->stats;
}

uint32_t weir_server_layout(void)
{
    return (uint32_t)(sizeof(struct weir_command) + sizeof(struct weir_client) +
                      sizeof(struct weir_argument) +
                      sizeof(struct weir_request) +
                      sizeof(struct weir_fast_path) +
                      sizeof(struct weir_server_limits) +
                      sizeof(struct weir_server_stats));
}

/* ---- turns ---- */

static void resume_clients(struct weir_server *s)
{
    struct client *c = later_take_all(s);

    while (c != NULL) {
        struct client *next = c->later;

        c->is_later = false;
        client_resumed(s, c);
        c = next;
    }
}

static void handle(struct weir_server *s, const struct epoll_event *e)
{
    void *what = e->data.ptr;

    switch (*(enum kind *)what) {
    case KIND_CLIENT:
        client_event(s, what, e->events);
        break;
    case KIND_LISTENER:
        listen_event(s, what);
        break;
    case KIND_QUEUE:
        request_drain(s);
        break;
    }
}

static bool is_bulky(const struct epoll_event *e)
{
    return *(enum kind *)e->data.ptr == KIND_CLIENT &&
           client_is_bulky(e->data.ptr);
}

/* Clients that move large values come after all others, and only some of them
 * at once, by turns: a PING does not wait for 50 mebibytes. epoll tells of the
 * others again. */
static int look(struct weir_server *s)
{
    struct epoll_event events[EVENTS], bulky[EVENTS];
    int n = epoll_wait(s->epoll, events, EVENTS, 0), n_bulky = 0;

    for (int i = 0; i < n; i++) {
        if (is_bulky(&events[i]))
            bulky[n_bulky++] = events[i];
        else
            handle(s, &events[i]);
    }
    s->bulky_turn += BULKY_AT_ONCE;
    for (int i = 0; i < n_bulky && i < BULKY_AT_ONCE; i++)
        handle(s, &bulky[(s->bulky_turn + (uint32_t)i) % (uint32_t)n_bulky]);
    return n;
}

static void sweep(struct weir_server *s)
{
    s->swept_ns = s->now_ns;
    for (struct client *c = s->first, *next; c != NULL; c = next) {
        next = c->next;
        client_sweep(s, c);
    }
    listen_again(s);
}

/* Closes the clients that hold most, until all of them hold little enough. */
static void bound_memory(struct weir_server *s)
{
    while (s->limits.max_memory > 0 && s->stats.memory > s->limits.max_memory) {
        struct client *largest = NULL;

        for (struct client *c = s->first; c != NULL; c = c->next) {
            if (!(c->pub.flags & WEIR_CLIENT_KEEP) &&
                (largest == NULL || c->counted > largest->counted))
                largest = c;
        }
        if (largest == NULL || largest->counted <= sizeof *largest)
            return;
        s->stats.closed_memory++;
        client_close(s, largest);
    }
}

/* Whether to look at the sockets again in the same turn. While many clients are
 * busy that finds something, and it costs less than the way through the host's
 * loop. With a single client it is a system call in vain for each command. */
static bool looks_again(struct weir_server *s)
{
    return s->later.first != NULL || s->hope > 0 || ++s->unseen % PROBE == 0;
}

static void learn(struct weir_server *s, bool found)
{
    if (found && s->hope < HOPE)
        s->hope++;
    else if (!found && s->hope > 0)
        s->hope--;
}

int weir_server_turn(struct weir_server *s)
{
    uint64_t begun = weir_now();

    s->now_ns = begun;
    for (int i = 0; i < ROUNDS && s->queued == 0; i++) {
        int n;

        if (i > 0 && !looks_again(s))
            break;
        resume_clients(s);
        n = look(s);
        bound_memory(s);
        if (i > 0)
            learn(s, n > 0);
        if (n <= 0 && s->later.first == NULL)
            break;
        s->now_ns = weir_now();
        if (s->now_ns - begun > TURN_NS)
            break;
    }
    if (s->now_ns - s->swept_ns > SWEEP_NS)
        sweep(s);
    return (int)s->queued;
}

/* resolve.c -- finds the addresses of a host within a deadline.
 *
 * getaddrinfo has no deadline, so it runs on a thread of its own, which may
 * outlive the wait for it. A numeric address needs no thread. */
#include "resolve.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "message.h"

/* Shared by the thread and the one that waits for it. The last one to leave
 * frees it. */
struct lookup {
    _Atomic int users;
    _Atomic bool is_done; /* rc and list are written */
    int done;             /* an eventfd, readable when is_done */
    int rc;               /* of getaddrinfo */
    struct addrinfo *list;
    char port[8];
    char host[];
};

static void lookup_leave(struct lookup *l)
{
    if (atomic_fetch_sub(&l->users, 1) > 1)
        return;
    if (l->list != NULL)
        freeaddrinfo(l->list);
    close(l->done);
    free(l);
}

static int lookup_run(struct lookup *l, int flags)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = flags};

    return getaddrinfo(l->host, l->port, &hints, &l->list);
}

static void *lookup_main(void *arg)
{
    struct lookup *l = arg;

    l->rc = lookup_run(l, AI_ADDRCONFIG);
    atomic_store(&l->is_done, true);
    eventfd_write(l->done, 1);
    lookup_leave(l);
    return NULL;
}

static int lookup_start(struct lookup *l)
{
    pthread_attr_t attr;
    pthread_t thread;
    int rc = pthread_attr_init(&attr);

    if (rc != 0)
        return -rc;
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    atomic_fetch_add(&l->users, 1);
    rc = pthread_create(&thread, &attr, lookup_main, l);
    if (rc != 0)
        atomic_fetch_sub(&l->users, 1);
    pthread_attr_destroy(&attr);
    return -rc;
}

static int lookup_wait(struct lookup *l, struct attempt *at)
{
    int rc;

    l->rc = lookup_run(l, AI_NUMERICHOST | AI_NUMERICSERV);
    if (l->rc != EAI_NONAME)
        return 0;
    rc = lookup_start(l);
    if (rc == 0)
        rc = attempt_wait(at, l->done, POLLIN, UINT64_MAX);
    if (rc > 0 && !atomic_load(&l->is_done))
        rc = -EIO;
    return rc < 0 ? rc : 0;
}

static struct lookup *lookup_new(const char *host, int port)
{
    size_t size = strlen(host) + 1;
    struct lookup *l = calloc(1, sizeof *l + size);

    if (l == NULL)
        return NULL;
    atomic_store(&l->users, 1);
    memcpy(l->host, host, size);
    snprintf(l->port, sizeof l->port, "%d", port);
    l->done = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return l;
}

int resolve(struct attempt *at, struct addrinfo **out)
{
    struct lookup *l = lookup_new(at->host, at->port);
    int rc;

    if (l == NULL)
        return -ENOMEM;
    rc = lookup_wait(l, at);
    if (rc == 0 && l->rc == 0) {
        *out = l->list;
        l->list = NULL;
    } else {
        if (rc == -ETIMEDOUT)
            attempt_fail(at, WEIR_UNAVAILABLE,
                         NO_CONNECTION ": host %s is not found yet", at->host);
        else
            attempt_fail(at, WEIR_UNAVAILABLE, "cannot find host %s: %s",
                         at->host,
                         rc < 0 ? strerror(-rc) : gai_strerror(l->rc));
        rc = rc < 0 ? rc : -EHOSTUNREACH;
    }
    lookup_leave(l);
    return rc;
}

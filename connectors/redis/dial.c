/* dial.c -- connects a socket within the deadline of the attempt.
 *
 * A host's addresses are tried one after the other. Each gets an equal share of
 * the time left, so that an address that drops packets does not use up all of
 * it. */
#include "dial.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "message.h"
#include "resolve.h"

/* The queue of connections of a unix socket is full: try again after 5 ms. */
#define BACKLOG_RETRY_NS 5000000u

static void set_int(int fd, int level, int option, uint64_t value)
{
    int number = value > INT32_MAX ? INT32_MAX : (int)value;

    setsockopt(fd, level, option, &number, sizeof number);
}

/* Sets options of the socket. It works without them, so errors are ignored. */
static void dial_tune(int fd, const struct redis_config *config, bool tcp)
{
    uint64_t idle = (config->keepalive + 999999999u) / 1000000000u;

    if (config->send_buffer != 0)
        set_int(fd, SOL_SOCKET, SO_SNDBUF, config->send_buffer);
    if (config->receive_buffer != 0)
        set_int(fd, SOL_SOCKET, SO_RCVBUF, config->receive_buffer);
    if (!tcp)
        return;
    set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (idle == 0)
        return;
    set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, idle);
    set_int(fd, IPPROTO_TCP, TCP_KEEPINTVL, idle / 3 + 1);
    set_int(fd, IPPROTO_TCP, TCP_KEEPCNT, 3);
}

/* Waits for a connect in progress, at most share nanoseconds. */
static int dial_wait(int fd, struct attempt *at, uint64_t share)
{
    int rc = attempt_wait(at, fd, POLLOUT, share);
    socklen_t len = sizeof rc;

    if (rc < 0)
        return rc;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &rc, &len) < 0)
        return -errno;
    return -rc;
}

/* Connects one socket. connect returns EAGAIN on a unix socket whose queue is
 * full. */
static int dial_connect(int fd, const struct sockaddr *to, socklen_t len,
                        struct attempt *at, uint64_t share)
{
    int rc;

    while (connect(fd, to, len) < 0) {
        if (errno == EINPROGRESS || errno == EINTR)
            return dial_wait(fd, at, share);
        if (errno != EAGAIN)
            return -errno;
        rc = attempt_wait(at, -1, 0, BACKLOG_RETRY_NS);
        if (rc < 0 && attempt_stopped(at) != 0)
            return rc;
    }
    return 0;
}

static int dial_one(struct attempt *at, const struct sockaddr *to,
                    socklen_t len, uint64_t share)
{
    int fd =
        socket(to->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int rc;

    if (fd < 0)
        return -errno;
    dial_tune(fd, at->config, to->sa_family != AF_UNIX);
    rc = dial_connect(fd, to, len, at, share);
    if (rc == 0)
        return fd;
    close(fd);
    return rc;
}

/* ---- a unix socket ---- */

static int dial_unix(struct attempt *at)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    const char *path = at->config->socket;
    int rc;

    memcpy(to.sun_path, path, strlen(path) + 1);
    rc = dial_one(at, (struct sockaddr *)&to, sizeof to, UINT64_MAX);
    if (rc == -ETIMEDOUT)
        attempt_fail(at, WEIR_UNAVAILABLE, NO_CONNECTION ": no answer from %s",
                     path);
    else if (rc < 0)
        attempt_fail(at, WEIR_UNAVAILABLE, "cannot connect: %s", strerror(-rc));
    return rc;
}

/* ---- a host ---- */

/* Returns the share of the time left for the first of these addresses. */
static uint64_t dial_share(const struct attempt *at,
                           const struct addrinfo *left)
{
    uint64_t now = weir_now(), deadline = attempt_deadline(at), n = 0;

    if (deadline == 0)
        return UINT64_MAX;
    for (; left != NULL; left = left->ai_next)
        n++;
    return deadline > now ? (deadline - now) / n : 0;
}

/* Writes an address as "127.0.0.1:6379". */
static void dial_address(const struct addrinfo *a, char *out, size_t cap)
{
    char host[64], port[8];

    if (getnameinfo(a->ai_addr, a->ai_addrlen, host, sizeof host, port,
                    sizeof port, NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        snprintf(out, cap, "an address");
    else
        snprintf(out, cap, a->ai_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host,
                 port);
}

/* A name may have several addresses, so the sentence names the last one. */
static void dial_explain(struct attempt *at, const char *address, int rc)
{
    bool known = strstr(address, at->host) != NULL;

    if (rc == -ETIMEDOUT)
        attempt_fail(at, WEIR_UNAVAILABLE, NO_CONNECTION ": no answer from %s",
                     address);
    else
        attempt_fail(at, WEIR_UNAVAILABLE, "cannot connect%s%s: %s",
                     known ? "" : " to ", known ? "" : address, strerror(-rc));
}

static int dial_host(struct attempt *at)
{
    struct addrinfo *list;
    char address[80] = "";
    int rc = resolve(at, &list);

    if (rc < 0)
        return rc;
    rc = -EHOSTUNREACH;
    for (struct addrinfo *a = list; a != NULL; a = a->ai_next) {
        dial_address(a, address, sizeof address);
        rc = dial_one(at, a->ai_addr, a->ai_addrlen, dial_share(at, a));
        if (rc >= 0 || attempt_stopped(at) != 0)
            break;
    }
    freeaddrinfo(list);
    if (rc < 0)
        dial_explain(at, address, rc);
    return rc;
}

int dial(struct attempt *at)
{
    return at->host == NULL ? dial_unix(at) : dial_host(at);
}

/* link.c -- a link on a bare socket. tls.c puts TLS on it. */
#include "link.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    AWAIT_MIN = 64 << 10, /* for fewer bytes setsockopt costs more than it saves
                           */
    AWAIT_MAX = 1 << 20,  /* with more, the server would stop sending while we
                             copy */
};

static ssize_t socket_send(struct link *l, const struct iovec *iov, int n)
{
    struct msghdr message = {.msg_iov = (struct iovec *)iov,
                             .msg_iovlen = (size_t)n};
    ssize_t moved = sendmsg(l->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);

    return moved >= 0 ? moved : errno == EINTR ? -EAGAIN : -errno;
}

static ssize_t socket_receive(struct link *l, const struct iovec *iov, int n)
{
    ssize_t moved = readv(l->fd, iov, n);

    if (moved > 0)
        return moved;
    if (moved == 0)
        return -ECONNRESET;
    return errno == EINTR ? -EAGAIN : -errno;
}

static bool socket_is_quiet(struct link *l)
{
    char byte;
    ssize_t n = recv(l->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

    return n < 0 && (errno == EAGAIN || errno == EINTR);
}

void link_init(struct link *l, int fd, bool can_await)
{
    *l = (struct link){.fd = fd,
                       .low_water = can_await,
                       .send = socket_send,
                       .receive = socket_receive,
                       .is_quiet = socket_is_quiet};
}

short link_events(const struct link *l, bool sending)
{
    if (l->tls != NULL)
        return (short)(l->tls_read_on | (sending ? l->tls_write_on : 0));
    return (short)(POLLIN | (sending ? POLLOUT : 0));
}

bool link_await(struct link *l, uint64_t bytes)
{
    uint64_t wanted = bytes < AWAIT_MAX ? bytes : AWAIT_MAX;
    int low_water = wanted < AWAIT_MIN ? 1 : (int)wanted;

    if (l->low_water != 0 && l->low_water != low_water &&
        setsockopt(l->fd, SOL_SOCKET, SO_RCVLOWAT, &low_water,
                   sizeof low_water) == 0)
        l->low_water = low_water;
    return l->low_water > 1;
}

bool link_is_quiet(struct link *l)
{
    return l->is_quiet(l);
}

void link_close(struct link *l)
{
    if (l->send == NULL)
        return;
    if (l->end != NULL)
        l->end(l);
    close(l->fd);
    *l = (struct link){0};
}

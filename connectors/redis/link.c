/* link.c -- the bare socket's side of a link; tls.c has the other. */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "link.h"
#include "tls.h"

/* Fewer bytes are not worth a system call to wait for them; of more, the server
 * should be able to send on while we take what has come. */
enum { AWAIT_MIN = 64 << 10, AWAIT_MAX = 1 << 20 };

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

void link_init(struct link *l, int fd, bool patient)
{
    *l = (struct link){.fd = fd,
                       .least = patient,
                       .send = socket_send,
                       .receive = socket_receive};
}

short link_events(const struct link *l, int sending)
{
    if (l->tls != NULL)
        return (short)(l->tls_read_on | (sending ? l->tls_write_on : 0));
    return (short)(POLLIN | (sending ? POLLOUT : 0));
}

bool link_await(struct link *l, uint64_t bytes)
{
    uint64_t wanted = bytes < AWAIT_MAX ? bytes : AWAIT_MAX;
    int least = wanted < AWAIT_MIN ? 1 : (int)wanted;

    if (l->least != 0 && l->least != least &&
        setsockopt(l->fd, SOL_SOCKET, SO_RCVLOWAT, &least, sizeof least) == 0)
        l->least = least;
    return l->least > 1;
}

int link_is_quiet(struct link *l)
{
    char byte;
    ssize_t n;

    if (l->tls != NULL)
        return tls_is_quiet(l);
    n = recv(l->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return n < 0 && (errno == EAGAIN || errno == EINTR);
}

void link_close(struct link *l)
{
    if (l->send == NULL)
        return;
    if (l->tls != NULL)
        tls_end(l);
    close(l->fd);
    *l = (struct link){0};
}

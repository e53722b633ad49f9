/* link.h -- bytes to and from the server: a socket, or TLS on one. */
#ifndef WEIR_REDIS_LINK_H
#define WEIR_REDIS_LINK_H

#include <openssl/types.h>
#include <sys/types.h>
#include <sys/uio.h>

/* Two ways that never block. They return the number of bytes moved (at least
 * one), -EAGAIN, or a negative errno; an orderly end is -ECONNRESET. Of TLS:
 * -EKEYREJECTED: the server does not take our certificate, or that there is
 * none; -EBADMSG: it failed. */
struct link {
    int fd;
    SSL *tls;           /* NULL over a bare socket */
    short tls_read_on;  /* poll's events that let TLS read on ... */
    short tls_write_on; /* ... and write on, when its last try was -EAGAIN */
    ssize_t (*send)(struct link *l, const struct iovec *iov, int n);
    ssize_t (*receive)(struct link *l, const struct iovec *iov, int n);
};

/* link_init makes a link of a connected, non-blocking socket. */
void link_init(struct link *l, int fd);

/* link_events returns what to poll for, to receive and, if that is wanted, to
 * send. */
short link_events(const struct link *l, int sending);

/* link_is_quiet says whether nothing has come that nobody asked for: no byte,
 * no end of the stream. */
int link_is_quiet(struct link *l);

/* link_close lets go of the socket and of TLS. A link that is all zeros or
 * closed is left alone. */
void link_close(struct link *l);

#endif

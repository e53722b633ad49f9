/* link.h -- bytes to and from the server: a socket, or TLS on one. */
#ifndef WEIR_REDIS_LINK_H
#define WEIR_REDIS_LINK_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/* Two ways that never block. They return the number of bytes moved (at least
 * one), -EAGAIN, or a negative errno; an orderly end is -ECONNRESET. Of TLS:
 * -EKEYREJECTED: the server does not take our certificate, or that there is
 * none; -EBADMSG: it failed. */
struct link {
    int fd;
    int least;          /* bytes that poll waits for; 0: it cannot be told */
    SSL *tls;           /* NULL over a bare socket */
    short tls_read_on;  /* poll's events that let TLS read on ... */
    short tls_write_on; /* ... and write on, when its last try was -EAGAIN */
    ssize_t (*send)(struct link *l, const struct iovec *iov, int n);
    ssize_t (*receive)(struct link *l, const struct iovec *iov, int n);
};

/* link_init makes a link of a connected, non-blocking socket; patient:
 * link_await may work on it, since it is TCP, not TLS, and as large as the
 * kernel likes. */
void link_init(struct link *l, int fd, bool patient);

/* link_events returns what to poll for, to receive and, if that is wanted, to
 * send. */
short link_events(const struct link *l, int sending);

/* link_await tells that so many bytes are still to come of something that has
 * begun: poll need not end before they are here, or a good part of them, so
 * that the server wakes us less often. Returns whether poll will wait for more
 * than any byte; then it should not wait long, lest they trickle in. */
bool link_await(struct link *l, uint64_t bytes);

/* link_is_quiet says whether nothing has come that nobody asked for: no byte,
 * no end of the stream. */
int link_is_quiet(struct link *l);

/* link_close lets go of the socket and of TLS. A link that is all zeros or
 * closed is left alone. */
void link_close(struct link *l);

#endif

/* link.h -- a connection to the server: a bare socket, or TLS on one. */
#ifndef WEIR_REDIS_LINK_H
#define WEIR_REDIS_LINK_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/* send and receive never block. They return the number of bytes moved (at least
 * one), -EAGAIN, or another negative errno. -ECONNRESET: the server closed the
 * connection. TLS also returns -EKEYREJECTED: the server rejects our
 * certificate or requires one; -EBADMSG: TLS failed.
 *
 * tls.c replaces the four functions when it puts TLS on the socket. */
struct link {
    int fd;
    int low_water;      /* SO_RCVLOWAT: poll wakes up on so many bytes; 0: it
                           cannot be set on this link */
    SSL *tls;           /* NULL on a bare socket */
    short tls_read_on;  /* poll events after which TLS can read on ... */
    short tls_write_on; /* ... and write on, when the last try was -EAGAIN */
    ssize_t (*send)(struct link *l, const struct iovec *iov, int n);
    ssize_t (*receive)(struct link *l, const struct iovec *iov, int n);
    bool (*is_quiet)(struct link *l);
    void (*end)(struct link *l); /* before the socket is closed; or NULL */
};

/* link_init makes a link of a connected, non-blocking socket. can_await says
 * whether link_await works on it: only on TCP without TLS, whose receive buffer
 * the kernel sizes. */
void link_init(struct link *l, int fd, bool can_await);

/* link_events returns the poll events to receive and, if sending, to send. */
short link_events(const struct link *l, bool sending);

/* link_await announces that so many bytes of a reply are still to come. Poll
 * then wakes up when they, or a good part of them, are here: each wake-up costs
 * the server CPU time. Returns whether poll waits for more than one byte. If it
 * does, the caller must poll with a short timeout, since poll does not see
 * bytes that trickle in. */
bool link_await(struct link *l, uint64_t bytes);

/* link_is_quiet returns whether nothing waits to be received: no bytes and no
 * end of the stream. */
bool link_is_quiet(struct link *l);

/* link_close closes the socket and ends TLS. It does nothing to a link that is
 * zeroed or closed. */
void link_close(struct link *l);

#endif

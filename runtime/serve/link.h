/* link.h -- the bytes of a client, bare or under TLS. */
#ifndef WEIR_SERVE_LINK_H
#define WEIR_SERVE_LINK_H

#include <stdbool.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "weir.h"

struct link {
    int fd;
    struct ssl_st *tls; /* NULL: bare */
};

struct ssl_ctx_st;

/* link_context makes what TLS clients share. ca NULL: clients need no
 * certificate. */
int link_context(struct ssl_ctx_st **out, const char *cert, const char *key,
                 const char *ca, struct weir_error *err);
void link_context_free(struct ssl_ctx_st *context);

/* link_begin begins TLS on an accepted socket; false: memory is short. */
bool link_begin(struct link *l, struct ssl_ctx_st *context);

/* link_end frees what TLS holds; the fd stays open. */
void link_end(struct link *l);

/* link_receive and link_send move what they can without waiting. They return
 * how many bytes, 0: the peer sends no more, -EAGAIN, or a negative errno. */
ssize_t link_receive(struct link *l, const struct iovec *pieces, int n);
ssize_t link_send(struct link *l, struct iovec *pieces, int n);

/* link_has_unread says whether bytes wait that epoll does not know of. */
bool link_has_unread(const struct link *l);

#endif

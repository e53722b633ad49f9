/* slots_reply.h -- reads the reply to CLUSTER SLOTS. */
#ifndef WEIR_REDIS_SLOTS_REPLY_H
#define WEIR_REDIS_SLOTS_REPLY_H

#include "map.h"

/* slots_reply_read reads a reply into a draft that draft_init emptied. asked is
 * the node that sent it: it stands for nodes without a host. Returns the bytes
 * of the reply, 0: its end is missing, or -EPROTO. An error reply leaves the
 * draft empty and is returned in *error, of *error_len bytes. */
ptrdiff_t slots_reply_read(const char *bytes, size_t len,
                           const struct endpoint *asked, struct draft *out,
                           const char **error, size_t *error_len);

#endif

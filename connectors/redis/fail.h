/* fail.h -- answers items when a session fails. */
#ifndef WEIR_REDIS_FAIL_H
#define WEIR_REDIS_FAIL_H

#include "session.h"

/* fail_items answers the pending ones of n items with status. */
void fail_items(struct progress *p, uint32_t first, uint32_t n, int status,
                const char *why);

/* fail_unexpected notes the bytes that were received instead of what the
 * protocol requires here. Returns -EPROTO, for which the session is to end. */
int fail_unexpected(struct redis_session *s, const char *expected);

/* fail_session answers all pending items of a session that ends because of rc,
 * a negative errno. culprit: the call that was waited for, or NULL. Returns rc.
 */
int fail_session(struct redis_session *s, const struct progress *culprit,
                 int rc);

#endif

/* exchange.h -- sends commands and receives replies. */
#ifndef WEIR_REDIS_EXCHANGE_H
#define WEIR_REDIS_EXCHANGE_H

#include "session.h"

/* exchange_send puts and sends as many commands as possible now. Returns 0 or a
 * negative errno. */
int exchange_send(struct redis_session *s);

/* exchange_drain reads the replies that the server sent before it closed the
 * connection, which exchange_send reported as rc. Returns rc, or an error in
 * these replies. */
int exchange_drain(struct redis_session *s, struct weir_call *call, int rc);

/* exchange_limit returns how long the server may still be silent, 0: no longer,
 * UINT64_MAX: no limit. */
uint64_t exchange_limit(struct redis_session *s, uint64_t now);

/* exchange_await prepares the link for a poll, at most for limit, and returns
 * how long the poll may take. While a payload comes, such a poll does not see
 * whether bytes trickle in or have stopped, so it takes at most 10 ms since
 * data was last received. A poll that ends for other work does not restart this
 * time. 0: any byte ends the poll. */
uint64_t exchange_await(struct redis_session *s, uint64_t limit, uint64_t now);

/* exchange_wait waits until the link is ready, at most limit nanoseconds.
 * -ETIMEDOUT: that is over, or the server was silent for read_timeout or took
 * nothing for write_timeout. */
int exchange_wait(struct redis_session *s, struct weir_call *call,
                  uint64_t limit);

/* exchange_receive receives once into the inbox, without waiting. Returns 0,
 * also if nothing was there, or a negative errno. */
int exchange_receive(struct redis_session *s);

#endif

/* exchange.h -- sends commands and receives replies. */
#ifndef WEIR_REDIS_EXCHANGE_H
#define WEIR_REDIS_EXCHANGE_H

#include "session.h"

/* exchange_receive receives once into the inbox, without waiting. Returns 0,
 * also if nothing was there, or a negative errno. */
int exchange_receive(struct redis_session *s);

#endif

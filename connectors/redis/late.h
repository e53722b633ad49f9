/* late.h -- answers calls at their deadline, before their replies come. */
#ifndef WEIR_REDIS_LATE_H
#define WEIR_REDIS_LATE_H

#include "session.h"

/* late_expire answers the items of a progress whose call is past its deadline.
 * Returns 0, -EBUSY: the batch was abandoned and cannot end early, or another
 * negative errno: the session is broken. */
int late_expire(struct redis_session *s, struct progress *p);

#endif

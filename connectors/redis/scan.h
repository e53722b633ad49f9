/* scan.h -- SCAN: lists keys with a prefix, page by page. */
#ifndef WEIR_REDIS_SCAN_H
#define WEIR_REDIS_SCAN_H

#include "session.h"

/* scan_put puts the SCAN for a call's next item in the outbox. False: no room.
 * A call has at most one SCAN in flight, since the next one needs the cursor
 * from its reply. */
bool scan_put(struct redis_session *s, struct progress *p);

/* scan_reset drops the page that a call collects. Call it when an item of a
 * scan is answered, also with an error: the next item has another pattern. */
void scan_reset(struct progress *p);

/* scan_read reads the next part of a SCAN's reply from the inbox. Returns 1, or
 * 0 if it has not been received completely, or -EPROTO. */
int scan_read(struct redis_session *s);

#endif

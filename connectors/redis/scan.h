/* scan.h -- SCAN: pages of keys with a literal prefix. */
#ifndef WEIR_REDIS_SCAN_H
#define WEIR_REDIS_SCAN_H

#include "session.h"

/* scan_put puts the SCAN for a flight's next item in the outbox; false: no
 * room. One is on its way at a time: its cursor comes from the one before. */
bool scan_put(struct redis_session *s, struct flight *f);

/* scan_forget ends a flight's page, answered or not: its next item begins with
 * a pattern, a cursor and a page of its own. */
void scan_forget(struct flight *f);

/* scan_read reads part of a SCAN's reply from the inbox. 1: something was
 * consumed; 0: more must be received; -EPROTO. */
int scan_read(struct redis_session *s);

#endif

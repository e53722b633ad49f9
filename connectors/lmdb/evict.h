/* evict.h -- the log's old end. */
#ifndef LMDB_EVICT_H
#define LMDB_EVICT_H

#include "writer.h"

enum { EVICT_PACE = 4 }; /* bytes cleaned for each byte written */

/* evict_for makes room for a record of that length: while the file in use would
 * exceed its limit, the oldest records go. */
int evict_for(struct writer *w, uint64_t len);

/* evict_clean is called after a write of that length. While more than a quarter
 * of the log is records that nothing points at any more, it moves some of the
 * oldest live records to the head, so that the pages before them become free:
 * about EVICT_PACE times the length, whatever the size of the store. */
int evict_clean(struct writer *w, uint64_t len);

#endif

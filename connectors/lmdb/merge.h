/* merge.h -- keeps the levels of the index within their bounds. */
#ifndef LMDB_MERGE_H
#define LMDB_MERGE_H

#include "writer.h"

/* merge_some is called after each item of a transaction that has changed
 * something. It merges at most a bucket of each level, which is more than an
 * item adds, and drops dead entries in proportion to the evictions since. */
int merge_some(struct writer *w);

#endif

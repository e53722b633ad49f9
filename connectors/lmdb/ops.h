/* ops.h -- what a session does with a call, by op. Each answers all items. */
#ifndef LMDB_OPS_H
#define LMDB_OPS_H

#include "state.h"

/* get, exists, stat: in one read transaction. */
void lmdb_read(struct session *s, struct weir_call *call);

/* set, delete, touch, and the atomic ops: in one write transaction, unless the
 * call is so large that it would take a good part of the capacity. */
void lmdb_write(struct session *s, struct weir_call *call);

void lmdb_scan(struct session *s, struct weir_call *call);

/* reader_begin begins the session's read transaction, until reader_end. 0 or a
 * code of LMDB. */
int reader_begin(struct session *s);
void reader_end(struct session *s);

#endif

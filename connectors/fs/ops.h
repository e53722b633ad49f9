/* ops.h -- the operations: each answers one item of a call. get, stat and touch
 * (also gat) are in read.c, set and delete in write.c, the atomic ones in
 * change.c, scan in scan.c. */

#ifndef FS_OPS_H
#define FS_OPS_H

#include "state.h"

typedef void fs_op(struct fs_session *s, struct weir_call *call,
                   struct weir_item *item);

fs_op fs_get, fs_stat, fs_touch, fs_set, fs_add, fs_change, fs_delete, fs_scan;

/* fs_attempt answers the items of a call that need no system call of their own:
 * exists, stat, and gets of keys that are not there (quick.c). */
void fs_attempt(void *state, struct weir_call *call);

#endif

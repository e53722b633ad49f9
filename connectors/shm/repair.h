/* repair.h -- makes a shard consistent again. */
#ifndef SHM_REPAIR_H
#define SHM_REPAIR_H

#include "shard.h"

/* repair_shard rebuilds all that a shard has, from its live entries alone:
 * table, queues, free units, numbers. An entry stays when its head has the
 * right checksum and its chain is as long as its lengths say and shares no unit
 * with another one's; the others are counted as lost. Values are checked when
 * they are read next. Units that a living process has pinned stay as they are.
 */
void repair_shard(const struct hold *h);

#endif

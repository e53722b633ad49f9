/* tidy.h -- moves entries together, so that free memory is in one piece.
 *
 * When the sizes of values change, or most keys are deleted, the blocks of one
 * size lie thinly in their runs, and no other size can use what is free there.
 * So each removal of an entry pays for looking at a few blocks of a run that is
 * to become empty: an entry moves to another run of its size, as zsmalloc in
 * Linux does. */
#ifndef MEMORY_TIDY_H
#define MEMORY_TIDY_H

#include "shard.h"

/* tidy_run moves entries of the shard, if its heap is loose; for tidy. */
void tidy_run(struct shard *s);

/* tidy does what the removals since the last call pay for. It needs the lock.
 * No pointer to an entry of the shard is valid afterwards. */
static inline void tidy(struct shard *s)
{
    if (s->removed > 0 && s->heap != NULL)
        tidy_run(s);
}

#endif

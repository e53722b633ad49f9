/* room.h -- the free units of a shard, in runs.
 *
 * Free units that follow each other are one run. Its first and its last unit
 * have CHAIN_FREE and the run's length as their words in the table of chains,
 * so units that are given back find the free ones beside them and join them.
 * Runs of about the same length are in one list: list i has those of 2^i units
 * and more, but less than 2^(i + 1). The links are in the first unit of each
 * run. An entry gets one run if there is one that is long enough, else the
 * fewest that make up its length. */
#ifndef SHM_ROOM_H
#define SHM_ROOM_H

#include "state.h"

/* room_format makes one run of all units of an empty shard. */
void room_format(const struct layout *l, struct shard *s);

/* room_take takes n free units, makes a chain of them and returns the first; 0:
 * the shard is damaged. *whole: they are one run. */
uint32_t room_take(const struct hold *h, uint32_t n, bool *whole);

/* room_give makes a run of units free. -EUCLEAN. */
int room_give(const struct hold *h, uint32_t unit, uint32_t n);

/* room_give_chain makes the units of an entry free; it is live no longer.
 * room_give_whole does the same for n units that are one run, without a look at
 * each. -EUCLEAN. */
int room_give_chain(const struct hold *h, uint32_t first);
int room_give_whole(const struct hold *h, uint32_t first, uint64_t n);

#endif

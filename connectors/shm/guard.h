/* guard.h -- what processes tell each other about the keys that they write, so
 * that a copy in the mapping is never older than the value below.
 *
 * The top of a tier over processes is an shm store, the authority is a store
 * below it. These races exist, for processes A and B and one key:
 *
 *   write A, refill B   B misses the copy and reads the old value below. A
 *                       writes the new one below and above. B's copy of the old
 *                       value comes last.
 *   delete A, refill B  As above, and the deleted value would come back.
 *   write A, write B    The last one below need not be the last one above.
 *   death of A          A has written below, and dies before it has replaced
 *                       the copy above. Or B has read before A wrote, C reads
 *                       the new value, then B's copy of the old one comes.
 *   negative A, write B A remembers that there is no value, and B sets one.
 *   touch A, refill B   B's copy has the old time to live.
 *
 * The protocol. Keys have a cell each, by their hash; some share one. A cell
 * has a generation and the set of processes that write its keys. A write begins
 * under the lock of the shard: it enters itself, raises the generation and
 * deletes the copy. A ticket is the generation, and is given only while nobody
 * else writes. A copy is stored only if its ticket has the cell's generation
 * still, under the same lock. So:
 *
 *   - A refill that read before a write has an old ticket, one that reads
 *     during a write gets none: neither overwrites what the write stores.
 *   - Of two writes at a time the second has no ticket, and the first one's is
 *     old. Neither stores a copy. The next read gets what the authority has.
 *   - A writer that dies has deleted the copy before it wrote below. While it
 *     is entered nobody gets a ticket. Whoever finds that it is dead removes
 *     it, and for GUARD_LINGER_MS gives no ticket: the authority may still
 *     apply what was sent. After that the authority's value is final.
 *   - A process that remembers an absence keeps a ticket, and looks whether it
 *     is still good.
 *
 * A claim is a write that begins only with a good ticket, and that others wait
 * for: the value that a loader returned must not replace one that was written
 * meanwhile, above or below.
 *
 * Two keys with one cell cost each other copies, never rightness. Writers are
 * seats (seats.h), a bit each, so a death leaves nothing to count. Within a
 * process `own` counts its writes by cell. A bit of this process without such a
 * count is that of a dead one that had the seat before.
 *
 * What a damaged mapping leads to: copies that are not stored, or that are too
 * old; never to another address. */
#ifndef SHM_GUARD_H
#define SHM_GUARD_H

#include <stdint.h>

struct shm;
struct place;
struct weir_guard_key;

/* guard_open makes the table of own writes, and removes writers that a dead
 * process with this seat left. -ENOMEM. */
int guard_open(struct shm *m);
void guard_close(struct shm *m);

/* shm_guard is weir_guard. */
int shm_guard(void *state, uint32_t verb, struct weir_guard_key *keys,
              uint32_t n);

#endif

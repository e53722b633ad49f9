/* ticket.h -- tickets for copies, and the writers of a cell; all under the lock
 * of the shard. guard.h says what for. */
#ifndef SHM_TICKET_H
#define SHM_TICKET_H

#include "store.h"

/* A ticket is a generation and these bits. */
enum { TICKET_BAD = 1, TICKET_BITS = 1 };

/* ticket_cell returns the cell of the keys of a hash, ticket_own what this
 * process writes there. */
struct cell *ticket_cell(const struct hold *h, uint32_t hash);
struct own *ticket_own(const struct shm *m, uint32_t shard, uint32_t hash);

/* ticket_look returns a ticket for the keys of a hash. */
uint64_t ticket_look(struct shm *m, const struct hold *h, uint32_t shard,
                     uint32_t hash);

/* ticket_admits says whether a ticket is good, so that a copy may be stored. */
bool ticket_admits(const struct hold *h, uint32_t hash, uint64_t ticket);

/* ticket_note notes a set without a ticket, or a delete: tickets of before are
 * no longer good. */
void ticket_note(const struct hold *h, uint32_t hash);

/* ticket_quiet returns whether a write or a copy would be alone: nobody writes,
 * and nobody who died may still. */
bool ticket_quiet(const struct shm *m, const struct hold *h, struct cell *c,
                  const struct own *own);

/* ticket_enter and ticket_leave note a writer and its end, ticket_bury the end
 * of one that died. */
void ticket_enter(struct cell *c, uint32_t seat);
void ticket_leave(struct cell *c, uint32_t seat);
void ticket_bury(const struct hold *h, struct cell *c, uint32_t seat);

#endif

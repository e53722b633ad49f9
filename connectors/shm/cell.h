/* cell.h -- what a mapping holds of the keys that are being written (guard.h)
 * and loaded (lease.h). */
#ifndef SHM_CELL_H
#define SHM_CELL_H

#include <stdint.h>

#include "seats.h"

enum {
    GUARD_LINGER_MS = 2000, /* in which a backend applies what was sent */
    GUARD_WORDS = 4,        /* of 64 writers */
};

/* In the mapping, for the keys of one or more hashes. */
struct cell {
    uint64_t generation;
    uint64_t writers[GUARD_WORDS]; /* a bit a seat */
    uint64_t quiet_ms; /* until when no ticket is given: a writer died */
    uint32_t claimant; /* the holder that has the cell for itself; 0 = none */
    uint32_t reserved[3];
};

_Static_assert(sizeof(struct cell) == 64, "a cell is a line of the cache");
_Static_assert(SEATS <= GUARD_WORDS * 64, "every seat has a bit");

/* The writes of this process to the keys of a cell. The lock of the shard
 * guards it. */
struct own {
    uint32_t writes;
    uint32_t call; /* the last one that began a write here */
    uint64_t ticket;
};

struct guard {
    struct own *own; /* for all cells of all shards */
    _Atomic uint32_t calls;
};

enum lease_state { LEASE_FREE, LEASE_HELD, LEASE_STORED, LEASE_ABSENT };

struct lease {
    uint64_t hash;
    uint64_t token;    /* that of its holder; 0 = none */
    uint64_t until_ms; /* held: the end. Absent: how long it is known */
    uint64_t ticket;   /* absent: of the key, from before the load */
    uint32_t holder;
    uint32_t state; /* enum lease_state */
};

#endif

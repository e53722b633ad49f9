/* evicted.h -- the queue of entries that a memory store dropped, for a host
 * that keeps their values elsewhere. Entries come into the queue as they are,
 * uncopied, so a store that keeps none pays for one comparison. And how old
 * dropped entries were, for simulations. */
#ifndef MEMORY_EVICTED_H
#define MEMORY_EVICTED_H

#include <stdatomic.h>

#include "entry.h"
#include "lock.h"

/* A bit of kinds that no enum weir_evicted_why has: new entries are
 * ENTRY_DATED, and the ages of dropped ones are counted. */
enum { EVICTED_AGES = 1 };

struct ages {
    uint64_t unread, bytes;
    struct weir_latency age, idle; /* only sum and max, until they are read */
    uint64_t age_counts[WEIR_HISTOGRAM], idle_counts[WEIR_HISTOGRAM];
};

struct evicted {
    struct pool *pool;      /* that entries may be from */
    _Atomic uint32_t kinds; /* a bit for each enum weir_evicted_why that is
                               kept, and EVICTED_AGES; 0: none */

    struct lock lock;              /* guards what follows, but for taken */
    struct entry *oldest, *newest; /* linked by chain */
    uint64_t items, bytes, max_items, max_bytes;
    uint64_t lost;
    struct ages *ages; /* NULL: never asked for */

    struct entry *taken; /* the reader's: freed at its next read */
};

/* evicted_add takes a list of dropped entries. Entries of the kinds that are
 * kept go into the queue while it has room. The others are freed. The field
 * hits of an entry is the reason of its eviction (enum weir_evicted_why).
 * Entries with 0 there are always freed. */
void evicted_add(struct evicted *ev, struct entry *dead);

/* evicted_keep sets which kinds of entries are kept from now on. If no kind is
 * kept, the queue is emptied. */
void evicted_keep(struct evicted *ev, uint32_t kinds, uint64_t max_items,
                  uint64_t max_bytes);

/* evicted_read is read_evicted of connector.h. */
int evicted_read(struct evicted *ev, struct weir_evicted *out, int max);

/* evicted_ages is evicted_ages of connector.h. -ENOMEM. */
int evicted_ages(struct evicted *ev, struct weir_evicted_ages *out);

/* evicted_dated says whether new entries without bytes shall be ENTRY_DATED. */
static inline bool evicted_dated(const struct evicted *ev)
{
    return (atomic_load_explicit(&ev->kinds, memory_order_relaxed) &
            EVICTED_AGES) != 0;
}

/* evicted_free frees the entries in the queue and the counts of ages. */
void evicted_free(struct evicted *ev);

/* evicted_bury frees dead entries, or keeps them. */
static inline void evicted_bury(struct evicted *ev, struct entry *dead)
{
    if (atomic_load_explicit(&ev->kinds, memory_order_relaxed) == 0)
        entry_free_all(ev->pool, dead);
    else
        evicted_add(ev, dead);
}

#endif

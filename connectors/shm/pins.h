/* pins.h -- values that are read in place.
 *
 * A get of a large value need not copy it: the process pins the entry, and
 * reads the bytes where they are, for as long as it likes. The bytes of a
 * pinned entry do not change. When its key is set again or deleted, or it is
 * evicted, the entry is taken out as any other, but its units are kept until
 * the last pin is gone.
 *
 * A pin is a row of a table in the shard: an entry, a process, and how many of
 * its values are that entry's. An entry has a list of its pins. All of this
 * belongs to the lock of the shard, but for `count`: to give a pin back, a
 * process just decrements it, without the lock, at any time and in any thread.
 * Rows whose count is 0, or whose process has ended (seats.h), are removed when
 * somebody needs a row or room. A repair of the shard (repair.h) takes the
 * table for true, and keeps the units of every pin of a living process.
 *
 * There is no pin when the table is full, and when half of a shard's units are
 * pinned already; the value is copied then. */
#ifndef SHM_PINS_H
#define SHM_PINS_H

#include "state.h"

struct pin {
    uint32_t holder; /* as in a lock; 0 = the row is free */
    uint32_t unit;   /* the first of the entry, */
    uint32_t units;  /* which is whole */
    uint32_t next;   /* pin of the entry, from 1 on; 0 = none */
    _Atomic uint32_t count;
};

_Static_assert(sizeof(struct pin) == LAYOUT_PIN, "the table has room");

/* pins_take pins an entry that is whole, once more. Returns the number of the
 * pin; 0: there is none to be had; -EUCLEAN. */
int pins_take(const struct hold *h, struct entry *e);

/* pins_give gives one count of a pin back. Without the lock. */
void pins_give(const struct layout *l, const struct shard *s, int pin);

/* pins_keep says whether an entry that is being taken out is pinned, and
 * accounts for its units, which stay. */
bool pins_keep(const struct hold *h, struct entry *e);

/* pins_sweep removes the pins that nobody has any more, and frees the units
 * that were kept for them. always: looks which processes have ended; else it
 * does so once in many calls. -EUCLEAN. */
int pins_sweep(const struct hold *h, bool always);

/* pins_agree says whether the table has as many units as the shard counts. */
bool pins_agree(const struct hold *h);

/* pins_first returns the first pin of the list of an entry; 0: none. */
uint32_t pins_first(const struct hold *h, const struct entry *e);

/* pins_row returns the row of a pin. */
struct pin *pins_row(const struct layout *l, const struct shard *s,
                     uint32_t pin);

/* pins_alive says whether a process that lives has the pin. */
bool pins_alive(const struct hold *h, const struct pin *p);

/* pins_attach puts a pin on the list of its entry. */
void pins_attach(const struct hold *h, uint32_t pin);

#endif

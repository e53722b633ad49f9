/* part.h -- a part of the table of known files (known.c). Everything in it is
 * used under its lock. */

#ifndef FS_PART_H
#define FS_PART_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "fact.h"

struct part_entry {
    uint64_t hash, check; /* check 0: the slot is free */
    struct fs_fact fact;
    struct fs_open *open;
    uint32_t expected; /* reports of our own renames */
    bool known;        /* the facts are; otherwise there may be a file */
};

/* A place for one open file, with the name that has it. */
struct part_place {
    uint64_t hash, check; /* check 0: the place is free */
};

struct part {
    pthread_mutex_t lock; /* guards the following */
    struct part_entry *slots;
    uint32_t cap, used; /* cap: a power of two */
    bool full;
    uint64_t clears, events, changes;
    struct part_place *places;
    uint32_t n_places;
    _Atomic uint32_t *spare; /* places that no part has taken yet: all parts
                                share them, since names are not spread evenly */
    uint64_t random;         /* chooses the place to use again */
};

/* part_find returns the entry of a name, or NULL. An entry stays in place until
 * the next part_add or part_remove. */
struct part_entry *part_find(struct part *p, uint64_t hash, uint64_t check);

/* part_add returns the entry of a name, made if necessary. NULL: the part is
 * full. */
struct part_entry *part_add(struct part *p, uint64_t hash, uint64_t check);

/* part_remove empties the slot of an entry without an open file. */
void part_remove(struct part *p, struct part_entry *e);

/* part_take takes a spare place, for good. NULL: there is none. */
struct part_place *part_take(struct part *p);

/* part_keep_open keeps a file open, in a free place, a spare one, or that of
 * another file. False: there is no place, and the caller closes it. */
bool part_keep_open(struct part *p, struct part_entry *e, int fd,
                    uint64_t used_s);

/* part_doubt forgets the facts of an entry, and frees the place of its open
 * file. part_store stores facts. */
void part_doubt(struct part *p, struct part_entry *e);
void part_store(struct part *p, struct part_entry *e,
                const struct fs_fact *fact);

/* part_empty forgets all names. */
void part_empty(struct part *p);

#endif

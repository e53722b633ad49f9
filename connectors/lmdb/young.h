/* young.h -- which hashes the index may have above its last level: a filter of
 * a session, which saves the search of those levels.
 *
 * It takes 128 KiB. It is made of the levels as one commit left them, and used
 * for the state of that commit only. Making it takes about the time of 2,000
 * searches, so that is done when YOUNG_AFTER keys were looked for in the same
 * state. */
#ifndef LMDB_YOUNG_H
#define LMDB_YOUNG_H

#include "levels.h"

enum { YOUNG_AFTER = 8192 };

struct young {
    uint64_t *bits; /* NULL: not made yet, or no memory for it */
    uint64_t commit;
    uint32_t asked; /* keys, in that commit's state */
    bool ready;     /* bits are of that commit */
};

/* young_look is called before n keys are looked for in a commit's state, at
 * which the levels are. It changes their places. */
void young_look(struct young *y, uint64_t commit, uint32_t n, struct levels *l);

/* young_level returns the level that the search for a hash begins at. */
unsigned young_level(const struct young *y, uint32_t hash);

#endif

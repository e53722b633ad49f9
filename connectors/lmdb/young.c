/* young.c -- see young.h. */
#include "young.h"

#include <stdlib.h>
#include <string.h>

/* About a bit in 16 is set: the levels have up to 70,000 entries. */
enum { YOUNG_BITS = 1 << 20, YOUNG_SHIFT = 12 };

static int young_add(struct young *y, struct index_place *at)
{
    int rc = index_seek(at, 0);

    while (rc == 0 && at->any) {
        uint32_t hash;
        uint64_t pos;

        rc = index_walk(at, &hash, &pos);
        if (rc == 0)
            y->bits[hash >> YOUNG_SHIFT >> 6] |= UINT64_C(1)
                                                 << (hash >> YOUNG_SHIFT & 63);
    }
    return rc == MDB_NOTFOUND ? 0 : rc;
}

static bool young_make(struct young *y, struct levels *l)
{
    int rc = 0;

    if (y->bits == NULL)
        y->bits = malloc(YOUNG_BITS / 8);
    if (y->bits == NULL)
        return false;
    memset(y->bits, 0, YOUNG_BITS / 8);
    for (int i = 0; i < ENV_LEVELS - 1 && rc == 0; i++)
        rc = young_add(y, &l->at[i]);
    return rc == 0;
}

void young_look(struct young *y, uint64_t commit, uint32_t n, struct levels *l)
{
    if (commit != y->commit) {
        y->commit = commit;
        y->asked = 0;
        y->ready = false;
    }
    if (y->ready)
        return;
    y->asked += n;
    if (y->asked < YOUNG_AFTER)
        return;
    y->asked = 0;
    y->ready = young_make(y, l);
}

unsigned young_level(const struct young *y, uint32_t hash)
{
    uint32_t bit = hash >> YOUNG_SHIFT;

    if (!y->ready || y->bits[bit >> 6] >> (bit & 63) & 1)
        return 0;
    return ENV_LEVELS - 1;
}

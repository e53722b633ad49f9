/* merge.c -- see merge.h. */
#include "merge.h"

enum {
    MERGE_FIRST = 2048, /* entries of the first level */
    MERGE_LEAST = 4096, /* of the level after it */
    MERGE_MOST = 64 << 10,
    MERGE_SHARE = 16,   /* that level has up to 1/16 of the keys */
    MERGE_DEAD = 8,     /* dead entries are up to 1/8 of the keys */
    MERGE_SPARE = 1024, /* and this many more */
    MERGE_PACE = 32,    /* evictions for each bucket that is cleaned */
    MERGE_LAST = ENV_LEVELS - 1,
};

static uint64_t merge_bound(const struct writer *w, unsigned level)
{
    uint64_t share = w->facts.items / MERGE_SHARE;

    if (level == 0)
        return MERGE_FIRST;
    if (share > MERGE_MOST)
        return MERGE_MOST;
    return share < MERGE_LEAST ? MERGE_LEAST : share;
}

/* Whether the last level has many dead entries. It has one of each key at most
 * that is not dead. */
static bool merge_dead(const struct writer *w)
{
    uint64_t items = w->facts.items;

    return w->facts.entries[MERGE_LAST] >
           items + items / MERGE_DEAD + MERGE_SPARE;
}

static int merge_compare(void *arg, uint64_t older, uint64_t newer, bool *same)
{
    struct writer *w = arg;
    char *key = w->session->key;
    struct record a, b;
    int rc, equal = 0;

    w->log.at = LOG_NONE; /* the merge has written pages */
    rc = writer_head(w, older, &a);
    if (rc == 0)
        rc = log_read(&w->log, older + a.head, key, a.key_len);
    if (rc == 0)
        rc = writer_head(w, newer, &b);
    if (rc == 0 && a.key_len == b.key_len)
        rc = log_compare(&w->log, newer + b.head, key, a.key_len, &equal);
    *same = equal;
    return rc;
}

/* Merges a bucket of a level into a level, which may be the same: then only the
 * dead entries go. */
static int merge_bucket(struct writer *w, unsigned from, unsigned to)
{
    const struct index_same same = {merge_compare, w};
    uint32_t n, hash = (uint32_t)w->facts.sweep[from];
    int64_t gained = 0;
    int rc = index_take(&w->levels.at[from], &hash, w->session->moving, &n);

    if (rc != 0)
        return rc == MDB_NOTFOUND ? MDB_CORRUPTED : rc;
    w->facts.sweep[from] = hash;
    w->facts.entries[from] -= n;
    rc = index_merge(&w->levels.at[to], w->session->moving, n,
                     w->session->entries, &same, &gained);
    w->facts.entries[to] += (uint64_t)gained;
    return writer_indexed(w, rc);
}

int merge_some(struct writer *w)
{
    uint64_t evicted = w->counted.evicted + w->counted.expired;
    int rc = 0;

    for (unsigned i = 0; i < MERGE_LAST && rc == 0; i++) {
        if (w->facts.entries[i] > merge_bound(w, i))
            rc = merge_bucket(w, i, i + 1);
    }
    for (; rc == 0 && w->cleaned <= evicted && merge_dead(w);
         w->cleaned += MERGE_PACE)
        rc = merge_bucket(w, MERGE_LAST, MERGE_LAST);
    return rc;
}

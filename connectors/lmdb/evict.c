/* evict.c -- see evict.h. */
#include "evict.h"

enum { EVICT_SPARE = 256 << 10 }; /* bytes of dead records left alone */

/* Sets *live to whether a record is its key's, and looks for the key. */
static int evict_live(struct writer *w, uint64_t pos, const struct record *r,
                      struct found *found, bool *live)
{
    char *key = w->session->key;
    int rc = log_read(&w->log, pos + r->head, key, r->key_len);

    if (rc == 0)
        rc = writer_find(w, key, r->key_len, found);
    *live = rc == 0 && found->pos == pos;
    return rc == MDB_NOTFOUND ? 0 : rc;
}

/* Copies a record to the log's head. */
static int evict_copy(struct writer *w, const struct found *found, uint64_t len)
{
    int rc = writer_move(w, found);

    w->counted.copied += len;
    return rc == 0 ? writer_copy(w, found->pos, len) : rc;
}

/* Its entry of the index is dead when the tail has passed the record. */
static void evict_drop(struct writer *w, uint64_t len, bool expired)
{
    w->facts.live -= len;
    w->facts.items--;
    if (expired)
        w->counted.expired++;
    else
        w->counted.evicted++;
}

/* Moves the log's tail past a record, of which *len is the length. */
static int evict_step(struct writer *w, bool keep, uint64_t *len)
{
    struct record r;
    struct found found;
    uint64_t pos = w->facts.tail;
    bool live, expired;
    int rc = writer_head(w, pos, &r);

    if (rc == 0)
        rc = evict_live(w, pos, &r, &found, &live);
    if (rc != 0)
        return rc;
    *len = record_len(&r);
    expired = record_expired(&r, w->now_ms);
    if (live && keep && !expired)
        rc = evict_copy(w, &found, *len);
    else if (live)
        evict_drop(w, *len, expired);
    return rc == 0 ? writer_drop(w, pos + *len) : rc;
}

int evict_for(struct writer *w, uint64_t len)
{
    uint64_t need = len + len / 32 + 2 * w->env->page, step;
    int rc = 0;

    while (rc == 0 && w->facts.tail < w->facts.head &&
           env_used(w->env, w->txn) + need > w->limit)
        rc = evict_step(w, false, &step);
    return rc;
}

static bool evict_untidy(const struct writer *w)
{
    uint64_t span = w->facts.head - w->facts.tail;

    return span - w->facts.live > w->facts.live / 3 + EVICT_SPARE;
}

int evict_clean(struct writer *w, uint64_t len)
{
    uint64_t budget = len * EVICT_PACE, step;
    int rc = 0;

    while (rc == 0 && budget > 0 && w->facts.tail < w->start &&
           evict_untidy(w)) {
        rc = evict_step(w, true, &step);
        budget -= rc != 0 || step > budget ? budget : step;
    }
    return rc;
}

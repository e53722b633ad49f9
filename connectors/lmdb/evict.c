/* evict.c -- see evict.h. */
#include "evict.h"

#include <string.h>

enum { EVICT_SPARE = 256 << 10 }; /* bytes of dead records left alone */

/* Sets *live to whether the index points at a record. */
static int evict_live(struct writer *w, uint64_t pos,
                      const struct record_head *r, uint64_t *hash, bool *live)
{
    MDB_val key = {sizeof *hash, hash}, data;
    uint64_t found;
    int rc =
        log_read(&w->log, pos + sizeof *r, w->session->key, record_key_len(r));

    if (rc != 0)
        return rc;
    *hash = key_hash(w->env, w->session->key, record_key_len(r));
    rc = mdb_get(w->txn, w->env->index, &key, &data);
    *live = false;
    if (rc != 0)
        return rc == MDB_NOTFOUND ? 0 : rc;
    if (data.mv_size != sizeof found)
        return MDB_CORRUPTED;
    memcpy(&found, data.mv_data, sizeof found);
    *live = found == pos;
    return 0;
}

/* Copies a record to the log's head. It goes through a buffer, because writing
 * a piece of the log may free the page that the record is read from. */
static int evict_copy(struct writer *w, uint64_t pos, uint64_t len,
                      uint64_t *hash)
{
    MDB_val key = {sizeof *hash, hash};
    uint64_t at = w->facts.head;
    MDB_val data = {sizeof at, &at};
    char *bounce = w->session->piece + w->env->piece;
    int rc = mdb_put(w->txn, w->env->index, &key, &data, 0);

    w->counted.copied += len;
    w->taken += w->env->page;
    while (rc == 0 && len > 0) {
        size_t step = len < w->env->piece ? len : w->env->piece;

        rc = log_read(&w->log, pos, bounce, step);
        if (rc == 0)
            rc = writer_append(w, bounce, step);
        pos += step;
        len -= step;
    }
    return rc;
}

static int evict_remove(struct writer *w, uint64_t len, uint64_t *hash,
                        bool expired)
{
    MDB_val key = {sizeof *hash, hash};

    w->facts.live -= len;
    w->taken += w->env->page;
    if (expired)
        w->counted.expired++;
    else
        w->counted.evicted++;
    return mdb_del(w->txn, w->env->index, &key, NULL);
}

/* Moves the log's tail past a record, of which *len is the length. */
static int evict_step(struct writer *w, bool keep, uint64_t *len)
{
    struct record_head r;
    uint64_t pos = w->facts.tail, hash;
    bool live, expired;
    int rc = writer_head(w, pos, &r);

    if (rc == 0)
        rc = evict_live(w, pos, &r, &hash, &live);
    if (rc != 0)
        return rc;
    *len = record_len(&r);
    expired = record_expired(&r, w->now_ms);
    if (live && keep && !expired)
        rc = evict_copy(w, pos, *len, &hash);
    else if (live)
        rc = evict_remove(w, *len, &hash, expired);
    w->facts.tail += *len;
    return rc == 0 ? writer_drop(w, pos) : rc;
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

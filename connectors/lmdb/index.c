/* index.c -- see index.h. */
#include "index.h"

#include <string.h>

#define INDEX_POSITIONS ((UINT64_C(1) << 48) - 1)

/* A log is shorter than half of all positions. So what seems to be further from
 * the tail is before it. */
#define INDEX_BEHIND (UINT64_C(1) << 47)

static uint32_t index_room(const struct index_place *p)
{
    return (p->piece - INDEX_HEAD) / INDEX_ENTRY;
}

static uint32_t entry_hash(const uint8_t *entries, uint32_t at)
{
    uint32_t hash;

    memcpy(&hash, entries + (size_t)at * INDEX_ENTRY, sizeof hash);
    return hash;
}

static void entry_write(uint8_t *entries, uint32_t at, uint32_t hash,
                        uint64_t pos)
{
    uint8_t *to = entries + (size_t)at * INDEX_ENTRY;

    memcpy(to, &hash, sizeof hash);
    memcpy(to + sizeof hash, &pos, INDEX_ENTRY - sizeof hash);
}

/* Sets *pos to the position of an entry. False: it is dead. */
static bool entry_position(const struct index_place *p, const uint8_t *entries,
                           uint32_t at, uint64_t *pos)
{
    uint64_t low = 0;

    memcpy(&low, entries + (size_t)at * INDEX_ENTRY + sizeof(uint32_t),
           INDEX_ENTRY - sizeof(uint32_t));
    low = (low - p->tail) & INDEX_POSITIONS;
    *pos = p->tail + low;
    return low < INDEX_BEHIND;
}

/* Looks at a bucket, and sets *start to its key. */
static int index_bucket(struct index_place *p, const MDB_val *key,
                        const MDB_val *data, uint32_t *start)
{
    uint16_t n;

    p->n = p->at = 0;
    if (key->mv_size != sizeof *start || data->mv_size != p->piece)
        return MDB_CORRUPTED;
    memcpy(start, key->mv_data, sizeof *start);
    memcpy(&n, data->mv_data, sizeof n);
    if (n > index_room(p))
        return MDB_CORRUPTED;
    p->n = n;
    p->entries = (const uint8_t *)data->mv_data + INDEX_HEAD;
    return 0;
}

/* Returns the first entry with that hash or a higher one. The search begins at
 * about where it is, as hashes are even between the bucket's key and the next
 * one, and goes on from there in growing steps: a large index is not in the
 * processor's caches, and so few of its lines are read. */
static uint32_t index_lower(const struct index_place *p, uint32_t hash,
                            uint64_t end)
{
    uint32_t low = 0, high = p->n, step = 4;
    uint32_t at =
        (uint32_t)((uint64_t)(hash - p->start) * p->n / (end - p->start));

    for (; low < high; step *= 2) {
        bool less = entry_hash(p->entries, at) < hash;
        uint32_t half;

        if (less)
            low = at + 1;
        else
            high = at;
        half = (high - low) / 2;
        half = step < half ? step : half;
        at = less ? low + half : high - 1 - half;
    }
    return low;
}

/* Goes to the bucket of a hash, and sets *end to where the next one begins, as
 * far as it is known. */
static int index_find(struct index_place *p, MDB_val *data, uint64_t *end)
{
    MDB_val key = {sizeof p->hash, &p->hash};
    uint32_t after = p->hash;
    int rc = mdb_cursor_get(p->cursor, &key, data, MDB_SET_RANGE);

    *end = UINT64_C(1) << 32;
    if (rc == MDB_NOTFOUND)
        rc = mdb_cursor_get(p->cursor, &key, data, MDB_LAST);
    else if (rc == 0 && key.mv_size == sizeof after)
        memcpy(&after, key.mv_data, sizeof after);
    if (rc == 0 && after != p->hash) {
        *end = after;
        rc = mdb_cursor_get(p->cursor, &key, data, MDB_PREV);
    }
    return rc == 0 ? index_bucket(p, &key, data, &p->start) : rc;
}

int index_seek(struct index_place *p, uint32_t hash)
{
    MDB_val data;
    uint64_t end;
    int rc;

    p->hash = hash;
    p->n = p->at = p->start = 0;
    rc = index_find(p, &data, &end);
    p->any = rc == 0;
    if (rc == 0 && (p->start > hash || p->start >= end))
        rc = MDB_CORRUPTED;
    if (rc != 0)
        return rc == MDB_NOTFOUND ? 0 : rc;
    p->at = index_lower(p, hash, end);
    return 0;
}

bool index_next(struct index_place *p, uint64_t *pos)
{
    while (p->at < p->n && entry_hash(p->entries, p->at) == p->hash) {
        if (entry_position(p, p->entries, p->at++, pos))
            return true;
    }
    return false;
}

int index_walk(struct index_place *p, uint32_t *hash, uint64_t *pos)
{
    MDB_val key, data;

    for (;;) {
        int rc = 0;

        while (p->at >= p->n && rc == 0) {
            rc = mdb_cursor_get(p->cursor, &key, &data, MDB_NEXT);
            if (rc == 0)
                rc = index_bucket(p, &key, &data, &p->start);
        }
        if (rc != 0)
            return rc;
        *hash = entry_hash(p->entries, p->at);
        if (entry_position(p, p->entries, p->at++, pos))
            return 0;
    }
}

/* ---- changes ---- */

/* Copies the entries of a place behind n others. */
static void index_copy(const struct index_place *p, uint8_t *entries,
                       uint32_t n)
{
    if (p->n > 0)
        memcpy(entries + (size_t)n * INDEX_ENTRY, p->entries,
               (size_t)p->n * INDEX_ENTRY);
}

/* Writes a bucket. The bytes after its entries are zeros. */
static int index_put(struct index_place *p, uint32_t start,
                     const uint8_t *entries, uint32_t n, unsigned flags)
{
    MDB_val key = {sizeof start, &start}, data = {p->piece, NULL};
    uint16_t count = (uint16_t)n;
    size_t used = INDEX_HEAD + (size_t)n * INDEX_ENTRY;
    int rc = mdb_cursor_put(p->cursor, &key, &data, flags | MDB_RESERVE);

    if (rc != 0)
        return rc;
    p->puts++;
    memcpy(data.mv_data, &count, sizeof count);
    memcpy((char *)data.mv_data + INDEX_HEAD, entries, used - INDEX_HEAD);
    memset((char *)data.mv_data + used, 0, p->piece - used);
    return 0;
}

/* Adds the entries of the next bucket to n of this one, and makes the place
 * empty if there is none. */
static int index_load_next(struct index_place *p, uint8_t *entries, uint32_t n)
{
    MDB_val key, data;
    uint32_t start;
    int rc = mdb_cursor_get(p->cursor, &key, &data, MDB_NEXT);

    p->n = 0;
    if (rc == MDB_NOTFOUND)
        return 0;
    if (rc == 0)
        rc = index_bucket(p, &key, &data, &start);
    if (rc == 0)
        index_copy(p, entries, n);
    return rc;
}

/* Returns where a bucket of about that many entries from a place on ends. Those
 * with one hash stay together: they may be more than a bucket has room for. */
static uint32_t index_part(const struct index_place *p, const uint8_t *entries,
                           uint32_t n, uint32_t from, uint32_t about)
{
    uint32_t room = index_room(p);
    uint32_t at = from + (about < room ? about : room), end = at;

    while (end < n && entry_hash(entries, end) == entry_hash(entries, end - 1))
        end++;
    if (end - from <= room)
        return end;
    while (at > from && entry_hash(entries, at) == entry_hash(entries, at - 1))
        at--;
    return at > from ? at : end;
}

/* Spreads n entries over buckets, evenly. The first one has the key start. */
static int index_spread(struct index_place *p, uint32_t start,
                        const uint8_t *entries, uint32_t n, uint32_t buckets)
{
    int rc = 0;

    for (uint32_t from = 0, to; rc == 0 && from < n; from = to) {
        to =
            index_part(p, entries, n, from, (n - from + buckets - 1) / buckets);
        if (to - from > index_room(p))
            return MDB_KEYEXIST;
        rc = index_put(p, start, entries + (size_t)from * INDEX_ENTRY,
                       to - from, 0);
        if (to < n)
            start = entry_hash(entries, to);
        if (buckets > 1)
            buckets--;
    }
    return rc;
}

/* A bucket with n entries is over full. It shares them with the next one, or
 * they become one more, so that buckets are two thirds full at least. */
static int index_overflow(struct index_place *p, uint8_t *entries, uint32_t n)
{
    uint32_t full = index_room(p) * 15 / 16;
    int rc = index_load_next(p, entries, n);

    if (rc != 0)
        return rc;
    if (p->n > 0) {
        n += p->n;
        rc = mdb_cursor_del(p->cursor, 0);
    }
    if (rc == 0)
        rc = index_spread(p, p->start, entries, n, (n + full - 1) / full);
    return rc;
}

int index_add(struct index_place *p, uint64_t pos, uint8_t *entries)
{
    uint32_t n = p->n + 1;
    uint8_t *at = entries + (size_t)p->at * INDEX_ENTRY;

    index_copy(p, entries, 0);
    memmove(at + INDEX_ENTRY, at, (size_t)(p->n - p->at) * INDEX_ENTRY);
    entry_write(entries, p->at, p->hash, pos);
    if (n > index_room(p))
        return index_overflow(p, entries, n);
    return index_put(p, p->start, entries, n, p->any ? MDB_CURRENT : 0);
}

int index_replace(struct index_place *p, uint64_t pos, uint8_t *entries)
{
    index_copy(p, entries, 0);
    entry_write(entries, p->at - 1, p->hash, pos);
    return index_put(p, p->start, entries, p->n, MDB_CURRENT);
}

/* A bucket with few entries takes those of the next one, if they are few. */
static int index_join(struct index_place *p, uint8_t *entries, uint32_t n)
{
    int rc = index_load_next(p, entries, n);

    if (rc == 0 && p->n > 0 && n + p->n <= index_room(p) * 3 / 4) {
        n += p->n;
        rc = mdb_cursor_del(p->cursor, 0);
    }
    return rc == 0 ? index_put(p, p->start, entries, n, 0) : rc;
}

/* Writes the entries of a place again, which are n now. */
static int index_shrink(struct index_place *p, uint8_t *entries, uint32_t n)
{
    if (n == 0 && p->start != 0)
        return mdb_cursor_del(p->cursor, 0);
    if (n < index_room(p) / 4)
        return index_join(p, entries, n);
    return index_put(p, p->start, entries, n, MDB_CURRENT);
}

int index_remove(struct index_place *p, uint8_t *entries)
{
    uint8_t *at = entries + (size_t)(p->at - 1) * INDEX_ENTRY;

    index_copy(p, entries, 0);
    memmove(at, at + INDEX_ENTRY, (size_t)(p->n - p->at) * INDEX_ENTRY);
    return index_shrink(p, entries, p->n - 1);
}

/* ---- from one index to another ---- */

/* Goes to the first bucket with entries from a hash on, or of all. Only the
 * first bucket of all may have none. */
static int index_filled(struct index_place *p, uint32_t hash)
{
    MDB_val key = {sizeof hash, &hash}, data;
    int rc = mdb_cursor_get(p->cursor, &key, &data, MDB_SET_RANGE);

    if (rc == MDB_NOTFOUND)
        rc = mdb_cursor_get(p->cursor, &key, &data, MDB_FIRST);
    if (rc == 0)
        rc = index_bucket(p, &key, &data, &p->start);
    while (rc == 0 && p->n == 0) {
        rc = mdb_cursor_get(p->cursor, &key, &data, MDB_NEXT);
        if (rc == 0)
            rc = index_bucket(p, &key, &data, &p->start);
    }
    return rc;
}

int index_take(struct index_place *p, uint32_t *hash, uint8_t *to, uint32_t *n)
{
    int rc = index_filled(p, *hash);

    if (rc != 0)
        return rc;
    index_copy(p, to, 0);
    *n = p->n;
    *hash = p->start + 1;
    if (p->start == 0)
        return index_put(p, 0, to, 0, MDB_CURRENT);
    return mdb_cursor_del(p->cursor, 0);
}

/* Returns how many of n entries, from one on, belong to the bucket of the first
 * of them, and seeks that. */
static int index_run(struct index_place *p, const uint8_t *from, uint32_t n,
                     uint32_t *run)
{
    uint32_t hash = entry_hash(from, 0), after = hash + 1;
    MDB_val key = {sizeof after, &after}, data;
    int rc = after == 0 ? MDB_NOTFOUND
                        : mdb_cursor_get(p->cursor, &key, &data, MDB_SET_RANGE);

    *run = n;
    if (rc == 0 && key.mv_size != sizeof after)
        rc = MDB_CORRUPTED;
    if (rc == 0) {
        memcpy(&after, key.mv_data, sizeof after);
        for (*run = 1; *run < n && entry_hash(from, *run) < after;)
            ++*run;
    }
    return rc == 0 || rc == MDB_NOTFOUND ? index_seek(p, hash) : rc;
}

/* Sets *gone to whether an entry of the place is dead, or one of n others that
 * begin with its hash has the same key. */
static int index_gone(const struct index_place *p, uint32_t at,
                      const uint8_t *from, uint32_t n,
                      const struct index_same *same, bool *gone)
{
    uint32_t hash = entry_hash(p->entries, at);
    uint64_t older, newer;
    int rc = 0;

    *gone = !entry_position(p, p->entries, at, &older);
    for (uint32_t i = 0; i < n && entry_hash(from, i) == hash; i++) {
        if (rc == 0 && !*gone && entry_position(p, from, i, &newer))
            rc = same->compare(same->arg, older, newer, gone);
    }
    return rc;
}

/* Puts the living entries of a place and n others together, in order. */
static int index_blend(const struct index_place *p, const uint8_t *from,
                       uint32_t n, uint8_t *to, uint32_t *total,
                       const struct index_same *same)
{
    uint32_t at = 0, m = 0;
    int rc = 0;

    while (rc == 0 && (at < p->n || n > 0)) {
        bool own = n == 0 || (at < p->n && entry_hash(p->entries, at) <=
                                               entry_hash(from, 0));
        const uint8_t *entry =
            own ? p->entries + (size_t)at * INDEX_ENTRY : from;
        uint64_t pos;
        bool gone;

        if (own) {
            rc = index_gone(p, at++, from, n, same, &gone);
        } else {
            gone = !entry_position(p, from, 0, &pos);
            from += INDEX_ENTRY;
            n--;
        }
        if (!gone)
            memcpy(to + (size_t)m++ * INDEX_ENTRY, entry, INDEX_ENTRY);
    }
    *total = m;
    return rc;
}

int index_merge(struct index_place *p, const uint8_t *from, uint32_t n,
                uint8_t *entries, const struct index_same *same,
                int64_t *gained)
{
    int rc = 0;

    *gained = 0;
    while (rc == 0 && n > 0) {
        uint32_t run, total;

        rc = index_run(p, from, n, &run);
        if (rc == 0)
            rc = index_blend(p, from, run, entries, &total, same);
        if (rc != 0)
            return rc;
        *gained += (int64_t)total - p->n;
        if (total > index_room(p))
            rc = index_overflow(p, entries, total);
        else if (p->any)
            rc = index_shrink(p, entries, total);
        else
            rc = index_put(p, 0, entries, total, 0);
        from += (size_t)run * INDEX_ENTRY;
        n -= run;
    }
    return rc;
}

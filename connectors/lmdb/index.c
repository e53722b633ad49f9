/* index.c -- see index.h. */
#include "index.h"

#include <string.h>

#define INDEX_POSITIONS ((UINT64_C(1) << 48) - 1)

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

static uint64_t entry_position(const struct index_place *p, uint32_t at)
{
    uint64_t low = 0;

    memcpy(&low, p->entries + (size_t)at * INDEX_ENTRY + sizeof(uint32_t),
           INDEX_ENTRY - sizeof(uint32_t));
    return p->tail + ((low - p->tail) & INDEX_POSITIONS);
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

/* Returns the first entry with that hash or a higher one. */
static uint32_t index_lower(const struct index_place *p, uint32_t hash)
{
    uint32_t low = 0, high = p->n;

    while (low < high) {
        uint32_t middle = (low + high) / 2;

        if (entry_hash(p->entries, middle) < hash)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

int index_seek(struct index_place *p, uint32_t hash)
{
    MDB_val key = {sizeof hash, &hash}, data;
    int rc = mdb_cursor_get(p->cursor, &key, &data, MDB_SET_RANGE);

    p->hash = hash;
    p->n = p->at = p->start = 0;
    p->any = false;
    if (rc == MDB_NOTFOUND)
        rc = mdb_cursor_get(p->cursor, &key, &data, MDB_LAST);
    else if (rc == 0 && key.mv_size == sizeof hash &&
             memcmp(key.mv_data, &hash, sizeof hash) != 0)
        rc = mdb_cursor_get(p->cursor, &key, &data, MDB_PREV);
    if (rc == MDB_NOTFOUND)
        return 0;
    if (rc == 0)
        rc = index_bucket(p, &key, &data, &p->start);
    if (rc == 0 && p->start > hash)
        rc = MDB_CORRUPTED;
    if (rc != 0)
        return rc;
    p->any = true;
    p->at = index_lower(p, hash);
    return 0;
}

bool index_next(struct index_place *p, uint64_t *pos)
{
    if (p->at >= p->n || entry_hash(p->entries, p->at) != p->hash)
        return false;
    *pos = entry_position(p, p->at++);
    return true;
}

int index_walk(struct index_place *p, uint32_t *hash, uint64_t *pos)
{
    MDB_val key, data;

    while (p->at >= p->n) {
        int rc = mdb_cursor_get(p->cursor, &key, &data, MDB_NEXT);

        if (rc == 0)
            rc = index_bucket(p, &key, &data, &p->start);
        if (rc != 0)
            return rc;
    }
    *hash = entry_hash(p->entries, p->at);
    *pos = entry_position(p, p->at++);
    return 0;
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
 * the two become three, so that buckets are two thirds full at least. */
static int index_overflow(struct index_place *p, uint8_t *entries, uint32_t n)
{
    uint32_t buckets = 2;
    int rc = index_load_next(p, entries, n);

    if (rc != 0)
        return rc;
    if (p->n > 0) {
        n += p->n;
        buckets = n > 2 * index_room(p) * 15 / 16 ? 3 : 2;
        rc = mdb_cursor_del(p->cursor, 0);
    }
    return rc == 0 ? index_spread(p, p->start, entries, n, buckets) : rc;
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
static int index_merge(struct index_place *p, uint8_t *entries, uint32_t n)
{
    int rc = index_load_next(p, entries, n);

    if (rc == 0 && p->n > 0 && n + p->n <= index_room(p) * 3 / 4) {
        n += p->n;
        rc = mdb_cursor_del(p->cursor, 0);
    }
    return rc == 0 ? index_put(p, p->start, entries, n, 0) : rc;
}

int index_remove(struct index_place *p, uint8_t *entries)
{
    uint32_t n = p->n - 1;
    uint8_t *at = entries + (size_t)(p->at - 1) * INDEX_ENTRY;

    index_copy(p, entries, 0);
    memmove(at, at + INDEX_ENTRY, (size_t)(p->n - p->at) * INDEX_ENTRY);
    if (n == 0 && p->start != 0)
        return mdb_cursor_del(p->cursor, 0);
    if (n < index_room(p) / 4)
        return index_merge(p, entries, n);
    return index_put(p, p->start, entries, n, MDB_CURRENT);
}

/* scan.c -- a page of keys, in the order of their hashes.
 *
 * The cursor is the next hash. A key that stays keeps its hash, so a scan meets
 * it once. A page is bounded in keys, in bytes and in keys looked at. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ops.h"
#include "record.h"

enum {
    PAGE_KEYS = 1024, /* when the caller does not say */
    PAGE_BYTES = 1 << 20,
    PAGE_LOOKS = 16384,
};

struct scan {
    struct session *s;
    struct weir_item *item;
    struct weir_page page;
    uint64_t max_keys;
    uint64_t now;
    uint32_t hash[ENV_LEVELS]; /* of the next entry of each level, */
    uint64_t pos[ENV_LEVELS];  /* where that points, */
    bool more[ENV_LEVELS];     /* and whether there is one */
};

/* Puts the key of a record on the page, if it is wanted. */
static int scan_add(struct scan *scan, uint64_t pos)
{
    struct session *s = scan->s;
    const struct weir_item *item = scan->item;
    struct record r;
    int rc = levels_record(&s->levels, &s->log, pos, &r);

    if (rc != 0 || record_expired(&r, scan->now) || r.key_len < item->key_len)
        return rc;
    rc = log_read(&s->log, pos + r.head, s->key, r.key_len);
    if (rc != 0 ||
        (item->key_len > 0 && memcmp(s->key, item->key, item->key_len) != 0))
        return rc;
    rc = weir_page_add(&scan->page, s->key, r.key_len, r.size,
                       record_ttl_ms(&r, scan->now));
    return rc < 0 ? ENOMEM : 0;
}

static bool scan_full(const struct scan *scan, int looks)
{
    return looks >= PAGE_LOOKS || scan->page.keys >= scan->max_keys ||
           scan->page.size >= PAGE_BYTES;
}

/* Goes to the next entry of a level. */
static int scan_next(struct scan *scan, unsigned level)
{
    int rc = index_walk(&scan->s->levels.at[level], &scan->hash[level],
                        &scan->pos[level]);

    scan->more[level] = rc == 0;
    return rc == MDB_NOTFOUND ? 0 : rc;
}

static int scan_seek(struct scan *scan, uint32_t hash)
{
    int rc = 0;

    for (unsigned i = 0; i < ENV_LEVELS && rc == 0; i++) {
        rc = index_seek(&scan->s->levels.at[i], hash);
        if (rc == 0 && scan->s->levels.at[i].any)
            rc = scan_next(scan, i);
    }
    return rc;
}

/* Returns the lowest hash that is next in a level. False: there is none. */
static bool scan_lowest(const struct scan *scan, uint32_t *hash)
{
    bool any = false;

    *hash = UINT32_MAX;
    for (unsigned i = 0; i < ENV_LEVELS; i++) {
        if (scan->more[i] && scan->hash[i] <= *hash) {
            *hash = scan->hash[i];
            any = true;
        }
    }
    return any;
}

/* Sets *old to whether one of n records has the key of another one. */
static int scan_old(struct scan *scan, const uint64_t *newer, uint32_t n,
                    uint64_t pos, int *old)
{
    struct session *s = scan->s;
    struct record r, other;
    int rc = 0;

    *old = 0;
    if (n > 0)
        rc = levels_record(&s->levels, &s->log, pos, &r);
    if (n > 0 && rc == 0)
        rc = log_read(&s->log, pos + r.head, s->key, r.key_len);
    for (uint32_t i = 0; i < n && rc == 0 && !*old; i++) {
        rc = levels_record(&s->levels, &s->log, newer[i], &other);
        if (rc == 0 && other.key_len == r.key_len)
            rc = log_compare(&s->log, newer[i] + other.head, s->key, r.key_len,
                             old);
    }
    return rc;
}

/* Adds the keys with a hash, those of the first level first: a further one may
 * have an older entry for the same key. */
static int scan_keys(struct scan *scan, uint32_t hash, int *looks)
{
    uint64_t *seen = (uint64_t *)scan->s->entries;
    uint32_t n = 0;
    int rc = 0, old;

    for (unsigned i = 0; i < ENV_LEVELS && rc == 0; i++) {
        while (rc == 0 && scan->more[i] && scan->hash[i] == hash) {
            rc = scan_old(scan, seen, n, scan->pos[i], &old);
            if (rc == 0 && !old)
                rc = scan_add(scan, seen[n++] = scan->pos[i]);
            if (rc == 0)
                rc = scan_next(scan, i);
            ++*looks;
        }
    }
    return rc;
}

/* Fills the page from a hash on, which moves to where the next page begins; 0:
 * there is none. Keys with the same hash are on the same page. */
static int scan_fill(struct scan *scan, uint64_t *hash)
{
    uint32_t next;
    int looks = 0, rc = scan_seek(scan, (uint32_t)*hash);

    while (rc == 0 && scan_lowest(scan, &next)) {
        *hash = next;
        if (looks > 0 && scan_full(scan, looks))
            return 0;
        rc = scan_keys(scan, next, &looks);
    }
    *hash = 0;
    return rc;
}

static void scan_item(struct session *s, struct weir_call *call,
                      struct weir_item *item)
{
    struct scan scan = {
        .s = s,
        .item = item,
        .max_keys = item->cap ? item->cap : PAGE_KEYS,
        .now = now_ms(),
    };
    uint64_t hash = item->cursor;
    int rc = scan_fill(&scan, &hash);

    if (rc == 0) {
        weir_page_answer(call, item, &scan.page, hash);
        return;
    }
    free(scan.page.data);
    env_fail(call, item, rc);
}

void lmdb_scan(struct session *s, struct weir_call *call)
{
    int rc = reader_begin(s);

    if (rc != 0) {
        env_fail(call, NULL, rc);
        return;
    }
    for (uint32_t i = 0; i < call->n; i++)
        scan_item(s, call, &call->items[i]);
    reader_end(s);
}

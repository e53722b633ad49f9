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
};

/* Puts the key of a record on the page, if it is wanted. */
static int scan_add(struct scan *scan, uint64_t pos)
{
    struct session *s = scan->s;
    const struct weir_item *item = scan->item;
    struct record r;
    int rc = record_read(&s->log, pos, &r);

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

/* Fills the page from a hash on, which moves to where the next page begins; 0:
 * there is none. Keys with the same hash are on the same page. */
static int scan_fill(struct scan *scan, uint64_t *hash)
{
    struct index_place *p = &scan->s->place;
    int rc = index_seek(p, (uint32_t)*hash);

    for (int looks = 0; rc == 0 && p->any; looks++) {
        uint32_t found;
        uint64_t pos;

        rc = index_walk(p, &found, &pos);
        if (rc == 0 && looks > 0 && found != *hash && scan_full(scan, looks)) {
            *hash = found;
            return 0;
        }
        if (rc == 0) {
            *hash = found;
            rc = scan_add(scan, pos);
        }
    }
    *hash = 0;
    return rc == MDB_NOTFOUND ? 0 : rc;
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

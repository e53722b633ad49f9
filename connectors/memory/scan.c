/* scan.c -- see scan.h.
 *
 * A cursor is a shard and a position in its table's order, which no growth,
 * eviction or write changes: a scan meets a key that stays exactly once. A page
 * is bounded in keys, in bytes and in buckets looked at. So a prefix that few
 * keys have costs many short calls instead of a long one, and such a page may
 * be empty. The lock is held for a bucket at a time. */
#include "scan.h"

enum {
    PAGE_KEYS = 1024, /* when the caller does not say */
    PAGE_BYTES = 1 << 20,
    PAGE_BUCKETS = 16384,
};

struct scan {
    struct weir_page page;
    const char *prefix;
    uint32_t prefix_len;
    uint64_t max_keys;
    uint64_t now_ms;
    uint64_t last; /* position of the last key on the page */
};

static bool scan_wants(const struct scan *scan, const struct entry *e)
{
    uint64_t expires_ms = entry_expires(e);

    return (expires_ms == 0 || expires_ms > scan->now_ms) &&
           e->key_len >= scan->prefix_len &&
           (scan->prefix_len == 0 ||
            memcmp(entry_key(e), scan->prefix, scan->prefix_len) == 0);
}

/* Keys at one position go on one page: a cursor cannot point between them. */
static bool scan_full(const struct scan *scan, const struct entry *e)
{
    return (scan->page.keys >= scan->max_keys ||
            scan->page.size >= PAGE_BYTES) &&
           table_position(e) != scan->last;
}

static int scan_add(struct scan *scan, const struct entry *e)
{
    uint64_t expires_ms = entry_expires(e);
    uint64_t left = expires_ms == 0 ? 0 : expires_ms - scan->now_ms;

    scan->last = table_position(e);
    return weir_page_add(&scan->page, entry_key(e), e->key_len, entry_size(e),
                         left);
}

/* Puts the rest of the bucket at *position on the page, and moves *position
 * past it. 1: the page is full. -ENOMEM. */
static int scan_bucket(struct scan *scan, struct shard *s, uint64_t *position)
{
    uint64_t next;
    int rc = 0;

    lock_acquire(&s->lock);
    for (struct entry *e = table_at(&s->table, *position, &next);
         e != NULL && rc == 0; e = entry_chain(e)) {
        if (!scan_wants(scan, e))
            continue;
        if (scan_full(scan, e)) {
            next = table_position(e);
            rc = 1;
        } else {
            rc = scan_add(scan, e);
        }
    }
    lock_release(&s->lock);
    *position = next;
    return rc;
}

void memory_scan(struct memory *m, struct weir_call *call,
                 struct weir_item *item)
{
    struct scan scan = {
        .prefix = item->key,
        .prefix_len = item->key_len,
        .max_keys = item->cap ? item->cap : PAGE_KEYS,
        .now_ms = shard_now_ms(),
        .last = TABLE_END,
    };
    uint64_t shard = item->cursor / TABLE_END;
    uint64_t position = item->cursor % TABLE_END;
    int rc = 0;

    if (shard >= m->n_shards) {
        weir_call_fail(call, item, WEIR_INVALID,
                       "no scan of this store gave out the cursor %llu",
                       (unsigned long long)item->cursor);
        return;
    }
    for (int i = 0; i < PAGE_BUCKETS && rc == 0 && shard < m->n_shards; i++) {
        rc = scan_bucket(&scan, &m->shards[shard], &position);
        shard += position / TABLE_END;
        position %= TABLE_END;
    }
    if (rc < 0) {
        free(scan.page.data);
        weir_call_fail(call, item, WEIR_NOSPACE, "out of memory");
        return;
    }
    weir_page_answer(call, item, &scan.page,
                     shard < m->n_shards ? shard * TABLE_END + position : 0);
}

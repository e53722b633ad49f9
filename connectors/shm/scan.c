/* scan.c -- one page of the keys that begin with a prefix.
 *
 * A cursor is a shard and a bucket, which stay what they are: a scan meets a
 * key that stays exactly once. A page is bounded in keys, in bytes and in
 * buckets looked at, and ends at the end of a bucket. So a prefix that few keys
 * have costs many short calls, and such a page may be empty. The lock is held
 * for some buckets at a time. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "chain.h"
#include "repair.h"
#include "store.h"

enum {
    PAGE_KEYS = 1024, /* when the caller does not say */
    PAGE_BYTES = 1 << 20,
    PAGE_STRETCHES = 512,
    STRETCH = 64, /* buckets under one hold of the lock */
};

struct scan {
    struct weir_page page;
    const struct weir_item *item;
    char *key; /* room for one */
    uint64_t max_keys;
    uint64_t now_ms;
};

/* Puts an entry on the page, if it is wanted. -EUCLEAN, -ENOMEM. */
static int scan_entry(struct scan *scan, const struct hold *h,
                      const struct entry *e)
{
    struct chain_at at = chain_key(e);
    uint32_t len = e->key_len, prefix_len = scan->item->key_len;
    uint64_t expires_ms = e->expires_ms;

    if (len > WEIR_KEY_MAX)
        return -EUCLEAN;
    if (len < prefix_len || (expires_ms != 0 && expires_ms <= scan->now_ms))
        return 0;
    if (chain_read(h, &at, scan->key, len) < 0)
        return -EUCLEAN;
    if (prefix_len > 0 && memcmp(scan->key, scan->item->key, prefix_len) != 0)
        return 0;
    return weir_page_add(&scan->page, scan->key, len, e->size,
                         expires_ms == 0 ? 0 : expires_ms - scan->now_ms);
}

static int scan_chain(struct scan *scan, const struct hold *h, uint32_t bucket)
{
    uint32_t unit = *shard_bucket(h, bucket);

    for (int steps = 0; unit != 0; steps++) {
        const struct entry *e = unit_at(h->s, unit);
        int rc = -EUCLEAN;

        if (chain_live(h, unit) && steps <= SHARD_STEPS)
            rc = scan_entry(scan, h, e);
        if (rc < 0)
            return rc;
        unit = e->chain;
    }
    return 0;
}

static bool scan_full(const struct scan *scan)
{
    return scan->page.keys >= scan->max_keys || scan->page.size >= PAGE_BYTES;
}

/* Puts up to n buckets on the page, until it is full. Returns how many. */
static int scan_stretch(struct scan *scan, const struct hold *h,
                        uint32_t bucket, uint32_t n)
{
    uint32_t done = 0;

    while (done < n && !scan_full(scan)) {
        int rc = scan_chain(scan, h, bucket + done);

        if (rc < 0)
            return rc;
        done++;
    }
    return (int)done;
}

/* Does the same under the lock. When the shard is damaged, it is repaired, and
 * the buckets are read again; the page forgets what it had of them. */
static int scan_shard(struct scan *scan, struct shm *m, uint32_t shard,
                      uint32_t bucket, uint32_t n)
{
    uint64_t size = scan->page.size, keys = scan->page.keys;
    struct hold h;
    int rc = shm_hold(m, shard, &h);

    if (rc < 0)
        return rc;
    rc = scan_stretch(scan, &h, bucket, n);
    if (rc == -EUCLEAN && !shm_broken(m)) {
        repair_shard(&h);
        scan->page.size = size;
        scan->page.keys = keys;
        rc = scan_stretch(scan, &h, bucket, n);
    }
    shm_release(m, &h);
    return rc;
}

static void scan_fail(struct scan *scan, struct weir_call *call,
                      struct weir_item *item, int rc)
{
    free(scan->page.data);
    if (rc == -ENOMEM)
        weir_call_no_memory(call, item, "a page of keys");
    else
        shm_refuse(call, item, rc);
}

/* Fills the page from bucket `at` of all shards on. Returns the next one, or a
 * negative errno. */
static int64_t scan_fill(struct scan *scan, struct shm *m, uint64_t at)
{
    uint64_t buckets = m->map.layout.bucket_mask + UINT64_C(1);
    uint64_t end = m->map.layout.shards * buckets;

    for (int i = 0; i < PAGE_STRETCHES && at < end && !scan_full(scan); i++) {
        uint64_t left = buckets - at % buckets;
        int rc = scan_shard(scan, m, (uint32_t)(at / buckets),
                            (uint32_t)(at % buckets),
                            left < STRETCH ? (uint32_t)left : STRETCH);

        if (rc < 0)
            return rc;
        at += (uint64_t)rc;
    }
    return (int64_t)at;
}

void shm_scan(struct shm *m, struct weir_call *call, struct weir_item *item)
{
    struct scan scan = {
        .item = item,
        .key = malloc(WEIR_KEY_MAX),
        .max_keys = item->cap ? item->cap : PAGE_KEYS,
        .now_ms = shard_now_ms(),
    };
    int64_t end =
        (m->map.layout.bucket_mask + INT64_C(1)) * m->map.layout.shards;
    int64_t at = -ENOMEM;

    if (item->cursor >= (uint64_t)end) {
        free(scan.key);
        weir_call_fail(call, item, WEIR_INVALID,
                       "no scan of this store gave out the cursor %llu",
                       (unsigned long long)item->cursor);
        return;
    }
    if (scan.key != NULL)
        at = scan_fill(&scan, m, item->cursor);
    free(scan.key);
    if (shm_broken(m))
        at = -ESTALE;
    if (at < 0)
        scan_fail(&scan, call, item, (int)at);
    else
        weir_page_answer(call, item, &scan.page, at < end ? (uint64_t)at : 0);
}

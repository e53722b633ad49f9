/* ops.c -- see ops.h. */
#include "ops.h"

#include <errno.h>

#include "chain.h"
#include "inplace.h"
#include "ticket.h"

/* ---- get ---- */

/* Whether the bytes that were copied are those that were set. */
static bool get_verified(const struct shm *m, const struct entry *e,
                         const char *bytes, uint64_t size, uint64_t sum)
{
    if (m->config->verify != SHM_VERIFY_ALWAYS && !e->suspect)
        return true;
    return shard_sum(bytes, size) == sum;
}

/* Takes out an entry whose value is not what was set. */
static int get_corrupt(const struct hold *h, struct weir_call *call,
                       struct weir_item *item, struct entry *e)
{
    h->s->counters.corrupt++;
    weir_call_fail(call, item, WEIR_CORRUPT,
                   "a value in shared memory has a wrong checksum; it was "
                   "dropped");
    return shard_drop(h, e);
}

/* It checks the copy: what lies in the mapping could still change. */
int ops_read(const struct shm *m, const struct hold *h, struct weir_call *call,
             struct weir_item *item, struct entry *e, char *to, uint64_t size)
{
    struct chain_at at;
    uint64_t sum = e->value_sum;
    int rc = shard_value_at(h, e, &at);

    if (rc == 0)
        rc = chain_read(h, &at, to, size);
    if (rc < 0)
        return rc;
    if (!get_verified(m, e, to, size, sum))
        return get_corrupt(h, call, item, e);
    e->suspect = 0;
    return 0;
}

static int get_value(const struct shm *m, const struct hold *h,
                     struct weir_call *call, struct weir_item *item,
                     struct entry *e)
{
    uint64_t size = __atomic_load_n(&e->size, __ATOMIC_RELAXED);
    char *to;
    int rc;

    if (!shard_fits(h->layout, 1, size))
        return -EUCLEAN;
    if (size >= ENTRY_LARGE) {
        rc = inplace_get(m, h, call, item, e);
        if (rc != 0)
            return rc < 0 ? rc : 0;
    }
    if (weir_call_place(call, item, size, &to) != 0)
        return 0;
    if (item->data != NULL && !weir_call_lend(call)) {
        weir_call_taken_back(call, item);
        return 0;
    }
    rc = ops_read(m, h, call, item, e, to, size);
    if (rc == 0 && item->status == WEIR_PENDING)
        item->status = WEIR_OK;
    if (item->data != NULL)
        weir_call_unlend(call);
    if (rc < 0 && item->status == WEIR_PENDING && item->value != NULL) {
        weir_value_unref(item->value);
        item->value = NULL;
    }
    return item->status == WEIR_PENDING ? rc : 0;
}

int ops_get(const struct shm *m, const struct hold *h, struct weir_call *call,
            struct place *at, struct weir_item *item)
{
    struct entry *e;
    int rc = shard_find(h, &at->key, &e);

    if (rc < 0)
        return rc;
    if (e == NULL) {
        item->status = WEIR_MISS;
        return 0;
    }
    shard_hit(h, e);
    return get_value(m, h, call, item, e);
}

/* ---- set ---- */

const char *ops_bytes(const struct weir_item *item)
{
    return item->value != NULL ? item->value->data : item->data;
}

uint64_t ops_size(const struct weir_item *item)
{
    return item->value != NULL ? item->value->size : item->size;
}

bool ops_is_lent(const struct weir_item *item)
{
    return item->value == NULL && item->size > 0;
}

uint64_t ops_expires(uint64_t ttl_ms)
{
    uint64_t at;

    if (ttl_ms == 0)
        return 0;
    return __builtin_add_overflow(shard_now_ms(), ttl_ms, &at) ? UINT64_MAX
                                                               : at;
}

/* The value has no room. The older value of its key goes, too, since a reader
 * would take it for the current one. */
static int set_reject(const struct hold *h, struct place *at,
                      struct weir_item *item)
{
    struct entry *old;
    int rc = shard_find(h, &at->key, &old);

    if (rc == 0 && old != NULL)
        rc = shard_drop(h, old);
    if (rc < 0)
        return rc;
    h->s->counters.rejected++;
    item->status = WEIR_REJECTED;
    return 0;
}

/* Whether the ticket of an item is still good, if it has one. Else the item is
 * answered. Without a ticket the item ends those of before. */
static bool ops_admitted(const struct hold *h, struct weir_call *call,
                         const struct place *at, struct weir_item *item)
{
    if ((item->flags & WEIR_ITEM_TICKET) == 0) {
        ticket_note(h, at->key.hash);
        return true;
    }
    if (ticket_admits(h, at->key.hash, item->cursor))
        return true;
    h->s->counters.copies_dropped++;
    weir_call_fail(call, item, WEIR_SKIPPED,
                   "the key has been written since its value was read");
    return false;
}

int ops_set(const struct shm *m, const struct hold *h, struct weir_call *call,
            struct place *at, struct weir_item *item)
{
    bool lent = ops_is_lent(item);
    struct shard_value value = {
        .bytes = ops_bytes(item),
        .size = (uint32_t)ops_size(item),
    };
    int rc;

    if (!ops_admitted(h, call, at, item))
        return 0;
    if (!shard_fits(h->layout, at->key.len, ops_size(item)))
        return set_reject(h, at, item);
    value.expires_ms =
        ops_expires(item->ttl_ms ? item->ttl_ms : m->default_ttl_ms);
    if (lent && !weir_call_lend(call)) {
        weir_call_taken_back(call, item);
        return 0;
    }
    rc = shard_put(h, &at->key, &value);
    if (lent)
        weir_call_unlend(call);
    if (rc == 0)
        item->status = WEIR_OK;
    return rc;
}

/* ---- the others ---- */

int ops_exists(const struct shm *m, const struct hold *h,
               struct weir_call *call, struct place *at, struct weir_item *item)
{
    struct entry *e;
    int rc = shard_find(h, &at->key, &e);

    (void)m;
    (void)call;
    if (rc == 0)
        item->status = e != NULL ? WEIR_OK : WEIR_MISS;
    return rc;
}

int ops_stat(const struct shm *m, const struct hold *h, struct weir_call *call,
             struct place *at, struct weir_item *item)
{
    struct entry *e;
    int rc = shard_find(h, &at->key, &e);

    (void)m;
    (void)call;
    if (rc < 0)
        return rc;
    item->status = e != NULL ? WEIR_OK : WEIR_MISS;
    if (e == NULL)
        return 0;
    item->size = e->size;
    item->ttl_ms = e->expires_ms != 0 ? e->expires_ms - h->now_ms : 0;
    return 0;
}

int ops_delete(const struct shm *m, const struct hold *h,
               struct weir_call *call, struct place *at, struct weir_item *item)
{
    struct entry *e;
    int rc = shard_find(h, &at->key, &e);
    bool there = rc == 0 && e != NULL;

    (void)m;
    if (!ops_admitted(h, call, at, item))
        return 0;
    if (there)
        rc = shard_drop(h, e);
    if (rc == 0)
        item->status = there ? WEIR_OK : WEIR_MISS;
    return rc;
}

int ops_touch(const struct shm *m, const struct hold *h, struct weir_call *call,
              struct place *at, struct weir_item *item)
{
    struct entry *e;
    int rc = shard_find(h, &at->key, &e);
    bool there = rc == 0 && e != NULL;

    (void)m;
    (void)call;
    if (there) {
        shard_hit(h, e);
        rc = shard_expire(h, e, ops_expires(item->ttl_ms));
    }
    if (rc == 0)
        item->status = there ? WEIR_OK : WEIR_MISS;
    return rc;
}

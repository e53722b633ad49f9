/* change.c -- see change.h.
 *
 * A value that is changed is read, made anew and put in place of the old one,
 * all under the lock, as a set does it. So a process that dies on the way
 * leaves the old value, the new one, or none. */
#include "change.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ticket.h"

static int change_status(struct weir_item *item, int status)
{
    item->status = (uint8_t)status;
    return 0;
}

/* Returns whether a value fits into its shard. If not, it answers the item. */
static bool change_fits(const struct hold *h, struct weir_call *call,
                        const struct place *at, struct weir_item *item,
                        uint64_t size)
{
    if (shard_fits(h->layout, at->key.len, size))
        return true;
    weir_call_fail(call, item, WEIR_TOOBIG,
                   "a value of %llu bytes has no room in a shard",
                   (unsigned long long)size);
    return false;
}

/* Sets a value that has room. */
static int change_set(const struct shm *m, const struct hold *h,
                      struct weir_call *call, struct place *at,
                      struct weir_item *item)
{
    if (!change_fits(h, call, at, item, ops_size(item)))
        return 0;
    return ops_set(m, h, call, at, item);
}

int change_add(const struct shm *m, const struct hold *h,
               struct weir_call *call, struct place *at, struct weir_item *item)
{
    struct entry *e;
    int rc = shard_find(h, &at->key, &e);

    if (rc < 0)
        return rc;
    if (e != NULL)
        return change_status(item, WEIR_REJECTED);
    return change_set(m, h, call, at, item);
}

int change_replace(const struct shm *m, const struct hold *h,
                   struct weir_call *call, struct place *at,
                   struct weir_item *item)
{
    struct entry *e;
    int rc = shard_find(h, &at->key, &e);

    if (rc < 0)
        return rc;
    if (e == NULL)
        return change_status(item, WEIR_MISS);
    return change_set(m, h, call, at, item);
}

/* The size of the value of an entry. Something else may alter it at any time,
 * so an op reads it once. */
static uint64_t change_size(const struct entry *e)
{
    return __atomic_load_n(&e->size, __ATOMIC_RELAXED);
}

/* Copies the value of an entry, of that size, to memory of `more` bytes more:
 * *copy, to be freed. NULL: the item is answered, or there is an error. */
static int change_copy(const struct shm *m, const struct hold *h,
                       struct weir_call *call, struct weir_item *item,
                       struct entry *e, uint64_t size, uint64_t more,
                       char **copy)
{
    int rc;

    *copy = NULL;
    if (!shard_fits(h->layout, 1, size))
        return -EUCLEAN;
    *copy = malloc(size + more + 1);
    if (*copy == NULL) {
        weir_call_no_memory(call, item, "a copy of the value");
        return 0;
    }
    rc = ops_read(m, h, call, item, e, *copy, size);
    if (rc == 0 && item->status == WEIR_PENDING)
        return 0;
    free(*copy);
    *copy = NULL;
    return item->status == WEIR_PENDING ? rc : 0;
}

int change_cas(const struct shm *m, const struct hold *h,
               struct weir_call *call, struct place *at, struct weir_item *item)
{
    uint64_t version, size;
    struct entry *e;
    char *old;
    int rc = shard_find(h, &at->key, &e);

    if (rc < 0)
        return rc;
    if (e == NULL)
        return change_status(item, WEIR_MISS);
    size = change_size(e);
    rc = change_copy(m, h, call, item, e, size, 0, &old);
    if (old == NULL)
        return rc;
    version = weir_version_of(old, size);
    free(old);
    if (version != (uint64_t)item->number)
        return change_status(item, WEIR_REJECTED);
    return change_set(m, h, call, at, item);
}

/* Puts in a value that was made here. It expires when the old one does. */
static int change_put(const struct shm *m, const struct hold *h,
                      struct place *at, struct weir_item *item,
                      const struct entry *old, const char *bytes, uint64_t size)
{
    uint64_t ttl_ms = item->ttl_ms ? item->ttl_ms : m->default_ttl_ms;
    struct shard_value value = {
        .bytes = bytes,
        .size = (uint32_t)size,
        .expires_ms = old != NULL ? old->expires_ms : ops_expires(ttl_ms),
    };
    int rc;

    ticket_note(h, at->key.hash);
    rc = shard_put(h, &at->key, &value);
    if (rc == 0)
        item->status = WEIR_OK;
    return rc;
}

int change_incr(const struct shm *m, const struct hold *h,
                struct weir_call *call, struct place *at,
                struct weir_item *item)
{
    int64_t delta = item->number;
    char digits[WEIR_NUMBER_MAX], sum[WEIR_NUMBER_MAX];
    uint64_t size = 0;
    uint32_t length;
    struct entry *e;
    int rc = shard_find(h, &at->key, &e);

    if (rc == 0 && e != NULL) {
        size = change_size(e);
        if (size <= sizeof digits)
            rc = ops_read(m, h, call, item, e, digits, size);
        else
            size = 0; /* which no number has either */
    }
    if (rc < 0 || item->status != WEIR_PENDING)
        return item->status == WEIR_PENDING ? rc : 0;
    length = weir_call_incr(call, item, e != NULL ? digits : NULL, size, sum);
    if (length == 0 || !change_fits(h, call, at, item, length))
        return 0;
    rc = change_put(m, h, at, item, e, sum, length);
    if (rc < 0)
        item->number = delta; /* the caller tries once more */
    return rc;
}

/* Adds the piece to a copy of the old bytes, which are `before`, and puts that
 * in. */
static int append_put(const struct shm *m, const struct hold *h,
                      struct weir_call *call, struct place *at,
                      struct weir_item *item, const struct entry *old,
                      char *bytes, uint64_t before)
{
    uint64_t piece = ops_size(item);
    bool lent = ops_is_lent(item);

    if (lent && !weir_call_lend(call)) {
        weir_call_taken_back(call, item);
        return 0;
    }
    if (piece > 0)
        memcpy(bytes + before, ops_bytes(item), piece);
    if (lent)
        weir_call_unlend(call);
    item->number = (int64_t)(before + piece);
    return change_put(m, h, at, item, old, bytes, before + piece);
}

/* A value that is not there begins empty, so this is a set. */
static int append_new(const struct shm *m, const struct hold *h,
                      struct weir_call *call, struct place *at,
                      struct weir_item *item)
{
    item->number = (int64_t)ops_size(item);
    return change_set(m, h, call, at, item);
}

int change_append(const struct shm *m, const struct hold *h,
                  struct weir_call *call, struct place *at,
                  struct weir_item *item)
{
    uint64_t max = weir_call_max_value(call), before, size;
    struct entry *e;
    char *bytes;
    int rc = shard_find(h, &at->key, &e);

    if (rc < 0)
        return rc;
    if (e == NULL)
        return append_new(m, h, call, at, item);
    before = change_size(e);
    size = before + ops_size(item);
    if (size > max) {
        weir_call_fail(call, item, WEIR_TOOBIG,
                       "a value of %llu bytes: max_value is %llu",
                       (unsigned long long)size, (unsigned long long)max);
        return 0;
    }
    if (!change_fits(h, call, at, item, size))
        return 0;
    rc = change_copy(m, h, call, item, e, before, ops_size(item), &bytes);
    if (bytes == NULL)
        return rc;
    rc = append_put(m, h, call, at, item, e, bytes, before);
    free(bytes);
    return rc;
}

int change_gat(const struct shm *m, const struct hold *h,
               struct weir_call *call, struct place *at, struct weir_item *item)
{
    int rc = ops_touch(m, h, call, at, item);

    if (rc < 0 || item->status != WEIR_OK)
        return rc;
    item->status = WEIR_PENDING;
    return ops_get(m, h, call, at, item);
}

int change_take(const struct shm *m, const struct hold *h,
                struct weir_call *call, struct place *at,
                struct weir_item *item)
{
    struct entry *e;
    int rc = ops_get(m, h, call, at, item);

    if (rc < 0 || item->status != WEIR_OK)
        return rc;
    /* The value is out: a shard that is found damaged now is repaired later. */
    ticket_note(h, at->key.hash);
    if (shard_find(h, &at->key, &e) == 0 && e != NULL)
        shard_drop(h, e);
    return 0;
}

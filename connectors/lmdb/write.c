/* write.c -- set, delete and touch.
 *
 * The items of a call are one transaction, which is committed before any of
 * them is answered. If the transaction fails, the items are done again one by
 * one, so that an item fails only for a reason of its own. */
#include <string.h>
#include <unistd.h>

#include "evict.h"
#include "ops.h"

enum {
    WRITE_SHARE = 32,   /* a transaction takes up to 1/32 of the capacity */
    WRITE_LARGEST = 16, /* a value takes up to 1/16 of it */
    WRITE_PATIENCE_MS = 500, /* for readers, when the file is full */
};

/* Sets *same to whether a record is of the item's key, not only of its hash. */
static int write_same(struct writer *w, const struct weir_item *item,
                      uint64_t pos, const struct record *r, int *same)
{
    *same = 0;
    if (r->key_len != item->key_len)
        return 0;
    return log_compare(&w->log, pos + r->head, item->key, item->key_len, same);
}

/* Finds the record of a key, and leaves the writer's place there. MDB_NOTFOUND:
 * there is none. */
static int write_find(struct writer *w, const struct weir_item *item,
                      uint64_t *pos, struct record *r)
{
    uint64_t hash = key_hash(w->env, item->key, item->key_len);
    int rc = index_seek(&w->place, (uint32_t)(hash >> 32)), same = 0;

    while (rc == 0 && index_next(&w->place, pos)) {
        rc = writer_head(w, *pos, r);
        if (rc == 0)
            rc = write_same(w, item, *pos, r, &same);
        if (rc == 0 && same)
            return 0;
    }
    return rc == 0 ? MDB_NOTFOUND : rc;
}

/* Takes the key that was found out of the index. */
static int write_remove(struct writer *w, const struct record *r)
{
    uint64_t len = record_len(r);
    int rc = index_remove(&w->place, w->session->entries);

    w->taken += w->env->page;
    w->facts.live -= len;
    w->facts.items--;
    return rc == 0 ? evict_clean(w, len) : rc;
}

/* Points the index at the log's head. */
static int write_point(struct writer *w, const struct weir_item *item)
{
    struct record r;
    uint64_t old;
    int rc = write_find(w, item, &old, &r);

    w->taken += w->env->page;
    if (rc == MDB_NOTFOUND) {
        w->facts.items++;
        return index_add(&w->place, w->facts.head, w->session->entries);
    }
    if (rc != 0)
        return rc;
    w->facts.live -= record_len(&r);
    return index_replace(&w->place, w->facts.head, w->session->entries);
}

static int write_record(struct writer *w, const struct weir_item *item,
                        struct record *r, const char *bytes)
{
    uint8_t head[RECORD_HEAD_MAX];
    uint64_t len;
    int rc;

    record_encode(r, head);
    len = record_len(r);
    rc = evict_for(w, len);
    if (rc == 0)
        rc = write_point(w, item);
    if (rc == 0)
        rc = writer_append(w, head, r->head);
    if (rc == 0)
        rc = writer_append(w, item->key, item->key_len);
    if (rc == 0)
        rc = writer_append(w, bytes, r->size);
    w->facts.live += len;
    return rc == 0 ? evict_clean(w, len) : rc;
}

/* A value that the capacity has no place for takes the older one with it. */
static int write_reject(struct writer *w, struct weir_item *item)
{
    struct record r;
    uint64_t pos;
    int rc = write_find(w, item, &pos, &r);

    if (rc == MDB_NOTFOUND)
        return 0;
    return rc == 0 ? write_remove(w, &r) : rc;
}

static int write_set(struct writer *w, struct weir_call *call,
                     struct weir_item *item, uint8_t *status)
{
    struct weir_value *v;
    struct record r = {.key_len = item->key_len};
    uint64_t hash, ttl_ms = item->ttl_ms;
    int rc;

    *status = WEIR_REJECTED;
    if (item->size > w->env->capacity / WRITE_LARGEST)
        return write_reject(w, item);
    *status = WEIR_OK;
    v = weir_call_value(call, item);
    if (v == NULL)
        return 0;
    if (ttl_ms == 0)
        ttl_ms = (w->session->store->config->ttl_ns + 999999) / 1000000;
    hash = key_hash(w->env, item->key, item->key_len);
    r.size = (uint32_t)v->size;
    r.sum = (uint32_t)XXH3_64bits_withSeed(v->data, v->size, hash);
    r.expires_ms = record_expiry(ttl_ms, w->now_ms);
    r.timed = r.expires_ms != 0;
    rc = write_record(w, item, &r, v->data);
    weir_value_unref(v);
    return rc;
}

static int write_delete(struct writer *w, struct weir_item *item,
                        uint8_t *status)
{
    struct record r;
    uint64_t pos;
    int rc = write_find(w, item, &pos, &r);

    *status = WEIR_MISS;
    if (rc != 0)
        return rc == MDB_NOTFOUND ? 0 : rc;
    if (!record_expired(&r, w->now_ms))
        *status = WEIR_OK;
    return write_remove(w, &r);
}

/* Moves a record without room for an expiry to the log's head, with one. If it
 * is the oldest, it may be evicted to make room for itself. */
static int write_timed(struct writer *w, const struct weir_item *item,
                       uint64_t pos, struct record *r, uint8_t *status)
{
    uint8_t head[RECORD_HEAD_MAX];
    uint64_t body = pos + r->head;
    int rc;

    r->timed = true;
    record_encode(r, head);
    rc = evict_for(w, record_len(r));
    if (rc == 0 && pos < w->facts.tail) {
        *status = WEIR_MISS;
        return 0;
    }
    if (rc == 0)
        rc = write_point(w, item);
    if (rc == 0)
        rc = writer_append(w, head, r->head);
    if (rc == 0)
        rc = writer_copy(w, body, r->key_len + (uint64_t)r->size);
    w->facts.live += record_len(r);
    return rc == 0 ? evict_clean(w, record_len(r)) : rc;
}

static int write_touch(struct writer *w, struct weir_item *item,
                       uint8_t *status)
{
    uint8_t head[RECORD_HEAD_MAX];
    struct record r;
    uint64_t pos;
    int rc = write_find(w, item, &pos, &r);

    *status = WEIR_MISS;
    if (rc != 0)
        return rc == MDB_NOTFOUND ? 0 : rc;
    if (record_expired(&r, w->now_ms))
        return 0;
    *status = WEIR_OK;
    r.expires_ms = record_expiry(item->ttl_ms, w->now_ms);
    if (!r.timed)
        return r.expires_ms == 0 ? 0 : write_timed(w, item, pos, &r, status);
    record_encode(&r, head);
    return writer_patch(w, pos, head, r.head);
}

static int write_item(struct writer *w, struct weir_call *call,
                      struct weir_item *item, uint8_t *status)
{
    switch (call->op) {
    case WEIR_SET:
        return write_set(w, call, item, status);
    case WEIR_DELETE:
        return write_delete(w, item, status);
    default:
        return write_touch(w, item, status);
    }
}

static void write_answer(struct weir_call *call, struct weir_item *item,
                         uint8_t status)
{
    if (item->status != WEIR_PENDING)
        return;
    if (status == WEIR_REJECTED)
        weir_call_fail(call, item, WEIR_REJECTED,
                       "a value of %llu bytes is over 1/%d of the capacity",
                       (unsigned long long)item->size, WRITE_LARGEST);
    else
        item->status = status;
}

/* Does the items in one transaction, and answers those that are still pending
 * if it is committed. It ends, and *n becomes how many it did, before it takes
 * much of the free pages: those that it frees are free for later ones only. */
static int write_group(struct session *s, struct weir_call *call,
                       struct weir_item *items, uint32_t *n)
{
    uint64_t room = s->env->capacity / WRITE_SHARE;
    uint8_t status[*n];
    struct writer w;
    uint32_t done = 0;
    int rc = writer_begin(&w, s);

    if (rc != 0)
        return rc;
    for (; done < *n && rc == 0 && w.taken < room; done++) {
        if (items[done].status == WEIR_PENDING)
            rc = write_item(&w, call, &items[done], &status[done]);
    }
    if (rc == 0)
        rc = writer_commit(&w);
    else
        writer_abort(&w);
    for (uint32_t i = 0; i < done && rc == 0; i++)
        write_answer(call, &items[i], status[i]);
    if (rc == 0)
        *n = done;
    return rc;
}

/* LMDB frees no page that a reader still uses, so the file may be full until
 * the reader ends. Readers end soon, so the write waits and tries again. */
static int write_patiently(struct session *s, struct weir_call *call,
                           struct weir_item *items, uint32_t *n)
{
    uint64_t until = weir_now() + WRITE_PATIENCE_MS * UINT64_C(1000000);
    int rc = write_group(s, call, items, n);

    if (rc == MDB_MAP_FULL)
        mdb_reader_check(s->env->mdb, NULL);
    while (rc == MDB_MAP_FULL && weir_now() < until &&
           weir_call_stopped(call) == 0) {
        usleep(1000);
        rc = write_group(s, call, items, n);
    }
    return rc;
}

static void write_failed(struct session *s, struct weir_call *call,
                         struct weir_item *item, int rc)
{
    if (rc == MDB_MAP_FULL)
        s->env->counters.full++;
    env_fail(call, item, rc);
}

/* Does the items of one transaction, and one by one if it fails. Returns how
 * many are done. */
static uint32_t write_items(struct session *s, struct weir_call *call,
                            struct weir_item *items, uint32_t n)
{
    uint32_t one = 1;
    int rc = write_patiently(s, call, items, &n);

    for (uint32_t i = 0; i < n && rc != 0; i++) {
        int own = rc;

        if (items[i].status != WEIR_PENDING)
            continue;
        if (n > 1)
            own = write_group(s, call, &items[i], &one);
        if (own != 0)
            write_failed(s, call, &items[i], own);
    }
    return n;
}

void lmdb_write(struct session *s, struct weir_call *call)
{
    if (env_lock(s->env, call) != 0)
        return;
    for (uint32_t i = 0; i < call->n;) {
        if (weir_call_stopped(call) < 0) {
            weir_call_fail(call, NULL, WEIR_SKIPPED,
                           "no time was left for %u of %u keys", call->n - i,
                           call->n);
            break;
        }
        i += write_items(s, call, &call->items[i], call->n - i);
    }
    env_unlock(s->env);
}

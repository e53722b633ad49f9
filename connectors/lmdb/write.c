/* write.c -- set, delete and touch of one item. change.c has the atomic ops. */
#include "write.h"

#include "evict.h"

static int write_find(struct writer *w, const struct weir_item *item,
                      struct found *found)
{
    return writer_find(w, item->key, item->key_len, found);
}

int write_look(struct writer *w, const struct weir_item *item,
               struct value *found)
{
    struct found at;
    int rc = write_find(w, item, &at);

    if (rc != 0)
        return rc;
    if (record_expired(&at.record, w->now_ms))
        return MDB_NOTFOUND;
    found->hash = key_hash(w->env, item->key, item->key_len);
    found->pos = at.pos + at.record.head + item->key_len;
    found->size = at.record.size;
    found->sum = at.record.sum;
    found->expires_ms = at.record.expires_ms;
    return 0;
}

/* Takes the key that was found out of the index. */
static int write_remove(struct writer *w, const struct weir_item *item,
                        const struct found *found)
{
    uint64_t len = record_len(&found->record);
    int rc = writer_remove(w, item->key, item->key_len, found);

    w->facts.live -= len;
    w->facts.items--;
    return rc == 0 ? evict_clean(w, len) : rc;
}

/* Points the index at the log's head. */
static int write_point(struct writer *w, const struct weir_item *item)
{
    struct found old;
    int rc = write_find(w, item, &old);

    if (rc == MDB_NOTFOUND) {
        w->facts.items++;
        return writer_add(w);
    }
    if (rc != 0)
        return rc;
    w->facts.live -= record_len(&old.record);
    return writer_move(w, &old);
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
    struct found old;
    int rc = write_find(w, item, &old);

    if (rc == MDB_NOTFOUND)
        return 0;
    return rc == 0 ? write_remove(w, item, &old) : rc;
}

int write_put(struct writer *w, const struct weir_item *item, const char *bytes,
              uint64_t size, uint64_t expires_ms)
{
    uint64_t hash = key_hash(w->env, item->key, item->key_len);
    struct record r = {
        .sum = (uint32_t)XXH3_64bits_withSeed(bytes, size, hash),
        .size = (uint32_t)size,
        .key_len = item->key_len,
        .timed = expires_ms != 0,
        .expires_ms = expires_ms,
    };

    return write_record(w, item, &r, bytes);
}

uint64_t write_expiry(const struct writer *w, uint64_t ttl_ms)
{
    if (ttl_ms == 0)
        ttl_ms = (w->session->store->config->ttl_ns + 999999) / 1000000;
    return record_expiry(ttl_ms, w->now_ms);
}

int write_set(struct writer *w, struct weir_call *call, struct weir_item *item,
              uint8_t *status)
{
    struct weir_value *v;
    int rc;

    *status = WEIR_REJECTED;
    if (!write_fits(w, item->size))
        return write_reject(w, item);
    *status = WEIR_OK;
    v = weir_call_value(call, item);
    if (v == NULL)
        return 0;
    rc = write_put(w, item, v->data, v->size, write_expiry(w, item->ttl_ms));
    weir_value_unref(v);
    return rc;
}

int write_delete(struct writer *w, struct weir_item *item, uint8_t *status)
{
    struct found old;
    int rc = write_find(w, item, &old);

    *status = WEIR_MISS;
    if (rc != 0)
        return rc == MDB_NOTFOUND ? 0 : rc;
    if (!record_expired(&old.record, w->now_ms))
        *status = WEIR_OK;
    return write_remove(w, item, &old);
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

int write_touch(struct writer *w, struct weir_item *item, uint8_t *status)
{
    uint8_t head[RECORD_HEAD_MAX];
    struct found found;
    struct record *r = &found.record;
    int rc = write_find(w, item, &found);

    *status = WEIR_MISS;
    if (rc != 0)
        return rc == MDB_NOTFOUND ? 0 : rc;
    if (record_expired(r, w->now_ms))
        return 0;
    *status = WEIR_OK;
    r->expires_ms = record_expiry(item->ttl_ms, w->now_ms);
    if (!r->timed)
        return r->expires_ms == 0 ? 0
                                  : write_timed(w, item, found.pos, r, status);
    record_encode(r, head);
    return writer_patch(w, found.pos, head, r->head);
}

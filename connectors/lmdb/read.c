/* read.c -- get, exists and stat. */
#include <string.h>

#include "ops.h"
#include "record.h"
#include "value.h"

static int reader_new(struct session *s)
{
    int rc = mdb_cursor_open(s->reader, s->env->log, &s->log.cursor);

    if (rc == 0) {
        rc = levels_open(&s->levels, s->env, s->reader);
        if (rc == 0)
            return 0;
        mdb_cursor_close(s->log.cursor);
    }
    mdb_txn_abort(s->reader);
    s->reader = NULL;
    return rc;
}

int reader_begin(struct session *s)
{
    bool again = s->reader != NULL;
    int rc = env_begin(s->env, &s->reader, MDB_RDONLY);

    if (rc != 0)
        return rc;
    s->log.at = LOG_NONE;
    if (again) {
        levels_renew(&s->levels, s->reader);
        mdb_cursor_renew(s->reader, s->log.cursor);
    } else {
        rc = reader_new(s);
    }
    if (rc != 0) {
        env_end(s->env);
        return rc;
    }
    rc = env_facts_read(s->env, s->reader, &s->facts);
    s->levels.facts = &s->facts;
    levels_tail(&s->levels);
    if (rc != 0)
        reader_end(s);
    return rc;
}

void reader_end(struct session *s)
{
    mdb_txn_reset(s->reader);
    env_end(s->env);
}

/* Copies a value to its place, piece by piece, and sums the bytes of the log.
 * Returns the item's status if the place was taken back. */
static int read_copy(struct session *s, struct log *log, struct weir_call *call,
                     struct weir_item *item, uint64_t pos, char *to,
                     uint32_t *sum, uint64_t hash)
{
    bool whole = true;

    for (uint64_t left = item->size; left > 0;) {
        const char *bytes;
        size_t step;
        int rc = log_view(log, pos, &bytes, &step);

        if (rc != 0)
            return rc;
        step = step < left ? step : left;
        if (item->data != NULL && !weir_call_lend(call)) {
            weir_call_taken_back(call, item);
            return 0;
        }
        memcpy(to, bytes, step);
        if (item->data != NULL)
            weir_call_unlend(call);
        if (whole && step == left) {
            *sum = (uint32_t)XXH3_64bits_withSeed(bytes, step, hash);
            return 0;
        }
        if (whole)
            XXH3_64bits_reset_withSeed(s->hash, hash);
        whole = false;
        XXH3_64bits_update(s->hash, bytes, step);
        to += step;
        pos += step;
        left -= step;
    }
    *sum = (uint32_t)(whole ? XXH3_64bits_withSeed(to, 0, hash)
                            : XXH3_64bits_digest(s->hash));
    return 0;
}

void read_corrupt(struct weir_call *call, struct weir_item *item)
{
    weir_call_fail(call, item, WEIR_CORRUPT,
                   "a value in data.mdb has a wrong checksum");
}

int read_value(struct session *s, struct log *log, struct weir_call *call,
               struct weir_item *item, const struct value *v)
{
    uint32_t sum = 0;
    char *to;
    int rc;

    if (weir_call_place(call, item, v->size, &to) != 0)
        return 0;
    rc = read_copy(s, log, call, item, v->pos, to, &sum, v->hash);
    if (rc == 0 && item->status == WEIR_PENDING && sum != v->sum)
        read_corrupt(call, item);
    return rc;
}

static int read_get(struct session *s, struct weir_call *call,
                    struct weir_item *item, uint64_t pos,
                    const struct record *r, uint64_t hash)
{
    struct value v = {
        .hash = hash,
        .pos = pos + r->head + item->key_len,
        .size = r->size,
        .sum = r->sum,
    };
    int rc = read_value(s, &s->log, call, item, &v);

    if (rc == 0 && item->status == WEIR_PENDING)
        item->status = WEIR_OK;
    return rc;
}

static void read_item(struct session *s, struct weir_call *call,
                      struct weir_item *item, uint64_t now)
{
    uint64_t hash = key_hash(s->env, item->key, item->key_len);
    struct found found;
    const struct record *r = &found.record;
    int rc = levels_find(
        &s->levels, &s->log, item->key, item->key_len, (uint32_t)(hash >> 32),
        young_level(&s->young, (uint32_t)(hash >> 32)), &found);

    if (rc == MDB_NOTFOUND || (rc == 0 && record_expired(r, now))) {
        item->status = WEIR_MISS;
        return;
    }
    if (rc == 0 && call->op == WEIR_GET) {
        rc = read_get(s, call, item, found.pos, r, hash);
    } else if (rc == 0) {
        item->size = r->size;
        item->ttl_ms = record_ttl_ms(r, now);
        item->status = WEIR_OK;
    }
    if (rc != 0)
        env_fail(call, item, rc);
}

void lmdb_read(struct session *s, struct weir_call *call)
{
    int rc = reader_begin(s);
    uint64_t now = now_ms();

    if (rc != 0) {
        env_fail(call, NULL, rc);
        return;
    }
    young_look(&s->young, mdb_txn_id(s->reader), call->n, &s->levels);
    for (uint32_t i = 0; i < call->n; i++) {
        if (weir_call_stopped(call) < 0) {
            weir_call_fail(call, NULL, WEIR_SKIPPED,
                           "no time was left for %u of %u keys", call->n - i,
                           call->n);
            break;
        }
        read_item(s, call, &call->items[i], now);
    }
    reader_end(s);
}

/* set.c -- see set.h.
 *
 * A large value is a reference to the runtime's, so that its size costs
 * nothing. A small one is copied behind its key. */
#include "set.h"

uint64_t set_expires(uint64_t ttl_ms)
{
    uint64_t at;

    if (ttl_ms == 0)
        return 0;
    return __builtin_add_overflow(shard_now_ms(), ttl_ms, &at) ? UINT64_MAX
                                                               : at;
}

/* Copies a small value, lent or referenced, behind the key. False: it was lent
 * and has been taken back. */
static bool set_embed(struct entry *e, struct weir_call *call,
                      const struct weir_item *item)
{
    bool lent = item->value == NULL && e->size > 0;
    const char *bytes = item->value ? item->value->data : item->data;

    if (lent && !weir_call_lend(call))
        return false;
    if (e->size > 0)
        memcpy(entry_data(e), bytes, e->size);
    if (lent)
        weir_call_unlend(call);
    return true;
}

/* Gives a new entry its value. False: the item has been answered. */
static bool set_value(struct entry *e, struct weir_call *call,
                      struct weir_item *item, uint64_t size)
{
    struct weir_value *value;

    if (entry_bodiless(e)) {
        *entry_word(e) = size;
        if (e->size == ENTRY_DATED)
            entry_date(e, (struct entry_dates){.set_ns = weir_now()});
        return true;
    }
    if (entry_embedded(e)) {
        if (set_embed(e, call, item))
            return true;
        item->status = WEIR_SKIPPED;
        return false;
    }
    value = weir_call_value(call, item);
    if (value != NULL && (value = weir_value_alone(value)) == NULL)
        weir_call_fail(call, item, WEIR_NOSPACE, "out of memory");
    *entry_word(e) = (uintptr_t)value;
    return value != NULL;
}

/* What the size of a new entry says of its value. */
static uint32_t set_kind(const struct memory *m, uint64_t size)
{
    if (m->bodies)
        return size <= ENTRY_EMBEDS ? (uint32_t)size : ENTRY_REFERS;
    return evicted_dated(&m->evicted) ? ENTRY_DATED : ENTRY_SIZE_ONLY;
}

/* The entry of a set; NULL: the item has been answered. */
static struct entry *set_entry(const struct memory *m, const struct place *at,
                               struct weir_call *call, struct weir_item *item,
                               uint64_t size)
{
    uint64_t ttl_ms = item->ttl_ms ? item->ttl_ms : m->default_ttl_ms;
    struct entry *e = entry_new(at->shard->heap, at->key.bytes, at->key.len,
                                at->key.hash, set_kind(m, size), ttl_ms > 0);

    if (e == NULL) {
        weir_call_fail(call, item, WEIR_NOSPACE, "out of memory");
        return NULL;
    }
    if (!set_value(e, call, item, size)) {
        entry_free(m->evicted.pool, e);
        return NULL;
    }
    if (e->timed)
        e->words[0] = set_expires(ttl_ms);
    return e;
}

bool set_prepare(const struct memory *m, struct place *at,
                 struct weir_call *call, struct weir_item *item)
{
    uint64_t size = item->value != NULL ? item->value->size : item->size;

    if (!shard_fits(at->shard, size))
        return true;
    at->e = set_entry(m, at, call, item, size);
    if (at->e == NULL)
        return false;
    if (!shard_fits(at->shard, entry_charge(at->e))) {
        entry_free(m->evicted.pool, at->e);
        at->e = NULL;
    }
    return true;
}

/* The value has no room. The older value of its key goes, too, since a reader
 * would take it for the current one. */
static void set_reject(struct turn *t, struct place *at, struct weir_item *item)
{
    struct entry *old = shard_find(t->shard, &at->key, t->now_ms, &t->dead);

    if (old != NULL)
        shard_drop(t->shard, old, &t->dead);
    t->shard->counters.rejected++;
    item->status = WEIR_REJECTED;
}

void set_locked(struct turn *t, struct place *at, struct weir_item *item)
{
    if (at->e == NULL) {
        set_reject(t, at, item);
        return;
    }
    shard_put(t->shard, at->e, &t->dead);
    item->status = WEIR_OK;
}

/* A copy of an entry that can expire; NULL: out of memory. */
static struct entry *set_timed(struct heap *h, struct entry *e)
{
    struct entry *copy =
        entry_new(h, entry_key(e), e->key_len, entry_hash(e), e->size, true);

    if (copy == NULL)
        return NULL;
    if (entry_embedded(e))
        memcpy(entry_data(copy), entry_data(e), e->size);
    else
        *entry_word(copy) = *entry_word(e);
    if (e->size == ENTRY_DATED)
        entry_date(copy, entry_dates(e));
    if (e->size == ENTRY_REFERS)
        weir_value_ref(entry_value(e));
    return copy;
}

/* An entry without room for a time is replaced by a copy that has it, which the
 * policy counts as a hit, too. The lock is held for an allocation then, at most
 * once for each entry. Nobody is told of the entry's end: its value lives on.
 */
void touch_locked(struct turn *t, struct place *at, struct weir_item *item)
{
    uint64_t expires_ms = set_expires(item->ttl_ms);
    struct entry *e = shard_find(t->shard, &at->key, t->now_ms, &t->dead);
    struct entry *copy;

    item->status = e != NULL ? WEIR_OK : WEIR_MISS;
    if (e == NULL)
        return;
    if (e->timed || expires_ms == 0) {
        shard_hit(t->shard, e);
        shard_expire(t->shard, e, expires_ms);
        return;
    }
    copy = set_timed(t->shard->heap, e);
    if (copy == NULL) {
        weir_call_fail(t->call, item, WEIR_NOSPACE, "out of memory");
        return;
    }
    copy->words[0] = expires_ms;
    shard_put(t->shard, copy, &t->dead);
    e->hits = 0;
}

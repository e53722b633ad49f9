/* get.c -- see get.h. */
#include "get.h"

#include "zeros.h"

enum {
    COPIED_LOCKED = 4096, /* a longer copy is made without the lock */
    FETCHED = 512,        /* of a value, before it is copied; the processor
                             fetches the rest ahead */
};

/* Loads the bytes up to `end`, but not more than FETCHED. */
static void get_fetch_bytes(const char *at, const char *end)
{
    if (end > at + FETCHED)
        end = at + FETCHED;
    for (; at < end; at += 64)
        __builtin_prefetch(at);
    __builtin_prefetch(end - 1);
}

void get_fetch(struct entry *e, const struct weir_item *item)
{
    const char *at;

    if (entry_embedded(e)) {
        at = entry_data(e);
        get_fetch_bytes((const char *)e + 128, at + e->size);
    } else if (e->size == ENTRY_REFERS) {
        at = (const char *)entry_value(e);
        get_fetch_bytes(at, item->data != NULL ? at + FETCHED : at + 1);
    }
}

/* Notes when an entry is read. */
static void get_date(struct entry *e)
{
    struct entry_dates dates;

    if (e->size != ENTRY_DATED)
        return;
    dates = entry_dates(e);
    dates.read_ns = weir_now();
    entry_date(e, dates);
}

void get_locked(struct turn *t, struct place *at, struct weir_item *item)
{
    struct entry *e = shard_find(t->shard, &at->key, t->now_ms, &t->dead);
    uint64_t size;

    if (e == NULL) {
        item->status = WEIR_MISS;
        return;
    }
    shard_hit(t->shard, e);
    size = entry_size(e);
    if (entry_bodiless(e)) {
        get_date(e);
        at->size_only = true;
        at->size = size;
    } else if (e->size == ENTRY_REFERS &&
               (item->data == NULL || size > COPIED_LOCKED)) {
        at->value = weir_value_ref(entry_value(e));
    } else {
        weir_call_answer(t->call, item, entry_data(e), size);
    }
}

void get_answer(struct weir_call *call, struct place *at,
                struct weir_item *item)
{
    if (at->size_only) {
        at->value = zeros_new(at->size);
        if (at->value == NULL)
            weir_call_fail(call, item, WEIR_NOSPACE,
                           "no address space for a value of %llu bytes",
                           (unsigned long long)at->size);
    }
    if (at->value == NULL)
        return;
    if (item->data != NULL) {
        weir_call_answer_value(call, item, at->value);
        weir_value_unref(at->value);
        return;
    }
    item->value = at->value;
    item->size = at->value->size;
    item->status = WEIR_OK;
}

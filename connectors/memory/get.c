/* get.c -- the gets of a group of items.
 *
 * What a get costs is waiting for memory: a bucket, an entry, a value. So a
 * group goes through these together, each step fetching ahead what the next
 * one needs, under one turn of each shard's lock. */
#include "get.h"

enum {
    COPIED_LOCKED = 4096, /* a longer copy is made without the lock */
    FETCHED = 512,        /* of a value, before it is copied; the processor
                             guesses the rest */
};

/* An item on its way. */
struct found {
    struct entry *e;
    struct weir_value *value; /* a reference, to be answered unlocked */
};

static void get_fetch(const struct entry *e, const struct weir_item *item)
{
    const char *at =
        e->embedded ? (const char *)e + 128 : (const char *)e->value;
    size_t n = item->data == NULL && !e->embedded ? 1 : FETCHED;

    for (size_t i = 0; i < n; i += 64)
        __builtin_prefetch(at + i);
}

/* Answer an item where that is as short as the lock, else return a reference
 * to the value. */
static struct weir_value *get_read(struct entry *e, struct weir_call *call,
                                   struct weir_item *item)
{
    uint64_t size = entry_size(e);

    if (!e->embedded && (item->data == NULL || size > COPIED_LOCKED))
        return weir_value_ref(e->value);
    weir_call_answer(call, item, entry_data(e), size);
    return NULL;
}

/* Do the items of one shard, and clear their places. */
static void get_locked(struct shard *s, struct weir_call *call,
                       struct place *places, struct weir_item *items,
                       struct found *found, uint32_t n)
{
    struct entry *dead = NULL;
    uint64_t now;

    lock_acquire(&s->lock);
    now = shard_time(s);
    for (uint32_t i = 0; i < n; i++) {
        if (places[i].shard != s)
            continue;
        found[i].e = shard_find(s, &places[i].key, now, &dead);
        if (found[i].e != NULL && n > 1)
            get_fetch(found[i].e, &items[i]);
    }
    for (uint32_t i = 0; i < n; i++) {
        if (places[i].shard != s)
            continue;
        places[i].shard = NULL;
        if (found[i].e == NULL) {
            items[i].status = WEIR_MISS;
            continue;
        }
        shard_hit(s, found[i].e);
        found[i].value = get_read(found[i].e, call, &items[i]);
    }
    lock_release(&s->lock);
    entry_free_all(dead);
}

static void get_answer(struct weir_call *call, struct weir_item *item,
                       struct weir_value *value)
{
    if (item->data != NULL) {
        weir_call_answer_value(call, item, value);
        weir_value_unref(value);
        return;
    }
    item->value = value;
    item->size = value->size;
    item->status = WEIR_OK;
}

void memory_get(struct weir_call *call, struct place *places,
                struct weir_item *items, uint32_t n)
{
    struct found found[MEMORY_GROUP];

    for (uint32_t i = 0; i < n; i++)
        found[i].value = NULL;
    for (uint32_t i = 0; i < n; i++) {
        if (places[i].shard != NULL)
            get_locked(places[i].shard, call, places, items, found, n);
    }
    for (uint32_t i = 0; i < n; i++) {
        if (found[i].value != NULL)
            get_answer(call, &items[i], found[i].value);
    }
}

/* shard.c -- see shard.h. */
#include "shard.h"

#include <errno.h>

/* Buckets searched for expired entries at each set: at a load of 3/4 they hold
 * more entries than the set adds, so that garbage cannot pile up. */
enum { SWEEP_BUCKETS = 2 };

int shard_init(struct shard *s, uint64_t capacity,
               const struct eviction_policy *policy)
{
    /* At a load of 3/4, an entry of an empty value needs this many bytes. */
    uint64_t least = sizeof(struct entry) + sizeof *s->table.buckets;

    *s = (struct shard){.capacity = capacity, .policy = policy};
    return table_init(&s->table, capacity / least * 4 / 3);
}

void shard_free(struct shard *s)
{
    struct entry *e;

    while ((e = s->policy->victim(&s->eviction)) != NULL)
        entry_free(e);
    ghost_free(&s->eviction.ghost);
    table_free(&s->table);
}

bool shard_fits(const struct shard *s, uint64_t bytes)
{
    uint64_t empty = sizeof *s + TABLE_MIN * sizeof *s->table.buckets +
                     sizeof *s->eviction.ghost.lines;

    return s->capacity >= empty && bytes <= s->capacity - empty;
}

uint64_t shard_bytes(const struct shard *s)
{
    return sizeof *s + eviction_bytes(&s->eviction) + table_bytes(&s->table) +
           ghost_bytes(&s->eviction.ghost);
}

uint64_t shard_now_ms(void)
{
    return weir_now() / 1000000;
}

uint64_t shard_time(const struct shard *s)
{
    return s->expiring > 0 ? shard_now_ms() : 0;
}

static bool shard_expired(const struct entry *e, uint64_t now_ms)
{
    return e->expires_ms != 0 && e->expires_ms <= now_ms;
}

/* The policy has let go of the entry; the table and the counts follow. */
static void shard_bury(struct shard *s, struct entry *e, struct entry **dead)
{
    table_remove(&s->table, e);
    s->expiring -= e->expires_ms != 0;
    e->chain = *dead;
    *dead = e;
}

void shard_drop(struct shard *s, struct entry *e, struct entry **dead)
{
    s->policy->remove(&s->eviction, e);
    shard_bury(s, e, dead);
}

static void shard_drop_expired(struct shard *s, struct entry *e,
                               struct entry **dead)
{
    s->counters.expired++;
    shard_drop(s, e, dead);
}

struct entry *shard_find(struct shard *s, const struct shard_key *key,
                         uint64_t now_ms, struct entry **dead)
{
    struct entry *e = table_find(&s->table, key->hash, key->bytes, key->len);

    if (e == NULL || !shard_expired(e, now_ms))
        return e;
    shard_drop_expired(s, e, dead);
    return NULL;
}

void shard_hit(struct shard *s, struct entry *e)
{
    if (e->is_main)
        s->counters.hits_main++;
    else
        s->counters.hits_small++;
    s->policy->hit(&s->eviction, e);
}

void shard_expire(struct shard *s, struct entry *e, uint64_t expires_ms)
{
    s->expiring -= e->expires_ms != 0;
    s->expiring += expires_ms != 0;
    e->expires_ms = expires_ms;
}

/* Look at a few buckets for what has expired. */
static void shard_sweep(struct shard *s, uint64_t now_ms, struct entry **dead)
{
    for (int i = 0; i < SWEEP_BUCKETS && s->expiring > 0; i++) {
        uint64_t next;
        struct entry *e = table_at(&s->table, s->sweep, &next), *after;

        for (; e != NULL; e = after) {
            after = e->chain;
            if (shard_expired(e, now_ms))
                shard_drop_expired(s, e, dead);
        }
        s->sweep = next == TABLE_END ? 0 : next;
    }
}

/* Evict until an entry of that charge, and a bucket, have room beside what is
 * there but the one it replaces, which may have to go as well: returns what is
 * left of it. */
static struct entry *shard_make_room(struct shard *s, uint64_t charge,
                                     struct entry *old, struct entry **dead)
{
    while (shard_bytes(s) + charge + sizeof *s->table.buckets >
           s->capacity + (old != NULL ? entry_charge(old) : 0)) {
        struct entry *e = s->policy->victim(&s->eviction);

        if (e == NULL)
            break;
        if (e == old)
            old = NULL;
        shard_bury(s, e, dead);
        s->counters.evictions++;
    }
    return old;
}

void shard_put(struct shard *s, struct entry *e, struct entry **dead)
{
    struct shard_key key = {e->bytes, e->key_len, e->hash};
    uint64_t now_ms = shard_time(s);
    struct entry *old;

    shard_sweep(s, now_ms, dead);
    old = shard_find(s, &key, now_ms, dead);
    old = shard_make_room(s, entry_charge(e), old, dead);
    s->expiring += e->expires_ms != 0;
    if (old == NULL) {
        s->policy->insert(&s->eviction, e);
        table_insert(&s->table, e);
        return;
    }
    s->policy->replace(&s->eviction, old, e);
    table_replace(&s->table, old, e);
    s->expiring -= old->expires_ms != 0;
    old->chain = *dead;
    *dead = old;
}

/* shard.c -- see shard.h. */
#include "shard.h"

#include <errno.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "pins.h"
#include "room.h"
#include "sum.h"

/* Buckets searched for expired entries at each set. */
enum { SWEEP_BUCKETS = 2 };

_Static_assert(sizeof(struct shard) <= LAYOUT_HEAD, "a shard has room");

void shard_format(const struct layout *l, struct shard *s)
{
    shard_clear(l, s);
    room_format(l, s);
}

void shard_clear(const struct layout *l, struct shard *s)
{
    memset((char *)s + offsetof(struct shard, free_units), 0,
           offsetof(struct shard, counters) -
               offsetof(struct shard, free_units));
    memset(layout_buckets(l, s), 0,
           (l->bucket_mask + UINT64_C(1)) * sizeof(uint32_t));
    s->eviction.ghost.lines = link_to(window_of(s) + l->ghosts_at);
    s->eviction.ghost.max = l->ghost_lines;
}

uint64_t shard_now_ms(void)
{
    return weir_now() / 1000000;
}

uint64_t shard_sum(const char *bytes, uint64_t size)
{
    if (size >= SUM_WIDE_FROM && sum_can())
        return sum_wide(bytes, size);
    return XXH3_64bits(bytes, size);
}

int shard_head_sum(const struct hold *h, const struct entry *e, uint32_t *sum)
{
    uint64_t head[] = {e->hash, e->key_len, e->size, e->expires_ms,
                       e->value_sum};
    uint64_t left = head[1], x = XXH3_64bits(head, sizeof head);
    struct chain_at at = chain_key(e);

    while (left > 0) {
        char *bytes;
        uint64_t run = chain_run(h, &at, &bytes, left);

        if (run == 0)
            return -EUCLEAN;
        x = XXH3_64bits_withSeed(bytes, run, x);
        left -= run;
    }
    *sum = (uint32_t)x;
    return 0;
}

int shard_value_at(const struct hold *h, const struct entry *e,
                   struct chain_at *at)
{
    *at = chain_key(e);
    return chain_skip(h, at, e->key_len + entry_gap(e->key_len, e->size));
}

bool shard_fits(const struct layout *l, uint64_t key_len, uint64_t size)
{
    return size < WINDOW_SIZE &&
           entry_units_of(key_len, size) <= l->end - l->first;
}

/* ---- the hash table ---- */

/* The live entry of a number; NULL: the shard is damaged. */
static struct entry *shard_live(const struct hold *h, uint32_t unit)
{
    return chain_live(h, unit) ? unit_at(h->s, unit) : NULL;
}

/* 1: the entry has the key, 0: it has not. -EUCLEAN. */
static int shard_matches(const struct hold *h, const struct entry *e,
                         const struct shard_key *key)
{
    struct chain_at at = chain_key(e);

    if (e->hash != key->hash || e->key_len != key->len)
        return 0;
    if (key->len <= sizeof e->bytes)
        return memcmp(e->bytes, key->bytes, key->len) == 0;
    return chain_equal(h, &at, key->bytes, key->len);
}

static int table_find(const struct hold *h, const struct shard_key *key,
                      struct entry **found)
{
    uint32_t unit = *shard_bucket(h, key->hash);

    *found = NULL;
    for (int steps = 0; unit != 0; steps++) {
        struct entry *e = shard_live(h, unit);
        int same;

        if (e == NULL || steps > SHARD_STEPS)
            return -EUCLEAN;
        same = shard_matches(h, e, key);
        if (same != 0) {
            *found = e;
            return same < 0 ? same : 0;
        }
        unit = e->chain;
    }
    return 0;
}

static void table_insert(const struct hold *h, struct entry *e)
{
    uint32_t *bucket = shard_bucket(h, e->hash);

    e->chain = *bucket;
    *bucket = link_to(e);
    h->s->items++;
}

static int table_remove(const struct hold *h, const struct entry *e)
{
    uint32_t *at = shard_bucket(h, e->hash), unit = link_to(e);

    for (int steps = 0; *at != unit; steps++) {
        struct entry *before = shard_live(h, *at);

        if (before == NULL || steps > SHARD_STEPS)
            return -EUCLEAN;
        at = &before->chain;
    }
    *at = e->chain;
    h->s->items--;
    return 0;
}

/* ---- taking out ---- */

/* Takes out an entry that the policy has taken out. */
static int shard_take_out(const struct hold *h, struct entry *e)
{
    int rc = table_remove(h, e);

    if (rc < 0)
        return rc;
    h->s->expiring -= e->expires_ms != 0;
    SHM_POINT("taken out");
    if (pins_keep(h, e))
        return 0;
    return e->whole ? room_give_whole(h, link_to(e), entry_units(e))
                    : room_give_chain(h, link_to(e));
}

int shard_drop(const struct hold *h, struct entry *e)
{
    int rc;

    shard_begin(h);
    SHM_POINT("drop");
    h->policy->remove(&h->s->eviction, e);
    rc = shard_take_out(h, e);
    if (rc == 0)
        shard_end(h);
    return rc;
}

static bool shard_expired(const struct hold *h, const struct entry *e)
{
    return e->expires_ms != 0 && e->expires_ms <= h->now_ms;
}

int shard_find(const struct hold *h, const struct shard_key *key,
               struct entry **e)
{
    int rc = table_find(h, key, e);

    if (rc < 0 || *e == NULL || !shard_expired(h, *e))
        return rc;
    h->s->counters.expired++;
    rc = shard_drop(h, *e);
    *e = NULL;
    return rc;
}

void shard_hit(const struct hold *h, struct entry *e)
{
    if (e->is_main)
        h->s->counters.hits_main++;
    else
        h->s->counters.hits_small++;
    if (h->policy != &eviction_lru) {
        h->policy->hit(&h->s->eviction, e); /* writes the bits of e at most */
        return;
    }
    shard_begin(h);
    h->policy->hit(&h->s->eviction, e);
    SHM_POINT("hit");
    shard_end(h);
}

int shard_expire(const struct hold *h, struct entry *e, uint64_t expires_ms)
{
    uint32_t sum;
    int rc;

    shard_begin(h);
    h->s->expiring -= e->expires_ms != 0;
    h->s->expiring += expires_ms != 0;
    e->expires_ms = expires_ms;
    SHM_POINT("expire");
    rc = shard_head_sum(h, e, &sum);
    if (rc < 0)
        return rc;
    e->head_sum = sum;
    shard_end(h);
    return 0;
}

/* ---- putting in ---- */

/* Looks at a few buckets for what has expired. */
static int shard_sweep(const struct hold *h)
{
    struct shard *s = h->s;

    for (int i = 0; i < SWEEP_BUCKETS && s->expiring > 0; i++) {
        uint32_t unit = *shard_bucket(h, s->sweep);

        for (int steps = 0; unit != 0; steps++) {
            struct entry *e = shard_live(h, unit);
            int rc;

            if (e == NULL || steps > SHARD_STEPS)
                return -EUCLEAN;
            unit = e->chain;
            if (!shard_expired(h, e))
                continue;
            s->counters.expired++;
            rc = shard_drop(h, e);
            if (rc < 0)
                return rc;
        }
        s->sweep = (s->sweep + 1) & h->layout->bucket_mask;
    }
    return 0;
}

/* Sees to it that evicting is enough to get so many units. -ENOSPC: it is not,
 * because pinned entries keep theirs. -EUCLEAN. */
static int shard_unpin(const struct hold *h, uint64_t units)
{
    struct shard *s = h->s;
    uint64_t units_all = h->layout->end - h->layout->first;
    int rc = 0;

    if (units + s->pinned_units > units_all) {
        rc = pins_sweep(h, true);
        if (rc == 0 && units + s->pinned_units > units_all)
            rc = pins_agree(h) ? -ENOSPC : -EUCLEAN;
    } else if (units > s->free_units && s->kept_units > 0) {
        rc = pins_sweep(h, false);
    }
    return rc;
}

/* Evicts until so many units are free. Sets *old, which is about to be
 * replaced, to NULL when it evicts that. */
static int shard_make_room(const struct hold *h, uint64_t units,
                           struct entry **old)
{
    struct shard *s = h->s;

    while (s->free_units < units) {
        struct entry *e = h->policy->victim(&s->eviction);
        int rc;

        if (e == NULL || !chain_live(h, link_to(e)))
            return -EUCLEAN;
        if (e == *old)
            *old = NULL;
        SHM_POINT("victim");
        rc = shard_take_out(h, e);
        if (rc < 0)
            return rc;
        s->counters.evictions++;
    }
    return 0;
}

/* Takes the units of an entry and fills in its head. NULL: the shard is
 * damaged. */
static struct entry *shard_head(const struct hold *h,
                                const struct shard_key *key,
                                const struct shard_value *value)
{
    bool whole;
    uint32_t unit =
        room_take(h, (uint32_t)entry_units_of(key->len, value->size), &whole);
    struct entry *e;

    if (unit == 0)
        return NULL;
    e = unit_at(h->s, unit);
    memset(e, 0, ENTRY_HEAD);
    e->hash = key->hash;
    e->key_len = key->len;
    e->whole = whole;
    e->size = value->size;
    e->expires_ms = value->expires_ms;
    return e;
}

/* Puts the new head in the place of the old entry in its queue, and gives the
 * old one's units back. */
static int shard_replace(const struct hold *h, struct entry *old,
                         struct entry *e)
{
    h->policy->replace(&h->s->eviction, old, e);
    SHM_POINT("replaced");
    return shard_take_out(h, old);
}

/* Where the value of an entry that is one run begins. NULL: it is none, or the
 * value would end outside the shard. */
static char *shard_run_at(const struct hold *h, struct entry *e,
                          uint64_t key_len, uint64_t size)
{
    char *at = e->bytes + key_len + entry_gap(key_len, size);

    return e->whole &&
                   size <= (uint64_t)(window_of(h->s) + h->layout->segment - at)
               ? at
               : NULL;
}

/* Writes the value at *at and computes its checksum. */
static int shard_write_value(const struct hold *h, struct entry *e,
                             const struct shard_key *key,
                             const struct shard_value *value,
                             struct chain_at *at)
{
    uint64_t size = value->size;
    char *to = NULL;

    if (size >= ENTRY_LARGE && sum_can())
        to = shard_run_at(h, e, key->len, size);
    if (to != NULL) {
        e->value_sum = sum_copy(to, value->bytes, size, h->layout->past);
        return 0;
    }
    e->value_sum = shard_sum(value->bytes, size);
    return chain_write(h, at, value->bytes, size);
}

/* Writes key and value behind the head. */
static int shard_write(const struct hold *h, struct entry *e,
                       const struct shard_key *key,
                       const struct shard_value *value)
{
    struct chain_at at = chain_key(e);
    uint32_t sum;
    int rc = chain_write(h, &at, key->bytes, key->len);

    SHM_POINT("key written");
    if (rc == 0)
        rc = chain_skip(h, &at, entry_gap(key->len, value->size));
    if (rc == 0)
        rc = shard_write_value(h, e, key, value, &at);
    if (rc == 0)
        rc = shard_head_sum(h, e, &sum);
    if (rc == 0)
        e->head_sum = sum;
    return rc;
}

static void shard_publish(const struct hold *h, const struct entry *e)
{
    uint32_t unit = link_to(e);

    __atomic_store_n(layout_chain(h->layout, h->s, unit),
                     chain_word(h, unit) | CHAIN_LIVE, __ATOMIC_RELEASE);
}

static int shard_put_in(const struct hold *h, const struct shard_key *key,
                        const struct shard_value *value, struct entry *old)
{
    struct entry *e;
    int rc;

    rc = shard_make_room(h, entry_units_of(key->len, value->size), &old);
    if (rc < 0)
        return rc;
    e = shard_head(h, key, value);
    if (e == NULL)
        return -EUCLEAN;
    SHM_POINT("head");
    if (old != NULL)
        rc = shard_replace(h, old, e);
    else
        h->policy->insert(&h->s->eviction, e);
    if (rc == 0)
        rc = shard_write(h, e, key, value);
    if (rc < 0)
        return rc;
    SHM_POINT("written");
    table_insert(h, e);
    h->s->expiring += value->expires_ms != 0;
    SHM_POINT("inserted");
    shard_publish(h, e);
    SHM_POINT("published");
    return 0;
}

int shard_put(const struct hold *h, const struct shard_key *key,
              const struct shard_value *value)
{
    struct entry *old;
    int rc = shard_sweep(h);

    if (rc == 0)
        rc = shard_unpin(h, entry_units_of(key->len, value->size));
    if (rc == 0)
        rc = shard_find(h, key, &old);
    if (rc < 0)
        return rc;
    shard_begin(h);
    rc = shard_put_in(h, key, value, old);
    if (rc == 0)
        shard_end(h);
    return rc;
}

void shard_adopt(const struct hold *h, struct entry *e)
{
    struct eviction *ev = &h->s->eviction;

    if (h->policy == &eviction_s3fifo && e->is_main)
        queue_push(&ev->main, e);
    else
        h->policy->insert(ev, e);
    table_insert(h, e);
    h->s->expiring += e->expires_ms != 0;
}

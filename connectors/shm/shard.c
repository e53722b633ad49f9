/* shard.c -- see shard.h. */
#include "shard.h"

#include <errno.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "chain.h"

/* Buckets searched for expired entries at each set. */
enum { SWEEP_BUCKETS = 2 };

_Static_assert(sizeof(struct shard) <= LAYOUT_HEAD, "a shard has room");

void shard_format(const struct layout *l, struct shard *s)
{
    s->fresh = l->first;
    s->free_units = l->end - l->first;
    s->eviction.ghost.lines = link_to(window_of(s) + l->ghosts_at);
    s->eviction.ghost.max = l->ghost_lines;
}

uint64_t shard_now_ms(void)
{
    return weir_now() / 1000000;
}

uint64_t shard_sum(const char *bytes, uint64_t size)
{
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
    return chain_free(h, link_to(e));
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

/* Evicts until there are `units`, those of an entry that is to be replaced
 * included; but one has to be free. Sets *old to NULL when it evicts that one.
 */
static int shard_make_room(const struct hold *h, uint64_t units,
                           struct entry **old)
{
    struct shard *s = h->s;

    while (s->free_units == 0 ||
           s->free_units + (*old ? entry_units(*old) : 0) < units) {
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

/* Takes the first unit of an entry and fills in its head. 0: the shard is
 * damaged. */
static uint32_t shard_head(const struct hold *h, const struct shard_key *key,
                           const struct shard_value *value)
{
    uint32_t unit = chain_take(h, 1);
    struct entry *e;

    if (unit == 0)
        return 0;
    e = unit_at(h->s, unit);
    memset(e, 0, ENTRY_HEAD);
    e->hash = key->hash;
    e->key_len = key->len;
    e->size = value->size;
    e->expires_ms = value->expires_ms;
    e->value_sum = value->sum;
    return unit;
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

/* Writes key and value behind the head. */
static int shard_write(const struct hold *h, struct entry *e,
                       const struct shard_key *key,
                       const struct shard_value *value)
{
    struct chain_at at = chain_key(e);
    uint32_t more = (uint32_t)entry_units_of(key->len, value->size) - 1;
    uint32_t next = more > 0 ? chain_take(h, more) : 0, sum;
    int rc;

    if (more > 0 && next == 0)
        return -EUCLEAN;
    chain_set(h, link_to(e), next);
    rc = chain_write(h, &at, key->bytes, key->len);
    if (rc < 0)
        return rc;
    SHM_POINT("key written");
    rc = chain_write(h, &at, value->bytes, value->size);
    if (rc < 0)
        return rc;
    rc = shard_head_sum(h, e, &sum);
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
    uint32_t unit;
    int rc;

    rc = shard_make_room(h, entry_units_of(key->len, value->size), &old);
    if (rc < 0)
        return rc;
    unit = shard_head(h, key, value);
    if (unit == 0)
        return -EUCLEAN;
    e = unit_at(h->s, unit);
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
        rc = shard_find(h, key, &old);
    if (rc < 0)
        return rc;
    shard_begin(h);
    rc = shard_put_in(h, key, value, old);
    if (rc == 0)
        shard_end(h);
    return rc;
}

int shard_adopt(const struct hold *h, struct entry *e,
                const struct shard_key *key)
{
    struct eviction *ev = &h->s->eviction;
    struct entry *other;
    int rc = table_find(h, key, &other);

    if (rc < 0 || other != NULL)
        return rc;
    if (h->policy == &eviction_s3fifo && e->is_main)
        queue_push(&ev->main, e);
    else
        h->policy->insert(ev, e);
    table_insert(h, e);
    h->s->expiring += e->expires_ms != 0;
    return 1;
}

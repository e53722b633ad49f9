/* repair.c -- see repair.h. */
#include "repair.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "chain.h"

struct repair {
    const struct hold *h;
    uint8_t *owned; /* a bit for each number that a link can have: the unit is
                       part of an entry that stays */
    char *key;
};

static bool repair_owned(const struct repair *r, uint32_t unit)
{
    return (r->owned[unit / 8] >> unit % 8 & 1) != 0;
}

static void repair_own(const struct repair *r, uint32_t unit)
{
    r->owned[unit / 8] ^= (uint8_t)(1 << unit % 8);
}

static void repair_disown(const struct repair *r, uint32_t first, uint64_t n)
{
    for (uint32_t unit = first; n > 0; n--) {
        repair_own(r, unit);
        unit = chain_word(r->h, unit) & CHAIN_NEXT;
    }
}

/* Owns the first n units of a chain that has exactly so many. False: it has
 * not, and none is owned. */
static bool repair_own_chain(const struct repair *r, uint32_t first, uint64_t n)
{
    uint32_t unit = first, next = chain_word(r->h, first) & ~CHAIN_LIVE;
    uint64_t owned = 0;

    while (!repair_owned(r, unit)) {
        repair_own(r, unit);
        if (++owned == n && next == 0)
            return true;
        if (owned == n || !layout_has(r->h->layout, next))
            break;
        unit = next;
        next = chain_word(r->h, unit);
    }
    repair_disown(r, first, owned);
    return false;
}

/* Gives an entry, whose units are owned, its place. */
static bool repair_adopt(const struct repair *r, struct entry *e,
                         const struct shard_key *key)
{
    struct chain_at at = chain_key(e);
    uint32_t sum;

    e->suspect = 1;
    return shard_head_sum(r->h, e, &sum) == 0 && sum == e->head_sum &&
           chain_read(r->h, &at, r->key, key->len) == 0 &&
           shard_adopt(r->h, e, key) == 1;
}

/* Whether an entry is sound, and has its place now. */
static bool repair_entry(const struct repair *r, uint32_t unit)
{
    struct entry *e = unit_at(r->h->s, unit);
    struct shard_key key = {r->key, e->key_len, e->hash};
    uint64_t size = e->size, units = entry_units_of(key.len, size);

    if (key.len == 0 || key.len > WEIR_KEY_MAX ||
        !shard_fits(r->h->layout, key.len, size) ||
        !repair_own_chain(r, unit, units))
        return false;
    if (repair_adopt(r, e, &key))
        return true;
    repair_disown(r, unit, units);
    return false;
}

/* Forgets everything but the units. */
static void repair_clear(const struct hold *h)
{
    struct shard *s = h->s;
    struct shard_counters counters = s->counters;

    memset((char *)s + offsetof(struct shard, free_head), 0,
           sizeof *s - offsetof(struct shard, free_head));
    shard_format(h->layout, s);
    s->counters = counters;
    s->fresh = h->layout->end;
    s->free_units = 0;
    memset(layout_buckets(h->layout, s), 0,
           (h->layout->bucket_mask + UINT64_C(1)) * sizeof(uint32_t));
}

/* Makes one chain of all units that no entry has, in their order. */
static void repair_free(const struct repair *r)
{
    const struct layout *l = r->h->layout;
    struct shard *s = r->h->s;

    for (uint32_t unit = l->end; unit-- > l->first;) {
        if (r->owned != NULL && repair_owned(r, unit))
            continue;
        chain_set(r->h, unit, s->free_head);
        s->free_head = unit;
        s->free_units++;
    }
}

void repair_shard(const struct hold *h)
{
    const struct layout *l = h->layout;
    struct repair r = {h, calloc(1, LINK_MASK / 8 + 1), malloc(WEIR_KEY_MAX)};

    shard_begin(h);
    repair_clear(h);
    h->s->counters.repairs++;
    for (uint32_t unit = l->first; unit < l->end; unit++) {
        if (!chain_live(h, unit))
            continue;
        if (r.owned != NULL && r.key != NULL && repair_entry(&r, unit))
            continue;
        chain_set(h, unit, chain_word(h, unit) & CHAIN_NEXT);
        h->s->counters.lost++;
        SHM_POINT("repair");
    }
    repair_free(&r);
    SHM_POINT("repaired");
    shard_end(h);
    free(r.key);
    free(r.owned);
}

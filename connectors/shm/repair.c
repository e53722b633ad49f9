/* repair.c -- see repair.h. */
#include "repair.h"

#include <pthread.h>
#include <string.h>

#include "pins.h"
#include "room.h"

struct repair {
    const struct hold *h;
    uint8_t owned[LINK_MASK / 8 + 1]; /* a bit for each number that a link can
                                         have: the unit is part of an entry that
                                         stays, or is pinned */
};

/* One for all, so that a repair needs no memory that there may not be. */
static pthread_mutex_t repair_lock = PTHREAD_MUTEX_INITIALIZER;
static struct repair repair; /* under repair_lock */

/* A child of fork may open stores of its own, so a fork waits for the lock. */
static void repair_wait(void)
{
    pthread_mutex_lock(&repair_lock);
}

static void repair_go_on(void)
{
    pthread_mutex_unlock(&repair_lock);
}

__attribute__((constructor)) static void repair_watch_forks(void)
{
    pthread_atfork(repair_wait, repair_go_on, repair_go_on);
}

static bool repair_owned(const struct repair *r, uint32_t unit)
{
    return (r->owned[unit / 8] >> unit % 8 & 1) != 0;
}

static void repair_own(struct repair *r, uint32_t unit)
{
    r->owned[unit / 8] ^= (uint8_t)(1 << unit % 8);
}

static void repair_disown(struct repair *r, uint32_t first, uint64_t n)
{
    for (uint32_t unit = first; n > 0; n--) {
        repair_own(r, unit);
        unit = chain_word(r->h, unit) & CHAIN_NEXT;
    }
}

/* Owns the first n units of a chain that has exactly so many. False: it has
 * not, and none is owned. */
static bool repair_own_chain(struct repair *r, uint32_t first, uint64_t n,
                             bool *whole)
{
    uint32_t unit = first, next = chain_word(r->h, first) & ~CHAIN_LIVE;
    uint64_t owned = 0;

    *whole = true;
    while (!repair_owned(r, unit)) {
        repair_own(r, unit);
        if (++owned == n && next == 0)
            return true;
        if (owned == n || !layout_has(r->h->layout, next))
            break;
        *whole = *whole && next == unit + 1;
        unit = next;
        next = chain_word(r->h, unit);
    }
    repair_disown(r, first, owned);
    return false;
}

/* Whether an entry is sound, and has its place now. Its key is no other's: the
 * old entry of a key is no longer live when the new one becomes it. */
static bool repair_entry(struct repair *r, uint32_t unit)
{
    struct entry *e = unit_at(r->h->s, unit);
    uint64_t key_len = e->key_len, size = e->size;
    uint64_t units = entry_units_of(key_len, size);
    uint32_t sum;
    bool whole;

    if (key_len == 0 || key_len > WEIR_KEY_MAX ||
        !shard_fits(r->h->layout, key_len, size) ||
        !repair_own_chain(r, unit, units, &whole))
        return false;
    if (shard_head_sum(r->h, e, &sum) < 0 || sum != e->head_sum) {
        repair_disown(r, unit, units);
        return false;
    }
    e->whole = whole;
    e->suspect = 1;
    e->pins = 0;
    shard_adopt(r->h, e);
    return true;
}

/* ---- pins ---- */

/* Whether the pin is one more of an entry that was adopted or kept before. */
static bool repair_known(const struct repair *r, uint32_t pin)
{
    const struct pin *p = pins_row(r->h->layout, r->h->s, pin), *first;
    const struct entry *e = unit_at(r->h->s, p->unit);
    uint32_t at = pins_first(r->h, e);

    if (!repair_owned(r, p->unit))
        return false;
    if (at == 0 || at >= pin)
        return chain_live(r->h, p->unit) && e->pins == 0 &&
               entry_units(e) == p->units && e->whole;
    first = pins_row(r->h->layout, r->h->s, at);
    return first->holder != 0 && first->unit == p->unit &&
           first->units == p->units;
}

/* Keeps the units of a pin whose entry is gone. False: others have them. */
static bool repair_keep(struct repair *r, const struct pin *p)
{
    struct entry *e = unit_at(r->h->s, p->unit);

    for (uint32_t i = 0; i < p->units; i++) {
        if (repair_owned(r, p->unit + i))
            return false;
    }
    for (uint32_t i = 0; i < p->units; i++) {
        repair_own(r, p->unit + i);
        chain_set(r->h, p->unit + i, p->unit + i + 1);
    }
    chain_set(r->h, p->unit + p->units - 1, 0);
    e->pins = 0;
    r->h->s->kept_units += p->units;
    return true;
}

/* Keeps the pins of living processes, and what they pin. */
static void repair_pins(struct repair *r)
{
    const struct layout *l = r->h->layout;

    for (uint32_t pin = 1; pin <= l->pins; pin++) {
        struct pin *p = pins_row(l, r->h->s, pin);

        if (pins_alive(r->h, p) && layout_has(l, p->unit) && p->units > 0 &&
            p->units <= l->end - p->unit &&
            (repair_known(r, pin) || repair_keep(r, p)))
            pins_attach(r->h, pin);
        else
            p->holder = 0;
    }
}

/* Makes free what nobody has. */
static void repair_free(const struct repair *r)
{
    const struct layout *l = r->h->layout;
    uint32_t n = 0;

    for (uint32_t unit = l->first; unit <= l->end; unit++) {
        if (unit < l->end && !repair_owned(r, unit)) {
            chain_set(r->h, unit, 0);
            n++;
            continue;
        }
        if (n > 0)
            room_give(r->h, unit - n, n);
        n = 0;
    }
}

static void repair_units(struct repair *r)
{
    const struct hold *h = r->h;
    const struct layout *l = h->layout;

    for (uint32_t unit = l->first; unit < l->end; unit++) {
        if (!chain_live(h, unit) || repair_entry(r, unit))
            continue;
        chain_set(h, unit, chain_word(h, unit) & CHAIN_NEXT);
        h->s->counters.lost++;
        SHM_POINT("repair");
    }
    repair_pins(r);
    SHM_POINT("pins repaired");
    repair_free(r);
}

void repair_shard(const struct hold *h)
{
    shard_begin(h);
    shard_clear(h->layout, h->s);
    h->s->counters.repairs++;
    pthread_mutex_lock(&repair_lock);
    repair.h = h;
    memset(repair.owned, 0, sizeof repair.owned);
    repair_units(&repair);
    pthread_mutex_unlock(&repair_lock);
    SHM_POINT("repaired");
    shard_end(h);
}

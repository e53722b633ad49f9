/* pins.c -- see pins.h. */
#include "pins.h"

#include <errno.h>
#include <string.h>

#include "chain.h"
#include "room.h"
#include "seats.h"

enum { LOOK_EVERY = 64 }; /* sweeps between two that look who has ended */

struct pin *pins_row(const struct layout *l, const struct shard *s,
                     uint32_t pin)
{
    return (struct pin *)(window_of(s) + l->pins_at) + pin - 1;
}

static struct pin *row(const struct hold *h, uint32_t pin)
{
    return pins_row(h->layout, h->s, pin);
}

/* The number of a pin as it stands in the mapping, or 0. */
static uint32_t checked(const struct hold *h, uint32_t pin)
{
    return pin <= h->layout->pins ? pin : 0;
}

uint32_t pins_first(const struct hold *h, const struct entry *e)
{
    return checked(h, e->pins);
}

static struct entry *pin_entry(const struct hold *h, const struct pin *p)
{
    return unit_at(h->s, p->unit);
}

static bool pin_used(const struct pin *p)
{
    return atomic_load_explicit(&p->count, memory_order_acquire) != 0;
}

bool pins_alive(const struct hold *h, const struct pin *p)
{
    return p->holder != 0 && pin_used(p) && seats_alive(h->seats, p->holder);
}

void pins_attach(const struct hold *h, uint32_t pin)
{
    struct pin *p = row(h, pin);
    struct entry *e = pin_entry(h, p);

    if (pins_first(h, e) == 0)
        h->s->pinned_units += p->units;
    p->next = e->pins;
    e->pins = pin;
}

/* ---- removing ---- */

static int pin_detach(const struct hold *h, uint32_t pin)
{
    struct pin *p = row(h, pin);
    uint32_t *at = &pin_entry(h, p)->pins;

    for (uint32_t i = 0; i < h->layout->pins && checked(h, *at) != 0; i++) {
        if (*at == pin) {
            *at = p->next;
            return 0;
        }
        at = &row(h, *at)->next;
    }
    return -EUCLEAN;
}

/* Frees the row of a pin, and the units of its entry if they were kept for this
 * pin only. */
static int pin_remove(const struct hold *h, uint32_t pin)
{
    struct pin *p = row(h, pin);
    struct entry *e = pin_entry(h, p);
    uint32_t unit = p->unit, units = p->units;
    int rc;

    shard_begin(h);
    rc = pin_detach(h, pin);
    SHM_POINT("pin detached");
    p->holder = 0;
    if (rc == 0 && pins_first(h, e) == 0) {
        h->s->pinned_units -= units;
        if (!chain_live(h, unit)) {
            SHM_POINT("pin removed");
            h->s->kept_units -= units;
            rc = room_give_whole(h, unit, units);
        }
    }
    if (rc == 0)
        shard_end(h);
    return rc;
}

int pins_sweep(const struct hold *h, bool always)
{
    bool look = always || h->s->pins_sweeps++ % LOOK_EVERY == 0, lives = true;
    uint32_t holder = 0;

    if (h->s->pinned_units == 0)
        return 0;
    for (uint32_t pin = 1; pin <= h->layout->pins; pin++) {
        struct pin *p = row(h, pin);
        int rc = 0;

        if (p->holder == 0)
            continue;
        if (look && p->holder != holder) {
            holder = p->holder;
            lives = seats_alive(h->seats, holder);
        }
        if (!lives || !pin_used(p))
            rc = pin_remove(h, pin);
        if (rc < 0)
            return rc;
    }
    return 0;
}

bool pins_agree(const struct hold *h)
{
    uint64_t units = 0;

    for (uint32_t pin = 1; pin <= h->layout->pins; pin++) {
        const struct pin *p = row(h, pin);

        if (p->holder != 0 && pins_first(h, pin_entry(h, p)) == pin)
            units += p->units;
    }
    return units == h->s->pinned_units;
}

bool pins_keep(const struct hold *h, struct entry *e)
{
    uint32_t units = (uint32_t)entry_units(e);

    if (pins_first(h, e) == 0)
        return false;
    chain_set(h, link_to(e), chain_word(h, link_to(e)) & CHAIN_NEXT);
    h->s->kept_units += units;
    SHM_POINT("kept");
    return true;
}

/* ---- taking ---- */

static uint32_t pin_of_this_process(const struct hold *h, const struct entry *e)
{
    uint32_t pin = pins_first(h, e);

    for (uint32_t i = 0; i < h->layout->pins && pin != 0; i++) {
        if (row(h, pin)->holder == h->seats->holder)
            return pin;
        pin = checked(h, row(h, pin)->next);
    }
    return 0;
}

static bool pins_crowded(const struct hold *h, uint32_t units)
{
    uint32_t most = (h->layout->end - h->layout->first) / 2;

    return units > most || h->s->pinned_units > most - units;
}

/* A free row; 0: there is none. */
static uint32_t pin_free(const struct hold *h)
{
    uint32_t n = h->layout->pins;

    for (uint32_t i = 0; i < n; i++) {
        uint32_t pin = 1 + (h->s->pins_next + i) % n;

        if (row(h, pin)->holder == 0) {
            h->s->pins_next = pin % n;
            return pin;
        }
    }
    return 0;
}

static void pin_make(const struct hold *h, uint32_t pin, const struct entry *e,
                     uint32_t units)
{
    struct pin *p = row(h, pin);

    shard_begin(h);
    p->holder = h->seats->holder;
    p->unit = link_to(e);
    p->units = units;
    atomic_store_explicit(&p->count, 1, memory_order_relaxed);
    SHM_POINT("pin made");
    pins_attach(h, pin);
    SHM_POINT("pin attached");
    shard_end(h);
}

int pins_take(const struct hold *h, struct entry *e)
{
    uint32_t units = (uint32_t)entry_units(e), pin;
    bool swept = false;
    int rc;

    pin = pin_of_this_process(h, e);
    if (pin != 0) {
        atomic_fetch_add_explicit(&row(h, pin)->count, 1, memory_order_relaxed);
        return (int)pin;
    }
    if (units > h->layout->end - link_to(e))
        return -EUCLEAN;
    while (pins_crowded(h, units) || (pin = pin_free(h)) == 0) {
        if (swept)
            return 0;
        rc = pins_sweep(h, false);
        if (rc < 0)
            return rc;
        swept = true;
    }
    pin_make(h, pin, e, units);
    return (int)pin;
}

void pins_give(const struct layout *l, const struct shard *s, int pin)
{
    atomic_fetch_sub_explicit(&pins_row(l, s, (uint32_t)pin)->count, 1,
                              memory_order_release);
}

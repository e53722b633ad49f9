/* evicted.c -- see evicted.h. */
#include "evicted.h"

#include <errno.h>

#include "zeros.h"

static bool evicted_wants(const struct evicted *ev, const struct entry *e)
{
    uint32_t kinds = atomic_load_explicit(&ev->kinds, memory_order_relaxed);

    return e->hits > 0 && (kinds & 1u << e->hits) != 0;
}

/* Under lock. False: there is no room. */
static bool evicted_push(struct evicted *ev, struct entry *e)
{
    uint64_t charge = entry_charge(e);

    if (ev->items >= ev->max_items || ev->bytes + charge > ev->max_bytes) {
        ev->lost++;
        return false;
    }
    e->chain = 0;
    if (ev->newest != NULL)
        ev->newest->chain = link_to(e);
    else
        ev->oldest = e;
    ev->newest = e;
    ev->items++;
    ev->bytes += charge;
    return true;
}

static void ages_time(struct weir_latency *sum, uint64_t *counts, uint64_t ns)
{
    counts[weir_histogram_bucket(ns)]++;
    sum->sum_ns += ns;
    if (ns > sum->max_ns)
        sum->max_ns = ns;
}

/* Under lock. Counts an entry that is dropped now, if it was for room. */
static void evicted_count(struct evicted *ev, const struct entry *e)
{
    struct ages *a = ev->ages;
    struct entry_dates dates;
    uint64_t now;

    if (e->size != ENTRY_DATED || e->hits != WEIR_EVICTED_CAPACITY)
        return;
    now = weir_now();
    dates = entry_dates(e);
    if (dates.read_ns == 0) {
        a->unread++;
        dates.read_ns = dates.set_ns;
    }
    a->bytes += entry_size(e);
    ages_time(&a->age, a->age_counts, now - dates.set_ns);
    ages_time(&a->idle, a->idle_counts, now - dates.read_ns);
}

void evicted_add(struct evicted *ev, struct entry *dead)
{
    struct entry *unwanted = NULL, *next;

    lock_acquire(&ev->lock);
    for (struct entry *e = dead; e != NULL; e = next) {
        next = entry_chain(e);
        if (ev->ages != NULL)
            evicted_count(ev, e);
        if (evicted_wants(ev, e) && evicted_push(ev, e))
            continue;
        e->chain = link_to(unwanted);
        unwanted = e;
    }
    lock_release(&ev->lock);
    entry_free_all(ev->pool, unwanted);
}

/* Takes up to max entries off the queue, as a list. */
static struct entry *evicted_take(struct evicted *ev, int max)
{
    struct entry *first, *last = NULL;

    lock_acquire(&ev->lock);
    first = ev->oldest;
    for (int i = 0; i < max && ev->oldest != NULL; i++) {
        last = ev->oldest;
        ev->oldest = entry_chain(last);
        ev->items--;
        ev->bytes -= entry_charge(last);
    }
    if (ev->oldest == NULL)
        ev->newest = NULL;
    lock_release(&ev->lock);
    if (last == NULL)
        return NULL;
    last->chain = 0;
    return first;
}

/* A reference to the value of an entry; NULL: out of memory. */
static struct weir_value *evicted_value(struct entry *e)
{
    if (e->size == ENTRY_REFERS)
        return weir_value_ref(entry_value(e));
    if (entry_bodiless(e))
        return zeros_new(entry_size(e));
    return weir_value_copy(entry_data(e), e->size);
}

/* The time that an entry had left; 0 = it never expires, or has expired. */
static uint64_t evicted_ttl(const struct entry *e)
{
    uint64_t expires_ms = entry_expires(e), now_ms;

    if (expires_ms == 0 || e->hits == WEIR_EVICTED_EXPIRED)
        return 0;
    now_ms = weir_now() / 1000000;
    return expires_ms > now_ms ? expires_ms - now_ms : 1;
}

int evicted_read(struct evicted *ev, struct weir_evicted *out, int max)
{
    struct entry *before = ev->taken;
    int n = 0;

    ev->taken = evicted_take(ev, max);
    entry_free_all(ev->pool, before);
    for (struct entry *e = ev->taken; e != NULL; e = entry_chain(e)) {
        struct weir_value *value = evicted_value(e);

        if (value == NULL)
            continue;
        out[n++] = (struct weir_evicted){
            .value = value,
            .key = entry_key(e),
            .ttl_ms = evicted_ttl(e),
            .key_len = e->key_len,
            .why = e->hits,
        };
    }
    return n;
}

int evicted_ages(struct evicted *ev, struct weir_evicted_ages *out)
{
    struct ages *fresh = calloc(1, sizeof *fresh), *old;

    if (fresh == NULL)
        return -ENOMEM;
    lock_acquire(&ev->lock);
    old = ev->ages;
    ev->ages = fresh;
    atomic_fetch_or(&ev->kinds, EVICTED_AGES);
    lock_release(&ev->lock);
    *out = (struct weir_evicted_ages){0};
    if (old == NULL)
        return 0;
    weir_histogram_quantiles(old->age_counts, &old->age);
    weir_histogram_quantiles(old->idle_counts, &old->idle);
    *out = (struct weir_evicted_ages){old->unread, old->bytes, old->age,
                                      old->idle};
    free(old);
    return 0;
}

/* Frees the entries in the queue. */
static void evicted_clear(struct evicted *ev)
{
    struct entry *left;

    lock_acquire(&ev->lock);
    left = ev->oldest;
    ev->oldest = ev->newest = NULL;
    ev->items = ev->bytes = 0;
    lock_release(&ev->lock);
    entry_free_all(ev->pool, left);
    entry_free_all(ev->pool, ev->taken);
    ev->taken = NULL;
}

void evicted_free(struct evicted *ev)
{
    evicted_clear(ev);
    free(ev->ages);
    ev->ages = NULL;
}

void evicted_keep(struct evicted *ev, uint32_t kinds, uint64_t max_items,
                  uint64_t max_bytes)
{
    lock_acquire(&ev->lock);
    ev->max_items = max_items;
    ev->max_bytes = max_bytes;
    kinds &= ~(uint32_t)EVICTED_AGES;
    atomic_store(&ev->kinds, kinds | (ev->ages != NULL ? EVICTED_AGES : 0));
    lock_release(&ev->lock);
    if (kinds == 0)
        evicted_clear(ev);
}

/* evicted.c -- see evicted.h. */
#include "evicted.h"

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

void evicted_add(struct evicted *ev, struct entry *dead)
{
    struct entry *unwanted = NULL, *next;

    lock_acquire(&ev->lock);
    for (struct entry *e = dead; e != NULL; e = next) {
        next = entry_chain(e);
        if (evicted_wants(ev, e) && evicted_push(ev, e))
            continue;
        e->chain = link_to(unwanted);
        unwanted = e;
    }
    lock_release(&ev->lock);
    entry_free_all(unwanted);
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
    if (e->size == ENTRY_SIZE_ONLY)
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
    entry_free_all(before);
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

void evicted_free(struct evicted *ev)
{
    struct entry *left;

    lock_acquire(&ev->lock);
    left = ev->oldest;
    ev->oldest = ev->newest = NULL;
    ev->items = ev->bytes = 0;
    lock_release(&ev->lock);
    entry_free_all(left);
    entry_free_all(ev->taken);
    ev->taken = NULL;
}

void evicted_keep(struct evicted *ev, uint32_t kinds, uint64_t max_items,
                  uint64_t max_bytes)
{
    lock_acquire(&ev->lock);
    ev->max_items = max_items;
    ev->max_bytes = max_bytes;
    atomic_store(&ev->kinds, kinds);
    lock_release(&ev->lock);
    if (kinds == 0)
        evicted_free(ev);
}

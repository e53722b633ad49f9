/* lane.c -- a bounded queue of batches and the workers that empty it.
 *
 * DESIGN
 * Batches stand in a list in the order they came. A worker claims the next
 * items of the oldest batch, bounded in items and bytes, so that one slow key
 * does not idle the others; a batch within the bounds stays whole, since one
 * round trip beats two threads. The batch leaves the list with its last item.
 *
 * Every sleeping worker is on the idle list. A push rings one per slice, at
 * most, after the lock is released: nobody is woken into a held lock, and a
 * push to a lane whose workers are awake makes no system call. A worker goes
 * to sleep only if, under the same lock, the queue is empty: no push is lost.
 *
 * The queue is bounded by what is unclaimed, in items and in bytes. One batch
 * always fits an empty queue, however large it is. */
#include <errno.h>
#include <string.h>

#include "lane.h"
#include "op.h"
#include "store.h"
#include "worker.h"

/* One push rings no more workers than this; they find the rest themselves. */
#define WAKE_MAX 16

void lane_init(struct lane *l, struct weir_store *store)
{
    pthread_mutex_init(&l->lock, NULL);
    l->store = store;
}

void lane_destroy(struct lane *l)
{
    pthread_mutex_destroy(&l->lock);
}

/* How much an item weighs in the bounds: nothing if it was answered already.
 * Nobody knows the size of what a get will bring: of a lent buffer no more than
 * max_value counts, without one the store's recent mean stands in. */
static uint64_t item_bytes(const struct lane *l, const struct batch *b,
                           const struct weir_item *item)
{
    const struct weir_op_info *op = &OPS[b->pub.op];
    uint64_t max = l->store->config.max_value;

    if (item->status != WEIR_PENDING)
        return 0;
    if (op->sends)
        return item->size;
    if (!op->returns || op->prefix)
        return 0;
    if (item->data != NULL)
        return item->cap < max ? item->cap : max;
    return atomic_load_explicit(&l->store->get_size, memory_order_relaxed);
}

/* Under lock. */
static void unlink_batch(struct lane *l, struct batch *b)
{
    if (b->prev != NULL)
        b->prev->next = b->next;
    else
        l->head = b->next;
    if (b->next != NULL)
        b->next->prev = b->prev;
    else
        l->tail = b->prev;
    b->next = b->prev = NULL;
    b->queued = false;
    atomic_store_explicit(&l->waiting, l->head != NULL, memory_order_relaxed);
}

/* Under lock: takes a batch out with what is left of it. */
static void drop_batch(struct lane *l, struct batch *b)
{
    l->items -= b->pub.n - b->claimed;
    l->bytes -= b->unclaimed;
    unlink_batch(l, b);
}

/* Under lock: the slices that a batch makes, to know whom to wake. */
static uint32_t slices_of(const struct lane *l, const struct batch *b)
{
    const struct weir_slice *slice = &l->store->slice;
    uint64_t by_items = (b->pub.n + slice->items - 1) / slice->items;
    uint64_t by_bytes = (b->weight + slice->bytes - 1) / slice->bytes;
    uint64_t n = by_items > by_bytes ? by_items : by_bytes;

    return n < WAKE_MAX ? (uint32_t)n : WAKE_MAX;
}

/* Under lock: takes up to n workers off the idle list. */
static uint32_t take_idle(struct lane *l, struct worker **out, uint32_t n)
{
    uint32_t taken = 0;

    while (taken < n && l->idle != NULL) {
        struct worker *w = l->idle;

        l->idle = w->next_idle;
        w->is_idle = false;
        out[taken++] = w;
    }
    return taken;
}

uint64_t lane_weigh(const struct lane *l, const struct batch *b)
{
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < b->pub.n; i++)
        bytes += item_bytes(l, b, &b->pub.items[i]);
    return bytes;
}

int lane_push(struct lane *l, struct batch *b)
{
    const struct store_config *config = &l->store->config;
    struct worker *woken[WAKE_MAX];
    uint32_t n_woken = 0;
    int rc = 0;

    pthread_mutex_lock(&l->lock);
    if (l->stopping) {
        rc = -ESHUTDOWN;
    } else if (l->head != NULL &&
               (l->items + b->pub.n > (uint64_t)config->queue ||
                l->bytes + b->weight > config->queue_bytes)) {
        rc = -EAGAIN;
    } else {
        l->items += b->pub.n;
        l->bytes += b->weight;
        b->unclaimed = b->weight;
        b->next = NULL;
        b->prev = l->tail;
        if (l->tail != NULL)
            l->tail->next = b;
        else
            l->head = b;
        l->tail = b;
        b->queued = true;
        atomic_store_explicit(&l->waiting, true, memory_order_relaxed);
        n_woken = take_idle(l, woken, slices_of(l, b));
    }
    pthread_mutex_unlock(&l->lock);
    for (uint32_t i = 0; i < n_woken; i++)
        worker_ring(woken[i]);
    return rc;
}

bool lane_remove(struct lane *l, struct batch *b)
{
    bool removed;

    pthread_mutex_lock(&l->lock);
    removed = b->queued;
    if (removed)
        drop_batch(l, b);
    pthread_mutex_unlock(&l->lock);
    return removed;
}

/* Under lock: takes items of b from its mark on, at least one. They are all
 * pending: a slice ends before an item that was answered at submit. */
static void claim_items(struct lane *l, struct batch *b,
                        const struct weir_slice *room, struct claim *out)
{
    const struct weir_item *items = b->pub.items;
    uint32_t first = b->claimed, end;
    uint64_t bytes = 0;

    while (items[first].status != WEIR_PENDING)
        first++;
    for (end = first; end < b->pub.n && end - first < room->items; end++) {
        uint64_t more = item_bytes(l, b, &items[end]);

        if (items[end].status != WEIR_PENDING ||
            (end > first && bytes + more > room->bytes))
            break;
        bytes += more;
    }
    *out = (struct claim){b, first, end - first, bytes};
    while (end < b->pub.n && items[end].status != WEIR_PENDING)
        end++;
    l->items -= end - b->claimed;
    b->claimed = end;
    /* The mean may have moved since the batch was weighed. */
    if (bytes > b->unclaimed || end == b->pub.n)
        bytes = b->unclaimed;
    b->unclaimed -= bytes;
    l->bytes -= bytes;
    if (end == b->pub.n)
        unlink_batch(l, b);
}

/* Under lock. */
static void leave_idle(struct lane *l, struct worker *w)
{
    struct worker **at = &l->idle;

    if (!w->is_idle)
        return;
    while (*at != w)
        at = &(*at)->next_idle;
    *at = w->next_idle;
    w->is_idle = false;
}

bool lane_claim(struct lane *l, struct worker *w, const struct weir_slice *room,
                struct claim *out, struct batch **expired)
{
    uint64_t now = 0;
    bool found = false;

    pthread_mutex_lock(&l->lock);
    leave_idle(l, w);
    while (!found && l->head != NULL) {
        struct batch *b = l->head;

        if (b->deadline_ns != 0 && now == 0)
            now = weir_now();
        if (b->deadline_ns != 0 && now >= b->deadline_ns) {
            drop_batch(l, b);
            b->next = *expired;
            *expired = b;
        } else {
            claim_items(l, b, room, out);
            found = true;
        }
    }
    pthread_mutex_unlock(&l->lock);
    return found;
}

uint64_t lane_expire(struct lane *l, uint64_t now, struct batch **expired)
{
    uint64_t earliest = UINT64_MAX;
    struct batch *next;

    pthread_mutex_lock(&l->lock);
    for (struct batch *b = l->head; b != NULL; b = next) {
        next = b->next;
        if (b->deadline_ns != 0 && b->deadline_ns <= now) {
            drop_batch(l, b);
            b->next = *expired;
            *expired = b;
        } else if (b->deadline_ns != 0 && b->deadline_ns < earliest) {
            earliest = b->deadline_ns;
        }
    }
    pthread_mutex_unlock(&l->lock);
    return earliest;
}

struct batch *lane_take_all(struct lane *l)
{
    struct batch *all;

    pthread_mutex_lock(&l->lock);
    all = l->head;
    for (struct batch *b = all; b != NULL; b = b->next)
        b->queued = false;
    l->head = l->tail = NULL;
    atomic_store_explicit(&l->waiting, false, memory_order_relaxed);
    l->items = l->bytes = 0;
    pthread_mutex_unlock(&l->lock);
    return all;
}

void lane_end_list(struct batch *list, int status, int code, const char *why)
{
    while (list != NULL) {
        struct batch *next = list->next;

        batch_end_rest(list, status, code, why);
        list = next;
    }
}

void lane_end_late(struct lane *l, struct batch *list)
{
    if (l->store->connector->connect != NULL && atomic_load(&l->sessions) == 0)
        lane_end_list(list, WEIR_UNAVAILABLE, -ETIMEDOUT,
                      "no connection in time");
    else
        lane_end_list(list, WEIR_SKIPPED, -ETIMEDOUT,
                      "deadline passed while it was queued");
}

enum rest lane_rest(struct lane *l, struct worker *w)
{
    enum rest rest = REST_SLEEP;

    pthread_mutex_lock(&l->lock);
    if (l->head != NULL) {
        rest = REST_WORK;
    } else if (l->stopping) {
        rest = REST_STOP;
    } else if (!w->is_idle) {
        w->is_idle = true;
        w->next_idle = l->idle;
        l->idle = w;
    }
    pthread_mutex_unlock(&l->lock);
    return rest;
}

void lane_wake(struct lane *l, struct worker *w)
{
    pthread_mutex_lock(&l->lock);
    leave_idle(l, w);
    pthread_mutex_unlock(&l->lock);
}

void lane_pass_on(struct lane *l)
{
    struct worker *w;

    pthread_mutex_lock(&l->lock);
    w = l->idle;
    while (w != NULL && !w->open)
        w = w->next_idle;
    if (w != NULL)
        leave_idle(l, w);
    pthread_mutex_unlock(&l->lock);
    if (w != NULL)
        worker_ring(w);
}

void lane_stop(struct lane *l)
{
    pthread_mutex_lock(&l->lock);
    l->stopping = true;
    pthread_mutex_unlock(&l->lock);
}

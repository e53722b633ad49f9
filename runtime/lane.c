/* lane.c -- a bounded queue of batches, shared by the workers that empty it.
 *
 * DESIGN
 * Batches stand in the list in the order in which they came. A worker claims
 * the next items of the oldest batch. A claim is bounded in items and bytes, so
 * that one slow key does not leave the other workers without work. A batch
 * within these bounds stays whole, because one round trip costs less than a
 * second thread. A batch leaves the list with its last item.
 *
 * The queue is bounded by its unclaimed items and bytes. An empty queue takes
 * any batch, however large it is.
 *
 * The lock is that of the sleepers (sleep.c), since a worker may sleep only
 * while the queue is empty. Only this file and sleep.c take it, and nothing is
 * called under it that could wait. */
#include "lane.h"

#include <errno.h>

#include "op.h"

/* One push wakes at most this many workers; the others find the rest when they
 * look for work. */
enum { WAKE_MAX = 16 };

void lane_init(struct lane *l, const struct store_config *config,
               const struct weir_slice *slice)
{
    l->config = config;
    l->slice = *slice;
    health_init(&l->health);
    sleepers_init(&l->sleepers);
}

void lane_destroy(struct lane *l)
{
    sleepers_destroy(&l->sleepers);
    health_destroy(&l->health);
}

static void lock(struct lane *l)
{
    pthread_mutex_lock(&l->sleepers.lock);
}

static void unlock(struct lane *l)
{
    pthread_mutex_unlock(&l->sleepers.lock);
}

/* ---- the weight of batches ---- */

/* How many bytes an item counts in the bounds: none if it was answered at
 * submit. The size of a value that a get will read is unknown. With a lent
 * buffer it counts as the buffer, at most max_value; without one as the mean of
 * recent gets. */
static uint64_t item_bytes(const struct lane *l, const struct batch *b,
                           const struct weir_item *item)
{
    const struct weir_op_info *op = &OPS[b->pub.op];
    uint64_t max = l->config->max_value;

    if (item->status != WEIR_PENDING)
        return 0;
    if (op->sends)
        return item->size;
    if (!op->returns || op->prefix)
        return 0;
    if (item->data != NULL)
        return item->cap < max ? item->cap : max;
    return atomic_load_explicit(&l->get_size, memory_order_relaxed);
}

uint64_t lane_weigh(const struct lane *l, const struct batch *b)
{
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < b->pub.n; i++)
        bytes += item_bytes(l, b, &b->pub.items[i]);
    return bytes;
}

void lane_learn_size(struct lane *l, uint64_t bytes, uint32_t values)
{
    uint64_t mean = atomic_load_explicit(&l->get_size, memory_order_relaxed);
    uint64_t now = bytes / values;

    /* An eighth of the way each time. */
    mean = mean == 0 ? now : mean - mean / 8 + now / 8;
    atomic_store_explicit(&l->get_size, mean, memory_order_relaxed);
}

/* How many slices a batch makes: as many workers are woken for it. */
static uint32_t slices_of(const struct lane *l, const struct batch *b)
{
    const struct weir_slice *slice = &l->slice;
    uint64_t by_items = (b->pub.n + b->share - 1) / b->share;
    uint64_t by_bytes = (b->weight + slice->bytes - 1) / slice->bytes;
    uint64_t n = by_items > by_bytes ? by_items : by_bytes;

    return n < WAKE_MAX ? (uint32_t)n : WAKE_MAX;
}

/* ---- the list; all of it under the lock ---- */

static void set_work(struct lane *l)
{
    atomic_store_explicit(&l->sleepers.work, l->head != NULL,
                          memory_order_relaxed);
}

static void append(struct lane *l, struct batch *b)
{
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
    set_work(l);
}

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
    set_work(l);
}

/* Takes a batch out with its unclaimed items. */
static void drop_batch(struct lane *l, struct batch *b)
{
    l->items -= b->pub.n - b->claimed;
    l->bytes -= b->unclaimed;
    unlink_batch(l, b);
}

static void move_to(struct lane *l, struct batch *b, struct batch **list)
{
    drop_batch(l, b);
    b->next = *list;
    *list = b;
}

static bool is_full(const struct lane *l, const struct batch *b)
{
    return l->head != NULL &&
           (l->items + b->pub.n > (uint64_t)l->config->queue ||
            l->bytes + b->weight > l->config->queue_bytes);
}

/* ---- pushing and claiming ---- */

int lane_push(struct lane *l, struct batch *b)
{
    struct sleeper *woken[WAKE_MAX];
    uint32_t n_woken = 0;
    int rc = 0;

    lock(l);
    if (l->sleepers.stopping) {
        rc = -ESHUTDOWN;
    } else if (is_full(l, b)) {
        rc = -EAGAIN;
    } else {
        append(l, b);
        n_woken = sleepers_take(&l->sleepers, woken, slices_of(l, b));
    }
    unlock(l);
    for (uint32_t i = 0; i < n_woken; i++)
        sleeper_wake(woken[i]);
    return rc;
}

/* Claims items of b from b->claimed on, at least one. All of them are pending:
 * a claim ends before an item that was answered at submit. */
static void claim_items(struct lane *l, struct batch *b, struct claim *out)
{
    const struct weir_item *items = b->pub.items;
    uint32_t first = b->claimed, end;
    uint64_t bytes = 0;

    while (items[first].status != WEIR_PENDING)
        first++;
    for (end = first; end < b->pub.n && end - first < b->share; end++) {
        uint64_t more = item_bytes(l, b, &items[end]);

        if (items[end].status != WEIR_PENDING ||
            (end > first && bytes + more > l->slice.bytes))
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

bool lane_claim(struct lane *l, struct sleeper *worker, struct claim *out,
                struct batch **late)
{
    uint64_t now = 0;
    bool found = false;

    lock(l);
    sleeper_awake(worker);
    while (!found && l->head != NULL) {
        struct batch *b = l->head;

        if (b->deadline_ns != 0 && now == 0)
            now = weir_now();
        if (b->deadline_ns != 0 && now >= b->deadline_ns) {
            move_to(l, b, late);
        } else {
            claim_items(l, b, out);
            found = true;
        }
    }
    unlock(l);
    return found;
}

double lane_fill(struct lane *l)
{
    double items, bytes;

    lock(l);
    items = (double)l->items / (double)l->config->queue;
    bytes = (double)l->bytes / (double)l->config->queue_bytes;
    unlock(l);
    return items > bytes ? items : bytes;
}

/* ---- taking batches out ---- */

bool lane_remove(struct lane *l, struct batch *b)
{
    bool removed;

    lock(l);
    removed = b->queued;
    if (removed)
        drop_batch(l, b);
    unlock(l);
    return removed;
}

uint64_t lane_take_late(struct lane *l, uint64_t now, struct batch **late)
{
    uint64_t earliest = UINT64_MAX;
    struct batch *next;

    lock(l);
    for (struct batch *b = l->head; b != NULL; b = next) {
        next = b->next;
        if (b->deadline_ns != 0 && b->deadline_ns <= now)
            move_to(l, b, late);
        else if (b->deadline_ns != 0 && b->deadline_ns < earliest)
            earliest = b->deadline_ns;
    }
    unlock(l);
    return earliest;
}

struct batch *lane_take_all(struct lane *l)
{
    struct batch *all;

    lock(l);
    all = l->head;
    for (struct batch *b = all; b != NULL; b = b->next)
        b->queued = false;
    l->head = l->tail = NULL;
    l->items = l->bytes = 0;
    set_work(l);
    unlock(l);
    return all;
}

void lane_stop(struct lane *l)
{
    lock(l);
    l->sleepers.stopping = true;
    unlock(l);
}

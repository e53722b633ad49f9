/* submit.c -- a batch enters a store: it is checked, then queued or, in an
 * inline store, run at once. */
#include <errno.h>
#include <string.h>

#include "cq.h"
#include "finish.h"
#include "forks.h"
#include "op.h"
#include "slice.h"

/* An inline call takes tens of nanoseconds, and to read the clock twice costs
 * as much. One call in this many is measured. */
enum { TIMED_CALLS = 16 };

static void set_store(struct batch *b, struct weir_store *s)
{
    b->store = s;
    b->store_name = s != NULL ? s->name : NULL;
}

/* Answers every item of a batch that is not accepted, and says why. */
static int refuse(struct weir_store *s, struct weir_batch *pub, int status,
                  int rc, const char *why)
{
    struct batch *b = batch_of(pub);

    atomic_store_explicit(&b->has_error, 0, memory_order_relaxed);
    for (uint32_t i = 0; i < pub->n && i < pub->capacity; i++)
        pub->items[i].status = (uint8_t)status;
    b->store_name = s->name;
    batch_explain(b, rc, "%s", why);
    b->store_name = NULL;
    pub->errors = pub->n;
    return rc;
}

static void bad_item(struct batch *b, struct weir_item *item, int status,
                     const char *what, uint64_t got, uint64_t limit)
{
    item->status = (uint8_t)status;
    batch_explain(b, -EINVAL, "%s: %llu bytes, the limit is %llu", what,
                  (unsigned long long)got, (unsigned long long)limit);
}

static inline void check_key(const struct weir_store *s, struct batch *b,
                             const struct weir_op_info *op,
                             struct weir_item *item)
{
    if (item->key_len > s->max_key) {
        bad_item(b, item, WEIR_INVALID, "key too long", item->key_len,
                 s->max_key);
    } else if (item->key_len == 0 && !op->prefix) {
        item->status = WEIR_INVALID;
        batch_explain(b, -EINVAL, "a key is empty");
    } else if (item->key == NULL && item->key_len > 0) {
        item->status = WEIR_INVALID;
        batch_explain(b, -EINVAL, "a key is NULL");
    }
}

static void check_value(const struct weir_store *s, struct batch *b,
                        struct weir_item *item)
{
    if (item->value != NULL)
        item->size = item->value->size;
    if (item->size > s->config.max_value) {
        bad_item(b, item, WEIR_TOOBIG, "value too large", item->size,
                 s->config.max_value);
    } else if (item->value == NULL && item->data == NULL && item->size > 0) {
        item->status = WEIR_INVALID;
        batch_explain(b, -EINVAL, "a value is NULL");
    }
}

/* Answers the items that must not be sent. Returns the number of the others and
 * the bytes of their keys. */
static uint32_t check_items(const struct weir_store *s, struct batch *b,
                            size_t *key_bytes)
{
    const struct weir_op_info *op = &OPS[b->pub.op];
    uint32_t pending = 0;

    *key_bytes = 0;
    for (uint32_t i = 0; i < b->pub.n; i++) {
        struct weir_item *item = &b->pub.items[i];

        item->status = WEIR_PENDING;
        check_key(s, b, op, item);
        if (op->sends && item->status == WEIR_PENDING)
            check_value(s, b, item);
        if (item->status != WEIR_PENDING)
            continue;
        pending++;
        *key_bytes += item->key_len;
    }
    return pending;
}

/* Counts a batch and its items that were answered at submit. times -1 undoes
 * that: the batch was refused after all. */
static void count_batch(struct stats *shard, const struct weir_batch *pub,
                        int64_t times)
{
    struct op_counters *counters = &shard->op[pub->op];

    stats_add(&counters->batches, (uint64_t)times);
    for (uint32_t i = 0; i < pub->n; i++) {
        if (pub->items[i].status != WEIR_PENDING)
            stats_add(&counters->status[pub->items[i].status], (uint64_t)times);
    }
}

/* ---- in place ---- */

static struct stats *inline_shard(struct weir_store *s)
{
    static _Atomic uint32_t threads;
    static _Thread_local uint32_t mine;

    if (mine == 0)
        mine = 1 + atomic_fetch_add(&threads, 1);
    return &s->shards[mine % s->n_shards];
}

/* Finds the next items, from one on, that stand side by side and are pending.
 * Returns the index after them, or 0 if there are none. There are several such
 * groups only if items between them were answered already. */
static uint32_t pending_group(struct batch *b, uint32_t first,
                              struct slice *slice)
{
    struct weir_item *items = b->pub.items;
    uint32_t n = b->pub.n, end;

    while (first < n && items[first].status != WEIR_PENDING)
        first++;
    if (first == n)
        return 0;
    end = first + 1;
    while (end < n && items[end].status == WEIR_PENDING)
        end++;
    *slice = (struct slice){.batch = b,
                            .call = {.op = b->pub.op,
                                     .n = end - first,
                                     .items = items + first,
                                     .deadline_ns = b->deadline_ns}};
    return end;
}

/* Runs the pending items of a batch. Returns how many are errors. */
static uint32_t run_pending(struct weir_store *s, struct batch *b,
                            struct stats *shard)
{
    uint32_t end = 0, errors = 0;
    struct slice slice;

    while ((end = pending_group(b, end, &slice)) != 0) {
        int rc = s->connector->run(s->state, &slice.call);

        if (rc < 0)
            weir_call_fail(&slice.call, NULL, WEIR_FAILED, "%s", strerror(-rc));
        errors += finish_items(b, shard, slice.call.items, slice.call.n);
    }
    return errors;
}

/* The batch never leaves this thread, so its owner stays the host. */
static void prepare_inline(struct weir_store *s, struct batch *b,
                           struct stats *shard)
{
    size_t key_bytes;
    uint32_t pending;

    batch_clear(b);
    set_store(b, s);
    b->deadline_ns = b->pub.deadline_ns;
    pending = check_items(s, b, &key_bytes);
    if (b->deadline_ns != 0 && weir_now() >= b->deadline_ns) {
        pending -= batch_answer(b, 0, WEIR_SKIPPED);
        batch_explain(b, -ETIMEDOUT, "the deadline had passed");
    }
    b->pub.errors = b->pub.n - pending;
    if (pending < b->pub.n)
        count_batch(shard, &b->pub, 1);
    else
        stats_add(&shard->op[b->pub.op].batches, 1);
}

/* When a call begins, if it is one of those that are measured, else 0. */
static uint64_t start_clock(void)
{
    static _Thread_local uint32_t calls;

    return calls++ % TIMED_CALLS == 0 ? weir_now() : 0;
}

static void stop_clock(struct stats *shard, uint32_t op, uint64_t started)
{
    if (started != 0)
        histogram_add(&shard->op[op].service, weir_now() - started);
}

static int run_inline(struct weir_store *s, struct batch *b)
{
    struct stats *shard = inline_shard(s);
    uint64_t started;

    prepare_inline(s, b, shard);
    started = start_clock();
    b->pub.errors += run_pending(s, b, shard);
    stop_clock(shard, b->pub.op, started);
    if (b->pub.errors > 0)
        store_keep_error(s, b);
    set_store(b, NULL);
    return 1;
}

static int submit_inline(struct weir_store *s, struct batch *b)
{
    int rc;

    atomic_fetch_add(&s->inside, 1);
    if (atomic_load(&s->closing))
        rc = refuse(s, &b->pub, WEIR_SKIPPED, -ESHUTDOWN, "closed");
    else
        rc = run_inline(s, b);
    atomic_fetch_sub_explicit(&s->inside, 1, memory_order_release);
    return rc;
}

/* Counts the items that were found and leaves the others pending. Returns how
 * many were found. */
static uint32_t keep_hits(struct batch *b, struct stats *shard)
{
    struct weir_item *items = b->pub.items;
    uint32_t n = b->pub.n, hits = 0;

    for (uint32_t i = 0, first; i < n;) {
        for (first = i; i < n && items[i].status == WEIR_OK; i++)
            hits++;
        if (i > first)
            finish_items(b, shard, items + first, i - first);
        for (; i < n && items[i].status != WEIR_OK; i++)
            items[i].status = WEIR_PENDING;
    }
    if (hits > 0)
        stats_add(&shard->op[b->pub.op].batches, 1);
    return hits;
}

static uint32_t run_hits(struct weir_store *s, struct batch *b)
{
    struct stats *shard = inline_shard(s);
    uint64_t started;
    size_t key_bytes;
    struct slice slice;
    uint32_t hits;

    batch_clear(b);
    set_store(b, s);
    b->deadline_ns = 0;
    if (check_items(s, b, &key_bytes) == b->pub.n &&
        pending_group(b, 0, &slice) != 0) {
        started = start_clock();
        s->connector->run(s->state, &slice.call);
        stop_clock(shard, b->pub.op, started);
    }
    hits = keep_hits(b, shard);
    set_store(b, NULL);
    return hits;
}

static uint32_t submit_hits(struct weir_store *s, struct batch *b)
{
    uint32_t hits = 0;

    atomic_fetch_add(&s->inside, 1);
    if (!atomic_load(&s->closing))
        hits = run_hits(s, b);
    atomic_fetch_sub_explicit(&s->inside, 1, memory_order_release);
    return hits;
}

/* ---- queued ---- */

static int not_queued(struct weir_store *s, struct batch *b, int rc)
{
    store_end(s, b);
    count_batch(&s->shards[0], &b->pub, -1);
    if (rc == -EAGAIN) {
        stats_add(&s->refused, 1);
        refuse(s, &b->pub, WEIR_BUSY, rc, "the queue is full");
    } else {
        refuse(s, &b->pub, WEIR_SKIPPED, rc, "closed");
    }
    cq_forget(b->cq);
    batch_refuse(b);
    store_unref(s);
    return rc;
}

/* Fewer items than this are not worth waking a second worker for. */
#define SHARE_LEAST 2

/* Returns how many items of a batch one slice may have. */
static uint32_t share_of(const struct weir_store *s, const struct batch *b,
                         uint32_t pending)
{
    uint32_t workers = b->lane->n_workers;
    uint32_t share = (pending + workers - 1) / workers;

    if (!s->connector->spreads || s->config.slice_items != 0)
        return s->slice.items;
    if (share < SHARE_LEAST)
        share = SHARE_LEAST;
    return share < s->slice.items ? share : s->slice.items;
}

/* Lets the connector answer what it can on this thread. Returns how many items
 * are still pending. */
static uint32_t answer_early(struct weir_store *s, struct batch *b,
                             uint32_t pending)
{
    struct weir_item *items = b->pub.items;
    uint32_t n = b->pub.n, end = 0, left = 0;
    struct slice slice;
    uint64_t bytes = 0;

    if (s->connector->attempt == NULL ||
        s->config.inline_choice == INLINE_FALSE ||
        (b->deadline_ns != 0 && b->submitted_ns >= b->deadline_ns))
        return pending;
    atomic_fetch_add(&s->inside, 1);
    while (!atomic_load(&s->closing) &&
           (end = pending_group(b, end, &slice)) != 0)
        s->connector->attempt(s->state, &slice.call);
    atomic_fetch_sub_explicit(&s->inside, 1, memory_order_release);
    for (uint32_t i = 0; i < n; i++) {
        left += items[i].status == WEIR_PENDING;
        if (items[i].status == WEIR_OK)
            bytes += items[i].size;
    }
    if (b->pub.op == WEIR_GET)
        stats_add(&s->shards[0].op[WEIR_GET].bytes_read, bytes);
    return left;
}

static int push(struct weir_store *s, struct weir_cq *cq, struct batch *b,
                uint32_t pending)
{
    uint64_t deadline_ns = b->deadline_ns;
    int rc;

    b->cq = cq;
    b->lane = store_lane(s, b->pub.op);
    b->weight = lane_weigh(b->lane, b);
    b->share = share_of(s, b, pending);
    cq_expect(cq);
    store_ref(s);
    store_begin(s, b);
    count_batch(&s->shards[0], &b->pub, 1);
    rc = lane_push(b->lane, b);
    /* From here on the batch may be finished, and even freed. */
    if (rc < 0)
        return not_queued(s, b, rc);
    if (deadline_ns != 0)
        reaper_expect(&s->reaper, deadline_ns);
    return 0;
}

static int submit_queued(struct weir_store *s, struct weir_cq *cq,
                         struct batch *b)
{
    size_t key_bytes;
    uint32_t sound, pending;

    if (batch_accept(b) < 0)
        return -EBUSY;
    set_store(b, s);
    b->submitted_ns = weir_now();
    b->deadline_ns = b->pub.deadline_ns;
    if (b->deadline_ns == 0 && s->config.timeout_ns != 0)
        b->deadline_ns = b->submitted_ns + s->config.timeout_ns;
    sound = check_items(s, b, &key_bytes);
    pending = answer_early(s, b, sound);
    if (pending == 0) {
        count_batch(&s->shards[0], &b->pub, 1);
        b->pub.errors = b->pub.n - sound;
        if (b->pub.errors > 0)
            store_keep_error(s, b);
        set_store(b, NULL);
        batch_refuse(b);
        return 1;
    }
    if (batch_copy_keys(b, key_bytes) < 0) {
        refuse(s, &b->pub, WEIR_BUSY, -ENOMEM, "out of memory for the keys");
        batch_refuse(b);
        return -ENOMEM;
    }
    atomic_store_explicit(&b->left, pending, memory_order_relaxed);
    return push(s, cq, b, pending);
}

int weir_submit(struct weir_store *s, struct weir_cq *cq,
                struct weir_batch *pub)
{
    struct batch *b = batch_of(pub);

    if (!batch_is_free(b))
        return -EBUSY;
    if (!op_exists(pub->op) || pub->n > pub->capacity)
        return refuse(s, pub, WEIR_INVALID, -EINVAL,
                      "no such op, or more items than the batch has room for");
    if (s->forks != forks_seen())
        return refuse(s, pub, WEIR_INVALID, -ECHILD,
                      "opened before a fork: its threads are not in this "
                      "process; open it here");
    if (!(s->connector->ops & 1u << pub->op)) {
        refuse(s, pub, WEIR_UNSUPPORTED, 0, "this store cannot do that");
        count_batch(&s->shards[0], pub, 1);
        if (pub->errors > 0)
            store_keep_error(s, b);
        return 1;
    }
    if (s->is_inline)
        return submit_inline(s, b);
    if (cq == NULL)
        return refuse(s, pub, WEIR_INVALID, -EINVAL,
                      "a store with workers needs a completion queue");
    if (!cq_is_own(cq))
        return refuse(s, pub, WEIR_INVALID, -ECHILD,
                      "the completion queue was made before a fork; make "
                      "another one here");
    return submit_queued(s, cq, b);
}

int weir_submit_hits(struct weir_store *s, struct weir_batch *pub)
{
    struct batch *b = batch_of(pub);

    if (!batch_is_free(b))
        return -EBUSY;
    if (!s->is_inline || pub->op != WEIR_GET || pub->n > pub->capacity)
        return -EINVAL;
    if (s->forks != forks_seen())
        return -ECHILD;
    return s->connector->ops & 1u << WEIR_GET ? (int)submit_hits(s, b) : 0;
}

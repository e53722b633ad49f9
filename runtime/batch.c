/* batch.c -- the life of a batch: made, taken, answered, handed back.
 *
 * A batch has one owner at a time, an atomic word: the host, or the runtime
 * from submit until the batch is drained. A host that frees a batch in flight
 * makes it an orphan, which is freed where it would have been drained; so the
 * runtime never touches a freed batch and the host never waits for a worker.
 *
 * Lent memory is guarded by a gate (batch.lends): whoever touches it is counted
 * in and out, abandoning closes the gate and waits until nobody is inside. */
#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "batch.h"
#include "cq.h"
#include "forks.h"
#include "lane.h"
#include "op.h"
#include "status.h"
#include "store.h"

struct weir_batch *weir_batch_new(uint32_t capacity)
{
    struct batch *b = calloc(1, sizeof *b);

    if (b == NULL)
        return NULL;
    b->pub.items = calloc(capacity ? capacity : 1, sizeof *b->pub.items);
    if (b->pub.items == NULL) {
        free(b);
        return NULL;
    }
    b->pub.capacity = capacity;
    return &b->pub;
}

static void drop_values(struct weir_batch *pub)
{
    const struct weir_op_info *op = weir_op_info(pub->op);

    if (op == NULL || !(op->sends || op->returns))
        return;
    for (uint32_t i = 0; i < pub->n; i++)
        weir_value_unref(pub->items[i].value);
}

int weir_batch_reset(struct weir_batch *pub, uint32_t op, uint32_t n)
{
    struct batch *b = batch_of(pub);

    if (n > pub->capacity)
        return -EINVAL;
    if (atomic_load_explicit(&b->owner, memory_order_acquire) != OWNER_HOST)
        return -EBUSY;
    drop_values(pub);
    memset(pub->items, 0, n * sizeof *pub->items);
    pub->op = op;
    pub->n = n;
    pub->errors = 0;
    pub->deadline_ns = 0;
    pub->tag = 0;
    pub->error.code = 0;
    pub->error.message[0] = '\0';
    return 0;
}

uint32_t weir_batch_take(struct weir_batch *pub, struct weir_value **out,
                         const uint32_t *slots)
{
    uint32_t good = 0;

    for (uint32_t i = 0; i < pub->n; i++) {
        out[slots != NULL ? slots[i] - 1 : i] = pub->items[i].value;
        good += pub->items[i].status == WEIR_OK;
    }
    pub->n = 0;
    return good;
}

/* Whether it is on its way, in this process: in a forked child nobody ends it.
 */
static bool in_flight(const struct batch *b)
{
    return atomic_load_explicit(&b->owner, memory_order_acquire) ==
               OWNER_RUNTIME &&
           b->forks == forks_seen();
}

static void batch_destroy(struct batch *b)
{
    drop_values(&b->pub);
    free(b->keys);
    free(b->pub.items);
    free(b);
}

void weir_batch_free(struct weir_batch *pub)
{
    struct batch *b = batch_of(pub);
    uint32_t runtime = OWNER_RUNTIME;

    if (b == NULL)
        return;
    if (atomic_load_explicit(&b->owner, memory_order_acquire) != OWNER_HOST) {
        if (b->forks != forks_seen())
            return;
        weir_batch_cancel(pub);
        weir_batch_abandon(pub);
        if (atomic_compare_exchange_strong(&b->owner, &runtime, OWNER_ORPHAN))
            return;
    }
    batch_destroy(b);
}

void weir_batch_cancel(struct weir_batch *pub)
{
    struct batch *b = batch_of(pub);

    if (!in_flight(b))
        return;
    atomic_store(&b->cancelled, true);
    if (b->lane == NULL || !lane_remove(b->lane, b))
        return;
    if (b->deadline_ns != 0 && weir_now() >= b->deadline_ns) {
        b->next = NULL;
        lane_end_late(b->lane, b);
    } else {
        batch_end_rest(b, WEIR_SKIPPED, -ECANCELED, "cancelled");
    }
}

void weir_batch_abandon(struct weir_batch *pub)
{
    struct batch *b = batch_of(pub);

    if (!in_flight(b))
        return;
    atomic_fetch_or(&b->lends, LENDS_ABANDONED);
    while (atomic_load(&b->lends) != LENDS_ABANDONED)
        sched_yield();
}

int batch_take(struct batch *b)
{
    uint32_t host = OWNER_HOST;

    if (!atomic_compare_exchange_strong_explicit(
            &b->owner, &host, OWNER_RUNTIME, memory_order_acquire,
            memory_order_relaxed))
        return -EBUSY;
    atomic_store_explicit(&b->lends, 0, memory_order_relaxed);
    atomic_store_explicit(&b->has_error, 0, memory_order_relaxed);
    atomic_store_explicit(&b->cancelled, false, memory_order_relaxed);
    b->forks = forks_seen();
    b->lane = NULL;
    b->claimed = 0;
    return 0;
}

void batch_give_back(struct batch *b)
{
    atomic_store_explicit(&b->owner, OWNER_HOST, memory_order_release);
}

/* Whether a key lies among the copies: the batch is submitted again without a
 * reset. */
static bool holds_a_key(const struct batch *b)
{
    for (uint32_t i = 0; i < b->pub.n; i++) {
        const struct weir_item *item = &b->pub.items[i];

        if (item->status == WEIR_PENDING && item->key_len > 0 &&
            (uintptr_t)item->key - (uintptr_t)b->keys < b->keys_cap)
            return true;
    }
    return false;
}

int batch_copy_keys(struct batch *b, size_t bytes)
{
    char *before = NULL;
    char *to;

    if (bytes > b->keys_cap || holds_a_key(b)) {
        size_t cap = bytes > b->keys_cap ? bytes : b->keys_cap;
        char *fresh = malloc(cap);

        if (fresh == NULL)
            return -ENOMEM;
        before = b->keys;
        b->keys = fresh;
        b->keys_cap = cap;
    }
    to = b->keys;
    for (uint32_t i = 0; i < b->pub.n; i++) {
        struct weir_item *item = &b->pub.items[i];

        if (item->status != WEIR_PENDING || item->key_len == 0)
            continue;
        memcpy(to, item->key, item->key_len);
        item->key = to;
        to += item->key_len;
    }
    free(before);
    return 0;
}

uint32_t batch_answer(struct batch *b, uint32_t from, int status)
{
    uint32_t answered = 0;

    for (uint32_t i = from; i < b->pub.n; i++) {
        if (b->pub.items[i].status != WEIR_PENDING)
            continue;
        b->pub.items[i].status = (uint8_t)status;
        answered++;
    }
    return answered;
}

void batch_end_rest(struct batch *b, int status, int code, const char *why)
{
    struct op_counters *counters = &b->store->shards[0].op[b->pub.op];
    uint32_t ended;

    batch_explain(b, code, "%s", why);
    ended = batch_answer(b, b->claimed, status);
    stats_add(&counters->status[status], ended);
    if (batch_answered(b, ended))
        batch_finish(b);
}

void batch_explain(struct batch *b, int code, const char *format, ...)
{
    struct weir_error *err = &b->pub.error;
    va_list args;
    int len;

    if (atomic_exchange_explicit(&b->has_error, 1, memory_order_acq_rel))
        return;
    err->code = code;
    len = b->store == NULL ? 0
                           : snprintf(err->message, sizeof err->message,
                                      "%.100s: ", weir_store_name(b->store));
    va_start(args, format);
    vsnprintf(err->message + len, sizeof err->message - (size_t)len, format,
              args);
    va_end(args);
}

bool batch_answered(struct batch *b, uint32_t n)
{
    return atomic_fetch_sub_explicit(&b->left, n, memory_order_acq_rel) == n;
}

void batch_finish(struct batch *b)
{
    uint32_t errors = 0;

    for (uint32_t i = 0; i < b->pub.n; i++)
        errors += status_is_error(b->pub.items[i].status);
    b->pub.errors = errors;
    store_batch_ended(b->store, b);
    cq_push(b->cq, b);
}

bool batch_deliver(struct batch *b)
{
    struct weir_store *store = b->store;
    uint32_t runtime = OWNER_RUNTIME;

    b->store = NULL;
    store_unref(store);
    if (atomic_compare_exchange_strong(&b->owner, &runtime, OWNER_HOST))
        return true;
    batch_destroy(b);
    return false;
}

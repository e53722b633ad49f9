/* batch.c -- a batch and its life.
 *
 * A batch is made once and used many times. One use goes through these states:
 *
 *     host ----- submit ----> queued ---- claims ----> in connectors
 *      ^                         |                          |
 *      |                 deadline, cancel, close     every item answered
 *      |                         v                          v
 *      +--- drain <------------- finished: in its completion queue
 *
 * Promises. An accepted batch finishes exactly once, with a status other than
 * PENDING for each item, and comes out of its completion queue exactly once. A
 * refused batch never leaves the host. No host waits for a worker in order to
 * free, cancel or abandon a batch.
 *
 * Owner. batch.owner says who may touch the batch: the host, or the runtime
 * from accept until the drain. Both change it by compare and swap, so a host
 * that submits twice gets -EBUSY, and a host that frees a batch in flight races
 * safely with the drain. That host makes the batch an orphan. The drain, or the
 * finish when the queue is gone, frees the orphan's memory.
 *
 * Answers. A claim gives some items to one worker, and only that worker answers
 * them. Items that are not claimed are answered by the thread that took the
 * batch out of its lane. batch.left counts pending items down, atomically. The
 * thread that brings it to zero finishes the batch (finish.c). So no lock
 * guards the items, and after its last call of batch_answered a thread must not
 * touch the batch.
 *
 * Lent memory. The host lends buffers from submit until drain. Every access is
 * counted in and out in batch.lends. weir_batch_abandon sets the top bit, after
 * which no access begins, and waits for those under way. Each is one memory
 * copy or one system call that does not block.
 *
 * References. A batch in flight holds one on its store and one on its queue, so
 * both may be freed by the host at any time. Its lane lives as long as the
 * store. */
#include "batch.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "forks.h"
#include "op.h"

/* ---- the host's side ---- */

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

static inline void drop_values(struct weir_batch *pub)
{
    if (!op_exists(pub->op) || !(OPS[pub->op].sends || OPS[pub->op].returns))
        return;
    for (uint32_t i = 0; i < pub->n; i++)
        weir_value_unref(pub->items[i].value);
}

int weir_batch_reset(struct weir_batch *pub, uint32_t op, uint32_t n)
{
    if (n > pub->capacity)
        return -EINVAL;
    if (!batch_is_free(batch_of(pub)))
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

uint32_t weir_batch_rest(const struct weir_batch *pub, struct weir_batch *to)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < pub->n; i++) {
        if (pub->items[i].status != WEIR_OK)
            to->items[n++] = pub->items[i];
    }
    to->n = n;
    return n;
}

/* ---- the owner ---- */

int batch_accept(struct batch *b)
{
    uint32_t host = OWNER_HOST;

    if (!atomic_compare_exchange_strong_explicit(
            &b->owner, &host, OWNER_RUNTIME, memory_order_acquire,
            memory_order_relaxed))
        return -EBUSY;
    batch_clear(b);
    b->forks = forks_seen();
    return 0;
}

void batch_refuse(struct batch *b)
{
    atomic_store_explicit(&b->owner, OWNER_HOST, memory_order_release);
}

bool batch_return(struct batch *b)
{
    uint32_t runtime = OWNER_RUNTIME;

    if (atomic_compare_exchange_strong(&b->owner, &runtime, OWNER_HOST))
        return true;
    batch_destroy(b);
    return false;
}

bool batch_disown(struct batch *b)
{
    uint32_t runtime = OWNER_RUNTIME;

    return atomic_compare_exchange_strong(&b->owner, &runtime, OWNER_ORPHAN);
}

void batch_destroy(struct batch *b)
{
    drop_values(&b->pub);
    free(b->keys);
    free(b->pub.items);
    free(b);
}

/* ---- keys ---- */

/* Whether some key lies in the old copies: the batch was submitted again
 * without a reset. */
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

/* ---- answers ---- */

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

bool batch_answered(struct batch *b, uint32_t n)
{
    return atomic_fetch_sub_explicit(&b->left, n, memory_order_acq_rel) == n;
}

void batch_explain(struct batch *b, int code, const char *format, ...)
{
    struct weir_error *err = &b->pub.error;
    va_list args;
    int len;

    if (atomic_exchange_explicit(&b->has_error, 1, memory_order_acq_rel))
        return;
    err->code = code;
    len = b->store_name == NULL ? 0
                                : snprintf(err->message, sizeof err->message,
                                           "%.100s: ", b->store_name);
    va_start(args, format);
    vsnprintf(err->message + len, sizeof err->message - (size_t)len, format,
              args);
    va_end(args);
}

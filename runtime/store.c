/* store.c -- an opened connector: what it makes of answers, its numbers. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "op.h"
#include "status.h"
#include "store.h"
#include "worker.h"

/* ---- answers ---- */

static void nonsense(struct batch *b, struct weir_item *item, int status,
                     const char *what)
{
    item->status = (uint8_t)status;
    batch_explain(b, -EPROTO, "the connector %s", what);
}

/* A value that was stored under another limit is not served either. */
static void refuse_too_big(struct weir_store *s, struct batch *b,
                           struct weir_item *item)
{
    uint64_t size = item->value != NULL ? item->value->size : item->size;

    if (item->status != WEIR_OK || size <= s->config.max_value)
        return;
    item->size = size;
    item->status = WEIR_TOOBIG;
    batch_explain(b, -EFBIG, "a value of %llu bytes: max_value is %llu",
                  (unsigned long long)size,
                  (unsigned long long)s->config.max_value);
}

static void settle_value(struct weir_store *s, struct batch *b,
                         struct weir_item *item)
{
    if (!OPS[b->pub.op].prefix)
        refuse_too_big(s, b, item);
    if (item->status != WEIR_OK) {
        weir_value_unref(item->value);
        item->value = NULL;
    } else if (item->data == NULL && item->value == NULL) {
        nonsense(b, item, WEIR_FAILED, "answered a get without a value");
    } else if (item->data == NULL) {
        item->size = item->value->size;
    } else if (item->size > item->cap) {
        nonsense(b, item, WEIR_CORRUPT, "wrote more than the buffer holds");
    }
}

static void settle_item(struct weir_store *s, struct batch *b,
                        struct weir_item *item)
{
    if (item->status == WEIR_PENDING)
        nonsense(b, item, WEIR_FAILED, "left an item without an answer");
    else if (status_class(item->status) == 0)
        nonsense(b, item, WEIR_FAILED, "answered a status that does not exist");
    if (OPS[b->pub.op].returns)
        settle_value(s, b, item);
}

/* A moving mean of what gets bring, an eighth of the way at a time. */
static void learn_size(struct weir_store *s, uint64_t bytes, uint32_t values)
{
    uint64_t mean = atomic_load_explicit(&s->get_size, memory_order_relaxed);
    uint64_t now = bytes / values;

    mean = mean == 0 ? now : mean - mean / 8 + now / 8;
    atomic_store_explicit(&s->get_size, mean, memory_order_relaxed);
}

static void count_bytes(struct weir_store *s, const struct batch *b,
                        struct op_counters *c, uint64_t bytes, uint32_t values)
{
    if (b->pub.op == WEIR_GET) {
        stats_add(&c->bytes_read, bytes);
        if (!s->is_inline)
            learn_size(s, bytes, values);
    } else if (b->pub.op == WEIR_SET) {
        stats_add(&c->bytes_written, bytes);
    }
}

uint32_t store_settle(struct weir_store *s, struct batch *b,
                      struct stats *shard, struct weir_item *items, uint32_t n)
{
    struct op_counters *c = &shard->op[b->pub.op];
    uint32_t good = 0, errors = 0;
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < n; i++) {
        struct weir_item *item = &items[i];

        settle_item(s, b, item);
        if (item->status == WEIR_OK) {
            good++;
            bytes += item->size;
            continue;
        }
        stats_add(&c->status[item->status], 1);
        if (status_is_error(item->status)) {
            errors++;
            batch_explain(b, 0, "%s", STATUSES[item->status].name);
        }
    }
    if (good > 0)
        stats_add(&c->status[WEIR_OK], good);
    if (bytes > 0)
        count_bytes(s, b, c, bytes, good);
    return errors;
}

void store_keep_error(struct weir_store *s, const struct batch *b)
{
    pthread_mutex_lock(&s->lock);
    s->last_error = b->pub.error;
    s->last_error_ns = weir_now();
    pthread_mutex_unlock(&s->lock);
}

void store_batch_ended(struct weir_store *s, const struct batch *b)
{
    stats_add(&s->inflight_batches, (uint64_t)-1);
    stats_add(&s->inflight_items, -(uint64_t)b->pub.n);
    stats_add(&s->inflight_bytes, -b->weight);
    if (b->pub.errors > 0)
        store_keep_error(s, b);
}

/* ---- the end ---- */

void store_unref(struct weir_store *s)
{
    if (atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) > 1)
        return;
    for (uint32_t i = 0; i < s->n_workers && s->workers != NULL; i++)
        worker_destroy(&s->workers[i]);
    for (uint32_t i = 0; i < s->n_lanes; i++)
        lane_destroy(&s->lanes[i]);
    reaper_destroy(&s->reaper);
    pthread_cond_destroy(&s->ended);
    pthread_mutex_destroy(&s->lock);
    pthread_mutex_destroy(&s->close_lock);
    options_free(&s->options);
    options_free(&s->store_options);
    free(s->workers);
    free(s->shards);
    free(s);
}

/* ---- what it tells ---- */

const char *weir_store_name(const struct weir_store *s)
{
    return s->name;
}

int weir_store_inline(const struct weir_store *s)
{
    return s->is_inline;
}

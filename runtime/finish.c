/* finish.c -- the end of batches and their items: checked, counted, handed
 * back. */
#include "finish.h"

#include <errno.h>

#include "cq.h"
#include "op.h"
#include "status.h"

/* ---- items ---- */

static void nonsense(struct batch *b, struct weir_item *item, int status,
                     const char *did)
{
    item->status = (uint8_t)status;
    batch_explain(b, -EPROTO, "the connector %s", did);
}

/* A value that was stored under a larger max_value is refused, too. */
static void refuse_too_big(struct batch *b, struct weir_item *item)
{
    uint64_t size = item->value != NULL ? item->value->size : item->size;
    uint64_t max = b->store->config.max_value;

    if (item->status != WEIR_OK || size <= max)
        return;
    item->size = size;
    item->status = WEIR_TOOBIG;
    batch_explain(b, -EFBIG, "a value of %llu bytes: max_value is %llu",
                  (unsigned long long)size, (unsigned long long)max);
}

static void check_value(struct batch *b, struct weir_item *item)
{
    if (!OPS[b->pub.op].prefix)
        refuse_too_big(b, item);
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

static void check_item(struct batch *b, struct weir_item *item)
{
    if (item->status == WEIR_PENDING)
        nonsense(b, item, WEIR_FAILED, "left an item without an answer");
    else if (status_class(item->status) == 0)
        nonsense(b, item, WEIR_FAILED, "answered a status that does not exist");
    if (OPS[b->pub.op].returns)
        check_value(b, item);
}

/* Whether check_item would change nothing, which holds for most items. */
static bool is_right(const struct weir_item *item, bool returns, uint64_t max)
{
    if (item->status != WEIR_OK || !returns)
        return item->status == WEIR_OK;
    if (item->data == NULL)
        return item->value != NULL && item->value->size <= max &&
               item->value->size == item->size;
    return item->value == NULL && item->size <= max && item->size <= item->cap;
}

static void count_bytes(const struct batch *b, const struct weir_op_info *op,
                        struct op_counters *c, uint64_t bytes, uint32_t values)
{
    if (op->sends) {
        stats_add(&c->bytes_written, bytes);
    } else if (op->returns && !op->prefix) {
        stats_add(&c->bytes_read, bytes);
        if (b->lane != NULL)
            lane_learn_size(b->lane, bytes, values);
    }
}

uint32_t finish_items(struct batch *b, struct stats *shard,
                      struct weir_item *items, uint32_t n)
{
    struct op_counters *c = &shard->op[b->pub.op];
    const struct weir_op_info *op = &OPS[b->pub.op];
    uint64_t max = op->prefix ? UINT64_MAX : b->store->config.max_value;
    bool returns = op->returns;
    uint32_t good = 0, errors = 0;
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < n; i++) {
        struct weir_item *item = &items[i];

        if (!is_right(item, returns, max))
            check_item(b, item);
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
        count_bytes(b, op, c, bytes, good);
    return errors;
}

/* ---- batches ---- */

void finish_push(struct batch *b)
{
    if (!cq_push(b->cq, b))
        finish_deliver(b);
}

void finish_batch(struct batch *b)
{
    uint32_t errors = 0;

    for (uint32_t i = 0; i < b->pub.n; i++)
        errors += status_is_error(b->pub.items[i].status);
    b->pub.errors = errors;
    store_end(b->store, b);
    if (errors > 0)
        store_keep_error(b->store, b);
    finish_push(b);
}

void finish_rest(struct batch *b, int status, int code, const char *why)
{
    struct op_counters *counters = &b->store->shards[0].op[b->pub.op];
    uint32_t ended;

    batch_explain(b, code, "%s", why);
    ended = batch_answer(b, b->claimed, status);
    stats_add(&counters->status[status], ended);
    if (batch_answered(b, ended))
        finish_batch(b);
}

void finish_list(struct batch *list, int status, int code, const char *why)
{
    while (list != NULL) {
        struct batch *next = list->next;

        finish_rest(list, status, code, why);
        list = next;
    }
}

void finish_late(struct batch *list)
{
    if (list == NULL)
        return;
    if (list->store->connector->connect != NULL &&
        atomic_load(&list->lane->health.sessions) == 0)
        finish_list(list, WEIR_UNAVAILABLE, -ETIMEDOUT,
                    "no connection in time");
    else
        finish_list(list, WEIR_SKIPPED, -ETIMEDOUT,
                    "deadline passed while it was queued");
}

uint64_t finish_expired(void *store, uint64_t now)
{
    struct weir_store *s = store;
    uint64_t next = UINT64_MAX;

    for (uint32_t i = 0; i < s->n_lanes; i++) {
        struct batch *late = NULL;
        uint64_t earliest = lane_take_late(&s->lanes[i], now, &late);

        finish_late(late);
        if (earliest < next)
            next = earliest;
    }
    return next;
}

bool finish_deliver(struct batch *b)
{
    struct weir_store *store = b->store;
    struct weir_cq *cq = b->cq;
    bool returned;

    b->store = NULL;
    b->store_name = NULL;
    if (store != NULL) /* NULL: the batch of a job */
        store_unref(store);
    returned = batch_return(b);
    cq_forget(cq);
    return returned;
}

/* inject.c -- runs a call on the target, except for the items that must fail.
 *
 * The target gets each run of items without a fault as a call of its own. With
 * applied= it runs the items with a fault, too, and its replies are dropped: a
 * caller sees the same when the request arrives and the reply is lost. */
#include "inject.h"

#include <errno.h>
#include <string.h>

#include "dice.h"

enum { TURN_NS = 1000000 }; /* between two looks whether the target is free */

/* In the order of the choices of the option status. */
static const uint8_t STATUSES[] = {
    WEIR_FAILED,  WEIR_TIMEOUT,     WEIR_RESET,   WEIR_BUSY,
    WEIR_SKIPPED, WEIR_UNAVAILABLE, WEIR_NOSPACE, WEIR_TOOBIG,
    WEIR_DENIED,  WEIR_UNSUPPORTED, WEIR_CORRUPT, WEIR_INVALID,
    WEIR_MISS,    WEIR_REJECTED,
};

/* Starts the call and waits until it is answered. A target that ends its calls
 * itself (weir_call_end) leaves the call without items. */
static int target_finish(const struct fault_session *s, struct weir_call *call)
{
    const struct weir_connector *c = s->fault->target->connector;
    int rc = c->start(s->inner, call);

    if (rc < 0)
        return rc;
    do {
        rc = call->n > 0 ? c->finish(s->inner, call) : 0;
    } while (rc == -EAGAIN);
    /* 1 means that the session should be replaced. check says so, too. */
    return rc < 0 ? rc : 0;
}

/* Waits until no other worker runs the target. */
static int target_enter(struct fault *f, struct weir_call *call)
{
    int rc = 0;

    while (rc == 0 && pthread_mutex_trylock(&f->turn) != 0) {
        weir_call_wait(call, -1, 0, TURN_NS);
        rc = weir_call_look(call);
    }
    return rc;
}

static int target_call(const struct fault_session *s, struct weir_call *call)
{
    const struct weir_connector *c = s->fault->target->connector;
    int rc = 0;

    if (!(c->ops & 1u << call->op)) {
        weir_call_fail(call, NULL, WEIR_UNSUPPORTED, "%s cannot do this",
                       c->name);
        return 0;
    }
    if (c->one_worker)
        rc = target_enter(s->fault, call);
    if (rc < 0)
        return rc;
    rc = c->run != NULL ? c->run(s->inner, call) : target_finish(s, call);
    if (c->one_worker)
        pthread_mutex_unlock(&s->fault->turn);
    return rc;
}

/* Runs n items of the call on the target. */
static int target_run(const struct fault_session *s, struct weir_call *call,
                      struct weir_item *items, uint32_t n)
{
    struct weir_item *all = call->items;
    uint32_t of = call->n;
    int rc;

    if (n == 0)
        return 0;
    call->items = items;
    call->n = n;
    rc = target_call(s, call);
    call->items = all;
    call->n = of;
    return rc;
}

/* Runs the item on the target and drops the reply, with applied=. */
static int inject_applied(const struct fault_session *s, struct weir_call *call,
                          struct weir_item *item)
{
    int rc;

    if (!s->fault->config->applied)
        return 0;
    rc = target_run(s, call, item, 1);
    if (weir_op_info(call->op)->returns) {
        weir_value_unref(item->value);
        item->value = NULL;
    }
    item->status = WEIR_PENDING;
    return rc;
}

/* Waits until the deadline, or close. */
static int inject_hang(struct weir_call *call)
{
    int rc;

    do {
        rc = weir_call_wait(call, -1, 0, UINT64_MAX);
    } while (rc >= 0 || rc == -EAGAIN);
    return rc;
}

/* Gives a reply that the runtime must not pass on: none at all, a status that
 * does not exist, success without a value, or success with a value that is
 * longer than the buffer. */
static void inject_garbage(const struct fault *f, const struct weir_call *call,
                           struct weir_item *item)
{
    bool returns = weir_op_info(call->op)->returns;
    uint64_t hash =
        weir_hash(item->key, item->key_len, (uint64_t)f->config->seed);

    if (hash % 3 == 1) {
        item->status = 200;
    } else if (hash % 3 == 2 && returns) {
        item->status = WEIR_OK;
        item->size = item->cap + 1;
    }
}

static int inject_truncated(const struct fault_session *s,
                            struct weir_call *call, struct weir_item *item)
{
    int rc = target_run(s, call, item, 1);
    struct weir_value *whole = item->value;

    if (rc < 0 || call->op != WEIR_GET || item->status != WEIR_OK)
        return rc;
    item->size /= 2;
    if (item->data != NULL)
        return 0;
    item->value = weir_value_copy(whole->data, item->size);
    weir_value_unref(whole);
    return 0;
}

static int inject_fault(const struct fault_session *s, struct weir_call *call,
                        struct weir_item *item, enum fault_kind kind)
{
    struct fault *f = s->fault;
    int rc = kind == FAULT_TRUNCATE ? 0 : inject_applied(s, call, item);

    if (rc < 0)
        return rc;
    switch (kind) {
    case FAULT_STATUS:
        item->status = STATUSES[f->config->status];
        if (weir_status_info(item->status)->klass == WEIR_CLASS_ERROR)
            weir_call_fail(call, item, item->status, "%s, injected",
                           weir_status_info(item->status)->name);
        return 0;
    case FAULT_DIE:
        return -ECONNRESET;
    case FAULT_HANG:
        return inject_hang(call);
    case FAULT_GARBAGE:
        inject_garbage(f, call, item);
        return 0;
    default:
        return inject_truncated(s, call, item);
    }
}

/* Waits for the call's delay. Negative: the deadline passed first. */
static int inject_delay(struct fault *f, struct weir_call *call)
{
    const struct fault_config *c = f->config;
    uint64_t number = atomic_fetch_add(&f->calls, 1);
    uint64_t ns = c->delay_ns +
                  (uint64_t)((double)c->jitter_ns * fault_chance(f, number));
    int rc;

    if (ns == 0)
        return 0;
    rc = weir_call_wait(call, -1, 0, ns);
    return rc == -ETIMEDOUT ? weir_call_stopped(call) : rc;
}

int fault_run(void *session, struct weir_call *call)
{
    struct fault_session *s = session;
    uint32_t healthy = 0;
    int rc = inject_delay(s->fault, call);

    for (uint32_t i = 0; i < call->n && rc == 0; i++) {
        struct weir_item *item = &call->items[i];
        enum fault_kind kind = fault_roll(s->fault, call->op, item);

        if (kind == FAULT_NONE)
            continue;
        rc = target_run(s, call, &call->items[healthy], i - healthy);
        if (rc == 0)
            rc = inject_fault(s, call, item, kind);
        healthy = i + 1;
    }
    if (rc == 0)
        rc = target_run(s, call, &call->items[healthy], call->n - healthy);
    return rc;
}

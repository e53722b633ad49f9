/* group.c -- the writes of a call.
 *
 * The items of a call are one transaction, which is committed before any of
 * them is answered. If the transaction fails, the items are done again one by
 * one, so that an item fails only for a reason of its own. */
#include <unistd.h>

#include "change.h"
#include "merge.h"
#include "ops.h"
#include "write.h"

enum {
    GROUP_SHARE = 32, /* a transaction takes up to 1/32 of the capacity */
    GROUP_PATIENCE_MS = 500, /* for readers, when the file is full */
};

static int group_item(struct writer *w, struct weir_call *call,
                      struct weir_item *item, struct write_answer *answer)
{
    switch (call->op) {
    case WEIR_SET:
        return write_set(w, call, item, &answer->status);
    case WEIR_DELETE:
        return write_delete(w, item, &answer->status);
    case WEIR_TOUCH:
        return write_touch(w, item, &answer->status);
    default:
        return change_item(w, call, item, answer);
    }
}

static void group_answer(struct weir_call *call, struct weir_item *item,
                         const struct write_answer *answer)
{
    if (item->status != WEIR_PENDING)
        return;
    if (answer->status == WEIR_OK &&
        (call->op == WEIR_INCR || call->op == WEIR_APPEND))
        item->number = answer->number;
    if (call->op == WEIR_SET && answer->status == WEIR_REJECTED)
        weir_call_fail(call, item, WEIR_REJECTED,
                       "a value of %llu bytes is over 1/%d of the capacity",
                       (unsigned long long)item->size, WRITE_LARGEST);
    else
        item->status = answer->status;
}

/* Does the items in one transaction, and answers those that are still pending
 * if it is committed. It ends, and *n becomes how many it did, before it takes
 * much of the free pages: those that it frees are free for later ones only. */
static int group_run(struct session *s, struct weir_call *call,
                     struct weir_item *items, uint32_t *n)
{
    uint64_t room = s->env->capacity / GROUP_SHARE;
    struct write_answer answers[*n];
    struct writer w;
    uint32_t done = 0;
    int rc = writer_begin(&w, s);

    if (rc != 0)
        return rc;
    for (; done < *n && rc == 0 && w.taken < room; done++) {
        if (items[done].status == WEIR_PENDING)
            rc = group_item(&w, call, &items[done], &answers[done]);
        if (rc == 0 && w.taken > 0)
            rc = merge_some(&w);
    }
    if (rc == 0)
        rc = writer_commit(&w);
    else
        writer_abort(&w);
    for (uint32_t i = 0; i < done && rc == 0; i++)
        group_answer(call, &items[i], &answers[i]);
    if (rc == 0)
        *n = done;
    return rc;
}

/* LMDB frees no page that a reader still uses, so the file may be full until
 * the reader ends. Readers end soon, so the write waits and tries again. */
static int group_patiently(struct session *s, struct weir_call *call,
                           struct weir_item *items, uint32_t *n)
{
    uint64_t until = weir_now() + GROUP_PATIENCE_MS * UINT64_C(1000000);
    int rc = group_run(s, call, items, n);

    if (rc == MDB_MAP_FULL)
        mdb_reader_check(s->env->mdb, NULL);
    while (rc == MDB_MAP_FULL && weir_now() < until &&
           weir_call_stopped(call) == 0) {
        usleep(1000);
        rc = group_run(s, call, items, n);
    }
    return rc;
}

static void group_failed(struct session *s, struct weir_call *call,
                         struct weir_item *item, int rc)
{
    if (rc == MDB_MAP_FULL)
        s->env->counters.full++;
    env_fail(call, item, env_cause(s->env, rc));
}

/* Does the items of one transaction, and one by one if it fails. Returns how
 * many are done. */
static uint32_t group_items(struct session *s, struct weir_call *call,
                            struct weir_item *items, uint32_t n)
{
    uint32_t one = 1;
    int rc = group_patiently(s, call, items, &n);

    for (uint32_t i = 0; i < n && rc != 0; i++) {
        int own = rc;

        if (items[i].status != WEIR_PENDING)
            continue;
        if (n > 1)
            own = group_run(s, call, &items[i], &one);
        if (own != 0)
            group_failed(s, call, &items[i], own);
    }
    return n;
}

void lmdb_write(struct session *s, struct weir_call *call)
{
    if (env_lock(s->env, call) != 0)
        return;
    for (uint32_t i = 0; i < call->n;) {
        if (weir_call_stopped(call) < 0) {
            weir_call_fail(call, NULL, WEIR_SKIPPED,
                           "no time was left for %u of %u keys", call->n - i,
                           call->n);
            break;
        }
        i += group_items(s, call, &call->items[i], call->n - i);
    }
    env_unlock(s->env);
}

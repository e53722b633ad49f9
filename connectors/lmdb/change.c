/* change.c -- the atomic ops.
 *
 * Each looks and writes in one write transaction, and there is one writer at a
 * time in all processes, so nothing comes in between. The batch of an op is one
 * transaction, as that of a set. The transaction may be undone and repeated, so
 * group.c answers the items after the commit. */
#include "change.h"

#include <stdlib.h>
#include <string.h>

static bool change_fits(const struct writer *w, struct weir_call *call,
                        struct weir_item *item, uint64_t size)
{
    if (write_fits(w, size))
        return true;
    weir_call_fail(call, item, WEIR_TOOBIG,
                   "a value of %llu bytes is over 1/%d of the capacity",
                   (unsigned long long)size, WRITE_LARGEST);
    return false;
}

/* Sets the value that the item sends. A value that is too large leaves the old
 * one, unlike that of a set. */
static int change_set(struct writer *w, struct weir_call *call,
                      struct weir_item *item, struct write_answer *answer)
{
    if (!change_fits(w, call, item, item->size))
        return 0;
    return write_set(w, call, item, &answer->status);
}

static int change_add(struct writer *w, struct weir_call *call,
                      struct weir_item *item, struct write_answer *answer)
{
    struct value old;
    int rc = write_look(w, item, &old);

    answer->status = WEIR_REJECTED;
    return rc == MDB_NOTFOUND ? change_set(w, call, item, answer) : rc;
}

static int change_replace(struct writer *w, struct weir_call *call,
                          struct weir_item *item, const struct value *old,
                          struct write_answer *answer)
{
    (void)old;
    return change_set(w, call, item, answer);
}

/* Copies a value to memory of `more` bytes more: *copy, to be freed. NULL: the
 * item is answered, or there is an error. */
static int change_copy(struct writer *w, struct weir_call *call,
                       struct weir_item *item, const struct value *old,
                       uint64_t more, char **copy)
{
    char *bytes = malloc(old->size + more + 1);
    int rc;

    *copy = NULL;
    if (bytes == NULL) {
        weir_call_no_memory(call, item, "a copy of the value");
        return 0;
    }
    rc = log_read(&w->log, old->pos, bytes, old->size);
    if (rc == 0 && (uint32_t)XXH3_64bits_withSeed(bytes, old->size,
                                                  old->hash) == old->sum) {
        *copy = bytes;
        return 0;
    }
    free(bytes);
    if (rc == 0)
        read_corrupt(call, item);
    return rc;
}

static int change_cas(struct writer *w, struct weir_call *call,
                      struct weir_item *item, const struct value *old,
                      struct write_answer *answer)
{
    uint64_t version;
    char *bytes;
    int rc = change_copy(w, call, item, old, 0, &bytes);

    if (bytes == NULL)
        return rc;
    version = weir_version_of(bytes, old->size);
    free(bytes);
    answer->status = WEIR_REJECTED;
    if (version != (uint64_t)item->number)
        return 0;
    return change_set(w, call, item, answer);
}

/* Stores the sum. old: NULL if there is none, as digits. */
static int incr_put(struct writer *w, struct weir_call *call,
                    struct weir_item *item, const struct value *old,
                    const char *digits, struct write_answer *answer)
{
    int64_t delta = item->number;
    char sum[WEIR_NUMBER_MAX];
    uint32_t length =
        weir_call_incr(call, item, digits, old != NULL ? old->size : 0, sum);

    if (length == 0)
        return 0;
    answer->status = WEIR_OK;
    answer->number = item->number;
    item->number = delta;
    return write_put(w, item, sum, length,
                     old != NULL ? old->expires_ms
                                 : write_expiry(w, item->ttl_ms));
}

static int change_incr(struct writer *w, struct weir_call *call,
                       struct weir_item *item, struct write_answer *answer)
{
    struct value old;
    char *digits;
    int rc = write_look(w, item, &old);

    if (rc == MDB_NOTFOUND)
        return incr_put(w, call, item, NULL, NULL, answer);
    if (rc == 0)
        rc = change_copy(w, call, item, &old, 0, &digits);
    if (rc != 0 || digits == NULL)
        return rc;
    rc = incr_put(w, call, item, &old, digits, answer);
    free(digits);
    return rc;
}

/* Whether the item's bytes may follow a value. If not, it is answered. */
static bool append_may(const struct writer *w, struct weir_call *call,
                       struct weir_item *item, uint64_t size)
{
    uint64_t max = weir_call_max_value(call);

    if (size <= max)
        return change_fits(w, call, item, size);
    weir_call_fail(call, item, WEIR_TOOBIG,
                   "a value of %llu bytes: max_value is %llu",
                   (unsigned long long)size, (unsigned long long)max);
    return false;
}

/* Adds the piece to a copy of the old bytes, and stores that. */
static int append_put(struct writer *w, struct weir_call *call,
                      struct weir_item *item, const struct value *old,
                      char *bytes, struct write_answer *answer)
{
    struct weir_value *piece = weir_call_value(call, item);
    uint64_t size;

    if (piece == NULL)
        return 0;
    size = old->size + piece->size;
    memcpy(bytes + old->size, piece->data, piece->size);
    weir_value_unref(piece);
    answer->status = WEIR_OK;
    answer->number = (int64_t)size;
    return write_put(w, item, bytes, size, old->expires_ms);
}

static int change_append(struct writer *w, struct weir_call *call,
                         struct weir_item *item, struct write_answer *answer)
{
    struct value old;
    char *bytes;
    int rc = write_look(w, item, &old);

    answer->number = (int64_t)item->size;
    if (rc == MDB_NOTFOUND)
        return change_set(w, call, item, answer);
    if (rc != 0 || !append_may(w, call, item, old.size + item->size))
        return rc;
    rc = change_copy(w, call, item, &old, item->size, &bytes);
    if (bytes == NULL)
        return rc;
    rc = append_put(w, call, item, &old, bytes, answer);
    free(bytes);
    return rc;
}

/* Reads a value. One from a transaction that was undone is dropped first. */
static int change_read(struct writer *w, struct weir_call *call,
                       struct weir_item *item, const struct value *v)
{
    if (item->value != NULL)
        weir_value_unref(item->value);
    item->value = NULL;
    return read_value(w->session, &w->log, call, item, v);
}

/* A value that the caller has no room for gets its time, too. It is looked for
 * once more because the touch may have moved it. */
static int change_gat(struct writer *w, struct weir_call *call,
                      struct weir_item *item, const struct value *old,
                      struct write_answer *answer)
{
    struct value v = *old;
    int rc = write_touch(w, item, &answer->status);

    if (rc == 0 && answer->status == WEIR_OK)
        rc = write_look(w, item, &v);
    if (rc == MDB_NOTFOUND)
        answer->status = WEIR_MISS;
    if (rc == 0 && answer->status == WEIR_OK)
        return change_read(w, call, item, &v);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

/* A value that the caller has no room for stays. */
static int change_take(struct writer *w, struct weir_call *call,
                       struct weir_item *item, const struct value *old,
                       struct write_answer *answer)
{
    int rc = change_read(w, call, item, old);

    if (rc != 0 || item->status != WEIR_PENDING)
        return rc;
    return write_delete(w, item, &answer->status);
}

typedef int change_found(struct writer *w, struct weir_call *call,
                         struct weir_item *item, const struct value *old,
                         struct write_answer *answer);

int change_item(struct writer *w, struct weir_call *call,
                struct weir_item *item, struct write_answer *answer)
{
    static change_found *const OF[] = {
        [WEIR_REPLACE] = change_replace,
        [WEIR_CAS] = change_cas,
        [WEIR_GAT] = change_gat,
        [WEIR_TAKE] = change_take,
    };
    struct value old;
    int rc;

    if (call->op == WEIR_ADD)
        return change_add(w, call, item, answer);
    if (call->op == WEIR_INCR)
        return change_incr(w, call, item, answer);
    if (call->op == WEIR_APPEND)
        return change_append(w, call, item, answer);
    rc = write_look(w, item, &old);
    answer->status = WEIR_MISS;
    if (rc != 0)
        return rc == MDB_NOTFOUND ? 0 : rc;
    return OF[call->op](w, call, item, &old, answer);
}

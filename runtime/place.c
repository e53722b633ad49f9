/* place.c -- where values go: into the caller's lent memory or into a value of
 * the runtime.
 *
 * Every connector answers a value that is too big, memory that was taken back
 * and a lack of memory through this file, so that the status and the sentence
 * are the same for all of them. Out of memory is BUSY: the item was not
 * applied, the lack passes, and another try may succeed. NOSPACE is for a
 * backend that is full, where another try does not help. */
#include <string.h>

#include "slice.h"
#include "store.h"

bool weir_call_lend(struct weir_call *call)
{
    struct batch *b = slice_of(call)->batch;

    if (!(atomic_fetch_add(&b->lends, 1) & LENDS_ABANDONED))
        return true;
    atomic_fetch_sub(&b->lends, 1);
    return false;
}

void weir_call_unlend(struct weir_call *call)
{
    atomic_fetch_sub(&slice_of(call)->batch->lends, 1);
}

int weir_call_taken_back(struct weir_call *call, struct weir_item *item)
{
    return weir_call_fail(call, item, WEIR_SKIPPED, "the batch was abandoned");
}

int weir_call_no_memory(struct weir_call *call, struct weir_item *item,
                        const char *what)
{
    return weir_call_fail(call, item, WEIR_BUSY, "out of memory for %s", what);
}

static int no_memory_for_value(struct weir_call *call, struct weir_item *item,
                               uint64_t size)
{
    return weir_call_fail(call, item, WEIR_BUSY,
                          "out of memory for a value of %llu bytes",
                          (unsigned long long)size);
}

uint64_t weir_call_max_value(const struct weir_call *call)
{
    return slice_of(call)->batch->store->config.max_value;
}

int weir_call_too_big(struct weir_call *call, struct weir_item *item,
                      uint64_t size)
{
    bool buffer = item->data != NULL && size > item->cap;
    uint64_t limit = buffer ? item->cap : weir_call_max_value(call);

    item->size = size;
    return weir_call_fail(
        call, item, WEIR_TOOBIG,
        buffer ? "a value of %llu bytes does not fit the buffer of %llu"
               : "a value of %llu bytes: max_value is %llu",
        (unsigned long long)size, (unsigned long long)limit);
}

/* Inlined in weir_call_answer, which every get of a short value calls. */
static inline int place(struct weir_call *call, struct weir_item *item,
                        uint64_t size, char **to)
{
    if (size > slice_of(call)->batch->store->config.max_value ||
        (item->data != NULL && size > item->cap))
        return weir_call_too_big(call, item, size);
    item->size = size;
    *to = item->data;
    if (item->data != NULL)
        return 0;
    item->value = weir_value_new(size, to);
    return item->value != NULL ? 0 : no_memory_for_value(call, item, size);
}

int weir_call_place(struct weir_call *call, struct weir_item *item,
                    uint64_t size, char **to)
{
    return place(call, item, size, to);
}

void weir_call_answer(struct weir_call *call, struct weir_item *item,
                      const void *bytes, uint64_t size)
{
    char *to;

    if (place(call, item, size, &to) != 0)
        return;
    if (item->data != NULL && !weir_call_lend(call)) {
        weir_call_taken_back(call, item);
        return;
    }
    if (size > 0)
        memcpy(to, bytes, size);
    if (item->data != NULL)
        weir_call_unlend(call);
    item->status = WEIR_OK;
}

void weir_call_answer_value(struct weir_call *call, struct weir_item *item,
                            struct weir_value *v)
{
    if (item->data != NULL) {
        weir_call_answer(call, item, v->data, v->size);
        return;
    }
    item->value = weir_value_ref(v);
    item->size = v->size;
    item->status = WEIR_OK;
}

struct weir_value *weir_call_value(struct weir_call *call,
                                   struct weir_item *item)
{
    struct weir_value *v;
    char *data;

    if (item->value != NULL) {
        v = weir_value_keep(item->value);
        if (v == NULL)
            no_memory_for_value(call, item, item->value->size);
        return v;
    }
    v = weir_value_new(item->size, &data);
    if (v == NULL) {
        no_memory_for_value(call, item, item->size);
        return NULL;
    }
    if (item->size == 0)
        return v;
    if (!weir_call_lend(call)) {
        weir_call_taken_back(call, item);
        weir_value_unref(v);
        return NULL;
    }
    memcpy(data, item->data, item->size);
    weir_call_unlend(call);
    return v;
}

/* batch.h -- a batch as the runtime sees it. */
#ifndef WEIR_BATCH_H
#define WEIR_BATCH_H

#include <stdatomic.h>
#include <stdbool.h>

#include "connector.h"

/* Who owns a batch. OWNER_ORPHAN: it is in flight, and its host freed it. The
 * runtime frees the memory where it would hand the batch back. */
enum batch_owner { OWNER_HOST = 0, OWNER_RUNTIME, OWNER_ORPHAN };

/* The top bit of batch.lends says that lent memory was taken back. The other
 * bits count the calls that touch it now. */
#define LENDS_ABANDONED 0x80000000u

struct batch {
    struct weir_batch pub; /* first: the two are one address */

    _Atomic uint32_t owner; /* enum batch_owner */
    _Atomic uint32_t lends;
    _Atomic uint32_t left; /* items without an answer */
    _Atomic uint32_t
        has_error; /* pub.error belongs to the thread that set it */
    _Atomic bool cancelled;
    uint32_t forks; /* forks_seen() when the runtime took it */

    /* From submit until drained. The batch holds a reference on both. */
    struct weir_store *store;
    struct weir_cq *cq;
    const char *store_name; /* begins each sentence about it; NULL = none */
    struct lane *lane;
    uint64_t submitted_ns;
    uint64_t deadline_ns; /* the host's, or by the store's timeout; 0 = none */
    uint64_t weight;      /* bytes, as the queue's bound counts them */
    uint32_t share;       /* items of one slice, at most */

    /* Under the lane's lock; next is the cq's from finish on. */
    struct batch *next, *prev;
    uint64_t unclaimed; /* the rest of weight */
    uint32_t claimed;   /* items claimed so far */
    bool queued;        /* it is in the queue */

    char *keys; /* the copies of the keys; kept for the next use */
    size_t keys_cap;
};

static inline struct batch *batch_of(struct weir_batch *pub)
{
    return (struct batch *)pub;
}

/* batch_is_free says whether the host may use the batch. */
static inline bool batch_is_free(const struct batch *b)
{
    return atomic_load_explicit(&b->owner, memory_order_acquire) == OWNER_HOST;
}

/* batch_clear forgets the marks of the batch's last use. */
static inline void batch_clear(struct batch *b)
{
    atomic_store_explicit(&b->lends, 0, memory_order_relaxed);
    atomic_store_explicit(&b->has_error, 0, memory_order_relaxed);
    atomic_store_explicit(&b->cancelled, false, memory_order_relaxed);
    b->lane = NULL;
    b->claimed = 0;
}

/* batch_accept moves a batch from the host to the runtime. -EBUSY: it is in
 * flight. */
int batch_accept(struct batch *b);

/* batch_refuse undoes batch_accept. */
void batch_refuse(struct batch *b);

/* batch_return moves a finished batch back to its host: true. false: the host
 * freed it meanwhile, so it was destroyed. */
bool batch_return(struct batch *b);

/* batch_disown makes a batch in flight an orphan. false: it is not in flight,
 * or no longer. */
bool batch_disown(struct batch *b);

/* batch_destroy frees a batch that is not in flight. */
void batch_destroy(struct batch *b);

/* batch_copy_keys copies the keys of the pending items, bytes in all. -ENOMEM.
 */
int batch_copy_keys(struct batch *b, size_t bytes);

/* batch_answer answers the pending items from one on, and returns how many. */
uint32_t batch_answer(struct batch *b, uint32_t from, int status);

/* batch_answered counts n answered items off. true for the one caller that
 * counted the last item: it must finish the batch. */
bool batch_answered(struct batch *b, uint32_t n);

/* batch_explain keeps a sentence about the batch if it is the first. */
void batch_explain(struct batch *b, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif

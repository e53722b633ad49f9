/* batch.h -- a batch as the runtime sees it. */
#ifndef WEIR_BATCH_H
#define WEIR_BATCH_H

#include <stdatomic.h>
#include <stdbool.h>

#include "connector.h"

/* Who may touch a batch. OWNER_ORPHAN is one in flight whose host let go of it:
 * the runtime frees it when it would be drained. */
enum batch_owner { OWNER_HOST = 0, OWNER_RUNTIME, OWNER_ORPHAN };

/* The top bit of batch.lends says that lent memory was taken back; the others
 * count the calls that touch it now. */
#define LENDS_ABANDONED 0x80000000u

struct batch {
    struct weir_batch pub; /* first: the two are one address */

    _Atomic uint32_t owner; /* enum batch_owner */
    _Atomic uint32_t lends;
    _Atomic uint32_t left;      /* items without an answer */
    _Atomic uint32_t has_error; /* pub.error belongs to whoever sets this */
    _Atomic bool cancelled;
    uint32_t forks; /* seen when it was taken */

    /* From submit until drained; references are held on both. */
    struct weir_store *store;
    struct weir_cq *cq;
    struct lane *lane;
    uint64_t submitted_ns;
    uint64_t deadline_ns; /* what counts: the host's, or the store's default */
    uint64_t weight;      /* bytes, as the queue's bound counts them */
    uint64_t unclaimed;   /* under the lane's lock: what is left of weight */

    struct batch *next, *prev; /* under the lane's lock, then under the cq's */
    uint32_t claimed;          /* under the lane's lock: items taken so far */
    bool queued;               /* under the lane's lock: it is in the queue */

    char *keys; /* the copies; grows, and stays for the next use */
    size_t keys_cap;
};

static inline struct batch *batch_of(struct weir_batch *pub)
{
    return (struct batch *)pub;
}

/* batch_take moves a batch from the host to the runtime. -EBUSY: in flight. */
int batch_take(struct batch *b);

/* batch_give_back undoes batch_take for a batch that was refused. */
void batch_give_back(struct batch *b);

/* batch_copy_keys makes the runtime's own copies of the pending items' keys,
 * of bytes in all. -ENOMEM. */
int batch_copy_keys(struct batch *b, size_t bytes);

/* batch_answer answers the pending items in [from, n) and returns how many. */
uint32_t batch_answer(struct batch *b, uint32_t from, int status);

/* batch_end_rest answers, explains and counts what no worker has claimed of a
 * batch that was taken out of its lane, and finishes it if that was the last.
 */
void batch_end_rest(struct batch *b, int status, int code, const char *why);

/* batch_explain keeps a sentence about the batch if it is the first. */
void batch_explain(struct batch *b, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* batch_answered counts n answered items off; true for the one caller that
 * answered the last: it must call batch_finish. */
bool batch_answered(struct batch *b, uint32_t n);

/* batch_finish sends a batch whose items are all answered to its cq. The batch
 * is the host's from then on: do not touch it again. */
void batch_finish(struct batch *b);

/* batch_deliver hands a finished batch to the host: true; or frees it, when the
 * host let go of it meanwhile: false. */
bool batch_deliver(struct batch *b);

#endif

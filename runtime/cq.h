/* cq.h -- the queue between the threads that finish batches and their host. */
#ifndef WEIR_CQ_H
#define WEIR_CQ_H

#include "batch.h"

/* cq_is_own says whether this process made the queue. */
bool cq_is_own(const struct weir_cq *cq);

/* cq_expect announces a batch and takes a reference for it. cq_forget undoes
 * that: the batch was refused, drained or freed. */
void cq_expect(struct weir_cq *cq);
void cq_forget(struct weir_cq *cq);

/* cq_push appends a finished batch and rings if the queue is not armed. false:
 * the host has freed the queue, so it did not take the batch. */
bool cq_push(struct weir_cq *cq, struct batch *b);

/* cq_is_quiet says that no batch waits and no ring is unread. */
bool cq_is_quiet(const struct weir_cq *cq);

/* cq_take reads the ring and takes up to max batches as a list. true: these
 * were all, with room left. */
bool cq_take(struct weir_cq *cq, int max, struct batch **first);

/* cq_close makes cq_push refuse, and takes all batches as a list. */
struct batch *cq_close(struct weir_cq *cq);

/* cq_ref keeps the memory of a queue, also after its host freed it, until
 * cq_unref. */
void cq_ref(struct weir_cq *cq);
void cq_unref(struct weir_cq *cq);

#endif

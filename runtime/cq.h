/* cq.h -- finished batches on their way to a host. */
#ifndef WEIR_CQ_H
#define WEIR_CQ_H

#include "batch.h"

/* cq_is_own says whether this process made the queue. */
bool cq_is_own(const struct weir_cq *cq);

/* cq_expect announces a batch and holds a reference for it. */
void cq_expect(struct weir_cq *cq);

/* cq_forget takes an announcement back: the batch was refused. */
void cq_forget(struct weir_cq *cq);

/* cq_push adds a finished batch and rings if the queue was quiet. */
void cq_push(struct weir_cq *cq, struct batch *b);

/* cq_ref keeps the memory of a queue, even of one that its host let go of. */
void cq_ref(struct weir_cq *cq);

/* cq_unref drops what cq_ref took. */
void cq_unref(struct weir_cq *cq);

#endif

/* finish.h -- the end of batches and their items: checked, counted, handed
 * back. */
#ifndef WEIR_FINISH_H
#define WEIR_FINISH_H

#include "store.h"

/* finish_items checks n items after the connector has answered them, counts
 * them and their bytes, and returns how many are errors. It corrects items that
 * break the connector's contract. */
uint32_t finish_items(struct batch *b, struct stats *shard,
                      struct weir_item *items, uint32_t n);

/* finish_batch sends a batch whose items are all answered to its completion
 * queue. The batch is the host's from then on: do not touch it again. */
void finish_batch(struct batch *b);

/* finish_push does so for a batch that does not count in the statistics. */
void finish_push(struct batch *b);

/* finish_rest answers and counts the unclaimed items of a batch that was taken
 * out of its lane. It finishes the batch unless workers still have items. */
void finish_rest(struct batch *b, int status, int code, const char *why);

/* finish_list does so for each batch of a list. */
void finish_list(struct batch *list, int status, int code, const char *why);

/* finish_late does so for batches of one lane that were queued until their
 * deadline: UNAVAILABLE when the lane has no session, else SKIPPED. */
void finish_late(struct batch *list);

/* finish_expired does so for all late batches that a store has queued. Returns
 * the earliest deadline of the others, UINT64_MAX for none. */
uint64_t finish_expired(void *store, uint64_t now);

/* finish_deliver ends the runtime's part of a finished batch. true: it is the
 * host's. false: its host freed it meanwhile, so its memory was freed. */
bool finish_deliver(struct batch *b);

#endif

/* release.h -- frees many entries at once. */
#ifndef MEMORY_RELEASE_H
#define MEMORY_RELEASE_H

#include "queue.h"

/* release_queues frees all entries of the queues, and empties these. */
void release_queues(struct queue *const *queues, uint32_t n_queues);

#endif

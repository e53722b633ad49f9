/* release.h -- frees many entries at once. */
#ifndef MEMORY_RELEASE_H
#define MEMORY_RELEASE_H

#include "queue.h"

/* release_queue frees all entries of a queue, and empties it. */
void release_queue(struct queue *q);

#endif

/* sweep.h -- lists the keys of a cluster, slot by slot. */
#ifndef WEIR_REDIS_SWEEP_H
#define WEIR_REDIS_SWEEP_H

#include "errand.h"

/* A scan on its way. */
struct sweep {
    struct weir_item *slots; /* stand for the slots of a block, with their
                                statuses */
    uint32_t item;           /* of the call: the one that is being answered */
    uint16_t first, last;    /* its slots */
    uint16_t block;          /* the first slot of the block */
    uint32_t blocks;         /* for this page */
    struct weir_page page;
};

/* sweep_start makes the errand of a scan. NULL: out of memory. */
struct errand *sweep_start(struct cluster_session *cs, struct weir_call *call);

/* sweep_next goes on after all slots of a block are answered. Returns whether
 * the call is answered. */
bool sweep_next(struct cluster_session *cs, struct errand *e);

/* For struct routing. */
bool sweep_put(struct redis_session *s, struct progress *p);
void sweep_keep(struct redis_session *s, struct progress *p, const char *key,
                size_t len);
void sweep_listed(struct redis_session *s, struct command *command);

#endif

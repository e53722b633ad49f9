/* master.h -- the server of a store: that of the options, or the master that
 * sentinels know by a name. */
#ifndef WEIR_REDIS_MASTER_H
#define WEIR_REDIS_MASTER_H

#include "endpoint.h"
#include "open.h"

/* master_init reads the option master and the addresses of the sentinels.
 * Without that option it only notes the number of the database. Returns 0 or a
 * negative errno and a sentence. */
int master_init(struct redis *r, bool sentinels, struct weir_error *err);
void master_destroy(struct redis *r);

/* master_open is open_link to the server. It asks the sentinels anew each time.
 */
int master_open(struct link *l, struct redis *r, struct attempt *at);

/* master_sentinels returns the addresses of a store with a master. */
const struct endpoints *master_sentinels(const struct redis *r);

/* master_listen starts the thread that listens to a sentinel, once. */
void master_listen(struct redis *r);

/* master_turn returns a number that changes when sentinels tell of another
 * master. Sessions from before are to connect anew. */
uint32_t master_turn(const struct redis *r);

/* master_gauges fills in numbers, as the gauges slot does. */
size_t master_gauges(struct redis *r, struct weir_gauge *out, size_t max);

#endif

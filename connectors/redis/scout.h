/* scout.h -- keeps the map of a cluster up to date, on a thread of its own. */
#ifndef WEIR_REDIS_SCOUT_H
#define WEIR_REDIS_SCOUT_H

#include "cluster_state.h"

/* scout_init and scout_destroy make and end the scout of a store. The thread
 * starts with the first session that listens. Both return or expect no other
 * thread that uses the store. */
int scout_init(struct cluster *c);
void scout_destroy(struct cluster *c);

/* scout_listen makes the scout write to an eventfd after each round, until
 * scout_deafen. Returns 0 or a negative errno. */
int scout_listen(struct cluster *c, int bell);
void scout_deafen(struct cluster *c, int bell);

/* scout_ask asks for a new map. Returns the number of the round that begins
 * after the call, which is over when scout.rounds has reached it. */
uint64_t scout_ask(struct cluster *c);

/* scout_status returns the status of the last round, and why it failed. */
int scout_status(struct cluster *c, char *why);

#endif

/* cluster.h -- a store that is a Redis Cluster. */
#ifndef WEIR_REDIS_CLUSTER_H
#define WEIR_REDIS_CLUSTER_H

#include "cluster_state.h"

/* cluster_open makes the shared state. Returns 0 or a negative errno and a
 * sentence. */
int cluster_open(struct redis *r, struct weir_error *err);
void cluster_close(struct cluster *c);

/* cluster_gauges fills in numbers of the cluster, as the gauges slot does. */
size_t cluster_gauges(struct cluster *c, struct weir_gauge *out, size_t max);

/* The slots of the vtable, for a store with a cluster. */
int cluster_connect(struct cluster_session *s, struct redis *r,
                    struct weir_call *call);
void cluster_disconnect(struct cluster_session *s);
int cluster_check(struct cluster_session *s);
int cluster_start(struct cluster_session *s, struct weir_call *call);
int cluster_finish(struct cluster_session *s, struct weir_call *call);
int cluster_expire(struct cluster_session *s, struct weir_call *call);

#endif

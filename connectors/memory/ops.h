/* ops.h -- runs a call on a memory store. */
#ifndef MEMORY_OPS_H
#define MEMORY_OPS_H

#include "store.h"

/* memory_run is the connector's run; the session is the store. */
int memory_run(void *session, struct weir_call *call);

#endif

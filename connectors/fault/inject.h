/* inject.h -- runs a call on the target, with faults. */
#ifndef FAULT_INJECT_H
#define FAULT_INJECT_H

#include "connector.h"

/* fault_run is the connector's run. */
int fault_run(void *session, struct weir_call *call);

#endif

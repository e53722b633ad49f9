/* scan.h -- one page of the keys that begin with a prefix. */
#ifndef MEMORY_SCAN_H
#define MEMORY_SCAN_H

#include "store.h"

/* memory_scan answers a scan's item with one page of keys. */
void memory_scan(struct memory *m, struct weir_call *call,
                 struct weir_item *item);

#endif

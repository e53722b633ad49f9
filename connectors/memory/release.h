/* release.h -- frees many entries at once. */
#ifndef MEMORY_RELEASE_H
#define MEMORY_RELEASE_H

#include "table.h"

/* release_tables frees the entries of all these tables, and counts none in them
 * afterwards. All that may follow is table_free. */
void release_tables(struct table *const *tables, uint32_t n_tables);

#endif

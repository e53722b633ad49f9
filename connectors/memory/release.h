/* release.h -- frees many entries at once. */
#ifndef MEMORY_RELEASE_H
#define MEMORY_RELEASE_H

#include "table.h"

/* release_tables frees the entries of all these tables, and counts none in them
 * afterwards. All that may follow is table_free. Entries in the pool keep their
 * memory until pool_free; NULL: there is no pool. */
void release_tables(struct table *const *tables, uint32_t n_tables,
                    const struct pool *pool);

#endif

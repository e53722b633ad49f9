/* evict.h -- keeps the index correct and evicts files. */

#ifndef FS_EVICT_H
#define FS_EVICT_H

#include "state.h"

/* fs_make_room reserves bytes of the capacity and evicts as needed. call NULL:
 * for the recovery. On a negative errno the call must end, and nothing is
 * reserved. */
int fs_make_room(struct fs *fs, struct weir_call *call, uint64_t bytes);

/* fs_make_space evicts for a set of that many bytes that found the disk full.
 * Each attempt (0, 1, ...) evicts more. False: nothing was evicted, or there
 * were enough attempts. */
bool fs_make_space(struct fs *fs, struct weir_call *call, uint64_t bytes,
                   unsigned attempt);

/* fs_footprint returns the disk space of a file with that status: its length,
 * or less if it has holes. */
uint64_t fs_footprint(struct fs *fs, const char *path, const struct stat *st);

/* fs_recount corrects the index entry of a file that another process removed or
 * replaced. */
void fs_recount(struct fs *fs, const struct fs_name *name);

#endif

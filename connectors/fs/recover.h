/* recover.h -- the walk over the folder after open. */

#ifndef FS_RECOVER_H
#define FS_RECOVER_H

#include "state.h"

/* fs_recover_start starts the walk in its own thread and waits for a short time
 * so that small folders are known when it returns. 0 or a negative errno. */
int fs_recover_start(struct fs *fs, struct weir_error *err);
void fs_recover_stop(struct fs *fs);

/* fs_recover_done returns whether the walk has ended. */
bool fs_recover_done(struct fs *fs);

#endif

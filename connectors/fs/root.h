/* root.h -- opens the folder, and opens it again when it is replaced. */

#ifndef FS_ROOT_H
#define FS_ROOT_H

#include "state.h"

/* fs_root_open opens the folder, makes it if necessary, and reads or writes its
 * format. With fs->dry it changes nothing and may leave root at -1. */
int fs_root_open(struct fs *fs, struct weir_error *err);

/* fs_root_settle does the part of opening that failed because the disk was full
 * or read-only, if there is one. 0 or a negative errno and a sentence. */
int fs_root_settle(struct fs *fs, struct weir_error *err);

/* fs_root_look checks once a second at most that the folder's path still leads
 * to the open folder; fs_root_reopen checks now. If the path leads elsewhere,
 * the new folder is opened, and made if necessary. After a failure the next
 * attempt is a second later. 0 or a negative errno and a sentence. */
void fs_root_look(struct fs *fs);
int fs_root_reopen(struct fs *fs, struct weir_error *err);

/* fs_root_is_due returns whether the next fs_root_look will check. */
bool fs_root_is_due(const struct fs *fs);

#endif

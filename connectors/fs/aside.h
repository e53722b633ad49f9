/* aside.h -- removes files: deletes them or moves them to the quarantine. */

#ifndef FS_ASIDE_H
#define FS_ASIDE_H

#include "state.h"

/* fs_drop deletes a file to evict it. 0 or a negative errno. */
int fs_drop(struct fs *fs, const struct fs_name *name);

/* fs_remove deletes a file. If st is not NULL, the file must still be that one:
 * -ENOENT. It takes the lock of the name, for which it waits if call is not
 * NULL: -EAGAIN, -ETIME as fs_hold. 0 or another negative errno. */
int fs_remove(struct fs *fs, struct weir_call *call, const struct fs_name *name,
              const struct stat *st);

/* fs_is_still returns whether a path leads to the file of that status. */
bool fs_is_still(struct fs *fs, const char *path, const struct stat *st);

/* fs_set_aside moves a file to the quarantine, unless another file has taken
 * its place since st was read. st NULL: it moves anything but a regular file.
 * 0: the judged file is no longer there. Otherwise a negative errno, also of
 * the lock, as in fs_remove. */
int fs_set_aside(struct fs *fs, struct weir_call *call,
                 const struct fs_name *name, const struct stat *st);

#endif

/* aside.h -- removes files: deletes them or moves them to the quarantine. */

#ifndef FS_ASIDE_H
#define FS_ASIDE_H

#include "state.h"

/* fs_drop deletes a file. If st is not NULL, the file must still be that one.
 * 0 or a negative errno. */
int fs_drop(struct fs *fs, const struct fs_name *name, const struct stat *st);

/* fs_set_aside moves a file to the quarantine, unless another file has taken
 * its place since st was read. st NULL: it moves anything but a regular file.
 * 0: the judged file is no longer there. Otherwise a negative errno. */
int fs_set_aside(struct fs *fs, const struct fs_name *name,
                 const struct stat *st);

#endif

/* watch.h -- reads the kernel's reports of changes in the folder. */

#ifndef FS_WATCH_H
#define FS_WATCH_H

#include "state.h"

/* fs_watch_start prepares the table of known files (fs->known), if the kernel
 * reports all changes of this filesystem; fs_watch_stop frees it. */
void fs_watch_start(struct fs *fs);
void fs_watch_stop(struct fs *fs);

/* fs_watch_reset forgets everything because the folder was replaced. */
void fs_watch_reset(struct fs *fs);

/* fs_watch_read processes the reports that wait. After it the table of known
 * files is true for all changes that ended before the call. False: there is no
 * table. It makes one system call and never blocks. */
bool fs_watch_read(struct fs *fs);

/* fs_watch_miss counts a lookup in a name's directory that had to use the
 * filesystem. After a few of them the directory is watched and listed. */
void fs_watch_miss(struct fs *fs, const struct fs_name *name);

#endif

/* folder.h -- file operations relative to the store's folder, and the small
 * helpers that several files need. Functions return a negative errno. */

#ifndef FS_FOLDER_H
#define FS_FOLDER_H

#include <dirent.h>

#include "state.h"

/* fs_openat opens a path below the folder, close-on-exec, and returns the fd.
 * It follows no symbolic link anywhere in the path. */
int fs_openat(const struct fs *fs, const char *path, int flags, mode_t mode);

/* fs_is_local returns whether all changes of the folder are made on this
 * machine. */
bool fs_is_local(struct fs *fs);

/* fs_opendir opens a directory below the folder for reading. The caller closes
 * it with closedir. */
int fs_opendir(const struct fs *fs, const char *path, DIR **out);

/* fs_read reads up to n bytes at an offset and returns how many. It returns
 * fewer only at the end of the file. */
ssize_t fs_read(int fd, void *to, size_t n, uint64_t offset);

/* fs_write_piece returns how many bytes of a value are written at once. */
size_t fs_write_piece(const struct fs *fs);

/* fs_mkdir makes a directory. 1: it was made, 0: it existed. durable: it waits
 * until its name is on the disk. */
int fs_mkdir(struct fs *fs, const char *path, bool durable);

/* fs_mkdirs makes the directories of a path. durable: it waits until they are
 * on the disk. */
int fs_mkdirs(struct fs *fs, const char *path, bool durable);

/* fs_sync_directory makes durable the directory that contains a path below the
 * folder; fs_sync_parent does so for any path. */
int fs_sync_directory(struct fs *fs, const char *path);
int fs_sync_parent(struct fs *fs, const char *path);

/* fs_lock and fs_unlock guard the files whose names have a hash. */
void fs_lock(struct fs *fs, uint64_t hash);
void fs_unlock(struct fs *fs, uint64_t hash);

/* fs_now_ms returns the wall-clock time. Expiry uses it because a value may
 * outlive a reboot. */
uint64_t fs_now_ms(void);

/* fs_expiry_ms returns the time at which a time to live that starts now ends;
 * 0 for 0. */
uint64_t fs_expiry_ms(uint64_t ttl_ms);

/* fs_tail_room returns the size of a session's tail buffer. */
size_t fs_tail_room(void);

/* fs_status returns the item status for an errno (positive). */
int fs_status(int err);

/* fs_fail answers an item (NULL: all pending) with the status and the text of
 * an errno (positive). */
void fs_fail(struct weir_call *call, struct weir_item *item, int err,
             const char *doing, const char *path);

#endif

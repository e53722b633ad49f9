/* hold.h -- the locks that processes share which have a folder open. hold.c
 * explains them. */

#ifndef FS_HOLD_H
#define FS_HOLD_H

#include "state.h"

/* A lock that is held. */
struct fs_held {
    enum fs_hold_kind kind;
    uint64_t of;
    int fd; /* the locked file; -1: only threads are excluded */
};

/* fs_hold_open opens the file of the locks, unless the folder is on a
 * filesystem where they do not work. Under root_lock. */
int fs_hold_open(struct fs *fs);

/* fs_hold_lose forgets the file of a folder that is gone. Under root_lock. */
void fs_hold_lose(struct fs *fs);

/* fs_hold_file opens the file of the locks for writing. The caller closes it.
 * fs_hold_write writes n bytes to it. A negative errno on failure. */
int fs_hold_file(struct fs *fs);
int fs_hold_write(int fd, const void *bytes, size_t n, off_t at);

/* fs_hold_is_shared returns whether the locks exclude other processes. */
bool fs_hold_is_shared(const struct fs *fs);

/* fs_hold acquires the lock of a key (of), or of a directory. call NULL: it
 * does not wait. -EAGAIN: another holder kept it too long. -ETIME: the call had
 * to end. Locks of several kinds are acquired in the order of enum
 * fs_hold_kind, and no two of one kind. */
int fs_hold(struct fs *fs, struct weir_call *call, enum fs_hold_kind kind,
            uint64_t of, struct fs_held *held);
void fs_release(struct fs *fs, const struct fs_held *held);

/* fs_hold_failed answers an item whose lock was not acquired. */
void fs_hold_failed(struct weir_call *call, struct weir_item *item, int rc);

/* fs_hold_mark makes all sets in the name's directory lock, in all processes.
 * When it returns 0, no other set renames a file there any more. */
int fs_hold_mark(struct fs *fs, struct weir_call *call,
                 const struct fs_name *name);

/* fs_hold_is_marked returns whether a set must lock. The temporary must exist
 * already. */
bool fs_hold_is_marked(struct fs *fs, const struct fs_name *name);

#endif

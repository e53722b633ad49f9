/* features.c -- operations that not every filesystem supports, and their
 * substitutes.
 *
 * Each feature is tried until the filesystem refuses it once. From then on the
 * substitute is used, and a gauge shows it. Only an errno that means "not
 * supported" counts as a refusal: EIO, for example, is an error. Substitutes
 * for locks are in owner.c, for hard links in format.c. Without the locks of
 * hold.c there are no atomic ops but add and gat. */

#include "features.h"

#include <errno.h>
#include <unistd.h>

enum { FEATURE_ENOTSUPP = 524 }; /* internal to the kernel; NFS returns it */

const struct fs_feature_text fs_features[FS_FEATURES] = {
    [FS_LINKS] = {"no_links", "1: the filesystem refuses hard links; a rename "
                              "put the format in its place"},
    [FS_FLOCK] = {"no_flock", "1: the filesystem refuses flock; fcntl locks "
                              "are used instead"},
    [FS_ANY_LOCK] = {"no_locks", "1: the filesystem refuses all locks; a "
                                 "temporary is removed when it is a day old"},
    [FS_MODES] = {"no_modes", "1: the filesystem refuses chmod; the option "
                              "mode may not hold"},
    [FS_FILE_SYNC] = {"no_file_sync",
                      "1: the filesystem refuses to sync one "
                      "file; all of it is synced, if it can be"},
    [FS_DIRECTORY_SYNC] = {"no_directory_sync",
                           "1: the filesystem refuses to sync one directory; "
                           "all of it is synced, if it can be"},
    [FS_SHARED_LOCKS] = {"no_shared_locks",
                         "1: the filesystem refuses locks of open files; add "
                         "and gat are the only atomic ops"},
};

bool fs_refused(struct fs *fs, enum fs_feature feature, int err)
{
    switch (err) {
    case EPERM:
    case ENOSYS:
    case EOPNOTSUPP:
    case EINVAL:
    case ENOTTY:
    case EBADF: /* some filesystems return it for a descriptor that is open */
    case FEATURE_ENOTSUPP:
        fs->lacks[feature] = true;
        return true;
    default:
        return false;
    }
}

int fs_set_mode(struct fs *fs, int fd)
{
    if (fchmod(fd, fs->file_mode) == 0 || fs_refused(fs, FS_MODES, errno))
        return 0;
    return -errno;
}

int fs_set_directory_mode(struct fs *fs, int at, const char *path)
{
    if (fchmodat(at, path, fs->dir_mode, 0) == 0 ||
        fs_refused(fs, FS_MODES, errno))
        return 0;
    return -errno;
}

int fs_sync(struct fs *fs, int fd, enum fs_feature feature)
{
    fs->counters.syncs++;
    if (!fs->lacks[feature]) {
        if ((feature == FS_FILE_SYNC ? fdatasync(fd) : fsync(fd)) == 0)
            return 0;
        if (!fs_refused(fs, feature, errno))
            return -errno;
    }
    if (syncfs(fd) == 0 || fs_refused(fs, feature, errno))
        return 0;
    return -errno;
}

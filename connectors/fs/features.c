/* features.c -- what not every filesystem can do, and what stands in for it.
 *
 * A feature is tried until it is refused, once; from then on its stand-in is
 * used, and a gauge says so. An error that says something else, such as EIO, is
 * an error. Locks are in owner.c and links in format.c. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fs.h"

enum { FEATURE_ENOTSUPP = 524 }; /* the kernel's own; NFS lets it out */

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
};

bool fs_refused(struct fs *fs, enum fs_feature feature)
{
    switch (errno) {
    case EPERM:
    case ENOSYS:
    case EOPNOTSUPP:
    case EINVAL:
    case ENOTTY:
    case EBADF: /* of a descriptor that is open */
    case FEATURE_ENOTSUPP:
        fs->lacks[feature] = true;
        return true;
    default:
        return false;
    }
}

int fs_set_mode(struct fs *fs, int fd)
{
    if (fchmod(fd, fs->file_mode) == 0 || fs_refused(fs, FS_MODES))
        return 0;
    return -1;
}

int fs_set_directory_mode(struct fs *fs, int at, const char *path)
{
    if (fchmodat(at, path, fs->dir_mode, 0) == 0 || fs_refused(fs, FS_MODES))
        return 0;
    return -1;
}

int fs_sync(struct fs *fs, int fd, enum fs_feature feature)
{
    fs->counts.syncs++;
    if (!fs->lacks[feature]) {
        if ((feature == FS_FILE_SYNC ? fdatasync(fd) : fsync(fd)) == 0)
            return 0;
        if (!fs_refused(fs, feature))
            return -1;
    }
    if (syncfs(fd) == 0 || fs_refused(fs, feature))
        return 0;
    return -1;
}

static int sync_opened(struct fs *fs, int fd)
{
    int rc, err;

    if (fd < 0)
        return -1;
    rc = fs_sync(fs, fd, FS_DIRECTORY_SYNC);
    err = errno;
    close(fd);
    errno = err;
    return rc;
}

int fs_sync_directory(struct fs *fs, const char *path)
{
    const char *slash = strrchr(path, '/');
    char directory[FS_PATH_MAX] = ".";

    if (slash != NULL)
        snprintf(directory, sizeof directory, "%.*s", (int)(slash - path),
                 path);
    return sync_opened(fs, fs_openat(fs, directory, O_RDONLY | O_DIRECTORY, 0));
}

int fs_sync_parent(struct fs *fs, const char *path)
{
    size_t n = strlen(path);
    char parent[4096] = ".";
    int fd;

    while (n > 1 && path[n - 1] == '/')
        n--;
    while (n > 0 && path[n - 1] != '/')
        n--;
    if (n > 0)
        snprintf(parent, sizeof parent, "%.*s", (int)n, path);
    fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 && errno == EACCES)
        return 0; /* it may be entered, but not opened */
    return sync_opened(fs, fd);
}

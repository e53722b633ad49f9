/* folder.c -- file operations relative to the store's folder, and the small
 * helpers that several files need. */

#include "folder.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "features.h"

/* Only openat2 refuses symbolic links in the middle of a path. Old kernels
 * (ENOSYS) and some sandboxes (EPERM) lack it; there only the last part is
 * checked. EPERM may also mean that the file may not be opened: then openat
 * returns it again. */
int fs_openat(const struct fs *fs, const char *path, int flags, mode_t mode)
{
    struct open_how how = {
        .flags = (uint64_t)flags | O_CLOEXEC | O_NOFOLLOW,
        .mode = flags & O_CREAT ? mode : 0,
        .resolve = RESOLVE_NO_SYMLINKS,
    };
    long fd = syscall(SYS_openat2, fs->root, path, &how, sizeof how);

    if (fd < 0 && (errno == ENOSYS || errno == EPERM))
        fd = openat(fs->root, path, (int)how.flags, mode);
    return fd < 0 ? -errno : (int)fd;
}

bool fs_is_local(struct fs *fs)
{
    enum { XFS = 0x58465342, ZFS = 0x2fc12fc1, BCACHEFS = 0xca451a4e };
    struct statfs st;

    if (fstatfs(fs->root, &st) < 0)
        return false;
    fs->in_memory = st.f_type == TMPFS_MAGIC || st.f_type == RAMFS_MAGIC;
    switch ((uint32_t)st.f_type) {
    case EXT4_SUPER_MAGIC:
    case TMPFS_MAGIC:
    case RAMFS_MAGIC:
    case BTRFS_SUPER_MAGIC:
    case F2FS_SUPER_MAGIC:
    case OVERLAYFS_SUPER_MAGIC:
    case XFS:
    case ZFS:
    case BCACHEFS:
        return true;
    default:
        return false;
    }
}

int fs_opendir(const struct fs *fs, const char *path, DIR **out)
{
    int fd = fs_openat(fs, path, O_RDONLY | O_DIRECTORY, 0);
    int rc;

    *out = NULL;
    if (fd < 0)
        return fd;
    *out = fdopendir(fd);
    if (*out != NULL)
        return 0;
    rc = -errno;
    close(fd);
    return rc;
}

ssize_t fs_read(int fd, void *to, size_t n, uint64_t offset)
{
    size_t done = 0;

    while (done < n) {
        ssize_t got =
            pread(fd, (char *)to + done, n - done, (off_t)(offset + done));

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (got == 0)
            break;
        done += (size_t)got;
    }
    return (ssize_t)done;
}

/* ext4 and others keep a file in folios as large as the writes that made it,
 * and copy large folios faster. tmpfs has pages of 4 KiB. There a smaller piece
 * is better, because it is in a closer cache when it is hashed: 10 % less. */
size_t fs_write_piece(const struct fs *fs)
{
    return fs->in_memory ? FS_PIECE_HASHED : FS_PIECE;
}

int fs_mkdir(struct fs *fs, const char *path, bool durable)
{
    int rc;

    if (mkdirat(fs->root, path, fs->dir_mode) < 0)
        return errno == EEXIST ? 0 : -errno;
    /* The umask must not change the mode of the options. */
    rc = fs_set_directory_mode(fs, fs->root, path);
    if (rc == 0 && durable)
        rc = fs_sync_directory(fs, path);
    return rc < 0 ? rc : 1;
}

int fs_mkdirs(struct fs *fs, const char *path, bool durable)
{
    char directory[FS_PATH_MAX];
    int rc = 0;

    for (const char *p = path; rc >= 0 && (p = strchr(p, '/')) != NULL; p++) {
        snprintf(directory, sizeof directory, "%.*s", (int)(p - path), path);
        rc = fs_mkdir(fs, directory, durable);
    }
    return rc < 0 ? rc : 0;
}

/* Syncs and closes an open directory, or passes on the errno in fd. */
static int folder_sync_close(struct fs *fs, int fd)
{
    int rc;

    if (fd < 0)
        return fd;
    rc = fs_sync(fs, fd, FS_DIRECTORY_SYNC);
    close(fd);
    return rc;
}

int fs_sync_directory(struct fs *fs, const char *path)
{
    const char *slash = strrchr(path, '/');
    char directory[FS_PATH_MAX] = ".";

    if (slash != NULL)
        snprintf(directory, sizeof directory, "%.*s", (int)(slash - path),
                 path);
    return folder_sync_close(
        fs, fs_openat(fs, directory, O_RDONLY | O_DIRECTORY, 0));
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
    return folder_sync_close(fs, fd < 0 ? -errno : fd);
}

void fs_lock(struct fs *fs, uint64_t hash)
{
    pthread_mutex_lock(&fs->locks[hash % FS_LOCKS]);
}

void fs_unlock(struct fs *fs, uint64_t hash)
{
    pthread_mutex_unlock(&fs->locks[hash % FS_LOCKS]);
}

uint64_t fs_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

uint64_t fs_expiry_ms(uint64_t ttl_ms)
{
    uint64_t now = fs_now_ms();

    if (ttl_ms == 0)
        return 0;
    return ttl_ms < UINT64_MAX - now ? now + ttl_ms : UINT64_MAX;
}

size_t fs_tail_room(void)
{
    size_t longest = fs_trailer_max(WEIR_KEY_MAX);

    return longest > FS_SMALL ? longest : FS_SMALL;
}

int fs_status(int err)
{
    switch (err) {
    case ENOSPC:
    case EDQUOT:
        return WEIR_NOSPACE;
    case EACCES:
    case EPERM:
    case EROFS:
        return WEIR_DENIED;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
        return WEIR_BUSY;
    case EFBIG:
        return WEIR_TOOBIG;
    default:
        return WEIR_FAILED;
    }
}

void fs_fail(struct weir_call *call, struct weir_item *item, int err,
             const char *doing, const char *path)
{
    const char *words = strerrordesc_np(err);

    weir_call_fail(call, item, fs_status(err), "%s %s: %s", doing, path,
                   words ? words : "unknown error");
}

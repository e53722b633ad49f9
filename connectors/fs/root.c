/* root.c -- the folder of a store.
 *
 *     .weir/format       what the folder is: version, digits of a directory
 *     .weir/live/        a locked file for each process that has it open
 *     .weir/quarantine/  what was damaged
 *     3f/some-key        values, by a hash of the name
 *
 * Whatever else lies in the folder is left alone. */

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fs.h"

enum { ROOT_DIGITS = 2, ROOT_DIGITS_MAX = 4 };

static const char root_format[] = ".weir/format";

/* openat2 is the one call that refuses links in the middle of a path, too.
 * Kernels and sandboxes without it (which say EPERM) get the check of the last
 * part. A file that may not be opened says EPERM again. */
int fs_openat(const struct fs *fs, const char *path, int flags, mode_t mode)
{
    struct open_how how = {
        .flags = (uint64_t)flags | O_CLOEXEC | O_NOFOLLOW,
        .mode = flags & O_CREAT ? mode : 0,
        .resolve = RESOLVE_NO_SYMLINKS,
    };
    long fd = syscall(SYS_openat2, fs->root, path, &how, sizeof how);

    if (fd < 0 && (errno == ENOSYS || errno == EPERM))
        return openat(fs->root, path, (int)how.flags, mode);
    return (int)fd;
}

int fs_sync_directory(struct fs *fs, const char *path)
{
    const char *slash = strrchr(path, '/');
    char directory[FS_PATH_MAX] = ".";
    int fd, rc, err;

    if (slash != NULL)
        snprintf(directory, sizeof directory, "%.*s", (int)(slash - path),
                 path);
    fd = fs_openat(fs, directory, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return -1;
    fs->counts.syncs++;
    rc = fsync(fd);
    err = errno;
    close(fd);
    errno = err;
    return rc;
}

int fs_mkdirs(struct fs *fs, const char *path)
{
    char directory[FS_PATH_MAX];

    for (const char *p = path; (p = strchr(p, '/')) != NULL; p++) {
        snprintf(directory, sizeof directory, "%.*s", (int)(p - path), path);
        if (mkdirat(fs->root, directory, fs->dir_mode) == 0) {
            /* As asked, whatever the umask. */
            if (fchmodat(fs->root, directory, fs->dir_mode, 0) < 0)
                return -1;
            if (fs->config->sync == FS_SYNC_FULL &&
                fs_sync_directory(fs, directory) < 0)
                return -1;
        } else if (errno != EEXIST) {
            return -1;
        }
    }
    return 0;
}

/* Makes the folder itself, with the folders it is in. */
static int root_make(const char *path, mode_t mode)
{
    char *copy = strdup(path);
    int rc = 0;

    if (copy == NULL)
        return -1;
    for (char *p = copy + 1; rc == 0 && *p != '\0'; p++) {
        if (*p != '/')
            continue;
        *p = '\0';
        if (mkdir(copy, mode) < 0 && errno != EEXIST)
            rc = -1;
        *p = '/';
    }
    if (rc == 0 && mkdir(copy, mode) == 0)
        rc = chmod(copy, mode);
    else if (errno != EEXIST)
        rc = -1;
    free(copy);
    return rc;
}

static int root_mode(struct fs *fs, struct weir_error *err)
{
    const char *text = fs->config->mode;
    size_t n = strlen(text);

    if (n == 0 || n > 4 || strspn(text, "01234567") != n)
        return weir_error_set(err, -EINVAL,
                              "option mode: expected an octal number such as "
                              "0600, got %s",
                              text);
    fs->file_mode = (mode_t)strtoul(text, NULL, 8) & 0666;
    if ((fs->file_mode & 0600) != 0600)
        return weir_error_set(err, -EINVAL,
                              "option mode: expected the owner to read and "
                              "write (0600 and more), got %s",
                              text);
    /* Who may read a file may enter its directory. */
    fs->dir_mode = fs->file_mode | (fs->file_mode & 0444) >> 2;
    return 0;
}

/* Reads the digits the folder was made with: 0, there is no format yet. */
static int root_read_format(struct fs *fs, unsigned *digits,
                            struct weir_error *err)
{
    int fd = fs_openat(fs, root_format, O_RDONLY | O_NONBLOCK, 0);
    char text[64];
    ssize_t n;

    *digits = 0;
    if (fd < 0 && errno == ENOENT)
        return 0;
    n = fd < 0 ? -1 : fs_read(fd, text, sizeof text - 1, 0);
    if (fd >= 0)
        close(fd);
    if (n < 0)
        return weir_error_set(err, -errno, "%s/%s: %s", fs->config->path,
                              root_format, strerrordesc_np(errno));
    text[n] = '\0';
    if (sscanf(text, "weir fs 1\ndigits %u\n", digits) != 1 || *digits == 0 ||
        *digits > ROOT_DIGITS_MAX)
        return weir_error_set(err, -EINVAL,
                              "%s/%s is not of this version of fs",
                              fs->config->path, root_format);
    return 0;
}

/* Writes the format, unless another process is first. */
static int root_write_format(struct fs *fs, unsigned digits)
{
    char text[64], temp[FS_TEMP_MAX];
    int fd, n, rc = -1, err;

    if (fs_mkdirs(fs, root_format) < 0)
        return -1;
    fs_owner_temp(fs, root_format, temp);
    fd = fs_openat(fs, temp, O_WRONLY | O_CREAT | O_EXCL, fs->file_mode);
    if (fd < 0)
        return -1;
    n = snprintf(text, sizeof text, "weir fs 1\ndigits %u\n", digits);
    if (fchmod(fd, fs->file_mode) == 0 && write(fd, text, (size_t)n) == n)
        rc = linkat(fs->root, temp, fs->root, root_format, 0);
    err = rc < 0 && errno == EEXIST ? 0 : errno;
    close(fd);
    unlinkat(fs->root, temp, 0);
    errno = err;
    return err && rc < 0 ? -1 : 0;
}

/* The folder decides how many directories there are; an option that says
 * otherwise would hide what is stored. */
static int root_settle_format(struct fs *fs, struct weir_error *err)
{
    unsigned wanted = (unsigned)fs->config->fanout;
    int rc = root_read_format(fs, &fs->digits, err);

    if (rc < 0)
        return rc;
    if (fs->digits == 0 && fs->owner >= 0) {
        if (root_write_format(fs, wanted ? wanted : ROOT_DIGITS) < 0)
            return weir_error_set(err, -errno, "%s/%s: %s", fs->config->path,
                                  root_format, strerrordesc_np(errno));
        rc = root_read_format(fs, &fs->digits, err);
        if (rc < 0)
            return rc;
    }
    if (fs->digits == 0)
        fs->digits = wanted ? wanted : ROOT_DIGITS;
    if (wanted != 0 && wanted != fs->digits)
        return weir_error_set(
            err, -EINVAL,
            "option fanout: %s was made with %u, got %u; leave it out, or use "
            "another folder",
            fs->config->path, 1u << 4 * fs->digits, 1u << 4 * wanted);
    return 0;
}

int fs_root_open(struct fs *fs, struct weir_error *err)
{
    const char *path = fs->config->path;
    int rc = root_mode(fs, err);

    if (rc < 0)
        return rc;
    if (path[0] == '\0')
        return weir_error_set(err, -EINVAL,
                              "option path: expected a folder, got nothing");
    if (fs->config->create && root_make(path, fs->dir_mode) < 0)
        return weir_error_set(err, -errno, "cannot make the folder %s: %s",
                              path, strerrordesc_np(errno));
    fs->root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fs->root < 0 && errno == ENOTDIR)
        return weir_error_set(err, -ENOTDIR,
                              "%s is not a folder: expected one to keep "
                              "values in",
                              path);
    if (fs->root < 0)
        return weir_error_set(err, -errno, "cannot open the folder %s: %s",
                              path, strerrordesc_np(errno));
    rc = fs_owner_start(fs, err);
    return rc < 0 ? rc : root_settle_format(fs, err);
}

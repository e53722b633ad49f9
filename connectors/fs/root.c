/* root.c -- opens the folder, and opens it again when it is replaced.
 *
 * The folder may be removed and made again while the store is open. Once a
 * second, and when a set finds its directory gone, we check that the path still
 * leads to the open folder. If not, dup3 puts the new folder in place of the
 * old descriptor. Calls that run meanwhile use the old or the new one, and both
 * are valid. The files are then counted anew. */

#include "root.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "features.h"
#include "folder.h"
#include "format.h"
#include "hold.h"
#include "owner.h"
#include "recover.h"
#include "trust.h"
#include "watch.h"

enum { ROOT_LOOK_NS = 1000000000 };

/* Makes one folder durably, since nothing in it can be durable otherwise. 1: it
 * was made, 0: it existed. */
static int root_mkdir(struct fs *fs, const char *path)
{
    int rc;

    if (mkdir(path, fs->dir_mode) < 0)
        return errno == EEXIST ? 0 : -errno;
    rc = fs_sync_parent(fs, path);
    return rc < 0 ? rc : 1;
}

/* Makes the folder and the folders above it. */
static int root_make(struct fs *fs)
{
    char *copy = strdup(fs->config->path);
    int rc = 0;

    if (copy == NULL)
        return -ENOMEM;
    for (char *p = copy + 1; rc >= 0 && *p != '\0'; p++) {
        if (*p != '/')
            continue;
        *p = '\0';
        rc = root_mkdir(fs, copy);
        *p = '/';
    }
    if (rc >= 0)
        rc = root_mkdir(fs, copy);
    if (rc > 0)
        rc = fs_set_directory_mode(fs, AT_FDCWD, copy);
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
    /* A user who may read a file may enter its directory. */
    fs->dir_mode = fs->file_mode | (fs->file_mode & 0444) >> 2;
    return 0;
}

/* Opens the folder and returns its fd. */
static int root_enter(struct fs *fs, struct weir_error *err)
{
    const char *path = fs->config->path;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 && errno == ENOTDIR)
        return weir_error_set(err, -ENOTDIR,
                              "%s is not a folder: expected one to keep "
                              "values in",
                              path);
    if (fd < 0)
        return weir_error_set(err, -errno, "cannot open the folder %s: %s",
                              path, strerrordesc_np(errno));
    return fd;
}

static int root_make_and_enter(struct fs *fs, struct weir_error *err)
{
    int rc = fs->config->create ? root_make(fs) : 0;

    if (rc < 0)
        return weir_error_set(err, rc, "cannot make the folder %s: %s",
                              fs->config->path, strerrordesc_np(-rc));
    return root_enter(fs, err);
}

/* Makes the owner's file, the format file and that of the locks. Sets need all
 * of them. */
static int root_settle(struct fs *fs, struct weir_error *err)
{
    int rc = fs_owner_start(fs, err);

    if (rc == 0)
        rc = fs_format_settle(fs, err);
    if (rc < 0)
        return rc;
    rc = fs_hold_open(fs);
    if (rc < 0)
        return weir_error_set(err, rc, "cannot open the locks in %s/.weir: %s",
                              fs->config->path, strerrordesc_np(-rc));
    fs->settled = true;
    return 0;
}

/* A disk that is full or read-only can still be read, so open succeeds. Each
 * set tries to settle again, and evicts for it. */
static bool root_may_wait(int rc)
{
    return rc == -EROFS || rc == -EACCES || rc == -EPERM || rc == -ENOSPC ||
           rc == -EDQUOT;
}

int fs_root_settle(struct fs *fs, struct weir_error *err)
{
    int rc = 0;

    if (fs->settled)
        return 0;
    pthread_mutex_lock(&fs->root_lock);
    if (!fs->settled)
        rc = root_settle(fs, err);
    pthread_mutex_unlock(&fs->root_lock);
    return rc;
}

/* For a store that is only checked: reads the folder if it exists. Whether it
 * could be made is not tried. */
static int root_open_dry(struct fs *fs, struct weir_error *err)
{
    bool sound;
    int fd = root_enter(fs, err);

    if (fd == -ENOENT && fs->config->create)
        return 0;
    if (fd < 0)
        return fd;
    fs->root = fd;
    return fs_format_read(fs, &sound, err);
}

int fs_root_open(struct fs *fs, struct weir_error *err)
{
    bool sound;
    int rc = root_mode(fs, err);

    if (rc < 0)
        return rc;
    if (fs->config->path[0] == '\0')
        return weir_error_set(err, -EINVAL,
                              "option path: expected a folder, got nothing");
    if (fs->dry)
        return root_open_dry(fs, err);
    rc = root_make_and_enter(fs, err);
    if (rc < 0)
        return rc;
    fs->root = rc;
    fs->look_ns = weir_now() + ROOT_LOOK_NS;
    rc = fs_format_read(fs, &sound, err);
    if (rc < 0)
        return rc;
    rc = root_settle(fs, err);
    return root_may_wait(rc) ? 0 : rc;
}

/* Returns whether the path leads to another folder than the open one, or
 * nowhere. */
static bool root_is_gone(const struct fs *fs)
{
    struct stat now, was;

    if (stat(fs->config->path, &now) < 0)
        return errno == ENOENT || errno == ENOTDIR;
    if (fstat(fs->root, &was) < 0)
        return true; /* NFS: ESTALE */
    return now.st_ino != was.st_ino || now.st_dev != was.st_dev;
}

/* Under root_lock. */
static int root_replace(struct fs *fs, struct weir_error *err)
{
    int fd = root_make_and_enter(fs, err);
    int rc = fd;

    if (rc < 0)
        return rc;
    fs_recover_stop(fs);
    /* Whoever has a file in the new folder must know of no marks of the old. */
    fs_trust_lose(fs);
    rc = dup3(fd, fs->root, O_CLOEXEC) < 0 ? -errno : 0;
    close(fd);
    if (rc < 0)
        return weir_error_set(err, rc, "cannot open the folder %s: %s",
                              fs->config->path, strerrordesc_np(-rc));
    fs_watch_reset(fs);
    fs_owner_lose(fs);
    fs_hold_lose(fs);
    fs->settled = false;
    fs->counters.reopened++;
    for (size_t i = 0; i < sizeof fs->durable; i++)
        fs->durable[i] = 0;
    if (fs->index != NULL)
        fs_index_clear(fs->index);
    rc = root_settle(fs, err);
    if (rc < 0 && !root_may_wait(rc))
        return rc;
    return fs_recover_start(fs, err);
}

int fs_root_reopen(struct fs *fs, struct weir_error *err)
{
    int rc = 0;

    pthread_mutex_lock(&fs->root_lock);
    if (root_is_gone(fs)) {
        if (weir_now() < fs->reopen_ns) {
            *err = fs->reopen_error;
            rc = err->code;
        } else {
            rc = root_replace(fs, err);
            if (rc < 0) {
                fs->reopen_error = *err;
                fs->reopen_ns = weir_now() + ROOT_LOOK_NS;
            }
        }
    }
    pthread_mutex_unlock(&fs->root_lock);
    return rc;
}

bool fs_root_is_due(const struct fs *fs)
{
    return weir_now() >= fs->look_ns;
}

void fs_root_look(struct fs *fs)
{
    uint64_t now = weir_now(), due = fs->look_ns;
    struct weir_error err;

    if (now >= due &&
        atomic_compare_exchange_strong(&fs->look_ns, &due, now + ROOT_LOOK_NS))
        fs_root_reopen(fs, &err);
}

/* aside.c -- removes files: deletes them or moves them to the quarantine.
 *
 * The quarantine is a ring of a few numbered places in .weir/quarantine. Each
 * new file replaces the oldest, so damage can be inspected but cannot fill the
 * disk. A place that cannot be cleared is passed over. A file that fits in no
 * place is deleted. A directory that is not empty cannot be deleted, so it gets
 * a place of its own beside the ring.
 *
 * The lock of the name makes the check "this is still the judged file" and the
 * removal one step. Only a set that takes no lock (hold.c) may put a new value
 * there in between, in another process. That value is then lost, as if evicted,
 * but never torn. */

#include "aside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "folder.h"
#include "hold.h"
#include "owner.h"

enum aside { ASIDE_OTHER, ASIDE_SAME, ASIDE_NOTHING };

/* Compares the file at a path with the judged one. st NULL: anything but a
 * regular file is the judged one. */
static enum aside aside_compare(struct fs *fs, const char *path,
                                const struct stat *st)
{
    struct stat now;
    bool same;

    if (fstatat(fs->root, path, &now, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? ASIDE_NOTHING : ASIDE_OTHER;
    if (st == NULL)
        same = !S_ISREG(now.st_mode);
    else
        same = now.st_ino == st->st_ino && now.st_dev == st->st_dev;
    return same ? ASIDE_SAME : ASIDE_OTHER;
}

static void aside_forget(struct fs *fs, const struct fs_name *name)
{
    if (fs->index != NULL)
        fs_index_remove(fs->index, name);
}

/* Deletes a file. st NULL: whatever file it is. */
static int aside_unlink(struct fs *fs, const struct fs_name *name,
                        const struct stat *st)
{
    enum aside found = ASIDE_SAME;
    int rc = -ENOENT;

    fs_lock(fs, name->hash);
    if (st != NULL)
        found = aside_compare(fs, name->path, st);
    if (found == ASIDE_SAME)
        rc = unlinkat(fs->root, name->path, 0) < 0 ? -errno : 0;
    if (rc == 0 || st == NULL || found == ASIDE_NOTHING)
        aside_forget(fs, name);
    fs_unlock(fs, name->hash);
    return rc;
}

int fs_drop(struct fs *fs, const struct fs_name *name)
{
    return aside_unlink(fs, name, NULL);
}

int fs_remove(struct fs *fs, struct weir_call *call, const struct fs_name *name,
              const struct stat *st)
{
    struct fs_held held;
    int rc = fs_hold(fs, call, FS_HOLD_NAME, name->hash, &held);

    if (rc < 0)
        return rc;
    rc = aside_unlink(fs, name, st);
    fs_release(fs, &held);
    return rc;
}

bool fs_is_still(struct fs *fs, const char *path, const struct stat *st)
{
    return aside_compare(fs, path, st) == ASIDE_SAME;
}

static bool aside_is_directory(struct fs *fs, const char *path)
{
    struct stat st;

    return fstatat(fs->root, path, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISDIR(st.st_mode);
}

/* Returns 0 if the path's directory is one. A symbolic link in its place would
 * lead out of the folder. */
static int aside_check_directory(struct fs *fs, const char *path)
{
    char directory[FS_PATH_MAX];
    struct stat st;

    snprintf(directory, sizeof directory, "%.*s", (int)fs->digits, path);
    if (fstatat(fs->root, directory, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

static int aside_rename(struct fs *fs, const char *path, const char *to)
{
    int rc;

    if (renameat(fs->root, path, fs->root, to) == 0)
        return 0;
    if (errno != ENOENT)
        return -errno;
    rc = fs_mkdirs(fs, to, false);
    if (rc == 0 && renameat(fs->root, path, fs->root, to) < 0)
        rc = -errno;
    return rc;
}

static int aside_delete(struct fs *fs, const char *path)
{
    if (unlinkat(fs->root, path, 0) == 0 ||
        unlinkat(fs->root, path, AT_REMOVEDIR) == 0)
        return 0;
    return -errno;
}

/* Moves a file to the next usable place of the ring. */
static int aside_keep(struct fs *fs, const char *path)
{
    uint32_t places = (uint32_t)fs->config->quarantine;
    char to[FS_PATH_MAX];
    int rc = -ENOENT;

    for (uint32_t i = 0; i < places; i++) {
        snprintf(to, sizeof to, ".weir/quarantine/%03u",
                 (unsigned)(fs->quarantine++ % places));
        rc = aside_rename(fs, path, to);
        /* Only a directory in the place is worth another attempt. */
        if (rc != -EISDIR && rc != -ENOTEMPTY && rc != -EEXIST)
            return rc;
        if (unlinkat(fs->root, to, AT_REMOVEDIR) == 0 &&
            aside_rename(fs, path, to) == 0)
            return 0;
    }
    return rc;
}

static int aside_keep_directory(struct fs *fs, const char *path)
{
    char to[FS_PATH_MAX], owner[FS_OWNER_NAME];

    fs_owner_name(fs, owner);
    snprintf(to, sizeof to, ".weir/quarantine/%s-%llx", owner,
             (unsigned long long)fs->temps++);
    return aside_rename(fs, path, to);
}

static int aside_move(struct fs *fs, const char *path)
{
    bool directory = aside_is_directory(fs, path);
    int rc;

    if (!directory && aside_keep(fs, path) == 0)
        return 0;
    rc = aside_delete(fs, path);
    return rc < 0 && directory ? aside_keep_directory(fs, path) : rc;
}

int fs_set_aside(struct fs *fs, struct weir_call *call,
                 const struct fs_name *name, const struct stat *st)
{
    enum aside found = ASIDE_OTHER;
    struct fs_held held;
    int rc = fs_hold(fs, call, FS_HOLD_NAME, name->hash, &held);

    if (rc < 0)
        return rc;
    fs_lock(fs, name->hash);
    rc = aside_check_directory(fs, name->path);
    if (rc == 0)
        found = aside_compare(fs, name->path, st);
    if (found == ASIDE_SAME) {
        rc = aside_move(fs, name->path);
        fs->counters.quarantined += rc == 0;
    }
    if (found == ASIDE_NOTHING || (found == ASIDE_SAME && rc == 0))
        aside_forget(fs, name);
    fs_unlock(fs, name->hash);
    fs_release(fs, &held);
    /* Another process may have removed it first. */
    return rc == -ENOENT ? 0 : rc;
}

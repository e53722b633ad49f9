/* aside.c -- takes files away: dropped, or moved into the quarantine, a ring of
 * a few numbered places in .weir/quarantine where each newcomer replaces the
 * oldest, so that damage can be looked at and cannot fill the disk. A place
 * that cannot be cleared is passed over; what fits in none is deleted. Only
 * what cannot be deleted, a directory with something in it, stays beside the
 * ring.
 *
 * Within the process a lock makes "this is still the file that was judged" and
 * its removal one step. Another process may put a new value there in between;
 * that value is lost then, as if it had been evicted, but never torn. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fs.h"

void fs_lock(struct fs *fs, uint64_t hash)
{
    pthread_mutex_lock(&fs->locks[hash % FS_LOCKS]);
}

void fs_unlock(struct fs *fs, uint64_t hash)
{
    pthread_mutex_unlock(&fs->locks[hash % FS_LOCKS]);
}

/* Is what stands there the file that was judged? Without one: is it anything
 * but a file? -1: nothing stands there. */
static int aside_same(struct fs *fs, const char *path, const struct stat *st)
{
    struct stat now;

    if (fstatat(fs->root, path, &now, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? -1 : 0;
    if (st == NULL)
        return !S_ISREG(now.st_mode);
    return now.st_ino == st->st_ino && now.st_dev == st->st_dev;
}

static void aside_forget(struct fs *fs, const struct fs_name *name)
{
    if (fs->index != NULL)
        fs_index_remove(fs->index, name);
}

int fs_drop(struct fs *fs, const struct fs_name *name, const struct stat *st)
{
    int rc = -1, same;

    fs_lock(fs, name->hash);
    same = st == NULL ? 1 : aside_same(fs, name->path, st);
    if (same == 1)
        rc = unlinkat(fs->root, name->path, 0);
    else
        errno = ENOENT;
    if (rc == 0 || st == NULL || same < 0)
        aside_forget(fs, name);
    fs_unlock(fs, name->hash);
    return rc;
}

static bool aside_is_directory(struct fs *fs, const char *path)
{
    struct stat st;

    return fstatat(fs->root, path, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISDIR(st.st_mode);
}

/* A directory that is a link would lead outside. */
static int aside_inside(struct fs *fs, const char *path)
{
    char directory[FS_PATH_MAX];
    struct stat st;

    snprintf(directory, sizeof directory, "%.*s", (int)fs->digits, path);
    if (fstatat(fs->root, directory, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return -1;
    if (S_ISDIR(st.st_mode))
        return 0;
    errno = ENOTDIR;
    return -1;
}

static int aside_rename(struct fs *fs, const char *path, const char *to)
{
    if (renameat(fs->root, path, fs->root, to) == 0)
        return 0;
    if (errno != ENOENT || fs_mkdirs(fs, to, false) < 0)
        return -1;
    return renameat(fs->root, path, fs->root, to);
}

static int aside_delete(struct fs *fs, const char *path)
{
    if (unlinkat(fs->root, path, 0) == 0)
        return 0;
    return unlinkat(fs->root, path, AT_REMOVEDIR);
}

/* Moves a file to the next place of the ring that can be had. */
static int aside_keep(struct fs *fs, const char *path)
{
    uint32_t places = (uint32_t)fs->config->quarantine;
    char to[FS_PATH_MAX];

    for (uint32_t i = 0; i < places; i++) {
        snprintf(to, sizeof to, ".weir/quarantine/%03u",
                 (unsigned)(fs->quarantine++ % places));
        if (aside_rename(fs, path, to) == 0)
            return 0;
        /* Whatever else there is, a directory is in the way. */
        if (errno != EISDIR && errno != ENOTEMPTY && errno != EEXIST)
            return -1;
        if (unlinkat(fs->root, to, AT_REMOVEDIR) == 0 &&
            aside_rename(fs, path, to) == 0)
            return 0;
    }
    return -1;
}

/* A directory with something in it is not deleted: it gets a place of its own.
 */
static int aside_keep_directory(struct fs *fs, const char *path)
{
    char to[FS_PATH_MAX], owner[FS_OWNER_NAME];

    fs_owner_name(fs, owner);
    snprintf(to, sizeof to, ".weir/quarantine/%s-%llx", owner,
             (unsigned long long)fs->temps++);
    return aside_rename(fs, path, to);
}

static int aside_take(struct fs *fs, const char *path, bool directory)
{
    if (!directory && aside_keep(fs, path) == 0)
        return 0;
    if (aside_delete(fs, path) == 0)
        return 0;
    return directory ? aside_keep_directory(fs, path) : -1;
}

int fs_set_aside(struct fs *fs, const struct fs_name *name,
                 const struct stat *st)
{
    int rc, same;

    fs_lock(fs, name->hash);
    rc = aside_inside(fs, name->path);
    same = rc == 0 ? aside_same(fs, name->path, st) : 0;
    if (same == 1) {
        rc = aside_take(fs, name->path, aside_is_directory(fs, name->path));
        fs->counts.quarantined += rc == 0;
    }
    if (same < 0 || (same == 1 && rc == 0))
        aside_forget(fs, name);
    fs_unlock(fs, name->hash);
    /* Another process may have been first. */
    return rc < 0 && errno == ENOENT ? 0 : rc;
}

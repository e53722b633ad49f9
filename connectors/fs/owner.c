/* owner.c -- which process owns a temporary, and which owners are dead.
 *
 * A process that opens a folder chooses a random name and keeps a file of that
 * name in .weir/live locked. Its temporaries carry the name. The kernel drops
 * the lock when the process ends, in whatever way. An owner is dead when its
 * file can be locked or does not exist, and its temporaries may be removed.
 * Process ids would not work: containers that share a folder number their
 * processes independently.
 *
 * Filesystems differ in the locks they support, so several ways are tried in
 * turn. Without any lock there is no file, and a temporary counts as left over
 * when it is a day old. */

#include "owner.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <unistd.h>

#include "features.h"
#include "folder.h"

enum { OWNER_DIGITS = FS_OWNER_NAME - 1, OWNER_TRIES = 12, OWNER_DAY = 86400 };

static const char owner_live[] = ".weir/live/";

static void owner_path(char *out, size_t cap, const char *name)
{
    snprintf(out, cap, "%s%.*s", owner_live, OWNER_DIGITS, name);
}

void fs_owner_name(const struct fs *fs, char out[FS_OWNER_NAME])
{
    snprintf(out, FS_OWNER_NAME, "%016llx", (unsigned long long)fs->owner_id);
}

/* A file open for writing prevents a remount to read-only, so reading is tried
 * first. NFS needs writing for any exclusive lock. */
static int owner_flags(const struct fs *fs)
{
    return fs->locking == FS_LOCK_FLOCK ? O_RDONLY : O_RDWR;
}

static int owner_lock(const struct fs *fs, int fd)
{
    struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int rc;

    if (fs->locking == FS_LOCK_FCNTL)
        rc = fcntl(fd, F_OFD_SETLK, &all);
    else
        rc = flock(fd, LOCK_EX | LOCK_NB);
    return rc < 0 ? -errno : 0;
}

/* Returns whether a lock failed because another process holds it. Any other
 * error means that this way of locking does not work here. */
static bool owner_is_held(int rc)
{
    return rc == -EAGAIN || rc == -EACCES || rc == -EINTR;
}

static void owner_next_way(struct fs *fs)
{
    fs->locking++;
    if (fs->locking > FS_LOCK_FLOCK_WRITING)
        fs->lacks[FS_FLOCK] = true;
    if (fs->locking == FS_LOCK_NONE)
        fs->lacks[FS_ANY_LOCK] = true;
}

/* Returns the locked file. Between its creation and its locking another
 * process's sweep may take it for a dead owner's and remove it: -EAGAIN. */
static int owner_lock_new(struct fs *fs, const char *path)
{
    int flags = owner_flags(fs) | O_CREAT | O_EXCL;
    struct stat st;
    int fd = fs_openat(fs, path, flags, fs->file_mode);
    int rc;

    if (fd < 0)
        return fd;
    rc = owner_lock(fs, fd);
    if (rc == 0) {
        if (fstatat(fs->root, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
            return fd;
        rc = -EAGAIN;
    } else if (!owner_is_held(rc)) {
        owner_next_way(fs);
        rc = -EAGAIN;
    }
    unlinkat(fs->root, path, 0);
    close(fd);
    return rc;
}

/* Each try uses a new name: a sweep may still remove the file of the last. */
static int owner_try(struct fs *fs)
{
    char name[FS_OWNER_NAME], path[FS_PATH_MAX];
    uint64_t id;

    if (getrandom(&id, sizeof id, 0) != sizeof id)
        return -errno;
    fs->owner_id = id;
    if (fs->locking == FS_LOCK_NONE)
        return 0;
    fs_owner_name(fs, name);
    owner_path(path, sizeof path, name);
    fs->owner = owner_lock_new(fs, path);
    if (fs->owner == -ENOENT) {
        fs->owner = fs_mkdirs(fs, path, true);
        if (fs->owner == 0)
            fs->owner = owner_lock_new(fs, path);
    }
    if (fs->owner < 0)
        return fs->owner;
    /* A temporary that survives a power cut must not outlive this file. */
    return fs->config->sync != FS_SYNC_NONE ? fs_sync_directory(fs, path) : 0;
}

int fs_owner_start(struct fs *fs, struct weir_error *err)
{
    int rc = 0;

    if (fs->owner >= 0)
        return 0;
    for (int i = 0; i < OWNER_TRIES; i++) {
        rc = owner_try(fs);
        if (rc == 0)
            return 0;
        if (rc != -EAGAIN && rc != -EEXIST)
            break;
    }
    return weir_error_set(err, rc, "cannot lock a file in %s/%s: %s",
                          fs->config->path, owner_live, strerrordesc_np(-rc));
}

void fs_owner_lose(struct fs *fs)
{
    if (fs->owner >= 0)
        close(fs->owner);
    fs->owner = -1;
}

void fs_owner_stop(struct fs *fs)
{
    char name[FS_OWNER_NAME], path[FS_PATH_MAX];

    if (fs->owner < 0)
        return;
    fs_owner_name(fs, name);
    owner_path(path, sizeof path, name);
    unlinkat(fs->root, path, 0);
    fs_owner_lose(fs);
}

void fs_owner_temp(struct fs *fs, const char *path, char *out)
{
    const char *slash = strrchr(path, '/');

    snprintf(out, FS_TEMP_MAX, "%.*s.%016llx-%llx", (int)(slash + 1 - path),
             path, (unsigned long long)fs->owner_id,
             (unsigned long long)fs->temps++);
}

/* Locks the file of an owner, which proves that the owner is dead. If another
 * sweep holds the lock, the owner looks alive, and that sweep does the work. */
static int owner_lock_dead(struct fs *fs, const char *name)
{
    char path[FS_PATH_MAX];
    int fd, rc;

    owner_path(path, sizeof path, name);
    fd = fs_openat(fs, path, owner_flags(fs) | O_NONBLOCK, 0);
    if (fd < 0)
        return fd;
    rc = owner_lock(fs, fd);
    if (rc == 0)
        return fd;
    close(fd);
    return rc;
}

static bool owner_is_name(const char *name)
{
    return strlen(name) == OWNER_DIGITS &&
           strspn(name, "0123456789abcdef") == OWNER_DIGITS;
}

static void dead_add(struct fs_dead *dead, int fd, const char *name)
{
    struct fs_dead_owner *grown =
        realloc(dead->owners, (dead->n + 1) * sizeof *grown);

    if (grown == NULL) {
        close(fd); /* the next open finds it again */
        return;
    }
    grown[dead->n].fd = fd;
    memcpy(grown[dead->n].name, name, OWNER_DIGITS + 1);
    dead->owners = grown;
    dead->n++;
}

void fs_dead_find(struct fs *fs, struct fs_dead *dead)
{
    char own[FS_OWNER_NAME];
    struct dirent *entry;
    DIR *dir;
    int fd;

    if (fs->locking == FS_LOCK_NONE || fs_opendir(fs, owner_live, &dir) < 0)
        return;
    fs_owner_name(fs, own);
    while ((entry = readdir(dir)) != NULL) {
        if (!owner_is_name(entry->d_name) || strcmp(entry->d_name, own) == 0)
            continue;
        fd = owner_lock_dead(fs, entry->d_name);
        if (fd >= 0)
            dead_add(dead, fd, entry->d_name);
    }
    closedir(dir);
}

bool fs_owner_is_temp(const char *name)
{
    return name[0] == '.' && strlen(name) >= OWNER_DIGITS + 3 &&
           name[OWNER_DIGITS + 1] == '-' &&
           strspn(name + 1, "0123456789abcdef") == OWNER_DIGITS;
}

bool fs_dead_left(struct fs *fs, const struct fs_dead *dead, int directory,
                  const char *name)
{
    char path[FS_PATH_MAX], own[FS_OWNER_NAME];
    struct stat st;

    fs_owner_name(fs, own);
    if (!fs_owner_is_temp(name) || memcmp(name + 1, own, OWNER_DIGITS) == 0)
        return false;
    if (fs->locking == FS_LOCK_NONE)
        return fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
               (uint64_t)st.st_mtime + OWNER_DAY < fs_now_ms() / 1000;
    for (size_t i = 0; i < dead->n; i++) {
        if (memcmp(name + 1, dead->owners[i].name, OWNER_DIGITS) == 0)
            return true;
    }
    owner_path(path, sizeof path, name + 1);
    return fstatat(fs->root, path, &st, AT_SYMLINK_NOFOLLOW) < 0 &&
           errno == ENOENT;
}

void fs_dead_forget(struct fs *fs, struct fs_dead *dead, bool swept)
{
    char path[FS_PATH_MAX];

    for (size_t i = 0; i < dead->n; i++) {
        owner_path(path, sizeof path, dead->owners[i].name);
        if (swept)
            unlinkat(fs->root, path, 0);
        close(dead->owners[i].fd);
    }
    free(dead->owners);
    *dead = (struct fs_dead){0};
}

/* owner.c -- whose temporaries are whose.
 *
 * A process that opens a folder takes a random name and keeps a file of that
 * name in .weir/live locked; its temporaries carry the name. The kernel drops
 * the lock with the process, however it ends: a name whose file can be locked,
 * or has none, belongs to the dead, and what they left may go. Process numbers
 * would not do: containers that share a folder each count their own.
 *
 * Filesystems differ in the locks they know, so we try one way after the other.
 * Where there is no lock at all we take no file, and a temporary is left over
 * when it is a day old. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <unistd.h>

#include "fs.h"

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

/* A file that is open for writing would keep the filesystem from being made
 * read-only, so that only comes second. NFS needs it for any exclusive lock. */
static int owner_flags(const struct fs *fs)
{
    return fs->locking == FS_LOCK_FLOCK ? O_RDONLY : O_RDWR;
}

static int owner_lock(const struct fs *fs, int fd)
{
    struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

    if (fs->locking == FS_LOCK_FCNTL)
        return fcntl(fd, F_OFD_SETLK, &all);
    return flock(fd, LOCK_EX | LOCK_NB);
}

/* Did a lock fail because another process has it? Whatever else it says, this
 * way of locking does not work here. */
static bool owner_is_held(int err)
{
    return err == EAGAIN || err == EACCES || err == EINTR;
}

static void owner_next_way(struct fs *fs)
{
    fs->locking++;
    if (fs->locking > FS_LOCK_FLOCK_WRITING)
        fs->lacks[FS_FLOCK] = true;
    if (fs->locking == FS_LOCK_NONE)
        fs->lacks[FS_ANY_LOCK] = true;
}

/* Returns the locked file, or -1. Between its making and its locking a sweep
 * may take it for that of a dead one, and then it is gone: EAGAIN. */
static int owner_lock_new(struct fs *fs, const char *path)
{
    int flags = owner_flags(fs) | O_CREAT | O_EXCL;
    struct stat st;
    int fd = fs_openat(fs, path, flags, fs->file_mode);
    int err;

    if (fd < 0)
        return -1;
    if (owner_lock(fs, fd) == 0) {
        if (fstatat(fs->root, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
            return fd;
        errno = EAGAIN;
    } else if (!owner_is_held(errno)) {
        owner_next_way(fs);
        errno = EAGAIN;
    }
    err = errno;
    unlinkat(fs->root, path, 0);
    close(fd);
    errno = err;
    return -1;
}

/* A new name for every try: a sweep may still remove a file of the last one. */
static int owner_try(struct fs *fs)
{
    char name[FS_OWNER_NAME], path[FS_PATH_MAX];
    uint64_t id;

    if (getrandom(&id, sizeof id, 0) != sizeof id)
        return -1;
    fs->owner_id = id;
    if (fs->locking == FS_LOCK_NONE)
        return 0;
    fs_owner_name(fs, name);
    owner_path(path, sizeof path, name);
    fs->owner = owner_lock_new(fs, path);
    if (fs->owner < 0 && errno == ENOENT && fs_mkdirs(fs, path, true) == 0)
        fs->owner = owner_lock_new(fs, path);
    if (fs->owner < 0)
        return -1;
    /* A temporary that outlives a power cut must not outlive this file. */
    if (fs->config->sync != FS_SYNC_NONE && fs_sync_directory(fs, path) < 0)
        return -1;
    return 0;
}

int fs_owner_start(struct fs *fs, struct weir_error *err)
{
    if (fs->owner >= 0)
        return 0;
    for (int i = 0; i < OWNER_TRIES; i++) {
        if (owner_try(fs) == 0)
            return 0;
        if (errno != EAGAIN && errno != EEXIST)
            break;
    }
    return weir_error_set(err, -errno, "cannot lock a file in %s/%s: %s",
                          fs->config->path, owner_live, strerrordesc_np(errno));
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

/* Locks the file of an owner: whoever made it is dead. Another sweep that holds
 * it makes it look alive, and does the work. */
static int owner_lock_dead(struct fs *fs, const char *name)
{
    char path[FS_PATH_MAX];
    int fd;

    owner_path(path, sizeof path, name);
    fd = fs_openat(fs, path, owner_flags(fs) | O_NONBLOCK, 0);
    if (fd >= 0 && owner_lock(fs, fd) < 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static bool owner_is_name(const char *name)
{
    return strlen(name) == OWNER_DIGITS &&
           strspn(name, "0123456789abcdef") == OWNER_DIGITS;
}

static void dead_add(struct fs_dead *dead, int fd, const char *name)
{
    struct fs_corpse *grown =
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
    int fd = fs->locking == FS_LOCK_NONE
                 ? -1
                 : fs_openat(fs, owner_live, O_RDONLY | O_DIRECTORY, 0);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    char own[FS_OWNER_NAME];
    struct dirent *entry;

    fs_owner_name(fs, own);
    if (dir == NULL && fd >= 0)
        close(fd);
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        if (!owner_is_name(entry->d_name) || strcmp(entry->d_name, own) == 0)
            continue;
        fd = owner_lock_dead(fs, entry->d_name);
        if (fd >= 0)
            dead_add(dead, fd, entry->d_name);
    }
    if (dir != NULL)
        closedir(dir);
}

static bool dead_is_temp(const struct fs *fs, const char *name)
{
    char own[FS_OWNER_NAME];

    fs_owner_name(fs, own);
    return name[0] == '.' && strlen(name) >= OWNER_DIGITS + 3 &&
           name[OWNER_DIGITS + 1] == '-' &&
           strspn(name + 1, "0123456789abcdef") == OWNER_DIGITS &&
           memcmp(name + 1, own, OWNER_DIGITS) != 0;
}

bool fs_dead_left(struct fs *fs, const struct fs_dead *dead, int directory,
                  const char *name)
{
    char path[FS_PATH_MAX];
    struct stat st;

    if (!dead_is_temp(fs, name))
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

/* owner.c -- whose temporaries are whose.
 *
 * A process that opens a folder takes a random name and keeps a file of that
 * name in .weir/live locked; its temporaries carry the name. The kernel drops
 * the lock with the process, however it ends: a name whose file can be locked,
 * or has none, belongs to the dead, and what they left may go. Process numbers
 * would not do: containers that share a folder each count their own. */

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

enum { OWNER_DIGITS = 16, OWNER_TRIES = 8 };

static const char owner_live[] = ".weir/live/";

static void owner_path(char *out, size_t cap, const char *name)
{
    snprintf(out, cap, "%s%.*s", owner_live, OWNER_DIGITS, name);
}

/* Returns the locked file, or -1. It is not opened for writing: that would keep
 * the filesystem from being made read-only. Between its making and its locking
 * a sweep may take it for that of a dead one, and then it is gone: EAGAIN. */
static int owner_lock_new(struct fs *fs, const char *path)
{
    struct stat st;
    int fd = fs_openat(fs, path, O_RDONLY | O_CREAT | O_EXCL, fs->file_mode);
    int err;

    if (fd < 0)
        return -1;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
        if (fstat(fd, &st) == 0 && st.st_nlink > 0)
            return fd;
        errno = EAGAIN;
    }
    err = errno;
    unlinkat(fs->root, path, 0);
    close(fd);
    errno = err;
    return -1;
}

int fs_owner_start(struct fs *fs, struct weir_error *err)
{
    char path[FS_PATH_MAX];
    uint64_t id;

    for (int i = 0; i < OWNER_TRIES; i++) {
        if (getrandom(&id, sizeof id, 0) != sizeof id)
            break;
        snprintf(fs->owner_name, sizeof fs->owner_name, "%016llx",
                 (unsigned long long)id);
        owner_path(path, sizeof path, fs->owner_name);
        fs->owner = owner_lock_new(fs, path);
        if (fs->owner < 0 && errno == ENOENT && fs_mkdirs(fs, path) == 0)
            fs->owner = owner_lock_new(fs, path);
        if (fs->owner >= 0)
            return 0;
        if (errno == EROFS || errno == EACCES || errno == EPERM)
            return 0;
        if (errno != EAGAIN && errno != EEXIST)
            break;
    }
    return weir_error_set(err, -errno, "cannot lock a file in %s/%s: %s",
                          fs->config->path, owner_live, strerrordesc_np(errno));
}

void fs_owner_stop(struct fs *fs)
{
    char path[FS_PATH_MAX];

    if (fs->owner < 0)
        return;
    owner_path(path, sizeof path, fs->owner_name);
    unlinkat(fs->root, path, 0);
    close(fs->owner);
}

void fs_owner_temp(struct fs *fs, const char *path, char *out)
{
    const char *slash = strrchr(path, '/');

    snprintf(out, FS_TEMP_MAX, "%.*s.%s-%llx", (int)(slash + 1 - path), path,
             fs->owner_name, (unsigned long long)fs->temps++);
}

/* Locks the file of an owner: whoever made it is dead. Another sweep that holds
 * it makes it look alive, and does the work. */
static int owner_lock_dead(struct fs *fs, const char *name)
{
    char path[FS_PATH_MAX];
    int fd;

    owner_path(path, sizeof path, name);
    fd = fs_openat(fs, path, O_RDONLY | O_NONBLOCK, 0);
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0) {
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
    int fd = fs_openat(fs, owner_live, O_RDONLY | O_DIRECTORY, 0);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;

    if (dir == NULL && fd >= 0)
        close(fd);
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        if (!owner_is_name(entry->d_name) ||
            strcmp(entry->d_name, fs->owner_name) == 0)
            continue;
        fd = owner_lock_dead(fs, entry->d_name);
        if (fd >= 0)
            dead_add(dead, fd, entry->d_name);
    }
    if (dir != NULL)
        closedir(dir);
}

bool fs_dead_left(struct fs *fs, const struct fs_dead *dead, const char *name)
{
    char path[FS_PATH_MAX];
    struct stat st;

    if (name[0] != '.' || strlen(name) < OWNER_DIGITS + 3 ||
        name[OWNER_DIGITS + 1] != '-' ||
        strspn(name + 1, "0123456789abcdef") != OWNER_DIGITS ||
        memcmp(name + 1, fs->owner_name, OWNER_DIGITS) == 0)
        return false;
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

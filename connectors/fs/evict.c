/* evict.c -- keeps the index correct and evicts files: before a set for the
 * capacity, and after a set that found the disk full.
 *
 * Other processes may use up the disk, or its inodes, before the capacity is
 * reached. Then our oldest values are evicted: as many as the new one needs,
 * twice as many at the next attempt, and so on. If the disk is still full after
 * EVICT_ATTEMPTS, our values are not the cause, and the set fails. */

#include "evict.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "aside.h"
#include "folder.h"

enum { EVICT_ATTEMPTS = 6 };

/* A folder that held far more than the capacity takes long to clear, so the
 * loop watches for the end of the call. */
int fs_make_room(struct fs *fs, struct weir_call *call, uint64_t bytes)
{
    struct fs_name victim;
    int rc = 0;

    if (fs->index == NULL)
        return 0;
    fs_index_reserve(fs->index, bytes);
    while (rc == 0 && fs_index_victim(fs->index, fs->digits, &victim)) {
        if (fs_drop(fs, &victim) == 0)
            fs->counters.evicted++;
        if (call != NULL)
            rc = weir_call_stopped(call);
        else if (fs->recovery.stop)
            rc = -ECANCELED;
    }
    if (rc < 0)
        fs_index_release(fs->index, bytes);
    return rc;
}

/* Directories that eviction left empty hold inodes, too. A set that needs one
 * makes it again. */
static bool evict_directories(struct fs *fs)
{
    struct dirent *entry;
    bool removed = false;
    DIR *dir;

    if (fs_opendir(fs, ".", &dir) < 0)
        return false;
    while ((entry = readdir(dir)) != NULL) {
        if (strlen(entry->d_name) == fs->digits &&
            strspn(entry->d_name, "0123456789abcdef") == fs->digits)
            removed |= unlinkat(fs->root, entry->d_name, AT_REMOVEDIR) == 0;
    }
    closedir(dir);
    return removed;
}

bool fs_make_space(struct fs *fs, struct weir_call *call, uint64_t bytes,
                   unsigned attempt)
{
    uint64_t freed = 0, size, files = 0;
    struct fs_name victim;

    if (fs->index == NULL || fs->config->on_full == FS_FULL_REFUSE ||
        attempt >= EVICT_ATTEMPTS)
        return false;
    while ((freed < bytes << attempt || files < UINT64_C(1) << attempt) &&
           weir_call_stopped(call) == 0 &&
           fs_index_oldest(fs->index, fs->digits, &victim, &size)) {
        if (fs_drop(fs, &victim) < 0)
            continue;
        fs->counters.evicted++;
        fs->counters.evicted_full++;
        freed += size;
        files++;
    }
    if (attempt == 0 && files > 0)
        return true;
    return evict_directories(fs) || files > 0;
}

/* A file without any block is one long hole, or the filesystem does not report
 * blocks. */
static bool evict_is_hole(struct fs *fs, const char *path)
{
    int fd = fs_openat(fs, path, O_RDONLY | O_NONBLOCK, 0);
    bool hole;

    if (fd < 0)
        return false;
    hole = lseek(fd, 0, SEEK_DATA) < 0 && errno == ENXIO;
    close(fd);
    return hole;
}

uint64_t fs_footprint(struct fs *fs, const char *path, const struct stat *st)
{
    uint64_t size = fs_index_footprint((uint64_t)st->st_size);
    uint64_t blocks = fs_index_footprint((uint64_t)st->st_blocks * 512);

    if (size > 0 && blocks == 0)
        return evict_is_hole(fs, path) ? 0 : size;
    return blocks < size ? blocks : size;
}

void fs_recount(struct fs *fs, const struct fs_name *name)
{
    struct stat st;

    fs_lock(fs, name->hash);
    if (fstatat(fs->root, name->path, &st, AT_SYMLINK_NOFOLLOW) == 0)
        fs_index_resize(fs->index, name, fs_footprint(fs, name->path, &st));
    else if (errno == ENOENT)
        fs_index_remove(fs->index, name);
    fs_unlock(fs, name->hash);
}

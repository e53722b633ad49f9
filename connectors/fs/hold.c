/* hold.c -- the locks that processes share which have a folder open.
 *
 * An atomic op looks at a file and replaces it. Nothing else may replace or
 * remove the file in between, in any process. The locks for that are bytes of
 * the file .weir/locks that are locked by F_OFD_SETLK: the kernel drops them
 * when their process ends, in whatever way. Such a lock belongs to the open
 * file, so a mutex beside it excludes the threads of this store. Another store
 * of the same process has opened the file itself.
 *
 *     FS_HOLD_KEY    an atomic op or a touch, from its look to its change
 *     FS_HOLD_NAME   a file gets its name or is removed. It is held only during
 *                    the rename or unlink, not while a value is written
 *     FS_HOLD_MARK   a directory is being marked
 *
 * Evictions take no shared lock, since no caller was told of them: a value that
 * an atomic op looked at may be evicted before it is replaced.
 *
 * A lock takes three system calls: 14 % of a set of 4 KiB in tmpfs. So sets
 * lock only in directories where there was an atomic op. The first such op
 * marks its directory: a byte of .weir/locks, at the number of the directory. A
 * set reads the mark after it made its temporary and before it renames it. A
 * set that read the mark before the op wrote it may rename at any time later.
 * But its temporary exists already, so the op removes all temporaries in the
 * directory, after it wrote the mark and before it looks at a file. A set that
 * finds its temporary gone writes it again, and then sees the mark. The kernel
 * locks a directory to make a file there and to list it, so one comes first:
 * the list has the temporary, or the set sees the mark.
 *
 * A waiter tries again and again, because a blocking F_OFD_SETLKW has no
 * timeout. The holder may be a stopped process: after HOLD_PATIENCE_MS the
 * answer is BUSY. Readers do not wait.
 *
 * On a network filesystem another machine may read an old mark from its cache.
 * So the locks are used on local filesystems only. Elsewhere, and where
 * F_OFD_SETLK is refused, there are no atomic ops but add, which the kernel or
 * the server decides, and gat, which replaces no file.
 *
 * A child of fork has the same open file. It must not use the store, but while
 * it lives it keeps a lock that its parent was killed with. */

#include "hold.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "features.h"
#include "folder.h"
#include "owner.h"

enum {
    HOLD_PATIENCE_MS = 2000,
    HOLD_STEP_MS = 50,    /* between two looks whether the call must end */
    HOLD_PAUSE_US = 20,   /* the first pause between two tries */
    HOLD_PAUSES_US = 500, /* the longest */
    HOLD_AT = 1 << 20,    /* the locked bytes. Before them are the marks, then
                             what trust.c keeps */
};

/* The state of fs->holding. */
enum { HOLD_UNKNOWN, HOLD_SHARED, HOLD_ALONE };

/* The marks of a directory. A process that ends between the two leaves the
 * first. */
enum { MARK_NONE, MARK_LOCK, MARK_SWEPT };

static const char hold_path[] = ".weir/locks";

/* ---- the file ---- */

/* Opens the file for locking. A file that stays open for writing would prevent
 * a remount to read-only, so each lock opens it. */
int fs_hold_file(struct fs *fs)
{
    int fd = fs_openat(fs, hold_path, O_RDWR, 0);
    int rc;

    if (fd != -ENOENT)
        return fd;
    rc = fs_mkdirs(fs, hold_path, true);
    if (rc < 0)
        return rc;
    fd = fs_openat(fs, hold_path, O_RDWR | O_CREAT, fs->file_mode);
    if (fd < 0)
        return fd;
    /* Room for the marks, so that a take or a touch can make some on a full
     * disk. A filesystem that refuses does without. */
    fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 1 << 4 * fs->digits);
    fallocate(fd, FALLOC_FL_KEEP_SIZE, FS_DIRECTORIES, 1 << 4 * fs->digits);
    rc = fs_set_mode(fs, fd);
    if (rc == 0)
        return fd;
    close(fd);
    return rc;
}

int fs_hold_write(int fd, const void *bytes, size_t n, off_t at)
{
    ssize_t done = pwrite(fd, bytes, n, at);

    if (done == (ssize_t)n)
        return 0;
    return done < 0 ? -errno : -ENOSPC;
}

static int hold_lock(int fd, enum fs_hold_kind kind, uint64_t of)
{
    struct flock byte = {
        .l_type = F_WRLCK,
        .l_whence = SEEK_SET,
        .l_start = HOLD_AT + (off_t)kind * FS_LOCKS + (off_t)(of % FS_LOCKS),
        .l_len = 1,
    };

    return fcntl(fd, F_OFD_SETLK, &byte) < 0 ? -errno : 0;
}

static bool hold_is_held(int rc)
{
    return rc == -EAGAIN || rc == -EACCES || rc == -EINTR;
}

/* Opens the marks. Other threads may use the number, so it never changes. */
static int hold_marks(struct fs *fs)
{
    int fd = fs_openat(fs, hold_path, O_RDONLY, 0);
    int rc = 0;

    if (fd < 0)
        return fd;
    if (fs->marks_fd < 0) {
        fs->marks_fd = fd;
        return 0;
    }
    if (dup3(fd, fs->marks_fd, O_CLOEXEC) < 0)
        rc = -errno;
    close(fd);
    return rc;
}

int fs_hold_open(struct fs *fs)
{
    int fd, rc;

    if (fs->holding != HOLD_UNKNOWN)
        return 0;
    if (!fs_is_local(fs)) {
        fs->holding = HOLD_ALONE;
        return 0;
    }
    fd = fs_hold_file(fs);
    if (fd < 0)
        return fd;
    rc = hold_lock(fd, FS_HOLD_KEY, 0);
    close(fd);
    fs->lacks[FS_SHARED_LOCKS] = rc < 0 && !hold_is_held(rc);
    rc = hold_marks(fs);
    if (rc == 0)
        fs->holding = fs->lacks[FS_SHARED_LOCKS] ? HOLD_ALONE : HOLD_SHARED;
    return rc;
}

void fs_hold_lose(struct fs *fs)
{
    fs->holding = HOLD_UNKNOWN;
    for (size_t i = 0; i < sizeof fs->marked; i++)
        fs->marked[i] = 0;
}

bool fs_hold_is_shared(const struct fs *fs)
{
    return fs->holding == HOLD_SHARED;
}

/* An op that writes no file of its own needs the file, too. A full disk may
 * have no room for it. Then the file is not there, so no process has a lock. */
static int hold_ready(struct fs *fs)
{
    int rc;

    if (fs->holding != HOLD_UNKNOWN)
        return 0;
    pthread_mutex_lock(&fs->root_lock);
    rc = fs_hold_open(fs);
    pthread_mutex_unlock(&fs->root_lock);
    return rc == -ENOSPC || rc == -EDQUOT || rc == -ENOENT ? 0 : rc;
}

/* ---- waiting ---- */

static int hold_stopped(struct weir_call *call, uint64_t until)
{
    if (weir_call_stopped(call) < 0)
        return -ETIME;
    return weir_now() > until ? -EAGAIN : 0;
}

static int hold_threads(pthread_mutex_t *mutex, struct weir_call *call,
                        uint64_t until)
{
    struct timespec step;
    int rc = 0;

    if (pthread_mutex_trylock(mutex) == 0)
        return 0;
    if (call == NULL)
        return -EAGAIN;
    while ((rc = hold_stopped(call, until)) == 0) {
        clock_gettime(CLOCK_REALTIME, &step);
        step.tv_nsec += HOLD_STEP_MS * 1000000L;
        step.tv_sec += step.tv_nsec / 1000000000L;
        step.tv_nsec %= 1000000000L;
        if (pthread_mutex_timedlock(mutex, &step) == 0)
            return 0;
    }
    return rc;
}

static int hold_wait(int fd, struct weir_call *call, struct fs_held *held,
                     uint64_t until)
{
    unsigned pause_us = HOLD_PAUSE_US;
    int rc, stopped = 0;

    for (;;) {
        rc = hold_lock(fd, held->kind, held->of);
        if (!hold_is_held(rc))
            return rc;
        if (call == NULL || stopped < 0)
            return call == NULL ? -EAGAIN : stopped;
        /* The last try is after the last look. */
        stopped = hold_stopped(call, until);
        usleep(pause_us);
        if (pause_us < HOLD_PAUSES_US)
            pause_us *= 2;
    }
}

/* Excludes other processes. */
static int hold_processes(struct fs *fs, struct weir_call *call,
                          struct fs_held *held, uint64_t until)
{
    int fd, rc;

    if (fs->holding != HOLD_SHARED)
        return 0;
    fd = fs_hold_file(fs);
    if (fd < 0)
        return fd;
    rc = hold_wait(fd, call, held, until);
    if (rc == 0)
        held->fd = fd;
    else
        close(fd);
    return rc;
}

int fs_hold(struct fs *fs, struct weir_call *call, enum fs_hold_kind kind,
            uint64_t of, struct fs_held *held)
{
    pthread_mutex_t *mutex = &fs->holds[kind][of % FS_LOCKS];
    uint64_t until = weir_now() + HOLD_PATIENCE_MS * UINT64_C(1000000);
    int rc = hold_ready(fs);

    *held = (struct fs_held){.kind = kind, .of = of, .fd = -1};
    if (rc == 0)
        rc = hold_threads(mutex, call, until);
    if (rc < 0)
        return rc;
    rc = hold_processes(fs, call, held, until);
    if (rc < 0)
        pthread_mutex_unlock(mutex);
    return rc;
}

void fs_release(struct fs *fs, const struct fs_held *held)
{
    if (held->fd >= 0)
        close(held->fd);
    pthread_mutex_unlock(&fs->holds[held->kind][held->of % FS_LOCKS]);
}

void fs_hold_failed(struct weir_call *call, struct weir_item *item, int rc)
{
    if (rc == -ETIME)
        weir_call_fail(call, item, WEIR_SKIPPED,
                       "no time was left to wait for other writers");
    else if (rc == -EAGAIN)
        weir_call_fail(call, item, WEIR_BUSY,
                       "another writer has held the lock of this key for %d s",
                       HOLD_PATIENCE_MS / 1000);
    else
        fs_fail(call, item, -rc, "locking", hold_path);
}

/* ---- marks ---- */

static uint8_t mark_read(int fd, uint32_t directory)
{
    uint8_t mark = MARK_NONE;

    /* A set that cannot tell locks. */
    return pread(fd, &mark, 1, directory) < 0 ? MARK_LOCK : mark;
}

static int mark_write(int fd, uint32_t directory, uint8_t mark)
{
    return fs_hold_write(fd, &mark, 1, directory);
}

/* Removes the temporaries of all living processes in a directory. */
static int mark_sweep(struct fs *fs, const struct fs_name *name)
{
    char path[FS_PATH_MAX];
    struct dirent *entry;
    DIR *dir;
    int rc;

    memcpy(path, name->path, (size_t)(name->name - name->path));
    path[name->name - name->path - 1] = '\0';
    rc = fs_opendir(fs, path, &dir);
    if (rc < 0)
        return rc == -ENOENT ? 0 : rc;
    while (rc == 0 && (errno = 0, entry = readdir(dir)) != NULL) {
        if (fs_owner_is_temp(entry->d_name) &&
            unlinkat(dirfd(dir), entry->d_name, 0) < 0 && errno != ENOENT)
            rc = -errno;
    }
    if (rc == 0)
        rc = -errno;
    closedir(dir);
    return rc;
}

/* fd is the file of the marks, open for writing. */
static int mark_make(struct fs *fs, int fd, const struct fs_name *name)
{
    int rc;

    if (mark_read(fd, name->directory) == MARK_SWEPT)
        return 0;
    rc = mark_write(fd, name->directory, MARK_LOCK);
    if (rc == 0)
        rc = mark_sweep(fs, name);
    if (rc == 0)
        rc = mark_write(fd, name->directory, MARK_SWEPT);
    return rc;
}

/* Remembers that a directory is marked, unless the folder has been replaced. */
static void mark_remember(struct fs *fs, const struct fs_name *name,
                          uint64_t reopened)
{
    pthread_mutex_lock(&fs->root_lock);
    if (fs->counters.reopened == reopened)
        fs->marked[name->directory / 8] |= (uint8_t)(1u << name->directory % 8);
    pthread_mutex_unlock(&fs->root_lock);
}

int fs_hold_mark(struct fs *fs, struct weir_call *call,
                 const struct fs_name *name)
{
    uint8_t bit = (uint8_t)(1u << name->directory % 8);
    uint64_t reopened = fs->counters.reopened;
    struct fs_held held;
    int rc;

    if (fs->marked[name->directory / 8] & bit)
        return 0;
    rc = fs_hold(fs, call, FS_HOLD_MARK, name->directory, &held);
    if (rc < 0)
        return rc;
    rc = held.fd >= 0 ? mark_make(fs, held.fd, name) : -ENOENT;
    fs_release(fs, &held);
    if (rc == 0)
        mark_remember(fs, name, reopened);
    return rc;
}

bool fs_hold_is_marked(struct fs *fs, const struct fs_name *name)
{
    uint8_t bit = (uint8_t)(1u << name->directory % 8);

    if (fs->holding != HOLD_SHARED)
        return false;
    if (fs->marked[name->directory / 8] & bit)
        return true;
    return mark_read(fs->marks_fd, name->directory) != MARK_NONE;
}

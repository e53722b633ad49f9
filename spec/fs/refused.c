/* refused.c -- filesystems that refuse links, locks, modes or syncs, alone and
 * together, with every errno they are known to say: the store opens, sets and
 * gets, says in its gauges what it does without, and still tells the
 * temporaries of the living from those of the dead. */

#include <linux/magic.h>
#include <sys/file.h>
#include <sys/statfs.h>
#include <sys/syscall.h>

#include "harness.h"

enum {
    REFUSE_LINK = 1,
    REFUSE_RENAME2 = 2,
    REFUSE_FLOCK = 4,
    REFUSE_FLOCK_READING = 8, /* the rule of NFS */
    REFUSE_FCNTL = 16,
    REFUSE_MODE = 32,
    REFUSE_FILE_SYNC = 64,
    REFUSE_DIRECTORY_SYNC = 128,
    REFUSE_LOCAL = 256, /* it looks like NFS */
    REFUSE_CHANGES = REFUSE_FCNTL | REFUSE_LOCAL,
    REFUSE_LOCKS = REFUSE_FLOCK | REFUSE_FCNTL,
    REFUSE_ALL = 255 - REFUSE_FLOCK_READING,
};

static unsigned refuse;
static int refuse_errno;
static unsigned syncfs_calls;
static int syncfs_refused;

#define SHIM __attribute__((visibility("default")))

static int refused(unsigned feature)
{
    if (!(refuse & feature))
        return 0;
    errno = refuse_errno;
    return 1;
}

/* These stand in front of libc's. */
SHIM int linkat(int from, const char *a, int to, const char *b, int flags)
{
    return refused(REFUSE_LINK)
               ? -1
               : (int)syscall(SYS_linkat, from, a, to, b, flags);
}

SHIM int renameat2(int from, const char *a, int to, const char *b,
                   unsigned flags)
{
    return refused(REFUSE_RENAME2)
               ? -1
               : (int)syscall(SYS_renameat2, from, a, to, b, flags);
}

SHIM int flock(int fd, int op)
{
    int mode = fcntl(fd, F_GETFL) & O_ACCMODE;

    if (refused(REFUSE_FLOCK))
        return -1;
    if ((refuse & REFUSE_FLOCK_READING) && mode == O_RDONLY) {
        errno = EBADF;
        return -1;
    }
    return (int)syscall(SYS_flock, fd, op);
}

SHIM int fcntl(int fd, int op, ...)
{
    va_list args;
    long arg;

    va_start(args, op);
    arg = va_arg(args, long);
    va_end(args);
    if (op == F_OFD_SETLK && refused(REFUSE_FCNTL))
        return -1;
    return (int)syscall(SYS_fcntl, fd, op, arg);
}

SHIM int fstatfs(int fd, struct statfs *out)
{
    int rc = (int)syscall(SYS_fstatfs, fd, out);

    if (refuse & REFUSE_LOCAL)
        out->f_type = NFS_SUPER_MAGIC;
    return rc;
}

SHIM int fchmod(int fd, mode_t mode)
{
    return refused(REFUSE_MODE) ? -1 : (int)syscall(SYS_fchmod, fd, mode);
}

SHIM int fchmodat(int at, const char *path, mode_t mode, int flags)
{
    (void)flags;
    return refused(REFUSE_MODE) ? -1
                                : (int)syscall(SYS_fchmodat, at, path, mode);
}

SHIM int fdatasync(int fd)
{
    return refused(REFUSE_FILE_SYNC) ? -1 : (int)syscall(SYS_fdatasync, fd);
}

SHIM int fsync(int fd)
{
    return refused(REFUSE_DIRECTORY_SYNC) ? -1 : (int)syscall(SYS_fsync, fd);
}

SHIM int syncfs(int fd)
{
    (void)fd;
    syncfs_calls++;
    if (!syncfs_refused)
        return 0;
    errno = refuse_errno;
    return -1;
}

static const char *fresh_folder(void)
{
    static char name[16];
    static unsigned made;

    snprintf(name, sizeof name, "f%u", made++);
    return name;
}

static void expect_gauges(struct weir_store *store)
{
    int locks = (refuse & REFUSE_LOCKS) == REFUSE_LOCKS;

    CHECK(gauge(store, "no_links") == !!(refuse & REFUSE_LINK));
    CHECK(gauge(store, "no_flock") == !!(refuse & REFUSE_FLOCK));
    CHECK(gauge(store, "no_locks") == (uint64_t)locks);
    CHECK(gauge(store, "no_shared_locks") == !!(refuse & REFUSE_FCNTL));
    CHECK(gauge(store, "no_modes") == !!(refuse & REFUSE_MODE));
    CHECK(gauge(store, "no_file_sync") == !!(refuse & REFUSE_FILE_SYNC));
    CHECK(gauge(store, "no_directory_sync") ==
          !!(refuse & REFUSE_DIRECTORY_SYNC));
}

/* All that is asked of a store goes on, and over a restart. */
static void serves(void)
{
    const char *path = folder_sub(fresh_folder());
    struct client c;

    syncfs_calls = 0;
    c = open_fs(path, "sync=full", "mode=0640", "capacity=1MiB", NULL);
    CHECK(client_set(&c, "k", "v", 1) == WEIR_OK);
    CHECK(client_is(&c, "k", "v", 1));
    CHECK(client_do(&c, WEIR_TOUCH, "k") == WEIR_OK);
    CHECK(client_do(&c, WEIR_GAT, "k") == WEIR_OK);
    file_write(only_file(path), "foreign", 7);
    CHECK(client_do(&c, WEIR_GET, "k") == WEIR_CORRUPT);
    CHECK(client_set(&c, "k", "w", 1) == WEIR_OK);
    CHECK(client_do(&c, WEIR_ADD, "k") == WEIR_REJECTED);
    CHECK(client_do(&c, WEIR_TAKE, "none") ==
          (refuse & REFUSE_CHANGES ? WEIR_UNSUPPORTED : WEIR_MISS));
    expect_gauges(c.store);
    /* What cannot be synced alone is synced with all the rest. */
    CHECK((syncfs_calls > 0) ==
          !!(refuse & (REFUSE_FILE_SYNC | REFUSE_DIRECTORY_SYNC)));
    close_fs(&c);

    c = open_fs(path, "create=no", NULL);
    CHECK(client_is(&c, "k", "w", 1));
    CHECK(client_set(&c, "k", "x", 1) == WEIR_OK);
    CHECK(client_do(&c, WEIR_DELETE, "k") == WEIR_OK);
    close_fs(&c);
}

static void every_refusal(void)
{
    static const int errnos[] = {EPERM, ENOSYS, EOPNOTSUPP, EINVAL};
    static const int lock_errnos[] = {ENOLCK, EBADF, 524 /* ENOTSUPP */};

    refuse = REFUSE_FLOCK_READING;
    serves();
    refuse = REFUSE_LOCAL;
    serves();
    for (size_t i = 0; i < sizeof errnos / sizeof *errnos; i++) {
        refuse_errno = errnos[i];
        for (refuse = 1; refuse <= REFUSE_DIRECTORY_SYNC; refuse *= 2) {
            if (refuse != REFUSE_FLOCK_READING && refuse != REFUSE_RENAME2 &&
                refuse != REFUSE_FCNTL)
                serves();
        }
        refuse = REFUSE_LINK | REFUSE_RENAME2;
        serves();
        refuse = REFUSE_ALL;
        serves();
        syncfs_refused = 1;
        serves();
        syncfs_refused = 0;
    }
    for (size_t i = 0; i < sizeof lock_errnos / sizeof *lock_errnos; i++) {
        refuse_errno = lock_errnos[i];
        refuse = REFUSE_FLOCK;
        serves();
        refuse = REFUSE_LOCKS;
        serves();
    }
}

/* The name in .weir/live of the one that has a folder open. */
static void living_name(const char *folder, char *out)
{
    char path[300];
    struct dirent *entry;
    DIR *dir;

    snprintf(path, sizeof path, "%s/.weir/live", folder);
    dir = opendir(path);
    CHECK(dir != NULL);
    while ((entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] != '.')
            snprintf(out, 17, "%.16s", entry->d_name);
    }
    closedir(dir);
}

static void plant_temp(char *out, const char *folder, const char *owner)
{
    snprintf(out, 300, "%s/.weir/.%s-9", folder, owner);
    file_write(out, "half", 4);
}

/* A lock of any kind tells who lives. The other store of this process locks
 * through descriptors of its own. */
static void living_and_dead(void)
{
    static const char dead[] = "0123456789abcdef";
    const char *folder = folder_sub(fresh_folder());
    char left[300], written[300], owner[17] = "", path[300];
    struct client living = open_fs(folder, NULL), c;

    living_name(folder, owner);
    plant_temp(written, folder, owner);
    snprintf(path, sizeof path, "%s/.weir/live/%s", folder, dead);
    file_write(path, "", 0);
    plant_temp(left, folder, dead);
    c = open_fs(folder, "capacity=1MiB", NULL);
    recovered(c.store);
    CHECK(gauge(c.store, "swept") == 1);
    CHECK(access(written, F_OK) == 0 && access(left, F_OK) < 0);
    CHECK(access(path, F_OK) < 0);
    close_fs(&c);
    close_fs(&living);
}

/* Without locks only time tells. */
static void days_old(void)
{
    static const struct timespec yesterday = {.tv_sec = 86400 + 60};
    const char *folder = folder_sub(fresh_folder());
    char old[300], young[300];
    struct timespec times[2];
    struct client c = open_fs(folder, NULL);

    close_fs(&c);
    plant_temp(old, folder, "0123456789abcdef");
    plant_temp(young, folder, "0123456789abcde0");
    clock_gettime(CLOCK_REALTIME, &times[0]);
    times[0].tv_sec -= yesterday.tv_sec;
    times[1] = times[0];
    CHECK(utimensat(AT_FDCWD, old, times, 0) == 0);
    c = open_fs(folder, NULL);
    recovered(c.store);
    CHECK(gauge(c.store, "swept") == 1);
    CHECK(access(old, F_OK) < 0 && access(young, F_OK) == 0);
    close_fs(&c);
}

int main(void)
{
    folder_make();
    refuse = 0;
    serves();
    living_and_dead();
    every_refusal();
    refuse_errno = ENOLCK;
    refuse = REFUSE_FLOCK_READING;
    living_and_dead();
    refuse = REFUSE_FLOCK;
    living_and_dead();
    refuse = REFUSE_LOCKS;
    days_old();
    return 0;
}

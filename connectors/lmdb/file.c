/* file.c -- see file.h. */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    FILE_MAGIC = (int)0xBEEFC0DE,
    FILE_VERSION = 1,
    FILE_BOOT = 36, /* characters of a boot's name */
};

static const char FILE_DATA[] = "data.mdb";
static const char FILE_UNSYNCED[] = "weir.unsynced";

/* A page of LMDB's with the facts about all others, as liblmdb 0.9 writes it on
 * a machine of 64 bits. */
struct file_meta {
    uint64_t page_number;
    uint32_t page_head[2];
    uint32_t magic, version;
    uint64_t address, map_size;
    struct {
        uint32_t page_size;
        uint32_t flags;
        uint64_t pages[5];
    } databases[2];
    uint64_t last_page, transaction;
};

_Static_assert(sizeof(void *) == 8, "liblmdb's format on 64 bits");

static bool file_is_lmdb(const struct file_meta *m)
{
    uint32_t page = m->databases[0].page_size;

    return (int)m->magic == FILE_MAGIC && m->version == FILE_VERSION &&
           page >= 512 && page <= 65536 && (page & (page - 1)) == 0;
}

static int file_foreign(struct weir_error *err)
{
    return weir_error_set(err, -EINVAL,
                          "%s is not a file of LMDB, or its beginning is "
                          "damaged: remove it to start empty",
                          FILE_DATA);
}

static int file_fill_up(int fd, const struct file_meta *m,
                        struct weir_error *err)
{
    struct stat st;
    uint64_t size = (m->last_page + 1) * m->databases[0].page_size;

    if (m->last_page > UINT64_C(1) << 40)
        return file_foreign(err);
    if (fstat(fd, &st) == 0 &&
        ((uint64_t)st.st_size >= size || ftruncate(fd, (off_t)size) == 0))
        return 0;
    return weir_error_set(err, -errno, "cannot fill up the end of %s: %s",
                          FILE_DATA, strerrordesc_np(errno));
}

/* The later one of the two metas counts, but the other one may be damaged. */
static int file_read(int fd, bool mend, struct weir_error *err)
{
    struct file_meta a, b;
    ssize_t n = pread(fd, &a, sizeof a, 0);

    if (n == 0)
        return 0;
    if (n != sizeof a || !file_is_lmdb(&a) ||
        pread(fd, &b, sizeof b, a.databases[0].page_size) != sizeof b ||
        !file_is_lmdb(&b))
        return file_foreign(err);
    if (mend) {
        int rc = file_fill_up(fd, a.transaction > b.transaction ? &a : &b, err);

        if (rc < 0)
            return rc;
    }
    return 1;
}

int file_check(int folder, bool mend, struct weir_error *err)
{
    int fd = openat(folder, FILE_DATA, (mend ? O_RDWR : O_RDONLY) | O_CLOEXEC);
    int rc;

    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0)
        return weir_error_set(err, -errno, "cannot open %s: %s", FILE_DATA,
                              strerrordesc_np(errno));
    rc = file_read(fd, mend, err);
    close(fd);
    return rc;
}

/* ---- writes without sync, and power cuts ---- */

static bool file_boot(char *out, int at, const char *path)
{
    int fd = openat(at, path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, out, FILE_BOOT);

    if (fd >= 0)
        close(fd);
    return n == FILE_BOOT;
}

static bool file_this_boot(char *out)
{
    return file_boot(out, AT_FDCWD, "/proc/sys/kernel/random/boot_id");
}

int file_distrust(int folder, struct weir_error *err)
{
    char then[FILE_BOOT], now[FILE_BOOT];

    if (faccessat(folder, FILE_UNSYNCED, F_OK, 0) < 0 || !file_this_boot(now))
        return 0;
    /* One that is not whole was not in use yet. */
    if (!file_boot(then, folder, FILE_UNSYNCED) ||
        memcmp(then, now, FILE_BOOT) == 0)
        return 0;
    if ((unlinkat(folder, FILE_DATA, 0) < 0 && errno != ENOENT) ||
        (unlinkat(folder, "lock.mdb", 0) < 0 && errno != ENOENT))
        return weir_error_set(err, -errno,
                              "cannot remove %s, which a power cut may have "
                              "torn: %s",
                              FILE_DATA, strerrordesc_np(errno));
    return 0;
}

int file_mark(int folder, struct weir_error *err)
{
    char now[FILE_BOOT] = "";
    int fd = openat(folder, FILE_UNSYNCED, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    file_this_boot(now);
    if (fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) == 0 &&
        pwrite(fd, now, FILE_BOOT, 0) == FILE_BOOT && fsync(fd) == 0 &&
        fsync(folder) == 0)
        return fd;
    weir_error_set(err, errno ? -errno : -ENOSPC, "cannot write %s: %s",
                   FILE_UNSYNCED, strerrordesc_np(errno));
    if (fd >= 0)
        close(fd);
    return err->code;
}

static int file_sync(int folder)
{
    int fd = openat(folder, FILE_DATA, O_RDWR | O_CLOEXEC);
    int rc = fd >= 0 && fdatasync(fd) == 0 ? 0 : -errno;

    if (fd >= 0)
        close(fd);
    return rc == -ENOENT ? 0 : rc;
}

/* Some filesystems cannot sync a directory. */
static int file_sync_directory(int fd)
{
    return fsync(fd) == 0 || errno == EINVAL ? 0 : -errno;
}

int file_sync_above(int folder)
{
    int fd = openat(folder, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc;

    if (fd < 0)
        return errno == EACCES ? 0 : -errno; /* it may be entered only */
    rc = file_sync_directory(fd);
    close(fd);
    return rc;
}

int file_sync_names(int folder)
{
    int rc = file_sync_directory(folder);

    return rc == 0 ? file_sync_above(folder) : rc;
}

int file_unmark(int folder, int fd)
{
    int rc = 0;

    if (fd < 0)
        fd = openat(folder, FILE_UNSYNCED, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : -errno;
    if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        rc = -EBUSY;
    if (rc == 0)
        rc = file_sync(folder);
    if (rc == 0 && unlinkat(folder, FILE_UNSYNCED, 0) < 0)
        rc = -errno;
    close(fd);
    return rc;
}

/* map.c -- see map.h. */
#include "map.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "header.h"
#include "huge.h"

enum {
    MAP_SEATS_AT = 4096,   /* in the control part */
    SETUP_WAIT_MS = 10000, /* for another process that makes the mapping */
    SETUP_LOOK_MS = 5,
};

static const off_t MAP_SETUP_AT = (off_t)1 << 41;

/* ---- the file ---- */

/* Waits for the lock under which a mapping is made and opened. */
static int setup_lock(int fd, struct weir_error *err)
{
    struct flock byte = {
        .l_type = F_WRLCK,
        .l_whence = SEEK_SET,
        .l_start = MAP_SETUP_AT,
        .l_len = 1,
    };
    struct timespec pause = {0, SETUP_LOOK_MS * 1000000};

    for (int ms = 0; fcntl(fd, F_OFD_SETLK, &byte) < 0; ms += SETUP_LOOK_MS) {
        if (errno != EAGAIN && errno != EACCES && errno != EINTR)
            return weir_error_set(err, -errno, "cannot lock: %s",
                                  strerror(errno));
        if (ms >= SETUP_WAIT_MS)
            return weir_error_set(err, -ETIMEDOUT,
                                  "another process has been making the "
                                  "mapping for %d s",
                                  SETUP_WAIT_MS / 1000);
        nanosleep(&pause, NULL);
    }
    return 0;
}

static void setup_unlock(int fd)
{
    struct flock byte = {
        .l_type = F_UNLCK,
        .l_whence = SEEK_SET,
        .l_start = MAP_SETUP_AT,
        .l_len = 1,
    };

    fcntl(fd, F_OFD_SETLK, &byte);
}

static int file_no_space(int fd, uint64_t capacity, struct weir_error *err)
{
    struct statvfs fs = {0};

    fstatvfs(fd, &fs);
    return weir_error_set(
        err, -ENOSPC,
        "a mapping of %llu MiB does not fit: %llu of %llu MiB are free there. "
        "Choose a smaller capacity, another path, or enlarge it (docker run "
        "--shm-size, emptyDir of medium Memory, mount -o remount,size=)",
        (unsigned long long)capacity >> 20,
        (unsigned long long)fs.f_bavail * fs.f_frsize >> 20,
        (unsigned long long)fs.f_blocks * fs.f_frsize >> 20);
}

/* Empties the file, marks it as being made and gives it its size. */
static int file_begin(int fd, const struct layout *l)
{
    int rc = header_write_unmade(fd);

    if (rc == 0 && ftruncate(fd, 0) < 0)
        rc = -errno;
    if (rc == 0)
        rc = header_write_unmade(fd);
    if (rc == 0 && ftruncate(fd, (off_t)l->file) < 0)
        rc = -errno;
    return rc;
}

/* Gives the file pages for all but its hole, so that no write to the mapping
 * ever meets a full filesystem. It keeps the pages that it has. */
static int file_allocate(int fd, const struct layout *l)
{
    int rc = -posix_fallocate(fd, 0, LAYOUT_CONTROL);

    return rc < 0 ? rc
                  : -posix_fallocate(fd, l->shards_at,
                                     (off_t)(l->file - l->shards_at));
}

/* Gives back what the file has, and says why it is not enough. */
static int file_give_up(int fd, int rc, uint64_t capacity,
                        struct weir_error *err)
{
    ftruncate(fd, 0);
    if (rc == -ENOSPC || rc == -EFBIG)
        return file_no_space(fd, capacity, err);
    return weir_error_set(err, rc, "cannot allocate %llu bytes: %s",
                          (unsigned long long)capacity, strerror(-rc));
}

/* Opens the file. -ENOENT without a sentence: it is not there. -EEXIST: another
 * process has just made it, or it is a link to a file that is missing. *made:
 * it was not there. */
static int file_open(const struct map_wish *wish, bool *made)
{
    int flags = O_RDWR | O_CLOEXEC | (wish->name != NULL ? O_NOFOLLOW : 0);
    int fd = open(wish->path, flags);

    *made = false;
    if (fd >= 0 || errno != ENOENT || !wish->create)
        return fd < 0 ? -errno : fd;
    fd = open(wish->path, flags | O_CREAT | O_EXCL, wish->mode);
    if (fd < 0)
        return -errno;
    *made = true;
    fchmod(fd, wish->mode); /* whatever the umask is */
    return fd;
}

/* Whether the path still names the file, which another one may have removed
 * between open and lock. */
static bool file_named(const char *path, const struct stat *file)
{
    struct stat now;

    return stat(path, &now) == 0 && now.st_dev == file->st_dev &&
           now.st_ino == file->st_ino;
}

/* Whether the path is a symbolic link to a file that is missing. */
static bool file_is_loose(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0 && S_ISLNK(st.st_mode) &&
           stat(path, &st) < 0 && errno == ENOENT;
}

static bool file_is_huge(int fd)
{
    struct statfs fs;

    return fstatfs(fd, &fs) == 0 && fs.f_type == HUGETLBFS_MAGIC;
}

/* ---- address space ---- */

static uint64_t map_span(const struct map *m)
{
    return m->layout.shards * WINDOW_SIZE + LAYOUT_CONTROL;
}

/* Reserves address space for the windows, and for the control part after them.
 */
static int map_reserve(struct map *m)
{
    uint64_t all = map_span(m), spare;
    char *at = mmap(NULL, all + WINDOW_SIZE, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (at == MAP_FAILED)
        return -errno;
    m->windows = window_of(at + WINDOW_SIZE - 1);
    m->control = m->windows + m->layout.shards * WINDOW_SIZE;
    spare = (uint64_t)(m->windows - at);
    if (spare > 0)
        munmap(at, spare);
    if (spare < WINDOW_SIZE)
        munmap(m->windows + all, WINDOW_SIZE - spare);
    return 0;
}

static int map_part(char *at, uint64_t size, int fd, off_t offset)
{
    return mmap(at, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
                offset) == MAP_FAILED
               ? -errno
               : 0;
}

/* Maps the shards, each at the start of its window. What follows a shard in its
 * window is memory, too: a link with wrong bits points there, or into the
 * shard. */
static int map_parts(struct map *m, int fd)
{
    off_t offset = m->layout.shards_at;
    int rc = map_part(m->control, LAYOUT_CONTROL, fd, 0);

    for (uint32_t i = 0; i < m->layout.shards && rc == 0; i++) {
        rc = map_part((char *)map_shard(m, i), m->layout.segment, fd, offset);
        offset += m->layout.segment;
    }
    return rc;
}

static void map_unmap(struct map *m)
{
    sigbus_remove(m->sigbus);
    if (m->windows != NULL)
        munmap(m->windows, map_span(m));
    m->sigbus = NULL;
    m->windows = m->control = NULL;
}

static int map_memory(struct map *m, int fd, bool sigbus,
                      struct weir_error *err)
{
    int rc = map_reserve(m);

    if (rc == 0 && sigbus) {
        m->sigbus = sigbus_add(m->windows, map_span(m));
        if (m->sigbus == NULL)
            rc = -ENOMEM;
    }
    if (rc == 0)
        rc = map_parts(m, fd);
    if (rc < 0)
        return weir_error_set(err, rc,
                              "no address space for %u shards of 256 MiB: %s",
                              m->layout.shards, strerror(-rc));
    return 0;
}

/* Asks for huge pages, and maps all shards at once. With MADV_POPULATE_WRITE
 * the kernel takes the pages, with MADV_POPULATE_READ it maps those that the
 * file has. Both may fail, on an old kernel or without room: file_allocate
 * takes the pages that are missing, or fails. */
static void map_ask_huge(struct map *m, int how)
{
    for (uint32_t i = 0; m->layout.huge && i < m->layout.shards; i++) {
        madvise(map_shard(m, i), m->layout.segment, MADV_HUGEPAGE);
        madvise(map_shard(m, i), m->layout.segment, how);
    }
    if (m->layout.huge)
        m->huge = huge_bytes(m->windows, m->control);
}

/* ---- opening ---- */

static void map_describe(struct map *m, const struct header *h)
{
    header_layout(h, &m->layout);
    m->seed = h->seed;
    m->policy = header_policy(h->eviction);
}

static int map_sane(const struct header *h, struct weir_error *err)
{
    bool huge = h->version == HEADER_HUGE;
    uint64_t least = layout_least(h->shards, huge);
    char from[HEADER_WORDS], got[HEADER_WORDS];

    if ((h->shards & (h->shards - 1)) != 0)
        return weir_error_set(err, -EINVAL,
                              "option shards: expected a power of two, got %u",
                              h->shards);
    if (h->capacity < least || h->capacity > layout_most(h->shards))
        return weir_error_set(
            err, -EINVAL,
            "option capacity: expected %s to %llu MiB with %u shard%s%s, got "
            "%s",
            header_in_words(from, least),
            (unsigned long long)layout_most(h->shards) >> 20, h->shards,
            h->shards == 1 ? "" : "s", huge ? " and huge_pages" : "",
            header_in_words(got, h->capacity));
    return 0;
}

int map_check(const struct map_wish *wish, struct weir_error *err)
{
    struct header h;

    header_new(&h, wish);
    return map_sane(&h, err);
}

static int map_make(struct map *m, int fd, const struct header *h, bool sigbus,
                    struct weir_error *err)
{
    int rc = map_sane(h, err);

    if (rc < 0)
        return rc;
    map_describe(m, h);
    rc = file_begin(fd, &m->layout);
    if (rc < 0)
        return file_give_up(fd, rc, h->capacity, err);
    rc = map_memory(m, fd, sigbus, err);
    if (rc < 0) {
        ftruncate(fd, 0);
        return rc;
    }
    map_ask_huge(m, MADV_POPULATE_WRITE);
    rc = file_allocate(fd, &m->layout);
    if (rc < 0)
        return file_give_up(fd, rc, h->capacity, err);
    for (uint32_t i = 0; i < m->layout.shards; i++)
        shard_format(&m->layout, map_shard(m, i));
    rc = header_write(fd, h);
    return rc < 0 ? weir_error_set(err, rc, "cannot write the header: %s",
                                   strerror(-rc))
                  : 0;
}

/* Makes or opens the mapping of a file, under the setup lock. */
static int map_enter(struct map *m, int fd, const struct map_wish *wish,
                     uint64_t size, struct weir_error *err)
{
    struct map_wish same = *wish;
    struct header h, fresh;
    int rc = file_is_huge(fd)
                 ? weir_error_set(err, -EINVAL,
                                  "a hugetlbfs cannot hold a mapping, since "
                                  "files there cannot be written to. Choose a "
                                  "path on a tmpfs")
                 : header_read(&h, fd, size, err);

    if (rc < 0)
        return rc;
    if (rc == HEADER_OLD) {
        same.capacity = h.capacity;
        same.shards = h.shards;
        same.eviction = (int)h.eviction;
        same.huge = h.version == HEADER_HUGE;
    }
    header_new(&fresh, &same);
    if (rc == HEADER_NONE && !wish->create)
        return weir_error_set(err, -ENOENT, "there is no mapping %s",
                              wish->path);
    if (rc == HEADER_NONE)
        return map_make(m, fd, &fresh, wish->sigbus, err);
    if (header_agrees(&h, wish, err) < 0)
        return err->code;
    if (rc == HEADER_OLD)
        return map_make(m, fd, &fresh, wish->sigbus, err);
    map_describe(m, &h);
    rc = map_memory(m, fd, wish->sigbus, err);
    if (rc == 0)
        map_ask_huge(m, MADV_POPULATE_READ);
    return rc;
}

/* Takes a seat, under seats_stay. 1: the file was removed meanwhile. */
static int map_take_seat(struct map *m, const struct map_wish *wish,
                         struct weir_error *err)
{
    struct stat st;
    bool made;
    int fd = file_open(wish, &made), rc;

    if (fd < 0)
        return fd == -ENOENT ? 1 : fd;
    rc = fstat(fd, &st) == 0 && st.st_dev == m->device && st.st_ino == m->inode
             ? seats_take(&m->seats, fd,
                          (struct seats_shared *)(m->control + MAP_SEATS_AT),
                          err)
             : 1;
    if (rc != 0)
        close(fd);
    return rc;
}

/* Takes a seat, with a descriptor of its own: a mapping keeps the one that it
 * was made with open, also in a child of fork, and with it its locks. */
static int map_sit(struct map *m, const struct map_wish *wish,
                   struct weir_error *err)
{
    struct map_wish again = *wish;
    int rc;

    again.create = false;
    seats_stay();
    rc = map_take_seat(m, &again, err);
    seats_fork();
    return rc;
}

/* One try. 1: the file was made or removed meanwhile, try again. */
static int map_try(struct map *m, const struct map_wish *wish,
                   struct weir_error *err)
{
    struct stat st;
    bool made;
    int fd = file_open(wish, &made), rc;

    if (fd < 0)
        return fd == -EEXIST ? 1 : fd;
    rc = setup_lock(fd, err);
    if (rc == 0 && (fstat(fd, &st) < 0 || !file_named(wish->path, &st)))
        rc = 1;
    if (rc == 0 && !S_ISREG(st.st_mode))
        rc = weir_error_set(err, -EINVAL, "it is not a regular file");
    if (rc == 0) {
        m->device = st.st_dev;
        m->inode = st.st_ino;
        rc = map_enter(m, fd, wish, (uint64_t)st.st_size, err);
        if (rc < 0 && made)
            unlink(wish->path);
    }
    if (rc == 0)
        rc = map_sit(m, wish, err);
    if (rc != 0)
        map_unmap(m);
    setup_unlock(fd);
    close(fd);
    return rc;
}

/* Says why the file cannot be opened. */
static int map_refused(const struct map_wish *wish, int rc,
                       struct weir_error *err)
{
    struct stat st;

    if (rc == -EAGAIN && file_is_loose(wish->path))
        return weir_error_set(err, rc,
                              "cannot open %s: it is a symbolic link to a file "
                              "that is missing",
                              wish->path);
    if (rc == -ENOENT)
        return weir_error_set(err, rc,
                              wish->create ? "the folder of %s does not exist"
                                           : "there is no mapping %s",
                              wish->path);
    if (rc == -EACCES && stat(wish->path, &st) == 0 && S_ISREG(st.st_mode))
        return weir_error_set(err, rc,
                              "cannot open %s: %s. Its owner is user %u, its "
                              "mode %04o: chmod it, or make it with the option "
                              "mode",
                              wish->path, strerror(-rc), (unsigned)st.st_uid,
                              (unsigned)st.st_mode & 07777);
    return weir_error_set(err, rc, "cannot open %s: %s", wish->path,
                          strerror(-rc));
}

int map_open(struct map *m, const struct map_wish *wish, struct weir_error *err)
{
    int rc = 1;

    _Static_assert(sizeof(struct header) <= MAP_SEATS_AT &&
                       MAP_SEATS_AT + sizeof(struct seats_shared) <=
                           LAYOUT_CONTROL,
                   "the control part holds both");
    memset(m, 0, sizeof *m);
    m->path = wish->path;
    err->code = 0;
    for (int tries = 0; tries < 100 && rc == 1; tries++)
        rc = map_try(m, wish, err);
    if (rc == 0 || err->code != 0)
        return rc;
    return map_refused(wish, rc == 1 ? -EAGAIN : rc, err);
}

void map_remove(struct map *m)
{
    struct stat st = {.st_dev = m->device, .st_ino = m->inode};

    if (m->seats.fd >= 0 && file_named(m->path, &st))
        unlink(m->path);
}

void map_close(struct map *m)
{
    seats_leave(&m->seats);
    map_unmap(m);
}

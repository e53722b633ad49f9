/* fs_cell.h -- one cell of the fs benchmark: an op, a size, a batch. Both sides
 * of a comparison get the same keys in the same order, the same number of
 * batches in flight, and memory of the same size for the values. */
#ifndef FS_CELL_H
#define FS_CELL_H

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "bench.h"

enum {
    CELL_KEYS_MAX = 4096,
    CELL_BYTES = 128 << 20, /* of all values of a cell, at most */
    CELL_FLIGHT = 2,        /* batches in flight */
    KEY_LEN = 20,
};

struct cell {
    const char *name;
    uint32_t op; /* enum weir_op */
    uint32_t size;
    uint32_t batch;
    const char *target; /* for the ratio of keys per second, or NULL */
};

static char cell_keys[CELL_KEYS_MAX][KEY_LEN + 1];
static char *cell_payload;
static char cell_disk[200], cell_memory[200]; /* folders; "" = none */

/* cell_range returns the number of keys that a cell walks over. */
static inline uint32_t cell_range(const struct cell *c)
{
    uint32_t n = CELL_BYTES / c->size;

    n = n > CELL_KEYS_MAX ? CELL_KEYS_MAX : n;
    return n < c->batch ? c->batch : n / c->batch * c->batch;
}

static int cell_unlink(const char *path, const struct stat *st, int flag,
                       struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static inline void cell_remove(const char *path)
{
    nftw(path, cell_unlink, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void cell_cleanup(void)
{
    cell_remove(cell_disk);
    if (cell_memory[0] != '\0')
        cell_remove(cell_memory);
}

/* cell_buffer returns memory for values, to be freed. It begins at a page, as
 * that of caches of tensors does. Both sides need the same: the kernel copies a
 * page to the begin of a cache line in half the time that it takes to copy it
 * to 16 bytes behind, where malloc() puts large blocks. */
static inline char *cell_buffer(size_t size)
{
    char *buffer = aligned_alloc(4096, (size + 4095) / 4096 * 4096);

    if (buffer == NULL)
        bench_die("a buffer", "out of memory");
    memset(buffer, 'v', size);
    return buffer;
}

static inline void cell_mkdir(char *path, size_t cap, const char *base)
{
    snprintf(path, cap, "%s/weir-bench-XXXXXX", base);
    if (mkdtemp(path) == NULL)
        bench_die(path, strerror(errno));
}

/* Returns whether /dev/shm is in memory and has room for the files of a cell,
 * of all sides, with their temporaries. */
static inline bool cell_has_memory(void)
{
    struct statfs fs;

    return statfs("/dev/shm", &fs) == 0 && fs.f_type == TMPFS_MAGIC &&
           (uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize > 8ull * CELL_BYTES;
}

/* cell_folder returns where the files of an op are: those of sets in memory,
 * the others on the disk. On the disk the time of a set depends on where a
 * directory happens to lie. ext4 makes the files of a directory in one group of
 * inodes. Without a journal it does not use an inode again that was deleted in
 * the last minutes, and each new file goes over all of those in its group: a
 * set of 4 KiB took 50 us in one directory and 400 us in another, by the same
 * code. */
static inline const char *cell_folder(uint32_t op)
{
    return op == WEIR_SET && cell_memory[0] != '\0' ? cell_memory : cell_disk;
}

static inline void cell_prepare(void)
{
    const char *base = getenv("TMPDIR");

    for (unsigned i = 0; i < CELL_KEYS_MAX; i++)
        snprintf(cell_keys[i], sizeof cell_keys[i], "key-%016u", i);
    cell_payload = cell_buffer((size_t)4 << 20);
    atexit(cell_cleanup);
    cell_mkdir(cell_disk, sizeof cell_disk, base != NULL ? base : "/tmp");
    if (base == NULL && cell_has_memory())
        cell_mkdir(cell_memory, sizeof cell_memory, "/dev/shm");
}

/* Drops a file from the page cache; its pages must be on the disk. */
static int cell_drop(const char *path, const struct stat *st, int flag,
                     struct FTW *ftw)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    (void)st;
    (void)flag;
    (void)ftw;
    if (fd < 0)
        return 0;
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    close(fd);
    return 0;
}

/* Makes all files of a folder cold. */
static inline void cell_cool(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 || syncfs(fd) < 0)
        bench_die(path, strerror(errno));
    close(fd);
    nftw(path, cell_drop, 16, FTW_PHYS);
}

/* A side of a comparison: it starts a batch and waits for finished ones. */
struct side {
    void *state;
    /* Returns true if the batch is finished when submit returns. */
    bool (*submit)(void *state, uint32_t slot, uint32_t first);
    /* Waits for finished batches and returns how many there are. */
    uint32_t (*wait)(void *state, uint32_t *slots);
};

struct outcome {
    double keys_s;
    double cpu_ns; /* of this process, a key */
};

static inline double cell_cpu_ns(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return ((double)u.ru_utime.tv_sec + (double)u.ru_stime.tv_sec) * 1e9 +
           ((double)u.ru_utime.tv_usec + (double)u.ru_stime.tv_usec) * 1e3;
}

/* side_run keeps CELL_FLIGHT batches in flight for that many seconds, or once
 * over all keys if seconds is 0. */
static inline struct outcome side_run(const struct side *s,
                                      const struct cell *c, double seconds)
{
    uint32_t range = cell_range(c), at = 0, open = 0;
    uint32_t ready[CELL_FLIGHT], n = 0;
    uint64_t start = weir_now(), keys = 0, sent = 0;
    uint64_t until = start + (uint64_t)(seconds * 1e9);
    double cpu = cell_cpu_ns();

    for (; n < CELL_FLIGHT; n++)
        ready[n] = n;
    while (n > 0 || open > 0) {
        while (n > 0) {
            bool more = seconds > 0 ? weir_now() < until : sent < range;

            if (!more) {
                n = 0;
                break;
            }
            sent += c->batch;
            if (s->submit(s->state, ready[n - 1], at)) {
                keys += c->batch;
            } else {
                open++;
                n--;
            }
            at = (at + c->batch) % range;
        }
        if (open > 0) {
            n = s->wait(s->state, ready);
            open -= n;
            keys += (uint64_t)n * c->batch;
        }
    }
    return (struct outcome){
        (double)keys * 1e9 / (double)(weir_now() - start),
        (cell_cpu_ns() - cpu) / (double)keys,
    };
}

#endif

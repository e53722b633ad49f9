/* fs_blocking.h -- the reference: a pool of threads that does the least that a
 * store of files can do, with blocking calls and full paths, as LMCache's
 * connector does. get: open, read, close. exists: stat. set: open a temporary,
 * write, close, rename. delete: unlink.
 *
 * Batches are cut into as many tiles as there are threads. Tiles wait in one
 * queue under a mutex. The thread that ends a batch's last tile puts the batch
 * on the list of finished ones and rings an eventfd if that list was empty.
 *
 * checks: it also does what a store must that finds damage: it writes a trailer
 * of the length of ours, and hashes values. */
#ifndef FS_BLOCKING_H
#define FS_BLOCKING_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/uio.h>

#include "fs_cell.h"
#include "wide_xxh3.h"

enum { BLOCKING_THREADS = 8, BLOCKING_TILES = 64, BLOCKING_TRAILER = 80 };

struct tile {
    uint32_t slot; /* the batch */
    uint32_t first, n;
};

struct blocking {
    struct cell cell;
    char path[256];
    bool checks;
    _Atomic uint64_t hashes; /* of all values: used, so that they are made */
    uint32_t n_threads;
    pthread_t threads[BLOCKING_THREADS];
    pthread_mutex_t lock; /* guards the queue and the list */
    pthread_cond_t work;
    struct tile tiles[BLOCKING_TILES];
    uint32_t first, end; /* tiles removed and added so far */
    bool stop;
    uint32_t done[CELL_FLIGHT], n_done;
    int bell;
    _Atomic uint32_t left[CELL_FLIGHT]; /* keys not done */
    uint32_t base[CELL_FLIGHT];         /* the first key */
    char *buffers[CELL_FLIGHT];
};

static inline void blocking_get(struct blocking *b, const char *path, char *to)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t done = 0;

    if (fd < 0)
        bench_die(path, strerror(errno));
    while (done < b->cell.size) {
        ssize_t n = read(fd, to + done, b->cell.size - done);

        if (n <= 0)
            bench_die(path, "cannot be read");
        done += (size_t)n;
    }
    close(fd);
    if (b->checks)
        b->hashes ^= XXH3_64bits(to, b->cell.size);
}

static inline void blocking_set(struct blocking *b, const char *path)
{
    static char trailer[BLOCKING_TRAILER];
    struct iovec part[] = {{cell_payload, b->cell.size},
                           {trailer, b->checks ? sizeof trailer : 0}};
    size_t all = part[0].iov_len + part[1].iov_len;
    char temp[300];
    int fd;

    if (b->checks)
        b->hashes ^= XXH3_64bits(cell_payload, b->cell.size);
    snprintf(temp, sizeof temp, "%s.tmp", path);
    fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || writev(fd, part, 2) != (ssize_t)all)
        bench_die(temp, strerror(errno));
    close(fd);
    if (rename(temp, path) < 0)
        bench_die(temp, strerror(errno));
}

static inline void blocking_do(struct blocking *b, uint32_t slot, uint32_t i)
{
    uint32_t key = (b->base[slot] + i) % cell_range(&b->cell);
    char path[280];
    struct stat st;

    snprintf(path, sizeof path, "%s/%s", b->path, cell_keys[key]);
    if (b->cell.op == WEIR_GET)
        blocking_get(b, path, b->buffers[slot] + (size_t)i * b->cell.size);
    else if (b->cell.op == WEIR_SET)
        blocking_set(b, path);
    else if (stat(path, &st) < 0)
        bench_die(path, strerror(errno));
}

static inline void blocking_done(struct blocking *b, uint32_t slot)
{
    bool ring;

    pthread_mutex_lock(&b->lock);
    ring = b->n_done == 0;
    b->done[b->n_done++] = slot;
    pthread_mutex_unlock(&b->lock);
    if (ring)
        eventfd_write(b->bell, 1);
}

static inline void *blocking_main(void *arg)
{
    struct blocking *b = arg;

    pthread_mutex_lock(&b->lock);
    while (!b->stop) {
        struct tile t;

        if (b->first == b->end) {
            pthread_cond_wait(&b->work, &b->lock);
            continue;
        }
        t = b->tiles[b->first++ % BLOCKING_TILES];
        pthread_mutex_unlock(&b->lock);
        for (uint32_t i = t.first; i < t.first + t.n; i++)
            blocking_do(b, t.slot, i);
        if (atomic_fetch_sub(&b->left[t.slot], t.n) == t.n)
            blocking_done(b, t.slot);
        pthread_mutex_lock(&b->lock);
    }
    pthread_mutex_unlock(&b->lock);
    return NULL;
}

static inline bool blocking_submit(void *state, uint32_t slot, uint32_t first)
{
    struct blocking *b = state;
    uint32_t n = b->cell.batch;
    uint32_t tiles = n < b->n_threads ? n : b->n_threads;

    atomic_store(&b->left[slot], n);
    b->base[slot] = first;
    pthread_mutex_lock(&b->lock);
    for (uint32_t i = 0; i < tiles; i++)
        b->tiles[b->end++ % BLOCKING_TILES] = (struct tile){
            slot, n * i / tiles, n * (i + 1) / tiles - n * i / tiles};
    pthread_mutex_unlock(&b->lock);
    if (tiles == 1)
        pthread_cond_signal(&b->work);
    else
        pthread_cond_broadcast(&b->work);
    return false;
}

static inline uint32_t blocking_wait(void *state, uint32_t *slots)
{
    struct blocking *b = state;
    eventfd_t rings;
    uint32_t n;

    eventfd_read(b->bell, &rings);
    pthread_mutex_lock(&b->lock);
    n = b->n_done;
    memcpy(slots, b->done, n * sizeof *slots);
    b->n_done = 0;
    pthread_mutex_unlock(&b->lock);
    return n;
}

static inline struct side blocking_open(struct blocking *b,
                                        const struct cell *c, const char *path,
                                        uint32_t threads)
{
    *b = (struct blocking){.cell = *c,
                           .n_threads = threads,
                           .lock = PTHREAD_MUTEX_INITIALIZER,
                           .work = PTHREAD_COND_INITIALIZER,
                           .bell = eventfd(0, 0)};
    snprintf(b->path, sizeof b->path, "%s", path);
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        bench_die(path, strerror(errno));
    for (uint32_t i = 0; i < CELL_FLIGHT; i++) {
        b->buffers[i] = cell_buffer((size_t)c->batch * c->size);
    }
    for (uint32_t i = 0; i < threads; i++)
        pthread_create(&b->threads[i], NULL, blocking_main, b);
    return (struct side){b, blocking_submit, blocking_wait};
}

static inline void blocking_close(struct blocking *b)
{
    pthread_mutex_lock(&b->lock);
    b->stop = true;
    pthread_mutex_unlock(&b->lock);
    pthread_cond_broadcast(&b->work);
    for (uint32_t i = 0; i < b->n_threads; i++)
        pthread_join(b->threads[i], NULL);
    for (uint32_t i = 0; i < CELL_FLIGHT; i++)
        free(b->buffers[i]);
    close(b->bell);
}

#endif

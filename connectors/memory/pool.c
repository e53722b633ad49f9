/* pool.c -- see pool.h. */
#include "pool.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "poison.h"

enum {
    POOL_IDLE = 32,  /* free runs that keep their memory */
    POOL_SMALL = 16, /* pieces in small pages, before there are huge ones */
};

static void *pool_reserve(size_t bytes)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return at == MAP_FAILED ? NULL : at;
}

/* The bytes that are mapped at reserved: base needs room to be aligned. */
static size_t pool_reserved(const struct pool *p)
{
    return (p->n_pieces + 1) * AHEAD_PIECE;
}

static size_t pool_runs(const struct pool *p)
{
    return (size_t)p->n_pieces * RUNS_PIECE * sizeof *p->runs;
}

struct pool *pool_new(uint64_t bytes)
{
    struct pool *p = calloc(1, sizeof *p);

    if (p == NULL)
        return NULL;
    p->n_pieces = (uint32_t)(bytes / AHEAD_PIECE);
    p->reserved = pool_reserve(pool_reserved(p));
    if (p->reserved == NULL)
        goto free_pool;
    p->base = ahead_align(p->reserved);
    p->runs = pool_reserve(pool_runs(p));
    if (p->runs == NULL)
        goto unmap_reserved;
    return p;

unmap_reserved:
    munmap(p->reserved, pool_reserved(p));
free_pool:
    free(p);
    return NULL;
}

void pool_free(struct pool *p)
{
    if (p == NULL)
        return;
    unpoison(p->base, p->pieces * AHEAD_PIECE);
    munmap(p->runs, pool_runs(p));
    munmap(p->reserved, pool_reserved(p));
    free(p);
}

/* Under lock. Takes a piece that was never used, for its runs or to make it.
 * False: the address space is used up. */
static bool pool_claim(struct pool *p, uint32_t *piece)
{
    if (p->pieces == p->n_pieces)
        return false;
    *piece = p->pieces++;
    return true;
}

/* Under lock. Whether it should use huge pages now. */
static bool pool_is_large(const struct pool *p)
{
    return p->pieces >= POOL_SMALL && p->pieces < p->most;
}

static bool pool_make(struct maker *m)
{
    struct pool *p = (struct pool *)((char *)m - offsetof(struct pool, maker));
    uint32_t piece;
    bool wanted;

    lock_acquire(&p->lock);
    wanted =
        pool_is_large(p) && p->n_ready < POOL_AHEAD && pool_claim(p, &piece);
    lock_release(&p->lock);
    if (!wanted)
        return false;
    ahead_piece(p->base + piece * AHEAD_PIECE);
    lock_acquire(&p->lock);
    p->ready[p->n_ready++] = piece;
    lock_release(&p->lock);
    return true;
}

void pool_ahead(struct pool *p, struct ahead *a, uint64_t bytes)
{
    p->most = (uint32_t)(bytes / AHEAD_PIECE);
    p->maker.make = pool_make;
    ahead_add(a, &p->maker);
}

static struct run *pool_pop(struct run **list)
{
    struct run *run = *list;

    if (run != NULL)
        *list = run->next;
    return run;
}

static void pool_push(struct run **list, struct run *run)
{
    run->next = *list;
    *list = run;
}

/* Under lock. A run that was never used. *wake: others should be made. */
static struct run *pool_fresh(struct pool *p, bool *wake)
{
    uint32_t piece;

    if (p->fresh == p->end) {
        if (p->n_ready > 0)
            piece = p->ready[--p->n_ready];
        else if (!pool_claim(p, &piece))
            return NULL;
        p->fresh = piece * RUNS_PIECE;
        p->end = p->fresh + RUNS_PIECE;
        *wake = pool_is_large(p);
    }
    return &p->runs[p->fresh++];
}

struct run *pool_take(struct pool *p, struct heap *h)
{
    struct run *run;
    bool wake = false;

    lock_acquire(&p->lock);
    run = pool_pop(&p->idle);
    if (run != NULL)
        p->n_idle--;
    else
        run = pool_pop(&p->bare);
    if (run == NULL)
        run = pool_fresh(p, &wake);
    lock_release(&p->lock);
    if (wake)
        ahead_wake(&p->maker);
    if (run != NULL) {
        run->heap = h;
        poison(pool_bytes(p, run), RUN_BYTES);
    }
    return run;
}

void pool_give(struct pool *p, struct run *run)
{
    bool keeps;

    run->heap = NULL;
    lock_acquire(&p->lock);
    keeps = p->n_idle < POOL_IDLE;
    if (keeps) {
        p->n_idle++;
        pool_push(&p->idle, run);
    }
    lock_release(&p->lock);
    if (keeps)
        return;
    madvise(pool_bytes(p, run), RUN_BYTES, MADV_DONTNEED);
    lock_acquire(&p->lock);
    pool_push(&p->bare, run);
    lock_release(&p->lock);
}

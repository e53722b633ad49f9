/* pool.c -- see pool.h. */
#include "pool.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "poison.h"

/* So many free runs keep their memory. */
enum { POOL_IDLE = 32 };

static void *pool_reserve(size_t bytes)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return at == MAP_FAILED ? NULL : at;
}

struct pool *pool_new(uint64_t bytes)
{
    struct pool *p = calloc(1, sizeof *p);

    if (p == NULL)
        return NULL;
    p->n_runs = (uint32_t)(bytes >> RUN_SHIFT);
    p->base = pool_reserve((size_t)p->n_runs << RUN_SHIFT);
    if (p->base == NULL)
        goto free_pool;
    p->runs = pool_reserve(p->n_runs * sizeof *p->runs);
    if (p->runs == NULL)
        goto unmap_base;
    return p;

unmap_base:
    munmap(p->base, (size_t)p->n_runs << RUN_SHIFT);
free_pool:
    free(p);
    return NULL;
}

void pool_free(struct pool *p)
{
    if (p == NULL)
        return;
    unpoison(p->base, (size_t)p->fresh << RUN_SHIFT);
    munmap(p->runs, p->n_runs * sizeof *p->runs);
    munmap(p->base, (size_t)p->n_runs << RUN_SHIFT);
    free(p);
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

struct run *pool_take(struct pool *p, struct heap *h)
{
    struct run *run;

    lock_acquire(&p->lock);
    run = pool_pop(&p->idle);
    if (run != NULL)
        p->n_idle--;
    else
        run = pool_pop(&p->bare);
    if (run == NULL && p->fresh < p->n_runs)
        run = &p->runs[p->fresh++];
    lock_release(&p->lock);
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

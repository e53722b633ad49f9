/* blocks.c -- memory for large values, kept for the next one of its size.
 *
 * A value of a mebibyte lives for milliseconds: a worker reads into it, the
 * host uses it and drops it. malloc returns such blocks to the kernel or keeps
 * them in the arena of the thread that allocated. In both cases the next value
 * pays a page fault for every 4 KiB, which costs more than the copy. Here up to
 * KEPT_PAGES stay mapped, in lists by size. There are eight sizes to a power of
 * two, so a block is at most an eighth too large. Pages beyond the value take
 * no memory unless an earlier, larger value touched them. The block counts the
 * pages that were touched.
 *
 * The lock is only tried. A thread that finds it taken maps or unmaps memory
 * itself. So no thread waits, not even in a child that was forked while another
 * thread held the lock. */
#include "blocks.h"

#include <pthread.h>
#include <stdbool.h>
#include <sys/mman.h>

enum {
    KEPT_PAGES = (64 << 20) / BLOCKS_PAGE, /* 64 MiB stay mapped */
    SIZES = 256,
};

/* The head of a block in a list. */
struct block {
    struct block *next;
    uint32_t pages; /* touched ones; the others take no memory */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct block *waiting[SIZES]; /* under lock */
static uint32_t kept_pages;          /* under lock */

/* Rounds pages up to one of the sizes, and numbers it. */
static uint32_t size_of(uint64_t pages, uint64_t *rounded)
{
    uint32_t exponent = 63 - (uint32_t)__builtin_clzll(pages);
    uint32_t shift = exponent > 3 ? exponent - 3 : 0;
    uint64_t eighths = (pages + (1ull << shift) - 1) >> shift;

    *rounded = eighths << shift;
    return shift * 8 + (uint32_t)eighths;
}

static void *take_waiting(uint32_t size, uint32_t pages)
{
    struct block *block;

    if (pthread_mutex_trylock(&lock) != 0)
        return NULL;
    block = waiting[size];
    if (block != NULL) {
        waiting[size] = block->next;
        kept_pages -= pages;
    }
    pthread_mutex_unlock(&lock);
    return block;
}

static bool keep(struct block *block, uint32_t size, uint32_t pages)
{
    bool kept;

    if (pthread_mutex_trylock(&lock) != 0)
        return false;
    kept = kept_pages + pages <= KEPT_PAGES;
    if (kept) {
        block->next = waiting[size];
        waiting[size] = block;
        kept_pages += pages;
    }
    pthread_mutex_unlock(&lock);
    return kept;
}

void *blocks_take(size_t bytes, uint32_t *pages)
{
    uint64_t needed = ((uint64_t)bytes + BLOCKS_PAGE - 1) / BLOCKS_PAGE;
    uint64_t rounded;
    uint32_t size = size_of(needed, &rounded);
    struct block *block = NULL;
    void *mapped;

    if (rounded > UINT32_MAX)
        return NULL;
    *pages = (uint32_t)needed;
    if (rounded <= KEPT_PAGES)
        block = take_waiting(size, (uint32_t)rounded);
    if (block != NULL) {
        if (block->pages > *pages)
            *pages = block->pages;
        return block;
    }
    mapped = mmap(NULL, rounded * BLOCKS_PAGE, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return mapped == MAP_FAILED ? NULL : mapped;
}

void blocks_give(void *block, uint32_t pages)
{
    uint64_t rounded;
    uint32_t size = size_of(pages, &rounded);

    ((struct block *)block)->pages = pages;
    if (rounded > KEPT_PAGES || !keep(block, size, (uint32_t)rounded))
        munmap(block, rounded * BLOCKS_PAGE);
}

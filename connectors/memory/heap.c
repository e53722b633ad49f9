/* heap.c -- see heap.h. */
#include "heap.h"

#include <string.h>

#include "poison.h"

enum {
    HEAP_SLACK = 1 << 20,
    HEAP_TRIES = 8, /* runs of a list to look at */
};

static unsigned heap_units(size_t bytes)
{
    return (unsigned)((bytes < HEAP_LEAST ? HEAP_LEAST : bytes) + HEAP_UNIT -
                      1) /
           HEAP_UNIT;
}

static unsigned heap_bin(const struct run *run)
{
    return (unsigned)run->used * HEAP_BINS / run->count;
}

/* ---- lists ---- */

static void heap_list(struct heap *h, struct run *run)
{
    struct run **list = &h->lists[run->units][run->bin];

    if (run->bin == HEAP_BINS)
        return;
    run->next = *list;
    run->prev = list;
    if (run->next != NULL)
        run->next->prev = &run->next;
    *list = run;
    h->bins[run->units] |= (uint8_t)(1u << run->bin);
}

static void heap_unlist(struct heap *h, struct run *run)
{
    if (run->bin == HEAP_BINS)
        return;
    *run->prev = run->next;
    if (run->next != NULL)
        run->next->prev = run->prev;
    if (h->lists[run->units][run->bin] == NULL)
        h->bins[run->units] &= (uint8_t) ~(1u << run->bin);
}

/* Notes that the run is as full as it is. */
static void heap_relist(struct heap *h, struct run *run)
{
    unsigned bin = heap_bin(run);

    if (bin == run->bin)
        return;
    heap_unlist(h, run);
    run->bin = (uint8_t)bin;
    heap_list(h, run);
}

/* ---- runs ---- */

/* Marks the bits behind the last block as in use. */
static void heap_mark_end(struct run *run)
{
    memset(run->taken, 0xff, sizeof run->taken);
    memset(run->taken, 0, run->count / 64 * sizeof *run->taken);
    if (run->count % 64 != 0)
        run->taken[run->count / 64] = ~UINT64_C(0) << run->count % 64;
}

static struct run *heap_open(struct heap *h, unsigned units)
{
    struct run *run = pool_take(h->pool, h);

    if (run == NULL)
        return NULL;
    run->units = (uint8_t)units;
    run->count = (uint16_t)(RUN_BYTES / (units * HEAP_UNIT));
    run->used = 0;
    run->bin = 0;
    run->hint = 0;
    run->stuck = false;
    heap_mark_end(run);
    h->held += RUN_BYTES;
    h->free[units] += run->count;
    heap_list(h, run);
    return run;
}

/* Takes an empty run out of the heap. */
static void heap_close(struct heap *h, struct run *run)
{
    h->held -= RUN_BYTES;
    if (run == h->emptying) {
        h->emptying = NULL;
        return;
    }
    h->free[run->units] -= run->count;
    heap_unlist(h, run);
}

/* ---- blocks ---- */

static struct run *heap_fullest(const struct heap *h, unsigned units)
{
    unsigned bins = h->bins[units];

    return bins == 0 ? NULL : h->lists[units][31 - __builtin_clz(bins)];
}

static void *heap_block(const struct heap *h, const struct run *run, unsigned i)
{
    return pool_bytes(h->pool, run) + (size_t)i * run->units * HEAP_UNIT;
}

static void *heap_take_of(struct heap *h, struct run *run)
{
    unsigned word = run->hint, bit;

    while (run->taken[word] == ~UINT64_C(0))
        word = word + 1 < RUN_WORDS ? word + 1 : 0;
    bit = (unsigned)__builtin_ctzll(~run->taken[word]);
    run->taken[word] |= UINT64_C(1) << bit;
    run->hint = (uint8_t)word;
    run->used++;
    h->free[run->units]--;
    h->used += run->units * HEAP_UNIT;
    heap_relist(h, run);
    return heap_block(h, run, word * 64 + bit);
}

static void *heap_take_from(struct heap *h, size_t bytes, bool other)
{
    unsigned units = heap_units(bytes);
    struct run *run;
    void *block = NULL;

    if (bytes > HEAP_MOST)
        return NULL;
    lock_acquire(&h->lock);
    run = heap_fullest(h, units);
    if (run == NULL && !other)
        run = heap_open(h, units);
    if (run != NULL)
        block = heap_take_of(h, run);
    lock_release(&h->lock);
    if (block != NULL)
        unpoison(block, bytes);
    return block;
}

void *heap_take(struct heap *h, size_t bytes)
{
    return heap_take_from(h, bytes, false);
}

void *heap_take_other(struct heap *h, size_t bytes)
{
    return heap_take_from(h, bytes, true);
}

/* Whether the run is empty now: then the heap no longer has it. */
static bool heap_give_to(struct heap *h, struct run *run, unsigned i)
{
    run->taken[i / 64] &= ~(UINT64_C(1) << i % 64);
    run->hint = (uint8_t)(i / 64);
    run->used--;
    run->stuck = false;
    h->used -= run->units * HEAP_UNIT;
    if (run != h->emptying) {
        h->free[run->units]++;
        heap_relist(h, run);
    }
    if (run->used == 0)
        heap_close(h, run);
    return run->used == 0;
}

void heap_give(struct pool *p, void *block)
{
    struct run *run = pool_run(p, block);
    struct heap *h = run->heap;
    unsigned bytes = run->units * HEAP_UNIT;
    unsigned i = (unsigned)((char *)block - pool_bytes(p, run)) / bytes;
    bool empty;

    lock_acquire(&h->lock);
    poison(block, bytes);
    empty = heap_give_to(h, run, i);
    lock_release(&h->lock);
    if (empty)
        pool_give(p, run);
}

/* ---- for tidy.c ---- */

bool heap_loose(struct heap *h)
{
    bool loose;

    lock_acquire(&h->lock);
    loose = h->held > h->used + h->held / 8 + HEAP_SLACK;
    lock_release(&h->lock);
    return loose;
}

/* Returns the size, in units, with the most free bytes. 0: no size has as many
 * as a run. */
static unsigned heap_thinnest(const struct heap *h)
{
    uint32_t most = RUN_BYTES / HEAP_UNIT - 1;
    unsigned thinnest = 0;

    for (unsigned units = 1; units < HEAP_SIZES; units++) {
        if (h->free[units] * units > most) {
            most = h->free[units] * units;
            thinnest = units;
        }
    }
    return thinnest;
}

/* Chooses the run to be emptied. */
static void heap_choose(struct heap *h)
{
    unsigned units = heap_thinnest(h);
    struct run *run = NULL;

    for (int bin = 0; bin < HEAP_BINS && run == NULL; bin++) {
        run = h->lists[units][bin];
        for (int i = 0; i < HEAP_TRIES && run != NULL && run->stuck; i++)
            run = run->next;
        if (run != NULL && run->stuck)
            run = NULL;
    }
    if (run == NULL)
        return;
    h->free[units] -= run->count - run->used;
    heap_unlist(h, run);
    h->emptying = run;
    h->at = 0;
}

/* Some blocks are on their way in or out of the shard, and stay for now. */
static void heap_give_up(struct heap *h)
{
    struct run *run = h->emptying;

    h->emptying = NULL;
    h->free[run->units] += run->count - run->used;
    run->stuck = true;
    run->bin = (uint8_t)heap_bin(run);
    heap_list(h, run);
}

/* The next block in use at or behind h->at, or NULL. */
static void *heap_seek(struct heap *h)
{
    const struct run *run = h->emptying;

    for (; h->at < run->count; h->at++) {
        if ((run->taken[h->at / 64] >> h->at % 64 & 1) != 0)
            return heap_block(h, run, h->at++);
    }
    return NULL;
}

void *heap_next(struct heap *h)
{
    void *block = NULL;

    lock_acquire(&h->lock);
    if (h->emptying == NULL)
        heap_choose(h);
    if (h->emptying != NULL) {
        block = heap_seek(h);
        if (block == NULL)
            heap_give_up(h);
    }
    lock_release(&h->lock);
    return block;
}

/* table.c -- see table.h. */
#include "table.h"

#include <errno.h>
#include <sys/mman.h>

enum { TABLE_PAGE = 4096 };

int table_init(struct table *t, uint64_t max_items)
{
    uint64_t max = max_items < TABLE_MIN ? TABLE_MIN : max_items;

    if (max > UINT32_MAX / 2)
        max = UINT32_MAX / 2;
    t->buckets = mmap(NULL, max * sizeof *t->buckets, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (t->buckets == MAP_FAILED)
        return -ENOMEM;
    t->mask = TABLE_MIN - 1;
    t->n = TABLE_MIN;
    t->max = (uint32_t)max;
    t->items = 0;
    return 0;
}

void table_free(struct table *t)
{
    munmap(t->buckets, t->max * sizeof *t->buckets);
}

static uint32_t table_bucket(const struct table *t, uint32_t hash)
{
    uint32_t at = hash & t->mask;

    return at < t->n ? at : at & t->mask >> 1;
}

static uint32_t reverse(uint32_t x)
{
    x = (x >> 1 & 0x55555555) | (x & 0x55555555) << 1;
    x = (x >> 2 & 0x33333333) | (x & 0x33333333) << 2;
    x = (x >> 4 & 0x0f0f0f0f) | (x & 0x0f0f0f0f) << 4;
    return __builtin_bswap32(x);
}

uint64_t table_position(const struct entry *e)
{
    return reverse(e->hash);
}

/* Readers without the lock (table_guess) see some n, some mask, some entry. */
static void table_link(struct entry **at, struct entry *e)
{
    __atomic_store_n(at, e, __ATOMIC_RELAXED);
}

static void table_resize(struct table *t, uint32_t n, uint32_t mask)
{
    __atomic_store_n(&t->n, n, __ATOMIC_RELAXED);
    __atomic_store_n(&t->mask, mask, __ATOMIC_RELAXED);
}

/* Cut one bucket in two: the second half of its chain, whose next bit of the
 * hash is set, becomes the chain of a new last bucket. */
static void table_grow(struct table *t)
{
    uint32_t mask = t->n > t->mask ? t->mask * 2 + 1 : t->mask;
    uint32_t bit = (mask >> 1) + 1;
    struct entry **cut = &t->buckets[t->n - bit];

    while (*cut != NULL && ((*cut)->hash & bit) == 0)
        cut = &(*cut)->chain;
    table_link(&t->buckets[t->n], *cut);
    table_link(cut, NULL);
    table_resize(t, t->n + 1, mask);
}

/* Join the last bucket to the one it was cut from. */
static void table_shrink(struct table *t)
{
    uint32_t last = t->n - 1;
    uint32_t half = t->mask >> 1;
    uint32_t mask = last > half + 1 ? t->mask : half;
    struct entry **end = &t->buckets[last & half];

    while (*end != NULL)
        end = &(*end)->chain;
    table_link(end, t->buckets[last]);
    table_link(&t->buckets[last], NULL);
    table_resize(t, last, mask);
    if (last * sizeof *t->buckets % TABLE_PAGE == 0)
        madvise(&t->buckets[last], TABLE_PAGE, MADV_DONTNEED);
}

struct entry *table_find(const struct table *t, uint32_t hash, const char *key,
                         uint32_t key_len)
{
    struct entry *e = t->buckets[table_bucket(t, hash)];

    while (e != NULL && (e->hash != hash || e->key_len != key_len ||
                         memcmp(e->bytes, key, key_len) != 0))
        e = e->chain;
    return e;
}

void table_insert(struct table *t, struct entry *e)
{
    struct entry **at;

    t->items++;
    if (t->items > t->n - t->n / 4 && t->n < t->max)
        table_grow(t);
    at = &t->buckets[table_bucket(t, e->hash)];
    while (*at != NULL && reverse((*at)->hash) < reverse(e->hash))
        at = &(*at)->chain;
    e->chain = *at;
    table_link(at, e);
}

static struct entry **table_place(struct table *t, const struct entry *e)
{
    struct entry **at = &t->buckets[table_bucket(t, e->hash)];

    while (*at != e)
        at = &(*at)->chain;
    return at;
}

void table_replace(struct table *t, struct entry *old, struct entry *e)
{
    e->chain = old->chain;
    table_link(table_place(t, old), e);
}

/* A table shrinks late, four times below where it grew, and by at most as many
 * buckets as keeps it there. */
void table_remove(struct table *t, struct entry *e)
{
    table_link(table_place(t, e), e->chain);
    t->items--;
    for (int i = 0; i < 4 && t->n > TABLE_MIN && t->n / 4 > t->items; i++)
        table_shrink(t);
}

struct entry *table_at(const struct table *t, uint64_t position, uint64_t *next)
{
    uint32_t bucket = table_bucket(t, reverse((uint32_t)position));
    uint32_t half = (t->mask >> 1) + 1;
    uint64_t width = TABLE_END / half;
    struct entry *e = t->buckets[bucket];

    if ((bucket | half) < t->n)
        width /= 2;
    *next = (position / width + 1) * width;
    while (e != NULL && table_position(e) < position)
        e = e->chain;
    return e;
}

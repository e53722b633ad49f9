/* table.c -- see table.h. */
#include "table.h"

#include <errno.h>
#include <sys/mman.h>

enum { TABLE_PAGE = 4096 };

int table_init(struct table *t, uint64_t max_items)
{
    uint64_t max = max_items / TABLE_LOAD;

    if (max < TABLE_MIN)
        max = TABLE_MIN;
    if (max > TABLE_END)
        max = TABLE_END;
    *t = (struct table){.size = {TABLE_MIN, TABLE_MIN - 1},
                        .max = (uint32_t)max};
    t->buckets = mmap(NULL, max * sizeof *t->buckets, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (t->buckets == MAP_FAILED)
        return -ENOMEM;
    return 0;
}

/* Makes the piece that is used next. The first one is never made: a small table
 * takes no more memory than it counts. */
static bool table_make(struct maker *m)
{
    struct table *t =
        (struct table *)((char *)m - offsetof(struct table, maker));
    char *at = ahead_align(t->buckets);
    uint32_t wanted = atomic_load(&t->wanted);

    at += wanted * AHEAD_PIECE;
    if (wanted <= t->made || at + AHEAD_PIECE > (char *)&t->buckets[t->max])
        return false;
    t->made = wanted;
    ahead_piece(at);
    return true;
}

void table_ahead(struct table *t, struct ahead *a)
{
    t->maker.make = table_make;
    ahead_add(a, &t->maker);
}

/* Wants the next piece when a quarter of the last one is left. */
static void table_reach(struct table *t)
{
    const char *end = (char *)&t->buckets[t->size.n];
    const char *next = ahead_align(t->buckets) + (t->wanted + 1) * AHEAD_PIECE;

    if (t->maker.ahead == NULL || end < next - AHEAD_PIECE / 4)
        return;
    t->wanted++;
    ahead_wake(&t->maker);
}

void table_free(struct table *t)
{
    munmap(t->buckets, t->max * sizeof *t->buckets);
}

static uint32_t reverse(uint32_t x)
{
    x = (x >> 1 & 0x55555555) | (x & 0x55555555) << 1;
    x = (x >> 2 & 0x33333333) | (x & 0x33333333) << 2;
    x = (x >> 4 & 0x0f0f0f0f) | (x & 0x0f0f0f0f) << 4;
    return __builtin_bswap32(x) >> (32 - ENTRY_HASH_BITS);
}

uint64_t table_position(const struct entry *e)
{
    return reverse(entry_hash(e));
}

/* Makes e the next entry after prev in a bucket, the first one if prev is NULL.
 * table_guess reads the first one, and the size, without the lock. */
static void table_link(struct table *t, uint32_t bucket, struct entry *prev,
                       struct entry *e)
{
    if (prev != NULL)
        prev->chain = link_to(e);
    else
        __atomic_store_n(&t->buckets[bucket], e, __ATOMIC_RELAXED);
}

static void table_resize(struct table *t, struct linear size)
{
    __atomic_store_n(&t->size.n, size.n, __ATOMIC_RELAXED);
    __atomic_store_n(&t->size.mask, size.mask, __ATOMIC_RELAXED);
}

/* Cuts one bucket in two: the second half of its chain, whose next bit of the
 * hash is set, becomes the chain of a new last bucket. */
static void table_grow(struct table *t)
{
    struct linear size = linear_grown(t->size);
    uint32_t source = linear_source(size), last = size.n - 1;
    struct entry *prev = NULL, *e = t->buckets[source];

    while (e != NULL && (entry_hash(e) & (last ^ source)) == 0) {
        prev = e;
        e = entry_chain(e);
    }
    table_link(t, last, NULL, e);
    table_link(t, source, prev, NULL);
    table_resize(t, size);
    table_reach(t);
}

/* Joins the last bucket to the one it was cut from. */
static void table_shrink(struct table *t)
{
    uint32_t source = linear_source(t->size), last = t->size.n - 1;
    struct entry *prev = NULL, *e = t->buckets[source];

    for (; e != NULL; e = entry_chain(e))
        prev = e;
    table_link(t, source, prev, t->buckets[last]);
    table_link(t, last, NULL, NULL);
    table_resize(t, linear_shrunk(t->size));
    if (last * sizeof *t->buckets % TABLE_PAGE == 0)
        madvise(&t->buckets[last], TABLE_PAGE, MADV_DONTNEED);
}

struct entry *table_find(const struct table *t, const struct table_key *key)
{
    struct entry *e = t->buckets[linear_bucket(t->size, key->hash)];
    uint32_t low = key->hash & ((1u << ENTRY_HASH_LOW) - 1);

    while (e != NULL && (e->hash_low != low || e->key_len != key->len ||
                         memcmp(entry_key(e), key->bytes, key->len) != 0))
        e = entry_chain(e);
    return e;
}

bool table_holds(const struct table *t, const struct entry *e, uint32_t hash)
{
    const struct entry *at = t->buckets[linear_bucket(t->size, hash)];

    while (at != NULL && at != e)
        at = entry_chain(at);
    return at != NULL;
}

/* Stands for an entry where a bucket has none. */
static struct entry table_none;

/* The entry with that many before it in the bucket of a hash. */
static struct entry *table_nth(const struct table *t, uint32_t hash,
                               uint32_t before)
{
    struct entry *e = t->buckets[linear_bucket(t->size, hash)];

    for (; e != NULL && before > 0; before--)
        e = entry_chain(e);
    return e != NULL ? e : &table_none;
}

bool table_prefetch_next(const struct table *t, uint32_t hash, uint32_t before,
                         struct entry **found)
{
    struct entry *e = table_nth(t, hash, before), *next = entry_chain(e);
    bool equal = e != &table_none && entry_hash(e) == hash;
    const char *at = (const char *)(next != NULL ? next : e);

    if (equal)
        at = (const char *)e + 64;
    __builtin_prefetch(at);
    __builtin_prefetch(at + sizeof *e - 1);
    *found = equal ? e : NULL;
    return !equal && next != NULL;
}

void table_insert(struct table *t, struct entry *e)
{
    uint32_t position = reverse(entry_hash(e)), bucket;
    struct entry *prev = NULL, *next;

    t->items++;
    if (t->items > (uint64_t)t->size.n * TABLE_LOAD && t->size.n < t->max)
        table_grow(t);
    bucket = linear_bucket(t->size, entry_hash(e));
    next = t->buckets[bucket];
    while (next != NULL && table_position(next) < position) {
        prev = next;
        next = entry_chain(next);
    }
    e->chain = link_to(next);
    table_link(t, bucket, prev, e);
}

/* Makes `by` the successor of the predecessor of e, in place of e. */
static void table_relink(struct table *t, const struct entry *e,
                         struct entry *by)
{
    uint32_t bucket = linear_bucket(t->size, entry_hash(e));
    struct entry *prev = NULL, *at = t->buckets[bucket];

    for (; at != e; at = entry_chain(at))
        prev = at;
    table_link(t, bucket, prev, by);
}

void table_replace(struct table *t, struct entry *old, struct entry *e)
{
    e->chain = old->chain;
    table_relink(t, old, e);
}

/* A table shrinks late, four times below where it grew, and by at most four
 * buckets a call. */
void table_remove(struct table *t, struct entry *e)
{
    table_relink(t, e, entry_chain(e));
    t->items--;
    for (int i = 0; i < 4 && t->size.n > TABLE_MIN &&
                    t->items < (uint64_t)t->size.n * TABLE_LOAD / 4;
         i++)
        table_shrink(t);
}

struct entry *table_at(const struct table *t, uint64_t position, uint64_t *next)
{
    uint32_t bucket = linear_bucket(t->size, reverse((uint32_t)position));
    uint32_t half = (t->size.mask >> 1) + 1;
    uint64_t width = TABLE_END / half;
    struct entry *e = t->buckets[bucket];

    if ((bucket | half) < t->size.n)
        width /= 2;
    *next = (position / width + 1) * width;
    while (e != NULL && table_position(e) < position)
        e = entry_chain(e);
    return e;
}

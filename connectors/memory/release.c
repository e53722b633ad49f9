/* release.c -- see release.h.
 *
 * Entries lie in memory in no order that a table or a queue knows, and each
 * first access to one waits for memory: 0.25 us. So many chains are followed at
 * a time. Then the entries are sorted by address, because free reads and writes
 * the memory around a block. */
#include "release.h"

#include <sys/mman.h>

enum {
    CHAINS = 64,  /* that are followed at a time */
    AHEAD = 16,   /* entries that are loaded before they are freed */
    LOW_BITS = 4, /* of an address: malloc aligns to 16 */
    DIGIT_BITS = 11,
    DIGITS = 4, /* 4 + 4 * 11 = 48 bits of address */
};

/* Adds the entries of some buckets to a list: the first one of each chain, then
 * the second ones, and so on. Returns how many. */
static uint64_t release_buckets(struct entry *const *buckets, uint32_t n,
                                struct entry **list)
{
    struct entry *at[CHAINS];
    uint32_t chains = 0;
    uint64_t found = 0;

    for (uint32_t i = 0; i < n; i++) {
        at[chains] = buckets[i];
        __builtin_prefetch(at[chains]);
        chains += at[chains] != NULL;
    }
    while (chains > 0) {
        uint32_t left = 0;

        for (uint32_t i = 0; i < chains; i++) {
            list[found++] = at[i];
            at[left] = entry_chain(at[i]);
            __builtin_prefetch(at[left]);
            left += at[left] != NULL;
        }
        chains = left;
    }
    return found;
}

static void release_list(const struct table *t, struct entry **list)
{
    for (uint32_t i = 0; i < t->size.n; i += CHAINS) {
        uint32_t left = t->size.n - i;

        list += release_buckets(&t->buckets[i], left < CHAINS ? left : CHAINS,
                                list);
    }
}

static unsigned release_digit(const struct entry *e, int digit)
{
    return (uintptr_t)e >> (LOW_BITS + digit * DIGIT_BITS) &
           ((1u << DIGIT_BITS) - 1);
}

/* Sorts by one digit into `to`. False: all are equal, nothing was done. */
static bool release_pass(struct entry *const *from, struct entry **to,
                         uint64_t n, int digit)
{
    uint64_t starts[1 << DIGIT_BITS] = {0}, sum = 0;

    for (uint64_t i = 0; i < n; i++)
        starts[release_digit(from[i], digit)]++;
    if (starts[release_digit(from[0], digit)] == n)
        return false;
    for (unsigned d = 0; d < 1u << DIGIT_BITS; d++) {
        uint64_t count = starts[d];

        starts[d] = sum;
        sum += count;
    }
    for (uint64_t i = 0; i < n; i++)
        to[starts[release_digit(from[i], digit)]++] = from[i];
    return true;
}

static void release_entry(const struct pool *pool, struct entry *e)
{
    if (!pool_has(pool, e))
        entry_free(NULL, e);
    else if (e->size == ENTRY_REFERS)
        weir_value_unref(entry_value(e));
}

static void release_sorted(struct entry **list, struct entry **spare,
                           uint64_t n, const struct pool *pool)
{
    for (int digit = 0; digit < DIGITS; digit++) {
        if (release_pass(list, spare, n, digit)) {
            struct entry **sorted = spare;

            spare = list;
            list = sorted;
        }
    }
    for (uint64_t i = 0; i < n; i++) {
        __builtin_prefetch(list[i + AHEAD < n ? i + AHEAD : i]);
        release_entry(pool, list[i]);
    }
}

/* Without memory for the lists, bucket by bucket. */
static void release_unsorted(const struct table *t, const struct pool *pool)
{
    for (uint32_t i = 0; i < t->size.n; i++) {
        struct entry *e = t->buckets[i], *next;

        for (; e != NULL; e = next) {
            next = entry_chain(e);
            release_entry(pool, e);
        }
    }
}

void release_tables(struct table *const *tables, uint32_t n_tables,
                    const struct pool *pool)
{
    struct entry **lists;
    uint64_t n = 0, at = 0;

    for (uint32_t k = 0; k < n_tables; k++)
        n += tables[k]->items;
    if (n == 0)
        return;
    lists = mmap(NULL, n * 2 * sizeof *lists, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (lists != MAP_FAILED)
        madvise(lists, n * 2 * sizeof *lists, MADV_HUGEPAGE);
    for (uint32_t k = 0; k < n_tables; k++) {
        if (lists != MAP_FAILED)
            release_list(tables[k], &lists[at]);
        else
            release_unsorted(tables[k], pool);
        at += tables[k]->items;
        tables[k]->items = 0;
    }
    if (lists == MAP_FAILED)
        return;
    release_sorted(lists, lists + n, n, pool);
    munmap(lists, n * 2 * sizeof *lists);
}

/* release.c -- see release.h.
 *
 * free reads and writes the memory around a block. When blocks are freed in an
 * order that memory does not have, each access waits: 0.3 us an entry, and as
 * much again when malloc joins the free blocks later. So the entries are sorted
 * by address first, which costs 20 ns an entry. */
#include "release.h"

#include <sys/mman.h>

enum {
    LOW_BITS = 4, /* of an address: malloc aligns to 16 */
    DIGIT_BITS = 11,
    DIGITS = 4, /* 4 + 4 * 11 = 48 bits of address */
};

/* Takes the entry at each end of a queue off it. */
static uint64_t release_ends(struct queue *q, struct entry **list)
{
    uint64_t n = q->items < 2 ? q->items : 2;

    if (n > 0) {
        list[0] = queue_oldest(q);
        q->oldest = list[0]->newer;
    }
    if (n > 1) {
        list[1] = queue_newest(q);
        q->newest = list[1]->older;
    }
    q->items -= n;
    return n;
}

/* Walks through all queues, from both ends, by turns: while one step waits for
 * memory, those of the other walks go on. */
static void release_list(struct queue *const *queues, uint32_t n_queues,
                         struct entry **list, uint64_t n)
{
    for (uint64_t i = 0; i < n;) {
        for (uint32_t k = 0; k < n_queues; k++)
            i += release_ends(queues[k], &list[i]);
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

static void release_sorted(struct entry **list, struct entry **spare,
                           uint64_t n)
{
    for (int digit = 0; digit < DIGITS; digit++) {
        if (release_pass(list, spare, n, digit)) {
            struct entry **sorted = spare;

            spare = list;
            list = sorted;
        }
    }
    for (uint64_t i = 0; i < n; i++)
        entry_free(list[i]);
}

/* Without memory for the lists, in the order of the queue. */
static void release_unsorted(struct queue *q)
{
    for (struct entry *e = queue_oldest(q), *newer; e != NULL; e = newer) {
        newer = entry_newer(e);
        entry_free(e);
    }
}

void release_queues(struct queue *const *queues, uint32_t n_queues)
{
    struct entry **lists;
    uint64_t n = 0;

    for (uint32_t k = 0; k < n_queues; k++)
        n += queues[k]->items;
    if (n == 0)
        return;
    lists = mmap(NULL, n * 2 * sizeof *lists, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (lists != MAP_FAILED) {
        release_list(queues, n_queues, lists, n);
        release_sorted(lists, lists + n, n);
        munmap(lists, n * 2 * sizeof *lists);
    }
    for (uint32_t k = 0; k < n_queues; k++) {
        if (lists == MAP_FAILED)
            release_unsorted(queues[k]);
        *queues[k] = (struct queue){0};
    }
}

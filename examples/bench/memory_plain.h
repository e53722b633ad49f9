/* memory_plain.h -- what `bench memory` compares a store with: a table without
 * links, locks, sizes or eviction, and plain memory that is read line by line.
 */
#ifndef MEMORY_PLAIN_H
#define MEMORY_PLAIN_H

#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "bench.h"

enum {
    BATCH = 64,
    VALUE = 64,
    GETS = 1 << 20, /* keys of a round */
    READS = 160,    /* of plain memory: about as long as a batch */
};

struct key {
    uint64_t words[2];
};

static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static struct key key_of(uint64_t i)
{
    return (struct key){{mix(i + 1), i}};
}

static uint64_t thread_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* ---- a table ---- */

struct slot {
    struct key key; /* words[0] is 0 in an empty slot */
    char value[VALUE];
};

struct plain {
    struct slot *slots;
    uint64_t mask;
};

static struct slot *plain_slot(const struct plain *p, const struct key *key)
{
    uint64_t at = XXH3_64bits(key, sizeof *key) & p->mask;

    while (p->slots[at].key.words[0] != 0 &&
           memcmp(&p->slots[at].key, key, sizeof *key) != 0)
        at = (at + 1) & p->mask;
    return &p->slots[at];
}

static struct plain plain_new(uint64_t n)
{
    struct plain p = {NULL, 1};

    while (p.mask + 1 < n + n / 2)
        p.mask = p.mask * 2 + 1;
    p.slots = calloc(p.mask + 1, sizeof *p.slots);
    if (p.slots == NULL)
        bench_die("calloc", "out of memory");
    for (uint64_t i = 0; i < n; i++) {
        struct key key = key_of(i);

        plain_slot(&p, &key)->key = key;
    }
    return p;
}

static void plain_free(struct plain *p)
{
    free(p->slots);
}

/* Gets random keys below `range` in batches, one key after the other: ns a key.
 */
static double plain_gets(const struct plain *p, uint64_t range, uint64_t seed)
{
    struct key keys[BATCH];
    char values[BATCH][VALUE];
    uint64_t sum = 0;

    for (uint64_t i = 0; i < GETS; i += BATCH) {
        uint64_t start;

        for (uint32_t k = 0; k < BATCH; k++)
            keys[k] = key_of(mix(seed * GETS + i + k) % range);
        start = thread_ns();
        for (uint32_t k = 0; k < BATCH; k++)
            memcpy(values[k], plain_slot(p, &keys[k])->value, VALUE);
        /* The copy must happen though nothing reads it. */
        __asm__ volatile("" ::"r"(values) : "memory");
        sum += thread_ns() - start;
    }
    return (double)sum / GETS;
}

/* ---- memory ---- */

struct lines {
    char *bytes;
    uint64_t size, at;
};

/* Maps memory, in huge pages if there are some, and writes to every page. */
static struct lines lines_new(uint64_t size)
{
    struct lines l = {.size = size};

    l.bytes = mmap(NULL, size, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (l.bytes == MAP_FAILED)
        bench_die("mmap", "out of memory");
    madvise(l.bytes, size, MADV_HUGEPAGE);
    for (uint64_t i = 0; i < size; i += 4096)
        l.bytes[i] = 1;
    return l;
}

static void lines_free(struct lines *l)
{
    munmap(l->bytes, l->size);
}

/* Reads READS bytes at random places, one after the other: ns. Every page has
 * been written to, and there is no system call: what a step takes beyond some
 * 50 us is the machine's. */
static uint64_t lines_read(struct lines *l)
{
    uint64_t start = thread_ns(), sum = 0;

    for (int i = 0; i < READS; i++) {
        l->at = mix(l->at + 1) + (sum & 1);
        sum += (uint64_t)l->bytes[l->at % l->size];
    }
    __asm__ volatile("" ::"r"(sum));
    return thread_ns() - start;
}

#endif

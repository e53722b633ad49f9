/* value.c -- immutable bytes with a reference count.
 *
 * A value is one allocation, this head and then the bytes, so a small object
 * costs one malloc. Stores share values by reference and do not copy them. A
 * wrapped value points at memory of another owner, and calls release when the
 * last reference is dropped. */
#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "blocks.h"
#include "connector.h"

struct value {
    struct weir_value pub;      /* first: the two are one address */
    void (*release)(void *arg); /* NULL: the bytes follow the head */
    void *arg;
    _Atomic uint32_t refs;
    uint32_t pages; /* of a block of blocks.c; 0: it is from malloc */
    bool borrowed;
};

/* Values of this size and more start at a cache line: then the faster copy is
 * worth the gap. */
enum { ALIGN_FROM = 4096, ALIGNMENT = 64 };

static struct value *value_of(struct weir_value *v)
{
    return (struct value *)v;
}

/* Allocates from malloc (*pages is 0) or, for a large size, from blocks.c. */
static void *block_new(uint64_t size, uint32_t *pages)
{
    *pages = 0;
    return size < BLOCKS_FROM ? malloc(size) : blocks_take(size, pages);
}

struct weir_value *weir_value_new(uint64_t size, char **data)
{
    size_t gap = size >= ALIGN_FROM ? ALIGNMENT - 1 : 0;
    struct value *v;
    uint32_t pages;
    uintptr_t at;

    if (size > (uint64_t)PTRDIFF_MAX - sizeof *v - gap)
        return NULL;
    /* Not aligned_alloc: a hole that one of its blocks leaves does not fit the
     * next block of the same size, and the heap grows by half. */
    v = block_new(sizeof *v + gap + size, &pages);
    if (v == NULL)
        return NULL;
    at = ((uintptr_t)(v + 1) + gap) & ~(uintptr_t)gap;
    v->pub.data = *data = (char *)at;
    v->pub.size = size;
    v->release = NULL;
    v->arg = NULL;
    v->pages = pages;
    v->borrowed = false;
    atomic_init(&v->refs, 1);
    return &v->pub;
}

struct weir_value *weir_value_copy(const void *bytes, uint64_t size)
{
    char *data;
    struct weir_value *v = weir_value_new(size, &data);

    if (v != NULL && size > 0)
        memcpy(data, bytes, size);
    return v;
}

struct weir_value *weir_value_wrap(const void *bytes, uint64_t size,
                                   void (*release)(void *arg), void *arg)
{
    struct value *v = malloc(sizeof *v);

    if (v == NULL)
        return NULL;
    v->pub.data = bytes;
    v->pub.size = size;
    v->release = release;
    v->arg = arg;
    v->pages = 0;
    v->borrowed = false;
    atomic_init(&v->refs, 1);
    return &v->pub;
}

static void slice_release(void *whole)
{
    weir_value_unref(whole);
}

struct weir_value *weir_value_slice(struct weir_value *whole, uint64_t at,
                                    uint64_t size)
{
    const char *bytes = whole->data + at;
    struct weir_value *part;

    if (value_of(whole)->release == slice_release)
        whole = value_of(whole)->arg;
    part = weir_value_wrap(bytes, size, slice_release, whole);
    if (part == NULL)
        return NULL;
    value_of(part)->borrowed = value_of(whole)->borrowed;
    weir_value_ref(whole);
    return part;
}

struct weir_value *weir_value_alone(struct weir_value *pub)
{
    const struct value *v = value_of(pub);
    const struct weir_value *whole = v->arg;
    struct weir_value *copy;

    if (v->release != slice_release || whole->size <= pub->size + pub->size / 8)
        return pub;
    copy = weir_value_copy(pub->data, pub->size);
    weir_value_unref(pub);
    return copy;
}

struct weir_value *weir_value_borrow(const void *bytes, uint64_t size,
                                     void (*release)(void *arg), void *arg)
{
    struct weir_value *v = weir_value_wrap(bytes, size, release, arg);

    if (v != NULL)
        value_of(v)->borrowed = true;
    return v;
}

struct weir_value *weir_value_keep(struct weir_value *v)
{
    return value_of(v)->borrowed ? weir_value_copy(v->data, v->size)
                                 : weir_value_ref(v);
}

struct weir_value *weir_value_ref(struct weir_value *v)
{
    atomic_fetch_add_explicit(&value_of(v)->refs, 1, memory_order_relaxed);
    return v;
}

void weir_value_unref(struct weir_value *pub)
{
    struct value *v = value_of(pub);

    if (v == NULL ||
        atomic_fetch_sub_explicit(&v->refs, 1, memory_order_acq_rel) > 1)
        return;
    if (v->release != NULL)
        v->release(v->arg);
    if (v->pages > 0)
        blocks_give(v, v->pages);
    else
        free(v);
}

int weir_value_sole(const struct weir_value *pub)
{
    const struct value *v = (const struct value *)pub;

    return atomic_load_explicit(&v->refs, memory_order_relaxed) == 1;
}

/* A reference count may have left the cache. So many values ahead it is fetched
 * in advance, since an atomic operation would wait for it. */
enum { AHEAD = 8 };

void weir_values_unref(void *values)
{
    uint64_t n = *(uint64_t *)values;
    struct weir_value **at = (struct weir_value **)((uint64_t *)values + 1);

    for (uint64_t i = 0; i < n; i++) {
        if (i + AHEAD < n)
            __builtin_prefetch(at[i + AHEAD], 1);
        weir_value_unref(at[i]);
        at[i] = NULL;
    }
}

uint64_t weir_value_footprint(const struct weir_value *pub)
{
    const struct value *v = (const struct value *)pub;

    if (v->pages > 0)
        return (uint64_t)v->pages * BLOCKS_PAGE;
    /* glibc keeps a word in front of each block. */
    return malloc_usable_size((void *)v) + sizeof(size_t) +
           (v->release != NULL ? pub->size : 0);
}

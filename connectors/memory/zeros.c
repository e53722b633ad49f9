/* zeros.c -- see zeros.h. */
#include "zeros.h"

#include <stdatomic.h>
#include <sys/mman.h>

enum { LEAST_BITS = 20 };

/* Region i has 2^i bytes. It is mapped when a value first needs it and stays,
 * since values live longer than stores. */
static void *_Atomic regions[48];

static void *zeros_region(unsigned bits)
{
    size_t size = (size_t)1 << bits;
    void *region = atomic_load(&regions[bits]), *other = NULL;

    if (region != NULL)
        return region;
    region = mmap(NULL, size, PROT_READ,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (region == MAP_FAILED)
        return NULL;
    if (atomic_compare_exchange_strong(&regions[bits], &other, region))
        return region;
    munmap(region, size);
    return other;
}

static void zeros_release(void *arg)
{
    (void)arg;
}

struct weir_value *zeros_new(uint64_t size)
{
    unsigned bits = LEAST_BITS;
    void *region;

    while (bits < 48 && size > UINT64_C(1) << bits)
        bits++;
    region = bits < 48 ? zeros_region(bits) : NULL;
    return region != NULL ? weir_value_wrap(region, size, zeros_release, NULL)
                          : NULL;
}

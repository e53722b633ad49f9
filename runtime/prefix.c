/* prefix.c -- finds the prefix that a key begins with. route does so for every
 * key of every batch. Lua would have to make a string of each length. */
#include <string.h>

#include "weir.h"

/* Orders as memcmp does, a prefix before the longer string. */
static int compare(const struct weir_prefix *p, const char *bytes, size_t n)
{
    size_t len = p->len < n ? p->len : n;
    int order = memcmp(p->bytes, bytes, len);

    return order != 0 ? order : p->len > n;
}

static int begins(const struct weir_prefix *p, const char *bytes, size_t n)
{
    return p->len <= n && memcmp(p->bytes, bytes, p->len) == 0;
}

/* Finds the last prefix in the order that is not after the bytes. Either the
 * bytes begin with it, or with one of its own prefixes (its parent, the parent
 * of that, ...), and the first that fits is the longest: every prefix sorted
 * between that one and the bytes begins with it. */
uint32_t weir_longest_prefix(const char *bytes, size_t n,
                             const struct weir_prefix *sorted, uint32_t count)
{
    uint32_t low = 0, high = count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (compare(&sorted[middle], bytes, n) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    while (low > 0 && !begins(&sorted[low - 1], bytes, n))
        low = sorted[low - 1].parent;
    return low;
}

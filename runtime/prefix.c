/* prefix.c -- which of some prefixes a key begins with: routes ask for every
 * key of every batch. Lua would have to make a string of each length to look
 * up. */

#include <string.h>

#include "weir.h"

/* As memcmp orders them, a shorter one before what it begins. */
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

/* The last prefix that is not behind the bytes, or one that begins it, is the
 * longest that begins them: all between that one and the bytes begin with it,
 * too. */
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

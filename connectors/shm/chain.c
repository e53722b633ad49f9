/* chain.c -- see chain.h. */
#include "chain.h"

#include <errno.h>
#include <string.h>

uint64_t chain_run(const struct hold *h, struct chain_at *at, char **bytes,
                   uint64_t n)
{
    uint32_t unit = at->unit, offset = at->offset, next;
    uint64_t run;

    if (offset == UNIT) {
        unit = chain_word(h, unit) & CHAIN_NEXT;
        offset = 0;
    }
    if (!layout_has(h->layout, unit))
        return 0;
    *bytes = (char *)unit_at(h->s, unit) + offset;
    run = UNIT - offset;
    for (; run < n; run += UNIT) {
        next = chain_word(h, unit) & CHAIN_NEXT;
        if (next != unit + 1) {
            if (layout_has(h->layout, next)) {
                __builtin_prefetch(unit_at(h->s, next));
                __builtin_prefetch((char *)unit_at(h->s, next) + 64);
            }
            break;
        }
        if (next >= h->layout->end)
            return 0;
        unit = next;
    }
    at->unit = unit;
    at->offset = run <= n ? UNIT : (uint32_t)(UNIT - (run - n));
    return run <= n ? run : n;
}

int chain_write(const struct hold *h, struct chain_at *at, const char *bytes,
                uint64_t n)
{
    while (n > 0) {
        char *to;
        uint64_t run = chain_run(h, at, &to, n);

        if (run == 0)
            return -EUCLEAN;
        memcpy(to, bytes, run);
        bytes += run;
        n -= run;
    }
    return 0;
}

int chain_read(const struct hold *h, struct chain_at *at, char *to, uint64_t n)
{
    while (n > 0) {
        char *bytes;
        uint64_t run = chain_run(h, at, &bytes, n);

        if (run == 0)
            return -EUCLEAN;
        memcpy(to, bytes, run);
        to += run;
        n -= run;
    }
    return 0;
}

int chain_equal(const struct hold *h, struct chain_at *at, const char *bytes,
                uint64_t n)
{
    while (n > 0) {
        char *here;
        uint64_t run = chain_run(h, at, &here, n);

        if (run == 0)
            return -EUCLEAN;
        if (memcmp(here, bytes, run) != 0)
            return 0;
        bytes += run;
        n -= run;
    }
    return 1;
}

int chain_skip(const struct hold *h, struct chain_at *at, uint64_t n)
{
    while (n > 0) {
        char *here;
        uint64_t run = chain_run(h, at, &here, n);

        if (run == 0)
            return -EUCLEAN;
        n -= run;
    }
    return 0;
}

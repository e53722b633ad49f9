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

/* The next free unit; 0: the shard is damaged. */
static uint32_t chain_pop(const struct hold *h)
{
    struct shard *s = h->s;
    uint32_t unit = s->free_head, word;

    if (unit == 0) {
        unit = s->fresh;
        if (!layout_has(h->layout, unit))
            return 0;
        s->fresh = unit + 1;
        return unit;
    }
    if (!layout_has(h->layout, unit))
        return 0;
    word = chain_word(h, unit);
    if (word & CHAIN_LIVE)
        return 0;
    s->free_head = word & CHAIN_NEXT;
    return unit;
}

uint32_t chain_take(const struct hold *h, uint32_t n)
{
    uint32_t first = 0, last = 0;

    if (n > h->s->free_units)
        return 0;
    h->s->free_units -= n;
    for (; n > 0; n--) {
        uint32_t unit = chain_pop(h);

        if (unit == 0)
            return 0;
        if (last != 0)
            chain_set(h, last, unit);
        else
            first = unit;
        last = unit;
    }
    chain_set(h, last, 0);
    return first;
}

int chain_free(const struct hold *h, uint32_t first)
{
    struct shard *s = h->s;
    uint32_t unit = first, n = 1, next;

    if (!layout_has(h->layout, unit))
        return -EUCLEAN;
    chain_set(h, unit, chain_word(h, unit) & CHAIN_NEXT);
    while ((next = chain_word(h, unit)) != 0) {
        if (!layout_has(h->layout, next) || ++n > h->layout->end)
            return -EUCLEAN;
        unit = next;
    }
    chain_set(h, unit, s->free_head);
    s->free_head = first;
    s->free_units += n;
    return 0;
}

/* room.c -- see room.h. */
#include "room.h"

#include <errno.h>

#include "chain.h"

enum { LOOKS = 8 }; /* at runs that may be too short */

/* In the first unit of a free run. */
struct run {
    uint32_t next, before; /* in its list; 0 = none */
};

/* Which lists have a run. */
static uint32_t room_lists(const struct hold *h)
{
    return h->s->lists & ((UINT32_C(1) << STATE_LISTS) - 1);
}

static struct run *run_at(const struct hold *h, uint32_t unit)
{
    return unit_at(h->s, unit);
}

/* The length of the run that a unit begins or ends; 0: it is not free, or the
 * shard is damaged. */
static uint32_t run_units(const struct hold *h, uint32_t unit)
{
    uint32_t word =
        layout_has(h->layout, unit) ? chain_word(h, unit) : UINT32_C(0);

    return word & CHAIN_FREE ? word & CHAIN_NEXT : 0;
}

/* The number of the list that has runs of that length. */
static uint32_t list_of(uint32_t units)
{
    return 31 - (uint32_t)__builtin_clz(units | 1);
}

static void run_link(const struct hold *h, uint32_t unit, uint32_t units)
{
    uint32_t list = list_of(units), next = h->s->free[list] & LINK_MASK;
    struct run *run = run_at(h, unit);

    chain_set(h, unit, CHAIN_FREE | units);
    chain_set(h, unit + units - 1, CHAIN_FREE | units);
    run->next = next;
    run->before = 0;
    if (next != 0)
        run_at(h, next)->before = unit;
    h->s->free[list] = unit;
    h->s->lists |= UINT32_C(1) << list;
}

static void run_unlink(const struct hold *h, uint32_t unit, uint32_t units)
{
    uint32_t list = list_of(units);
    uint32_t next = run_at(h, unit)->next & LINK_MASK;
    uint32_t before = run_at(h, unit)->before & LINK_MASK;

    if (next != 0)
        run_at(h, next)->before = before;
    if (before != 0)
        run_at(h, before)->next = next;
    else
        h->s->free[list] = next;
    if (h->s->free[list] == 0)
        h->s->lists &= ~(UINT32_C(1) << list);
}

void room_format(const struct layout *l, struct shard *s)
{
    struct hold h = {.layout = l, .s = s};

    s->free_units = l->end - l->first;
    run_link(&h, l->first, s->free_units);
}

/* A run of n units or more, of the shortest that are long enough; 0: none, or
 * it was not found in LOOKS looks. */
static uint32_t run_find(const struct hold *h, uint32_t n)
{
    uint32_t list = list_of(n), unit = h->s->free[list], longer;

    for (int i = 0; i < LOOKS && unit != 0; i++) {
        if (run_units(h, unit) >= n)
            return unit;
        unit = run_at(h, unit)->next & LINK_MASK;
    }
    longer = room_lists(h) >> list >> 1;
    return longer != 0 ? h->s->free[list + 1 + (uint32_t)__builtin_ctz(longer)]
                       : 0;
}

/* One of the longest runs. */
static uint32_t run_longest(const struct hold *h)
{
    uint32_t lists = room_lists(h);

    return lists != 0 ? h->s->free[list_of(lists)] : 0;
}

/* Cuts up to n units off the front of a run and makes a chain of them. Returns
 * how many; 0: the shard is damaged. */
static uint32_t run_cut(const struct hold *h, uint32_t unit, uint32_t n)
{
    uint32_t units = run_units(h, unit);

    if (units == 0 || units > h->layout->end - unit)
        return 0;
    run_unlink(h, unit, units);
    if (n < units)
        run_link(h, unit + n, units - n);
    else
        n = units;
    for (uint32_t i = 1; i < n; i++)
        chain_set(h, unit + i - 1, unit + i);
    chain_set(h, unit + n - 1, 0);
    h->s->free_units -= n;
    return n;
}

uint32_t room_take(const struct hold *h, uint32_t n, bool *whole)
{
    uint32_t unit = run_find(h, n), first = unit, last, got;

    *whole = unit != 0;
    if (unit == 0)
        first = unit = run_longest(h);
    while ((got = run_cut(h, unit, n)) != 0) {
        n -= got;
        if (n == 0)
            return first;
        *whole = false;
        last = unit + got - 1;
        unit = run_longest(h);
        chain_set(h, last, unit);
    }
    return 0;
}

/* Joins a run with the free one that ends before it, and the one after it. */
static int run_join(const struct hold *h, uint32_t *unit, uint32_t *n)
{
    uint32_t before = run_units(h, *unit - 1), after = run_units(h, *unit + *n);

    if (before >= *unit || run_units(h, *unit - before) < before ||
        after > h->layout->end - *unit - *n)
        return -EUCLEAN;
    if (after != 0)
        run_unlink(h, *unit + *n, after);
    if (before != 0)
        run_unlink(h, *unit - before, before);
    *unit -= before;
    *n += before + after;
    return 0;
}

int room_give(const struct hold *h, uint32_t unit, uint32_t n)
{
    if (!layout_has(h->layout, unit) || n > h->layout->end - unit)
        return -EUCLEAN;
    h->s->free_units += n;
    if (run_join(h, &unit, &n) < 0)
        return -EUCLEAN;
    run_link(h, unit, n);
    return 0;
}

int room_give_whole(const struct hold *h, uint32_t first, uint64_t n)
{
    const struct layout *l = h->layout;

    if (!layout_has(l, first) || n == 0 || n > l->end - first ||
        (chain_word(h, first + (uint32_t)n - 1) & CHAIN_NEXT) != 0)
        return -EUCLEAN;
    chain_set(h, first, chain_word(h, first) & CHAIN_NEXT);
    return room_give(h, first, (uint32_t)n);
}

int room_give_chain(const struct hold *h, uint32_t first)
{
    uint32_t unit = first, n = 0, next;

    if (!layout_has(h->layout, unit))
        return -EUCLEAN;
    chain_set(h, unit, chain_word(h, unit) & CHAIN_NEXT);
    for (uint32_t of_run = 1; unit != 0; of_run++) {
        next = chain_word(h, unit);
        if ((next != 0 && !layout_has(h->layout, next)) || ++n > h->layout->end)
            return -EUCLEAN;
        if (next != unit + 1) {
            if (room_give(h, unit + 1 - of_run, of_run) < 0)
                return -EUCLEAN;
            of_run = 0;
        }
        unit = next;
    }
    return 0;
}

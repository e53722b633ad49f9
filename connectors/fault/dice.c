/* dice.c -- see dice.h.
 *
 * The fault of an item depends on the seed, the op, the key, and the number of
 * earlier items with that key. It does not depend on threads or on the size of
 * batches: the first get of "a" fails in every run, and its retry may succeed.
 * Three things do depend on the order in which items arrive: after=, count=,
 * and the few keys that share one of the FAULT_TURNS counters. */
#include "dice.h"

#include <errno.h>
#include <string.h>

int fault_rate(const char *words, const char *option, double *out,
               struct weir_error *err)
{
    char *end;

    *out = 0;
    if (words == NULL)
        return 0;
    *out = weir_number(words, &end);
    if (end == words || *end != '\0' || !(*out >= 0 && *out <= 1))
        return weir_error_set(
            err, -EINVAL,
            "fault: option %s: expected a share of 0 to 1, got \"%s\"", option,
            words);
    return 0;
}

double fault_chance(const struct fault *f, uint64_t number)
{
    uint64_t hash =
        weir_hash(&number, sizeof number, (uint64_t)f->config->seed);

    return (double)(hash >> 11) * 0x1p-53;
}

static double dice_chance(struct fault *f, uint32_t op,
                          const struct weir_item *item)
{
    uint64_t hash =
        weir_hash(item->key, item->key_len, (uint64_t)f->config->seed + op);
    uint32_t turn = atomic_fetch_add(&f->turns[hash % FAULT_TURNS], 1);

    return fault_chance(f, hash + turn);
}

/* Whether faults may meet the item at all. */
static bool dice_reach(struct fault *f, const struct weir_item *item)
{
    const struct fault_config *c = f->config;
    size_t len = c->match ? strlen(c->match) : 0;

    if (item->key_len < len ||
        (len > 0 && memcmp(item->key, c->match, len) != 0))
        return false;
    return atomic_fetch_add(&f->matched, 1) >= (uint64_t)c->after;
}

/* Counts one more fault, unless count= faults have been injected. */
static bool dice_count(struct fault *f)
{
    uint64_t count = (uint64_t)f->config->count;
    uint64_t injected = atomic_load(&f->injected);

    do {
        if (count != 0 && injected >= count)
            return false;
    } while (
        !atomic_compare_exchange_weak(&f->injected, &injected, injected + 1));
    return true;
}

enum fault_kind fault_roll(struct fault *f, uint32_t op,
                           const struct weir_item *item)
{
    double chance;
    int kind;

    if (!dice_reach(f, item))
        return FAULT_NONE;
    chance = dice_chance(f, op, item);
    for (kind = 0; kind < FAULT_KINDS && chance >= f->rates[kind]; kind++)
        chance -= f->rates[kind];
    return kind < FAULT_KINDS && dice_count(f) ? (enum fault_kind)kind
                                               : FAULT_NONE;
}

/* dice.c -- what goes wrong, and when: seeded, so that a run can be repeated.
 *
 * A key's fate hangs on the seed, the op, and how often it was asked for, not
 * on threads or the size of batches: the first get of "a" fails in every run,
 * its retry may not. Only after= and count= follow the order of arrival, and
 * the few keys that share one of the FAULT_TURNS counters. */
#include <errno.h>
#include <string.h>

#include "fault.h"

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

static double item_chance(struct fault *f, uint32_t op,
                          const struct weir_item *item)
{
    uint64_t hash =
        weir_hash(item->key, item->key_len, (uint64_t)f->config->seed + op);
    uint32_t turn = atomic_fetch_add(&f->turns[hash % FAULT_TURNS], 1);

    return fault_chance(f, hash + turn);
}

static bool in_reach(struct fault *f, const struct weir_item *item)
{
    const struct fault_config *c = f->config;
    size_t len = c->match ? strlen(c->match) : 0;

    if (item->key_len < len ||
        (len > 0 && memcmp(item->key, c->match, len) != 0))
        return false;
    return atomic_fetch_add(&f->asked, 1) >= (uint64_t)c->after;
}

/* Take one of the faults that count= allows. */
static bool any_left(struct fault *f)
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

    if (!in_reach(f, item))
        return FAULT_NONE;
    chance = item_chance(f, op, item);
    for (kind = 0; kind < FAULT_KINDS && chance >= f->rates[kind]; kind++)
        chance -= f->rates[kind];
    return kind < FAULT_KINDS && any_left(f) ? (enum fault_kind)kind
                                             : FAULT_NONE;
}

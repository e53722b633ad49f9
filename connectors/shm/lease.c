/* lease.c -- see lease.h. */
#include "lease.h"

#include "ops.h"
#include "ticket.h"

/* The lease of place i for a hash. */
static struct lease *lease_at(const struct hold *h, uint64_t hash, uint32_t i)
{
    uint32_t mask = h->layout->cell_mask;

    return layout_leases(h->layout, h->s) +
           (((uint32_t)(hash >> 8) + i) & mask);
}

static struct lease *lease_find(const struct hold *h, uint64_t hash)
{
    for (uint32_t i = 0; i < LEASE_PLACES; i++) {
        struct lease *l = lease_at(h, hash, i);

        if (l->token != 0 && l->hash == hash)
            return l;
    }
    return NULL;
}

/* Whether a process that lives loads, and has time left. */
static bool lease_runs(const struct shm *m, const struct lease *l,
                       uint64_t now_ms)
{
    return l->state == LEASE_HELD && now_ms < l->until_ms &&
           seats_alive(&m->map.seats, l->holder);
}

static bool lease_tells_absent(const struct hold *h, const struct lease *l,
                               uint32_t hash, uint64_t now_ms)
{
    return l->state == LEASE_ABSENT && now_ms < l->until_ms &&
           ticket_admits(h, hash, l->ticket);
}

/* A place that a new lease of a hash may have: an empty one, else one that has
 * ended, else one that remembers an absence. NULL: all are held. */
static struct lease *lease_place(const struct shm *m, const struct hold *h,
                                 uint64_t hash, uint64_t now_ms)
{
    struct lease *best = NULL;
    int worth, best_worth = 3;

    for (uint32_t i = 0; i < LEASE_PLACES; i++) {
        struct lease *l = lease_at(h, hash, i);

        if (l->token == 0)
            return l;
        if (lease_runs(m, l, now_ms))
            continue;
        worth = l->state == LEASE_ABSENT && now_ms < l->until_ms ? 2 : 1;
        if (worth < best_worth) {
            best = l;
            best_worth = worth;
        }
    }
    return best;
}

static void lease_grant(const struct shm *m, const struct hold *h,
                        struct lease *l, uint64_t hash, uint64_t until_ms)
{
    if (l->token != 0 && l->state == LEASE_HELD)
        h->s->counters.leases_taken_over++;
    h->s->counters.leases++;
    *l = (struct lease){
        .hash = hash,
        .token = ++h->s->lease_tokens,
        .until_ms = until_ms,
        .holder = m->map.seats.holder,
        .state = LEASE_HELD,
    };
    SHM_POINT("leased");
}

void lease_take(struct shm *m, const struct hold *h, const struct place *at,
                struct weir_guard_key *key)
{
    uint64_t now_ms = shard_now_ms(), until;
    struct lease *l = lease_find(h, at->hash);

    if (l != NULL && lease_runs(m, l, now_ms)) {
        key->ticket = l->token;
        key->answer = WEIR_GUARD_WAIT;
        return;
    }
    if (l != NULL && lease_tells_absent(h, l, at->key.hash, now_ms)) {
        key->ms = l->until_ms - now_ms;
        key->answer = WEIR_GUARD_ABSENT;
        return;
    }
    if (l == NULL)
        l = lease_place(m, h, at->hash, now_ms);
    if (l == NULL) {
        h->s->counters.leases_refused++;
        key->answer = WEIR_GUARD_LOST;
        return;
    }
    if (__builtin_add_overflow(now_ms, key->ms, &until))
        until = UINT64_MAX;
    lease_grant(m, h, l, at->hash, until);
    key->ticket = l->token;
    key->answer = WEIR_GUARD_OK;
}

void lease_watch(struct shm *m, const struct hold *h, const struct place *at,
                 struct weir_guard_key *key)
{
    const struct lease *l = lease_find(h, at->hash);

    key->answer = WEIR_GUARD_LOST;
    if (l == NULL || l->token != key->ticket)
        return;
    if (l->state == LEASE_STORED)
        key->answer = WEIR_GUARD_OK;
    else if (l->state == LEASE_ABSENT)
        key->answer = WEIR_GUARD_ABSENT;
    else if (lease_runs(m, l, shard_now_ms()))
        key->answer = WEIR_GUARD_WAIT;
}

void lease_settle(struct shm *m, const struct hold *h, const struct place *at,
                  struct weir_guard_key *key)
{
    struct lease *l = lease_find(h, at->hash);
    uint64_t now_ms = shard_now_ms();
    uint32_t outcome = key->answer;

    key->answer = WEIR_GUARD_LOST;
    if (l == NULL || l->token != key->ticket || l->state != LEASE_HELD ||
        l->holder != m->map.seats.holder)
        return;
    key->answer = WEIR_GUARD_OK;
    l->until_ms = 0;
    SHM_POINT("settling");
    if (outcome == WEIR_GUARD_OK) {
        l->state = LEASE_STORED;
    } else if (outcome == WEIR_GUARD_ABSENT) {
        l->state = LEASE_ABSENT;
        l->ticket = key->seen;
        if (__builtin_add_overflow(now_ms, key->ms, &l->until_ms))
            l->until_ms = UINT64_MAX;
    } else {
        l->token = 0;
    }
}

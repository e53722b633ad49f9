/* guard.c -- see guard.h. */
#include "guard.h"

#include <errno.h>
#include <stdlib.h>

#include "lease.h"
#include "ops.h"
#include "repair.h"
#include "ticket.h"

/* What a verb is done to. */
struct act {
    struct shm *m;
    const struct hold *h;
    struct weir_guard_key *key;
    const struct place *at;
    struct cell *cell;
    struct own *own;
    uint32_t call; /* the number of this call of weir_guard */
    bool keep;     /* WEIR_GUARD_KEEP */
};

/* Deletes the copy. 1: there was one, 0: there was none. -EUCLEAN. */
static int act_drop_once(const struct act *a)
{
    struct entry *e;
    int rc = shard_find(a->h, &a->at->key, &e);

    if (rc < 0 || e == NULL)
        return rc;
    rc = shard_drop(a->h, e);
    return rc < 0 ? rc : 1;
}

static int act_drop(const struct act *a)
{
    int rc = act_drop_once(a);

    if (rc < 0) {
        repair_shard(a->h);
        rc = act_drop_once(a);
    }
    return rc;
}

static int act_look(const struct act *a)
{
    a->key->ticket = ticket_look(a->m, a->h, a->at->shard, a->at->key.hash);
    a->key->answer =
        a->key->ticket & TICKET_BAD ? WEIR_GUARD_LOST : WEIR_GUARD_OK;
    return 0;
}

static int act_check(const struct act *a)
{
    bool good = ticket_admits(a->h, a->at->key.hash, a->key->ticket);

    a->key->answer = good ? WEIR_GUARD_OK : WEIR_GUARD_LOST;
    return 0;
}

/* Enters this process as a writer. A call that has begun a write of this cell
 * for another of its keys goes on with the same ticket. */
static void act_enter(const struct act *a, bool alone)
{
    if (a->own->writes == 0 || a->own->call != a->call) {
        ticket_enter(a->cell, a->m->map.seats.seat);
        SHM_POINT("entered");
        a->cell->generation++;
        a->own->call = a->call;
        a->own->ticket =
            a->cell->generation << TICKET_BITS | (alone ? 0 : TICKET_BAD);
    }
    a->own->writes++;
    a->key->ticket = a->own->ticket;
    a->key->answer =
        a->key->ticket & TICKET_BAD ? WEIR_GUARD_SHARED : WEIR_GUARD_OK;
}

/* Whether another process has the cell for itself, or had when it died. */
static bool act_claimed(const struct act *a)
{
    uint32_t claimant = a->cell->claimant;

    return claimant != 0 &&
           (claimant != a->m->map.seats.holder || a->own->call != a->call);
}

/* Deletes the copy that a write begins to replace. */
static int act_replace(const struct act *a)
{
    int rc;

    SHM_POINT("begun");
    rc = a->keep ? 0 : act_drop(a);
    a->key->ms = rc > 0;
    return rc < 0 ? rc : 0;
}

static int act_begin(const struct act *a)
{
    bool alone = ticket_quiet(a->m, a->h, a->cell, a->own);

    if (act_claimed(a)) {
        a->key->answer = WEIR_GUARD_WAIT;
        return 0;
    }
    act_enter(a, alone);
    return act_replace(a);
}

static int act_claim(const struct act *a)
{
    bool again = a->own->writes > 0 && a->own->call == a->call;
    bool good = again
                    ? a->cell->claimant == a->m->map.seats.holder
                    : ticket_quiet(a->m, a->h, a->cell, a->own) &&
                          ticket_admits(a->h, a->at->key.hash, a->key->ticket);

    if (!good) {
        a->key->answer = WEIR_GUARD_LOST;
        return 0;
    }
    act_enter(a, true);
    a->cell->claimant = a->m->map.seats.holder;
    SHM_POINT("claimed");
    return act_replace(a);
}

static int act_lock(const struct act *a)
{
    bool again = a->own->writes > 0 && a->own->call == a->call;

    if (!again && !ticket_quiet(a->m, a->h, a->cell, a->own)) {
        a->key->answer = WEIR_GUARD_WAIT;
        return 0;
    }
    act_enter(a, true);
    a->cell->claimant = a->m->map.seats.holder;
    SHM_POINT("claimed");
    return act_replace(a);
}

static int act_end(const struct act *a)
{
    bool good = ticket_admits(a->h, a->at->key.hash, a->key->ticket);
    int rc = good ? 0 : act_drop(a);

    if (a->own->writes > 0 && --a->own->writes == 0) {
        if (a->cell->claimant == a->m->map.seats.holder)
            a->cell->claimant = 0;
        SHM_POINT("ending");
        ticket_leave(a->cell, a->m->map.seats.seat);
    }
    a->key->answer = good ? WEIR_GUARD_OK : WEIR_GUARD_LOST;
    return rc < 0 ? rc : 0;
}

static int act_lease(const struct act *a)
{
    lease_take(a->m, a->h, a->at, a->key);
    return 0;
}

static int act_watch(const struct act *a)
{
    lease_watch(a->m, a->h, a->at, a->key);
    return 0;
}

static int act_settle(const struct act *a)
{
    lease_settle(a->m, a->h, a->at, a->key);
    return 0;
}

static int (*const ACTS[])(const struct act *a) = {
    [WEIR_GUARD_LOOK] = act_look,     [WEIR_GUARD_CHECK] = act_check,
    [WEIR_GUARD_BEGIN] = act_begin,   [WEIR_GUARD_CLAIM] = act_claim,
    [WEIR_GUARD_LOCK] = act_lock,     [WEIR_GUARD_END] = act_end,
    [WEIR_GUARD_LEASE] = act_lease,   [WEIR_GUARD_WATCH] = act_watch,
    [WEIR_GUARD_SETTLE] = act_settle,
};

/* ---- calls ---- */

/* Does a verb to one key, under the lock of its shard. */
static int guard_one(struct shm *m, uint32_t verb, uint32_t call,
                     struct weir_guard_key *key)
{
    struct place at;
    struct hold h;
    struct act a = {.m = m,
                    .h = &h,
                    .key = key,
                    .at = &at,
                    .call = call,
                    .keep = (verb & WEIR_GUARD_KEEP) != 0};
    int rc;

    ops_locate(m, key->key, key->key_len, &at);
    rc = shm_hold(m, at.shard, &h);
    if (rc < 0)
        return rc;
    a.cell = ticket_cell(&h, at.key.hash);
    a.own = ticket_own(m, at.shard, at.key.hash);
    rc = ACTS[verb & ~(uint32_t)WEIR_GUARD_KEEP](&a);
    shm_release(m, &h);
    return rc < 0 ? -EBUSY : 0;
}

static bool verb_begins(uint32_t verb)
{
    return verb == WEIR_GUARD_BEGIN || verb == WEIR_GUARD_CLAIM ||
           verb == WEIR_GUARD_LOCK;
}

static bool verb_known(uint32_t verb)
{
    uint32_t bare = verb & ~(uint32_t)WEIR_GUARD_KEEP;

    return bare < sizeof ACTS / sizeof *ACTS && ACTS[bare] != NULL &&
           (bare == verb || verb_begins(bare));
}

static bool key_begun(const struct weir_guard_key *key)
{
    return key->answer == WEIR_GUARD_OK || key->answer == WEIR_GUARD_SHARED;
}

/* Ends the writes of n keys, as far as they have begun. */
static void guard_undo(struct shm *m, struct weir_guard_key *keys, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        uint32_t answer = keys[i].answer;

        if (!key_begun(&keys[i]))
            continue;
        guard_one(m, WEIR_GUARD_END, 0, &keys[i]);
        keys[i].answer = answer;
    }
}

static uint32_t guard_number(struct shm *m)
{
    return atomic_fetch_add(&m->guard.calls, 1) + 1;
}

int shm_guard(void *state, uint32_t verb, struct weir_guard_key *keys,
              uint32_t n)
{
    struct shm *m = state;
    uint32_t call = guard_number(m);
    bool begins = verb_begins(verb & ~(uint32_t)WEIR_GUARD_KEEP);

    if (m->dry)
        return -ENOTSUP;
    if (!verb_known(verb))
        return -EINVAL;
    for (uint32_t i = 0; i < n && begins; i++)
        keys[i].answer = 0;
    for (uint32_t i = 0; i < n; i++) {
        int rc = guard_one(m, verb, call, &keys[i]);

        if (rc < 0 && begins)
            guard_undo(m, keys, i + 1);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* ---- opening ---- */

/* Removes the writers that a dead process with this seat left in a shard. */
static void guard_sweep(struct shm *m, uint32_t shard)
{
    uint32_t seat = m->map.seats.seat;
    struct hold h;

    if (shm_hold(m, shard, &h) < 0)
        return; /* the keys are looked at one by one, when they are used */
    for (uint32_t i = 0; i <= h.layout->cell_mask; i++) {
        struct cell *c = ticket_cell(&h, i);

        if (c->writers[seat / 64] >> (seat % 64) & 1)
            ticket_bury(&h, c, seat);
    }
    shm_release(m, &h);
}

int guard_open(struct shm *m)
{
    const struct layout *l = &m->map.layout;

    m->guard.own =
        calloc((size_t)l->shards * (l->cell_mask + 1), sizeof *m->guard.own);
    if (m->guard.own == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < l->shards; i++)
        guard_sweep(m, i);
    return 0;
}

void guard_close(struct shm *m)
{
    free(m->guard.own);
}

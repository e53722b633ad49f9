/* models.h -- hits over a list of keys: of an eviction policy as the memory
 * connector has it, and of a plain model of the published algorithm beside it.
 * Keys are numbers. All entries have one size, and a cache holds `size` of
 * them. */
#ifndef SPEC_MODELS_H
#define SPEC_MODELS_H

#include "../../connectors/memory/ahead.c"
#include "../../connectors/memory/exact.c"
#include "../../connectors/memory/fifo.c"
#include "../../connectors/memory/ghost.c"
#include "../../connectors/memory/lru.c"
#include "../../connectors/memory/release.c"
#include "../../connectors/memory/s3fifo.c"
#include "../../connectors/memory/sieve.c"
#include "../../connectors/memory/table.c"
#include "../check.h"

struct requests {
    uint32_t *keys; /* 0 .. n_keys - 1 */
    size_t n;
    uint32_t n_keys;
};

/* The state of a key in a model. */
struct model_key {
    bool cached, in_main, remembered;
    uint8_t hits;
    uint32_t newer, older; /* sieve's list; NOBODY ends it */
    size_t stamp;
};

#define NOBODY UINT32_MAX

static inline void *zeroed(size_t n, size_t size)
{
    void *p = calloc(n, size);

    CHECK(p != NULL);
    return p;
}

/* A queue of numbers that never wraps: room for all that is ever pushed. */
struct fifo {
    uint32_t *at;
    size_t head, tail, room;
};

static inline struct fifo fifo_new(size_t room)
{
    return (struct fifo){zeroed(room, sizeof(uint32_t)), 0, 0, room};
}

static inline void fifo_push(struct fifo *q, uint32_t key)
{
    CHECK(q->tail < q->room);
    q->at[q->tail++] = key;
}

static inline size_t fifo_count(const struct fifo *q)
{
    return q->tail - q->head;
}

static inline uint32_t fifo_pop(struct fifo *q)
{
    return q->at[q->head++];
}

/* ---- the connector's ---- */

static inline size_t policy_hits(const struct eviction_policy *policy,
                                 const struct requests *r, uint64_t size,
                                 bool exact)
{
    struct entry **of = zeroed(r->n_keys, sizeof(struct entry *));
    struct eviction ev = {.exact = exact, .by_items = true};
    size_t hits = 0;

    CHECK(policy->init == NULL || policy->init(&ev, size) == 0);

    for (size_t i = 0; i < r->n; i++) {
        uint32_t key = r->keys[i];
        uint64_t mix = key + 1;
        struct entry *e = of[key];

        if (e != NULL) {
            hits++;
            policy->hit(&ev, e);
            continue;
        }
        if (ev.small.items + ev.main.items == size) {
            e = policy->victim(&ev);
            memcpy(&key, entry_key(e), sizeof key);
            of[key] = NULL;
            entry_free(NULL, e);
        }
        key = r->keys[i];
        e = entry_new(NULL, (char *)&key, sizeof key,
                      random_next(&mix) & (TABLE_END - 1), 0, false);
        CHECK(e != NULL);
        policy->insert(&ev, e);
        of[key] = e;
    }
    for (struct entry *e; (e = policy->victim(&ev)) != NULL;)
        entry_free(NULL, e);
    if (policy->close != NULL)
        policy->close(&ev);
    free(of);
    return hits;
}

/* ---- plain models ---- */

/* FIFO: a queue of the keys. */
static inline size_t fifo_hits(const struct requests *r, uint64_t size)
{
    struct model_key *k = zeroed(r->n_keys, sizeof *k);
    struct fifo queue = fifo_new(r->n);
    size_t hits = 0;

    for (size_t i = 0; i < r->n; i++) {
        uint32_t key = r->keys[i];

        hits += k[key].cached;
        if (k[key].cached)
            continue;
        if (fifo_count(&queue) == size)
            k[fifo_pop(&queue)].cached = false;
        k[key].cached = true;
        fifo_push(&queue, key);
    }
    free(queue.at);
    free(k);
    return hits;
}

/* LRU: each use is pushed, and what was pushed again later does not count. */
static inline size_t lru_hits(const struct requests *r, uint64_t size)
{
    struct model_key *k = zeroed(r->n_keys, sizeof *k);
    struct fifo uses = fifo_new(r->n);
    size_t hits = 0, cached = 0;

    for (size_t i = 0; i < r->n; i++) {
        uint32_t key = r->keys[i];

        hits += k[key].cached;
        while (!k[key].cached && cached == size) {
            size_t stamp = uses.head;
            uint32_t oldest = fifo_pop(&uses);

            if (k[oldest].stamp == stamp) {
                k[oldest].cached = false;
                cached--;
            }
        }
        cached += !k[key].cached;
        k[key].cached = true;
        k[key].stamp = uses.tail;
        fifo_push(&uses, key);
    }
    free(uses.at);
    free(k);
    return hits;
}

struct model_list {
    uint32_t newest, oldest, hand;
};

static inline void model_unlink(struct model_key *k, struct model_list *l,
                                uint32_t key)
{
    if (k[key].newer == NOBODY)
        l->newest = k[key].older;
    else
        k[k[key].newer].older = k[key].older;
    if (k[key].older == NOBODY)
        l->oldest = k[key].newer;
    else
        k[k[key].older].newer = k[key].newer;
}

static inline void model_push(struct model_key *k, struct model_list *l,
                              uint32_t key)
{
    k[key].newer = NOBODY;
    k[key].older = l->newest;
    if (l->newest == NOBODY)
        l->oldest = key;
    else
        k[l->newest].newer = key;
    l->newest = key;
}

static inline size_t sieve_hits(const struct requests *r, uint64_t size)
{
    struct model_key *k = zeroed(r->n_keys, sizeof *k);
    struct model_list l = {NOBODY, NOBODY, NOBODY};
    size_t hits = 0, cached = 0;

    for (size_t i = 0; i < r->n; i++) {
        uint32_t key = r->keys[i], at = l.hand;

        if (k[key].cached) {
            hits++;
            k[key].hits = 1;
            continue;
        }
        if (cached == size) {
            at = at == NOBODY ? l.oldest : at;
            while (k[at].hits) {
                k[at].hits = 0;
                at = k[at].newer == NOBODY ? l.oldest : k[at].newer;
            }
            l.hand = k[at].newer;
            model_unlink(k, &l, at);
            k[at].cached = false;
            cached--;
        }
        k[key].cached = true;
        k[key].hits = 0;
        model_push(k, &l, key);
        cached++;
    }
    free(k);
    return hits;
}

/* S3-FIFO: algorithm 1 of the paper. The ghost queue holds as many keys as the
 * main one does when the cache is full, and a key leaves it when it returns. */
struct s3 {
    struct model_key *k;
    struct fifo small, main;
    struct model_list ghosts;
    size_t n_ghosts, size;
};

static inline void s3_evict_main(struct s3 *c)
{
    for (;;) {
        uint32_t key = fifo_pop(&c->main);

        if (c->k[key].hits == 0) {
            c->k[key].cached = false;
            return;
        }
        c->k[key].hits--;
        fifo_push(&c->main, key);
    }
}

static inline void s3_forget(struct s3 *c, uint32_t key)
{
    model_unlink(c->k, &c->ghosts, key);
    c->k[key].remembered = false;
    c->n_ghosts--;
}

static inline void s3_remember(struct s3 *c, uint32_t key)
{
    model_push(c->k, &c->ghosts, key);
    c->k[key].remembered = true;
    if (++c->n_ghosts > c->size - c->size / 10)
        s3_forget(c, c->ghosts.oldest);
}

static inline void s3_evict(struct s3 *c)
{
    while (fifo_count(&c->small) >= c->size / 10 && fifo_count(&c->small)) {
        uint32_t key = fifo_pop(&c->small);

        if (c->k[key].hits > 1) {
            c->k[key].hits = 0;
            fifo_push(&c->main, key);
            continue;
        }
        c->k[key].cached = false;
        s3_remember(c, key);
        return;
    }
    s3_evict_main(c);
}

static inline size_t s3fifo_hits(const struct requests *r, uint64_t size)
{
    struct s3 c = {.k = zeroed(r->n_keys, sizeof *c.k),
                   .small = fifo_new(r->n * 5),
                   .main = fifo_new(r->n * 5),
                   .ghosts = {NOBODY, NOBODY, NOBODY},
                   .size = size};
    size_t hits = 0;

    for (size_t i = 0; i < r->n; i++) {
        uint32_t key = r->keys[i];
        struct model_key *k = &c.k[key];

        if (k->cached) {
            hits++;
            k->hits += k->hits < 3;
            continue;
        }
        if (fifo_count(&c.small) + fifo_count(&c.main) == size)
            s3_evict(&c);
        fifo_push(k->remembered ? &c.main : &c.small, key);
        if (k->remembered)
            s3_forget(&c, key);
        k->cached = true;
        k->hits = 0;
    }
    free(c.small.at);
    free(c.main.at);
    free(c.k);
    return hits;
}

/* ---- both ---- */

struct pair {
    const struct eviction_policy *policy;
    size_t (*model)(const struct requests *r, uint64_t size);
    double below, above; /* by how much of the requests ours may differ, when
                            it is not exact */
};

/* SIEVE's hand gives up after EVICTION_LOOKS entries. S3-FIFO remembers twice
 * as many keys as the paper. */
static const struct pair PAIRS[] = {
    {&eviction_fifo, fifo_hits, 0, 0},
    {&eviction_lru, lru_hits, 0, 0},
    {&eviction_sieve, sieve_hits, 0.001, 0.001},
    {&eviction_s3fifo, s3fifo_hits, 0.01, 0.03},
};

/* compare prints the hits of all policies, and checks them: to the last hit
 * when they are exact. */
static inline void compare(const char *what, const struct requests *r,
                           uint64_t size)
{
    printf("%-22s %6llu entries:", what, (unsigned long long)size);
    for (size_t i = 0; i < sizeof PAIRS / sizeof *PAIRS; i++) {
        const struct pair *p = &PAIRS[i];
        size_t ours = policy_hits(p->policy, r, size, false);
        size_t exact = policy_hits(p->policy, r, size, true);
        size_t model = p->model(r, size);
        double apart = ((double)ours - (double)model) / (double)r->n;

        printf("  %s %zu (paper %zu)", p->policy->name, ours, model);
        CHECK(exact == model);
        CHECK(apart <= p->above && -apart <= p->below);
    }
    printf("\n");
}

#endif

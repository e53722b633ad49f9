/* models.h -- hits over a list of keys: of an eviction policy as the memory
 * connector has it, and of a plain model of the published algorithm beside it.
 * Keys are numbers, entries are all of one size, a cache holds `size` of them.
 */
#ifndef SPEC_MODELS_H
#define SPEC_MODELS_H

#include "../../connectors/memory/ghost.c"
#include "../../connectors/memory/lru.c"
#include "../../connectors/memory/s3fifo.c"
#include "../../connectors/memory/sieve.c"
#include "../check.h"

struct requests {
    uint32_t *keys; /* 0 .. n_keys - 1 */
    size_t n;
    uint32_t n_keys;
};

/* What a model knows of a key. */
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
                                 const struct requests *r, uint64_t size)
{
    struct entry **of = zeroed(r->n_keys, sizeof(struct entry *));
    struct eviction ev = {0};
    size_t hits = 0;

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
            memcpy(&key, e->bytes, sizeof key);
            of[key] = NULL;
            free(e);
        }
        key = r->keys[i];
        e = entry_new((char *)&key, sizeof key, (uint32_t)random_next(&mix), 0);
        CHECK(e != NULL);
        e->embedded = 1;
        policy->insert(&ev, e);
        of[key] = e;
    }
    for (struct entry *e; (e = policy->victim(&ev)) != NULL;)
        free(e);
    ghost_free(&ev.ghost);
    free(of);
    return hits;
}

/* ---- plain models ---- */

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

/* The model of S3-FIFO: three queues, the ghosts' as long as the main one. */
struct s3 {
    struct model_key *k;
    struct fifo small, main, ghosts;
    size_t size;
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

static inline void s3_forget(struct s3 *c)
{
    while (fifo_count(&c->ghosts) > c->size - c->size / 10) {
        size_t stamp = c->ghosts.head;
        uint32_t key = fifo_pop(&c->ghosts);

        if (c->k[key].remembered && c->k[key].stamp == stamp)
            c->k[key].remembered = false;
    }
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
        c->k[key].remembered = true;
        c->k[key].stamp = c->ghosts.tail;
        fifo_push(&c->ghosts, key);
        s3_forget(c);
        return;
    }
    s3_evict_main(c);
}

static inline size_t s3fifo_hits(const struct requests *r, uint64_t size)
{
    struct s3 c = {zeroed(r->n_keys, sizeof *c.k), fifo_new(r->n * 5),
                   fifo_new(r->n * 5), fifo_new(r->n), size};
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
        *k = (struct model_key){.cached = true};
    }
    free(c.small.at);
    free(c.main.at);
    free(c.ghosts.at);
    free(c.k);
    return hits;
}

/* ---- both ---- */

struct pair {
    const struct eviction_policy *policy;
    size_t (*model)(const struct requests *r, uint64_t size);
    double tolerance;
};

/* SIEVE's hand gives up after EVICTION_LOOKS entries. S3-FIFO's ghosts are one
 * to two for an entry here, 0.9 in the paper: a little better on the traces, a
 * little worse on independent requests. */
static const struct pair PAIRS[] = {
    {&eviction_lru, lru_hits, 0},
    {&eviction_sieve, sieve_hits, 0.001},
    {&eviction_s3fifo, s3fifo_hits, 0.02},
};

/* compare prints and checks the hit ratios of all policies. */
static inline void compare(const char *what, const struct requests *r,
                           uint64_t size)
{
    printf("%-28s %7llu entries:", what, (unsigned long long)size);
    for (size_t i = 0; i < sizeof PAIRS / sizeof *PAIRS; i++) {
        double ours = (double)policy_hits(PAIRS[i].policy, r, size);
        double theirs = (double)PAIRS[i].model(r, size);
        double apart = (ours - theirs) / (double)r->n;

        printf("  %s %.4f (model %.4f)", PAIRS[i].policy->name,
               ours / (double)r->n, theirs / (double)r->n);
        CHECK(apart <= PAIRS[i].tolerance && -apart <= PAIRS[i].tolerance);
    }
    printf("\n");
}

#endif

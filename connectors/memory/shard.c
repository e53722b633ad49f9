/* shard.c -- see shard.h. */
#include "shard.h"

#include "release.h"

/* Buckets searched for expired entries at each set. They hold more entries than
 * the set adds, so that expired ones cannot pile up. */
enum { SWEEP_BUCKETS = 2 };

int shard_init(struct shard *s, const struct shard_config *config,
               struct heap *h)
{
    /* An entry of one byte of key and no value takes more than this. */
    uint64_t most = config->capacity / sizeof(struct entry);
    int rc;

    *s = (struct shard){.config = *config, .heap = h};
    if (most > config->max_items)
        most = config->max_items;
    s->eviction.exact = config->exact;
    s->eviction.by_items = config->max_items != UINT64_MAX;
    rc = table_init(&s->table, most);
    if (rc == 0 && config->policy->init != NULL) {
        rc = config->policy->init(&s->eviction, most);
        if (rc < 0)
            table_free(&s->table);
    }
    return rc;
}

void shard_free(struct shard *s)
{
    release_tables((struct table *[]){&s->table}, 1, shard_pool(s));
    table_free(&s->table);
    if (s->config.policy->close != NULL)
        s->config.policy->close(&s->eviction);
}

bool shard_fits(const struct shard *s, uint64_t bytes)
{
    /* The last term: touch may make an entry timed. */
    uint64_t empty = sizeof *s + TABLE_MIN * sizeof *s->table.buckets +
                     sizeof(struct ghost_line) + 16;

    return s->config.capacity >= empty && bytes <= s->config.capacity - empty;
}

uint64_t shard_bytes(const struct shard *s)
{
    return sizeof *s + eviction_bytes(&s->eviction) + table_bytes(&s->table);
}

uint64_t shard_now_ms(void)
{
    return weir_now() / 1000000;
}

uint64_t shard_time(const struct shard *s)
{
    return s->expiring > 0 ? shard_now_ms() : 0;
}

static bool shard_expired(const struct entry *e, uint64_t now_ms)
{
    uint64_t expires_ms = entry_expires(e);

    return expires_ms != 0 && expires_ms <= now_ms;
}

/* Whether freeing the pool does not free all of an entry. */
static bool shard_is_apart(const struct shard *s, const struct entry *e)
{
    return e->size == ENTRY_REFERS || !pool_has(shard_pool(s), e);
}

/* why: an enum weir_evicted_why, or 0. */
static void shard_bury(struct shard *s, struct entry *e, unsigned why,
                       struct entry **dead)
{
    s->expiring -= entry_expires(e) != 0;
    s->apart -= shard_is_apart(s, e);
    s->removed++;
    e->hits = why;
    e->chain = link_to(*dead);
    *dead = e;
}

/* Takes an entry out that the policy has taken out. */
static void shard_take_out(struct shard *s, struct entry *e, unsigned why,
                           struct entry **dead)
{
    table_remove(&s->table, e);
    shard_bury(s, e, why, dead);
}

void shard_drop(struct shard *s, struct entry *e, struct entry **dead)
{
    s->config.policy->remove(&s->eviction, e);
    shard_take_out(s, e, 0, dead);
}

static void shard_drop_expired(struct shard *s, struct entry *e,
                               struct entry **dead)
{
    s->counters.expired++;
    s->config.policy->remove(&s->eviction, e);
    shard_take_out(s, e, WEIR_EVICTED_EXPIRED, dead);
}

struct entry *shard_find(struct shard *s, const struct table_key *key,
                         uint64_t now_ms, struct entry **dead)
{
    struct entry *e = table_find(&s->table, key);

    if (e == NULL || !shard_expired(e, now_ms))
        return e;
    shard_drop_expired(s, e, dead);
    return NULL;
}

void shard_hit(struct shard *s, struct entry *e)
{
    if (e->is_main)
        s->counters.hits_main++;
    else
        s->counters.hits_small++;
    s->config.policy->hit(&s->eviction, e);
}

void shard_expire(struct shard *s, struct entry *e, uint64_t expires_ms)
{
    s->expiring -= entry_expires(e) != 0;
    s->expiring += expires_ms != 0;
    if (e->timed)
        e->words[0] = expires_ms;
}

/* Look at a few buckets for what has expired. */
static void shard_sweep(struct shard *s, uint64_t now_ms, struct entry **dead)
{
    for (int i = 0; i < SWEEP_BUCKETS && s->expiring > 0; i++) {
        uint64_t next;
        struct entry *e = table_at(&s->table, s->sweep, &next), *after;

        for (; e != NULL; e = after) {
            after = entry_chain(e);
            if (shard_expired(e, now_ms))
                shard_drop_expired(s, e, dead);
        }
        s->sweep = next == TABLE_END ? 0 : next;
    }
}

/* Loads what evicting the next victims will read: their buckets, and their
 * neighbours. */
static void shard_load_victims(const struct shard *s)
{
    const struct queue *const queues[] = {&s->eviction.small,
                                          &s->eviction.main};

    for (int i = 0; i < 2; i++) {
        const struct entry *e = queue_oldest(queues[i]);

        if (e == NULL)
            continue;
        table_prefetch_first(&s->table, entry_hash(e));
        e = entry_newer(e);
        if (e == NULL)
            continue;
        table_prefetch_bucket(&s->table, entry_hash(e));
        table_prefetch_entry(entry_newer(e));
    }
}

/* Whether an entry of that charge, and a bucket, have room beside all others
 * but the one it replaces. */
static bool shard_has_room(const struct shard *s, uint64_t charge,
                           const struct entry *old)
{
    uint64_t bytes = shard_bytes(s) + charge + sizeof *s->table.buckets;
    uint64_t items = s->table.items + 1;

    if (old != NULL) {
        bytes -= entry_charge(old);
        items--;
    }
    return bytes <= s->config.capacity && items <= s->config.max_items;
}

/* Evicts until there is room. It may have to evict the entry that is replaced,
 * too: returns that one, or NULL once it is gone. */
static struct entry *shard_make_room(struct shard *s, uint64_t charge,
                                     struct entry *old, struct entry **dead)
{
    while (!shard_has_room(s, charge, old)) {
        struct entry *e = s->config.policy->victim(&s->eviction);

        if (e == NULL)
            break;
        if (e == old) {
            shard_take_out(s, e, WEIR_EVICTED_REPLACED, dead);
            old = NULL;
        } else {
            shard_take_out(s, e, WEIR_EVICTED_CAPACITY, dead);
            s->counters.evictions++;
        }
        shard_load_victims(s);
    }
    return old;
}

void shard_put(struct shard *s, struct entry *e, struct entry **dead)
{
    struct table_key key = {entry_key(e), e->key_len, entry_hash(e)};
    uint64_t now_ms = shard_time(s);
    struct entry *old;

    shard_sweep(s, now_ms, dead);
    old = shard_find(s, &key, now_ms, dead);
    old = shard_make_room(s, entry_charge(e), old, dead);
    s->expiring += entry_expires(e) != 0;
    s->apart += shard_is_apart(s, e);
    if (old == NULL) {
        s->config.policy->insert(&s->eviction, e);
        table_insert(&s->table, e);
        return;
    }
    s->config.policy->replace(&s->eviction, old, e);
    table_replace(&s->table, old, e);
    shard_bury(s, old, WEIR_EVICTED_REPLACED, dead);
}

/* mapping.h -- what the test programs of shm share: the connector's sources, in
 * which a process can die at a named point; a file that goes away; values that
 * say what they are; and the truth about a shard, to compare its numbers with.
 */
#ifndef SHM_MAPPING_H
#define SHM_MAPPING_H

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../check.h"

static const char *point_armed; /* where this process dies; NULL = nowhere */
static unsigned point_left;     /* passes of it before */
static void (*point_met)(const char *name); /* NULL = nothing is called */
static _Thread_local unsigned sleeps;       /* this thread's waits for a lock */

static inline void point_pass(const char *name)
{
    sleeps += strcmp(name, "sleep") == 0;
    if (point_met != NULL)
        point_met(name);
    if (point_armed != NULL && strcmp(point_armed, name) == 0 &&
        point_left-- == 0)
        kill(getpid(), SIGKILL);
}

#define SHM_POINT(name) point_pass(name)

/* The sum of sum.c is the same; its instructions do not fit into one file with
 * others. */
#include "../../connectors/shm/sum.h"

bool sum_can(void)
{
    return false;
}

uint64_t sum_wide(const char *bytes, uint64_t size)
{
    (void)bytes;
    return size;
}

uint64_t sum_copy(char *to, const char *bytes, uint64_t size, bool past)
{
    (void)past;
    memcpy(to, bytes, size);
    return sum_wide(bytes, size);
}

#include "../../connectors/shm/chain.c"
#include "../../connectors/shm/change.c"
#include "../../connectors/shm/guard.c"
#include "../../connectors/shm/header.c"
#include "../../connectors/shm/hold.c"
#include "../../connectors/shm/huge.c"
#include "../../connectors/shm/inplace.c"
#include "../../connectors/shm/layout.c"
#include "../../connectors/shm/lease.c"
#include "../../connectors/shm/lock.c"
#include "../../connectors/shm/map.c"
#include "../../connectors/shm/ops.c"
#include "../../connectors/shm/pins.c"
#include "../../connectors/shm/policies.c"
#include "../../connectors/shm/repair.c"
#include "../../connectors/shm/room.c"
#include "../../connectors/shm/run.c"
#include "../../connectors/shm/scan.c"
#include "../../connectors/shm/seats.c"
#include "../../connectors/shm/shard.c"
#include "../../connectors/shm/sigbus.c"
#include "../../connectors/shm/ticket.c"

/* ---- a mapping for a test ---- */

static char mapping_path[64];
static pid_t mapping_maker;

static inline void mapping_remove(void)
{
    if (getpid() == mapping_maker)
        unlink(mapping_path);
}

/* mapping_name chooses a file that goes away with the program. */
static inline void mapping_name(void)
{
    int fd;

    strcpy(mapping_path, "/dev/shm/weir-spec-XXXXXX");
    fd = mkstemp(mapping_path);
    CHECK(fd >= 0);
    close(fd);
    mapping_maker = getpid();
    atexit(mapping_remove);
}

/* mapping_open makes the mapping anew, or with no capacity opens what is there.
 */
static inline void mapping_open(struct shm *m, uint64_t capacity,
                                uint32_t shards, int eviction)
{
    static const struct shm_config config;
    struct map_wish wish = {
        .path = mapping_path,
        .capacity = capacity,
        .shards = shards,
        .eviction = eviction,
        .mode = 0600,
        .create = capacity > 0,
    };
    struct weir_error err;

    memset(m, 0, sizeof *m);
    m->config = &config;
    atomic_init(&m->refs, 1);
    if (capacity > 0)
        unlink(mapping_path);
    if (map_open(&m->map, &wish, &err) < 0)
        fprintf(stderr, "%s\n", err.message);
    CHECK(m->map.windows != NULL);
}

static inline void mapping_close(struct map *m, bool destroy)
{
    if (destroy)
        map_remove(m);
    map_close(m);
}

/* mapping_fork is fork, but the child dies with the program. */
static inline pid_t mapping_fork(void)
{
    pid_t parent = getpid(), pid = fork();

    CHECK(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(1);
    }
    return pid;
}

/* ---- values that say what they are ---- */

struct telling {
    uint64_t key, size, seed;
};

static inline void telling_fill(char *to, uint64_t key, uint64_t size,
                                uint64_t seed)
{
    struct telling head = {key, size, seed};
    uint64_t random = seed, word;

    memcpy(to, &head, sizeof head);
    for (uint64_t i = sizeof head; i < size; i += sizeof word) {
        word = random_next(&random);
        memcpy(to + i, &word, size - i < sizeof word ? size - i : sizeof word);
    }
}

static inline int telling_sound(const char *bytes, uint64_t size, uint64_t key)
{
    struct telling head;
    uint64_t random, word;

    if (size < sizeof head)
        return 0;
    memcpy(&head, bytes, sizeof head);
    if (head.key != key || head.size != size)
        return 0;
    random = head.seed;
    for (uint64_t i = sizeof head; i < size; i += sizeof word) {
        word = random_next(&random);
        if (memcmp(bytes + i, &word,
                   size - i < sizeof word ? size - i : sizeof word) != 0)
            return 0;
    }
    return 1;
}

/* ---- the truth ---- */

struct truth {
    const struct hold *h;
    uint8_t *seen; /* for each unit: what it is */
    uint64_t live, units, expiring;
};

enum {
    SEEN_LIVE = 1,
    SEEN_PART,
    SEEN_FREE,
    SEEN_KEPT,
    SEEN_TABLE = 16,
    SEEN_QUEUE = 32
};

/* Every live entry and its units, which no other one has. */
static inline void truth_entries(struct truth *t)
{
    const struct layout *l = t->h->layout;

    for (uint32_t unit = l->first; unit < l->end; unit++) {
        struct entry *e = unit_at(t->h->s, unit);
        uint32_t next = chain_word(t->h, unit) & ~CHAIN_LIVE, n = 1;

        if (!chain_live(t->h, unit))
            continue;
        CHECK(t->seen[unit] == 0);
        t->seen[unit] = SEEN_LIVE;
        for (; next != 0; next = chain_word(t->h, next), n++) {
            CHECK(layout_has(l, next) && t->seen[next] == 0);
            t->seen[next] = SEEN_PART;
        }
        CHECK(n == entry_units(e));
        t->live++;
        t->units += n;
        t->expiring += e->expires_ms != 0;
    }
}

/* Every row of the table of pins, and the units that are kept for it. */
static inline void truth_pins(struct truth *t)
{
    const struct layout *l = t->h->layout;
    uint64_t pinned = 0, listed = 0, rows = 0, kept = 0;

    for (uint32_t i = 1; i <= l->pins; i++) {
        const struct pin *p = pins_row(l, t->h->s, i);
        struct entry *e = unit_at(t->h->s, p->unit);

        if (p->holder == 0)
            continue;
        rows++;
        if (pins_first(t->h, e) != i)
            continue;
        pinned += p->units;
        for (uint32_t at = i; at != 0; at = pins_row(l, t->h->s, at)->next) {
            CHECK(pins_row(l, t->h->s, at)->unit == p->unit);
            CHECK(pins_row(l, t->h->s, at)->units == p->units);
            listed++;
        }
        for (uint32_t k = 0; k < p->units; k++)
            CHECK(t->seen[p->unit + k] != SEEN_FREE);
        if (t->seen[p->unit] == SEEN_LIVE) {
            CHECK(entry_units(e) == p->units && e->whole);
            continue;
        }
        for (uint32_t k = 0; k < p->units; k++) {
            CHECK(t->seen[p->unit + k] == 0);
            t->seen[p->unit + k] = SEEN_KEPT;
        }
        kept += p->units;
    }
    CHECK(rows == listed && pinned == t->h->s->pinned_units);
    CHECK(kept == t->h->s->kept_units);
    t->units += kept;
}

/* Every free unit, which is no entry's. The runs are as long as can be. */
static inline void truth_free(struct truth *t)
{
    const struct layout *l = t->h->layout;
    const struct shard *s = t->h->s;
    uint64_t n = 0;

    for (uint32_t list = 0; list < STATE_LISTS; list++) {
        uint32_t unit = s->free[list], before = 0;

        CHECK((s->lists >> list & 1) == (unit != 0));
        for (; unit != 0; unit = run_at(t->h, unit)->next) {
            uint32_t units = run_units(t->h, unit);

            CHECK(units > 0 && list_of(units) == list);
            CHECK(run_units(t->h, unit + units - 1) == units);
            CHECK(run_at(t->h, unit)->before == before);
            CHECK(unit == l->first || t->seen[unit - 1] != SEEN_FREE);
            before = unit;
            for (uint32_t k = unit; k < unit + units; k++, n++) {
                CHECK(layout_has(l, k) && t->seen[k] == 0);
                t->seen[k] = SEEN_FREE;
            }
            CHECK(unit + units == l->end || t->seen[unit + units] != SEEN_FREE);
        }
    }
    CHECK(n == s->free_units);
    CHECK(n + t->units == l->end - l->first);
}

static inline void truth_table(struct truth *t)
{
    uint64_t n = 0;

    for (uint32_t i = 0; i <= t->h->layout->bucket_mask; i++) {
        for (uint32_t unit = *shard_bucket(t->h, i); unit != 0; n++) {
            const struct entry *e = unit_at(t->h->s, unit);

            CHECK(t->seen[unit] == SEEN_LIVE);
            CHECK((e->hash & t->h->layout->bucket_mask) == i);
            t->seen[unit] |= SEEN_TABLE;
            unit = e->chain;
        }
    }
    CHECK(n == t->live);
}

static inline uint64_t truth_queue(struct truth *t, const struct queue *q)
{
    uint64_t n = 0, bytes = 0;

    for (struct entry *e = queue_newest(q); e != NULL; e = entry_older(e)) {
        CHECK(t->seen[link_to(e)] == (SEEN_LIVE | SEEN_TABLE));
        t->seen[link_to(e)] |= SEEN_QUEUE;
        bytes += entry_charge(e);
        CHECK(entry_older(e) != NULL || queue_oldest(q) == e);
        n++;
    }
    CHECK(n == q->items && bytes == q->bytes);
    return n;
}

/* truth_check compares all that a shard says of itself with what its units say.
 * The shard is held. */
static inline void truth_check(const struct hold *h)
{
    struct truth t = {.h = h, .seen = calloc(1, LINK_MASK + 1)};
    uint64_t queued;

    CHECK(h->s->dirty == 0);
    truth_entries(&t);
    truth_pins(&t);
    truth_free(&t);
    truth_table(&t);
    queued = truth_queue(&t, &h->s->eviction.small);
    queued += truth_queue(&t, &h->s->eviction.main);
    CHECK(queued == t.live && h->s->items == t.live);
    CHECK(h->s->expiring == t.expiring);
    free(t.seen);
}

/* truth_check_all holds every shard in turn, which repairs it if need be, and
 * checks it. */
static inline void truth_check_all(struct shm *m)
{
    for (uint32_t i = 0; i < m->map.layout.shards; i++) {
        struct hold h;

        CHECK(shm_hold(m, i, &h) == 0);
        truth_check(&h);
        shm_release(m, &h);
    }
}

#endif

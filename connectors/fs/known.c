/* known.c -- facts about files that need no system call to look up.
 *
 * WHAT MUST HOLD
 * Other processes may change the folder at any time. The kernel reports every
 * change of a watched directory in a queue, before the system call that makes
 * the change returns (watch.c). A lookup is true if all reports were read just
 * before it: then each change that ended earlier has been taken into account.
 *
 * A report removes the facts of its name. Facts come from three sources:
 *   - a file was opened and its trailer checked (learn),
 *   - this process has set the file (begin, end),
 *   - a directory was listed while it was watched. This only tells which names
 *     exist. Once it is complete, a name that is not in the table is no file.
 *
 * Facts may be out of date when they arrive, because the file has changed after
 * it was read. A ticket, drawn before the reading, shows that: `events` counts
 * the reports of others' changes in a part of the table, `changes` counts our
 * own. learn needs both unchanged, end only the first.
 *
 * Our own renames are reported, too. begin counts that one report is expected
 * for the name, and the next report of a rename to it is taken for it. If that
 * was in fact the report of another process, ours comes later and removes the
 * facts: we forget too much, never too little. Until the expected report has
 * come, nothing is learned about the name. The caller holds the name's lock
 * from begin to end, so there is one such change of a name at a time.
 *
 * If reports were lost, everything is forgotten, expectations as well
 * (fs_known_clear). begin comes before the rename, so that no expectation is
 * counted after its report was lost.
 *
 * Names are compared by two independent 64-bit hashes, one of them with a
 * random seed, so that names cannot be chosen to collide. Names that are hashes
 * of long keys are never in the table, because only their trailer has the key.
 *
 * Each part has a lock and a table with linear probing. A part that is full
 * stores no further names, and is not complete any more until the next clear.
 */

#include "known.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "trailer.h"

enum {
    KNOWN_PARTS = 64, /* chosen by the highest bits of a name's hash */
    KNOWN_LEAST = 64,
    KNOWN_MOST = 1 << 15, /* entries of a part: 2 Mi files, 112 MiB, in all */
    KNOWN_DIRECTORIES = 4096,
};

struct known_entry {
    uint64_t hash, check; /* check 0: the slot is free */
    struct fs_fact fact;
    struct fs_open *open;
    uint32_t expected; /* reports of our own renames */
    bool known;        /* the facts are; otherwise there may be a file */
};

/* A place for one open file, with the name that has it. */
struct known_place {
    uint64_t hash, check; /* check 0: the place is free */
};

struct known_part {
    pthread_mutex_t lock; /* guards the following */
    struct known_entry *slots;
    uint32_t cap, used; /* cap: a power of two */
    bool full;
    uint64_t clears, events, changes;
    struct known_place *places;
    uint64_t random; /* chooses the place to use again */
};

struct fs_known {
    uint64_t seed;
    uint32_t n_places; /* of each part */
    struct known_part parts[KNOWN_PARTS];
    atomic_bool watched[KNOWN_DIRECTORIES], complete[KNOWN_DIRECTORIES];
};

/* ---- the table of a part; all of it under the lock ---- */

static uint64_t known_check(const struct fs_known *k,
                            const struct fs_name *name)
{
    return XXH3_64bits_withSeed(name->name, strlen(name->name), k->seed) | 1;
}

static uint32_t known_slot(const struct known_part *p, uint64_t hash,
                           uint64_t check)
{
    uint32_t at = (uint32_t)hash & (p->cap - 1);

    while (p->slots[at].check != 0 &&
           (p->slots[at].hash != hash || p->slots[at].check != check))
        at = (at + 1) & (p->cap - 1);
    return at;
}

static struct known_entry *known_find(struct known_part *p, uint64_t hash,
                                      uint64_t check)
{
    struct known_entry *e;

    if (p->cap == 0)
        return NULL;
    e = &p->slots[known_slot(p, hash, check)];
    return e->check != 0 ? e : NULL;
}

static bool known_grow(struct known_part *p)
{
    struct known_part grown = {.cap = p->cap ? p->cap * 2 : KNOWN_LEAST};

    grown.slots = calloc(grown.cap, sizeof *grown.slots);
    if (grown.slots == NULL)
        return false;
    for (uint32_t i = 0; i < p->cap; i++) {
        struct known_entry *e = &p->slots[i];

        if (e->check != 0)
            grown.slots[known_slot(&grown, e->hash, e->check)] = *e;
    }
    free(p->slots);
    p->slots = grown.slots;
    p->cap = grown.cap;
    return true;
}

/* Returns the entry of a name, made if necessary. NULL: the part is full. */
static struct known_entry *known_add(struct known_part *p, uint64_t hash,
                                     uint64_t check)
{
    struct known_entry *e = known_find(p, hash, check);

    if (e != NULL)
        return e;
    if (p->used >= KNOWN_MOST ||
        (p->used >= p->cap / 4 * 3 && !known_grow(p))) {
        p->full = true;
        return NULL;
    }
    e = &p->slots[known_slot(p, hash, check)];
    *e = (struct known_entry){.hash = hash, .check = check};
    p->used++;
    return e;
}

/* Empties a slot and moves the following entries up, so that no search ends
 * before them. */
static void known_remove(struct known_part *p, struct known_entry *e)
{
    uint32_t hole = (uint32_t)(e - p->slots), mask = p->cap - 1;

    p->used--;
    p->slots[hole].check = 0;
    for (uint32_t at = (hole + 1) & mask; p->slots[at].check != 0;
         at = (at + 1) & mask) {
        uint32_t home = (uint32_t)p->slots[at].hash & mask;

        if (((at - home) & mask) < ((at - hole) & mask))
            continue;
        p->slots[hole] = p->slots[at];
        p->slots[at].check = 0;
        hole = at;
    }
}

/* ---- open files ---- */

void fs_open_put(struct fs_open *open)
{
    if (open == NULL || atomic_fetch_sub(&open->refs, 1) > 1)
        return;
    close(open->fd);
    free(open);
}

static void known_close(struct known_entry *e)
{
    fs_open_put(e->open);
    e->open = NULL;
}

/* Keeps a file open, in a free place or in that of another file, chosen at
 * random: then a set of files larger than the places is partly kept. */
static bool known_keep_open(struct fs_known *k, struct known_part *p,
                            struct known_entry *e, int fd, uint64_t used_s)
{
    struct fs_open *open = k->n_places > 0 ? malloc(sizeof *open) : NULL;
    struct known_place *place;
    struct known_entry *other;

    if (open == NULL)
        return false;
    p->random = p->random * 6364136223846793005u + 1442695040888963407u;
    place = &p->places[(p->random >> 32) % k->n_places];
    for (uint32_t i = 0; i < k->n_places && place->check != 0; i++) {
        if (p->places[i].check == 0)
            place = &p->places[i];
    }
    other = place->check ? known_find(p, place->hash, place->check) : NULL;
    if (other != NULL)
        known_close(other);
    *place = (struct known_place){e->hash, e->check};
    open->fd = fd;
    open->refs = 1;
    open->used_s = used_s;
    e->open = open;
    return true;
}

/* Forgets the facts of an entry, and frees the place of its open file. */
static void known_doubt(struct fs_known *k, struct known_part *p,
                        struct known_entry *e)
{
    e->known = false;
    if (e->open == NULL)
        return;
    known_close(e);
    for (uint32_t i = 0; i < k->n_places; i++) {
        if (p->places[i].hash == e->hash && p->places[i].check == e->check)
            p->places[i].check = 0;
    }
}

/* Stores facts. An open file that has other facts is another file. */
static void known_store(struct fs_known *k, struct known_part *p,
                        struct known_entry *e, const struct fs_fact *fact)
{
    if (memcmp(&e->fact, fact, sizeof *fact) != 0)
        known_doubt(k, p, e);
    e->known = true;
    e->fact = *fact;
}

/* ---- the whole ---- */

struct fs_known *fs_known_new(uint32_t max_open)
{
    struct fs_known *k = calloc(1, sizeof *k);

    if (k == NULL)
        return NULL;
    if (getrandom(&k->seed, sizeof k->seed, 0) != sizeof k->seed) {
        free(k);
        return NULL;
    }
    k->n_places = max_open / KNOWN_PARTS;
    for (int i = 0; i < KNOWN_PARTS; i++) {
        struct known_part *p = &k->parts[i];

        pthread_mutex_init(&p->lock, NULL);
        p->places = calloc(k->n_places + 1, sizeof *p->places);
        if (p->places == NULL)
            k->n_places = 0;
    }
    return k;
}

/* Under the lock. */
static void known_empty(struct fs_known *k, struct known_part *p)
{
    for (uint32_t i = 0; i < p->cap; i++) {
        if (p->slots[i].check != 0)
            known_close(&p->slots[i]);
    }
    memset(p->places, 0, k->n_places * sizeof *p->places);
    free(p->slots);
    p->slots = NULL;
    p->cap = p->used = 0;
    p->full = false;
    p->clears++;
}

void fs_known_clear(struct fs_known *k)
{
    for (int i = 0; i < KNOWN_DIRECTORIES; i++)
        k->complete[i] = false;
    for (int i = 0; i < KNOWN_PARTS; i++) {
        pthread_mutex_lock(&k->parts[i].lock);
        known_empty(k, &k->parts[i]);
        pthread_mutex_unlock(&k->parts[i].lock);
    }
}

void fs_known_free(struct fs_known *k)
{
    if (k == NULL)
        return;
    fs_known_clear(k);
    for (int i = 0; i < KNOWN_PARTS; i++) {
        free(k->parts[i].places);
        pthread_mutex_destroy(&k->parts[i].lock);
    }
    free(k);
}

/* Returns the part of a name, locked; NULL: names like it are not kept. */
static struct known_part *known_lock(struct fs_known *k,
                                     const struct fs_name *name)
{
    struct known_part *p = &k->parts[name->hash >> 58];

    if (name->name[0] == '~' || name->directory >= KNOWN_DIRECTORIES ||
        !k->watched[name->directory])
        return NULL;
    pthread_mutex_lock(&p->lock);
    return p;
}

enum fs_knowledge fs_known_find(struct fs_known *k, const struct fs_name *name,
                                struct fs_fact *fact, struct fs_open **open)
{
    struct known_part *p = known_lock(k, name);
    enum fs_knowledge knowledge = FS_KNOWN_NOT;
    struct known_entry *e;

    if (open != NULL)
        *open = NULL;
    if (p == NULL)
        return FS_KNOWN_NOT;
    e = known_find(p, name->hash, known_check(k, name));
    if (e == NULL) {
        if (k->complete[name->directory] && !p->full)
            knowledge = FS_KNOWN_GONE;
    } else if (e->known) {
        knowledge = FS_KNOWN_FILE;
        *fact = e->fact;
        if (open != NULL && e->open != NULL) {
            *open = e->open;
            atomic_fetch_add(&e->open->refs, 1);
        }
    }
    pthread_mutex_unlock(&p->lock);
    return knowledge;
}

struct fs_ticket fs_known_ticket(struct fs_known *k, const struct fs_name *name)
{
    struct known_part *p = known_lock(k, name);
    struct fs_ticket ticket = {UINT64_MAX, 0, 0}; /* never valid */

    if (p == NULL)
        return ticket;
    ticket = (struct fs_ticket){p->clears, p->events, p->changes};
    pthread_mutex_unlock(&p->lock);
    return ticket;
}

/* Returns whether no other process has changed files since the ticket. */
static bool known_is_valid(const struct known_part *p,
                           const struct fs_ticket *ticket)
{
    return ticket->clears == p->clears && ticket->events == p->events;
}

bool fs_known_learn(struct fs_known *k, const struct fs_name *name,
                    struct fs_ticket ticket, const struct fs_fact *fact, int fd,
                    uint64_t used_s)
{
    struct known_part *p = known_lock(k, name);
    struct known_entry *e = NULL;
    bool kept = false;
    uint64_t check;

    if (p == NULL)
        return false;
    if (known_is_valid(p, &ticket) && ticket.changes == p->changes) {
        check = known_check(k, name);
        e = fact != NULL ? known_add(p, name->hash, check)
                         : known_find(p, name->hash, check);
    }
    if (e == NULL || e->expected > 0) {
        /* Nothing is learned. */
    } else if (fact != NULL) {
        known_store(k, p, e, fact);
        if (fd >= 0 && e->open == NULL)
            kept = known_keep_open(k, p, e, fd, used_s);
    } else {
        known_doubt(k, p, e);
        known_remove(p, e);
    }
    pthread_mutex_unlock(&p->lock);
    return kept;
}

struct fs_ticket fs_known_begin(struct fs_known *k, const struct fs_name *name)
{
    struct known_part *p = known_lock(k, name);
    struct fs_ticket ticket = {UINT64_MAX, 0, 0};
    struct known_entry *e;

    if (p == NULL)
        return ticket;
    e = known_add(p, name->hash, known_check(k, name));
    p->changes++;
    if (e != NULL) {
        known_doubt(k, p, e);
        e->expected++;
        ticket = (struct fs_ticket){p->clears, p->events, p->changes};
    }
    pthread_mutex_unlock(&p->lock);
    return ticket;
}

void fs_known_end(struct fs_known *k, const struct fs_name *name,
                  struct fs_ticket ticket, const struct fs_fact *fact)
{
    struct known_part *p = known_lock(k, name);
    struct known_entry *e = NULL;

    if (p == NULL)
        return;
    p->changes++;
    if (ticket.clears == p->clears)
        e = known_find(p, name->hash, known_check(k, name));
    if (e != NULL && fact != NULL && known_is_valid(p, &ticket)) {
        known_store(k, p, e, fact);
    } else if (e != NULL && fact == NULL) {
        /* A rename that failed is not reported. */
        known_doubt(k, p, e);
        e->expected -= e->expected > 0;
    }
    pthread_mutex_unlock(&p->lock);
}

void fs_known_event(struct fs_known *k, const struct fs_name *name,
                    enum fs_change change)
{
    struct known_part *p = known_lock(k, name);
    struct known_entry *e;

    if (p == NULL)
        return;
    e = known_find(p, name->hash, known_check(k, name));
    if (e != NULL && e->expected > 0 && change == FS_CHANGE_RENAMED) {
        e->expected--;
        pthread_mutex_unlock(&p->lock);
        return;
    }
    p->events++;
    if (e == NULL && change != FS_CHANGE_GONE)
        e = known_add(p, name->hash, known_check(k, name));
    if (e != NULL)
        known_doubt(k, p, e);
    if (e != NULL && change == FS_CHANGE_GONE)
        known_remove(p, e);
    pthread_mutex_unlock(&p->lock);
}

void fs_known_seen(struct fs_known *k, const struct fs_name *name)
{
    struct known_part *p = known_lock(k, name);

    if (p == NULL)
        return;
    known_add(p, name->hash, known_check(k, name));
    pthread_mutex_unlock(&p->lock);
}

void fs_known_watch(struct fs_known *k, uint32_t directory)
{
    k->watched[directory] = true;
}

void fs_known_complete(struct fs_known *k, uint32_t directory)
{
    k->complete[directory] = true;
}

bool fs_known_is_complete(const struct fs_known *k, uint32_t directory)
{
    return directory >= KNOWN_DIRECTORIES || k->complete[directory];
}

void fs_known_unwatch(struct fs_known *k, uint32_t directory)
{
    k->watched[directory] = false;
}

uint64_t fs_known_memory(struct fs_known *k)
{
    uint64_t bytes = sizeof *k;

    for (int i = 0; i < KNOWN_PARTS; i++) {
        pthread_mutex_lock(&k->parts[i].lock);
        bytes += k->parts[i].cap * sizeof(struct known_entry);
        pthread_mutex_unlock(&k->parts[i].lock);
    }
    return bytes;
}

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
 * Each part (part.c) has a lock and a table of its own. A part that is full
 * stores no further names, and is not complete any more until the next clear.
 */

#include "known.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "part.h"
#include "trailer.h"

enum {
    KNOWN_PARTS = 64, /* chosen by the highest bits of a name's hash */
    KNOWN_DIRECTORIES = 4096,
};

struct fs_known {
    uint64_t seed;
    struct part parts[KNOWN_PARTS];
    _Atomic uint32_t spare; /* open files that there may be in addition */
    atomic_bool watched[KNOWN_DIRECTORIES], complete[KNOWN_DIRECTORIES];
};

static uint64_t known_check(const struct fs_known *k,
                            const struct fs_name *name)
{
    return XXH3_64bits_withSeed(name->name, strlen(name->name), k->seed) | 1;
}

struct fs_known *fs_known_new(uint32_t max_open)
{
    struct fs_known *k = calloc(1, sizeof *k);

    if (k == NULL)
        return NULL;
    if (getrandom(&k->seed, sizeof k->seed, 0) != sizeof k->seed) {
        free(k);
        return NULL;
    }
    k->spare = max_open;
    for (int i = 0; i < KNOWN_PARTS; i++) {
        struct part *p = &k->parts[i];

        pthread_mutex_init(&p->lock, NULL);
        p->spare = &k->spare;
        if (max_open >= KNOWN_PARTS)
            part_take(p);
    }
    return k;
}

void fs_known_clear(struct fs_known *k)
{
    for (int i = 0; i < KNOWN_DIRECTORIES; i++)
        k->complete[i] = false;
    for (int i = 0; i < KNOWN_PARTS; i++) {
        pthread_mutex_lock(&k->parts[i].lock);
        part_empty(&k->parts[i]);
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
static struct part *known_lock(struct fs_known *k, const struct fs_name *name)
{
    struct part *p = &k->parts[name->hash >> 58];

    if (name->name[0] == '~' || name->directory >= KNOWN_DIRECTORIES ||
        !k->watched[name->directory])
        return NULL;
    pthread_mutex_lock(&p->lock);
    return p;
}

enum fs_knowledge fs_known_find(struct fs_known *k, const struct fs_name *name,
                                struct fs_fact *fact, struct fs_open **open)
{
    struct part *p = known_lock(k, name);
    enum fs_knowledge knowledge = FS_KNOWN_NOT;
    struct part_entry *e;

    if (open != NULL)
        *open = NULL;
    if (p == NULL)
        return FS_KNOWN_NOT;
    e = part_find(p, name->hash, known_check(k, name));
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
    struct part *p = known_lock(k, name);
    struct fs_ticket ticket = {UINT64_MAX, 0, 0}; /* never valid */

    if (p == NULL)
        return ticket;
    ticket = (struct fs_ticket){p->clears, p->events, p->changes};
    pthread_mutex_unlock(&p->lock);
    return ticket;
}

/* Returns whether no other process has changed files since the ticket. */
static bool known_is_valid(const struct part *p, const struct fs_ticket *ticket)
{
    return ticket->clears == p->clears && ticket->events == p->events;
}

bool fs_known_learn(struct fs_known *k, const struct fs_name *name,
                    struct fs_ticket ticket, const struct fs_fact *fact, int fd,
                    uint64_t used_s)
{
    struct part *p = known_lock(k, name);
    struct part_entry *e = NULL;
    bool kept = false;
    uint64_t check;

    if (p == NULL)
        return false;
    if (known_is_valid(p, &ticket) && ticket.changes == p->changes) {
        check = known_check(k, name);
        e = fact != NULL ? part_add(p, name->hash, check)
                         : part_find(p, name->hash, check);
    }
    if (e == NULL || e->expected > 0) {
        /* Nothing is learned. */
    } else if (fact != NULL) {
        part_store(p, e, fact);
        if (fd >= 0 && e->open == NULL)
            kept = part_keep_open(p, e, fd, used_s);
    } else {
        part_doubt(p, e);
        part_remove(p, e);
    }
    pthread_mutex_unlock(&p->lock);
    return kept;
}

struct fs_ticket fs_known_begin(struct fs_known *k, const struct fs_name *name)
{
    struct part *p = known_lock(k, name);
    struct fs_ticket ticket = {UINT64_MAX, 0, 0};
    struct part_entry *e;

    if (p == NULL)
        return ticket;
    e = part_add(p, name->hash, known_check(k, name));
    p->changes++;
    if (e != NULL) {
        part_doubt(p, e);
        e->expected++;
        ticket = (struct fs_ticket){p->clears, p->events, p->changes};
    }
    pthread_mutex_unlock(&p->lock);
    return ticket;
}

void fs_known_end(struct fs_known *k, const struct fs_name *name,
                  struct fs_ticket ticket, const struct fs_fact *fact)
{
    struct part *p = known_lock(k, name);
    struct part_entry *e = NULL;

    if (p == NULL)
        return;
    p->changes++;
    if (ticket.clears == p->clears)
        e = part_find(p, name->hash, known_check(k, name));
    if (e != NULL && fact != NULL && known_is_valid(p, &ticket)) {
        part_store(p, e, fact);
    } else if (e != NULL && fact == NULL) {
        /* A rename that failed is not reported. */
        part_doubt(p, e);
        e->expected -= e->expected > 0;
    }
    pthread_mutex_unlock(&p->lock);
}

void fs_known_event(struct fs_known *k, const struct fs_name *name,
                    enum fs_change change)
{
    struct part *p = known_lock(k, name);
    struct part_entry *e;

    if (p == NULL)
        return;
    e = part_find(p, name->hash, known_check(k, name));
    if (e != NULL && e->expected > 0 && change == FS_CHANGE_RENAMED) {
        e->expected--;
        pthread_mutex_unlock(&p->lock);
        return;
    }
    p->events++;
    if (e == NULL && change != FS_CHANGE_GONE)
        e = part_add(p, name->hash, known_check(k, name));
    if (e != NULL)
        part_doubt(p, e);
    if (e != NULL && change == FS_CHANGE_GONE)
        part_remove(p, e);
    pthread_mutex_unlock(&p->lock);
}

void fs_known_seen(struct fs_known *k, const struct fs_name *name)
{
    struct part *p = known_lock(k, name);

    if (p == NULL)
        return;
    part_add(p, name->hash, known_check(k, name));
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
        bytes += k->parts[i].cap * sizeof(struct part_entry);
        pthread_mutex_unlock(&k->parts[i].lock);
    }
    return bytes;
}

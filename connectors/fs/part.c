/* part.c -- a part of the table of known files.
 *
 * The table is open addressing with linear probing. It has places for open
 * files: each is of one entry. */

#include "part.h"

#include <stdlib.h>
#include <string.h>

enum {
    PART_LEAST = 64,
    PART_MOST = 1 << 15, /* entries: 2 Mi files, 112 MiB, in all 64 parts */
};

/* ---- the table ---- */

static uint32_t part_slot(const struct part *p, uint64_t hash, uint64_t check)
{
    uint32_t at = (uint32_t)hash & (p->cap - 1);

    while (p->slots[at].check != 0 &&
           (p->slots[at].hash != hash || p->slots[at].check != check))
        at = (at + 1) & (p->cap - 1);
    return at;
}

struct part_entry *part_find(struct part *p, uint64_t hash, uint64_t check)
{
    struct part_entry *e;

    if (p->cap == 0)
        return NULL;
    e = &p->slots[part_slot(p, hash, check)];
    return e->check != 0 ? e : NULL;
}

static bool part_grow(struct part *p)
{
    struct part grown = {.cap = p->cap ? p->cap * 2 : PART_LEAST};

    grown.slots = calloc(grown.cap, sizeof *grown.slots);
    if (grown.slots == NULL)
        return false;
    for (uint32_t i = 0; i < p->cap; i++) {
        struct part_entry *e = &p->slots[i];

        if (e->check != 0)
            grown.slots[part_slot(&grown, e->hash, e->check)] = *e;
    }
    free(p->slots);
    p->slots = grown.slots;
    p->cap = grown.cap;
    return true;
}

struct part_entry *part_add(struct part *p, uint64_t hash, uint64_t check)
{
    struct part_entry *e = part_find(p, hash, check);

    if (e != NULL)
        return e;
    if (p->used >= PART_MOST || (p->used >= p->cap / 4 * 3 && !part_grow(p))) {
        p->full = true;
        return NULL;
    }
    e = &p->slots[part_slot(p, hash, check)];
    *e = (struct part_entry){.hash = hash, .check = check};
    p->used++;
    return e;
}

/* Empties a slot and moves the following entries up, so that no search ends
 * before them. */
void part_remove(struct part *p, struct part_entry *e)
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

static void part_close(struct part_entry *e)
{
    fs_open_put(e->open);
    e->open = NULL;
}

struct part_place *part_take(struct part *p)
{
    uint32_t spare = atomic_load(p->spare);
    struct part_place *more;

    do {
        if (spare == 0)
            return NULL;
    } while (!atomic_compare_exchange_weak(p->spare, &spare, spare - 1));
    more = realloc(p->places, (p->n_places + 1) * sizeof *more);
    if (more == NULL) {
        atomic_fetch_add(p->spare, 1);
        return NULL;
    }
    p->places = more;
    more += p->n_places++;
    more->check = 0;
    return more;
}

/* Finds a place: a free one, a spare one, or that of another file, chosen at
 * random. Then a set of files larger than the places is partly kept. */
static struct part_place *part_place(struct part *p)
{
    struct part_entry *other;
    struct part_place *place;

    for (uint32_t i = 0; i < p->n_places; i++) {
        if (p->places[i].check == 0)
            return &p->places[i];
    }
    place = part_take(p);
    if (place != NULL || p->n_places == 0)
        return place;
    p->random = p->random * 6364136223846793005u + 1442695040888963407u;
    place = &p->places[(p->random >> 32) % p->n_places];
    other = part_find(p, place->hash, place->check);
    if (other != NULL)
        part_close(other);
    return place;
}

bool part_keep_open(struct part *p, struct part_entry *e, int fd,
                    uint64_t used_s)
{
    struct fs_open *open = malloc(sizeof *open);
    struct part_place *place = open != NULL ? part_place(p) : NULL;

    if (place == NULL) {
        free(open);
        return false;
    }
    *place = (struct part_place){e->hash, e->check};
    open->fd = fd;
    open->refs = 1;
    open->used_s = used_s;
    e->open = open;
    return true;
}

void part_doubt(struct part *p, struct part_entry *e)
{
    e->known = false;
    if (e->open == NULL)
        return;
    part_close(e);
    for (uint32_t i = 0; i < p->n_places; i++) {
        if (p->places[i].hash == e->hash && p->places[i].check == e->check)
            p->places[i].check = 0;
    }
}

/* An open file that has other facts is another file. */
void part_store(struct part *p, struct part_entry *e,
                const struct fs_fact *fact)
{
    if (memcmp(&e->fact, fact, sizeof *fact) != 0)
        part_doubt(p, e);
    e->known = true;
    e->fact = *fact;
}

void part_empty(struct part *p)
{
    for (uint32_t i = 0; i < p->cap; i++) {
        if (p->slots[i].check != 0)
            part_close(&p->slots[i]);
    }
    for (uint32_t i = 0; i < p->n_places; i++)
        p->places[i].check = 0;
    free(p->slots);
    p->slots = NULL;
    p->cap = p->used = 0;
    p->full = false;
    p->clears++;
}

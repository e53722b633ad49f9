/* errand.c -- a call on its way through a cluster.
 *
 * An errand is split into parts: a part is a progress (pipeline.c) with the
 * items of one node, on the session of its peer. Each item has a trip. It is
 * with a node, or it waits: for a time, or for a new map. All sessions of a
 * worker are driven by one poll (cluster_loop.c), and each reply answers its
 * item in place, so parts need not be merged.
 *
 * A node may answer an item with an error that says to go elsewhere or to come
 * later (redirect.c). Then the item leaves its part and waits, at least until
 * the next turn of the loop. An empty item, `nobody`, takes its place in the
 * part, so that the other items keep theirs.
 *
 * Promise. Every item is answered. It waits until the call's deadline, or for
 * PATIENCE_NS without one. */
#include "errand.h"

#include <stdlib.h>
#include <string.h>

#include "pipeline.h"
#include "scout.h"

#define MS ((uint64_t)1000000)
#define PATIENCE_NS (5000 * MS)

enum {
    ROOM_MIN = 256, /* trips of the smallest errand: of a slice */
    SPARES = 4,     /* errands whose memory is kept, none of them longer */
};

/* ---- trips ---- */

struct trip *errand_trip(struct errand *e, const struct weir_item *item)
{
    return &e->trips[item - e->items];
}

void errand_wait(struct errand *e, struct trip *t, uint64_t due_ns)
{
    t->waits = true;
    t->for_map = false;
    t->due_ns = due_ns;
    e->waiting++;
}

static void trip_wait_for_map(struct cluster *c, struct errand *e,
                              struct trip *t)
{
    errand_wait(e, t, scout_ask(c));
    t->for_map = true;
}

uint64_t errand_pause(uint64_t first, uint64_t most, uint32_t n)
{
    uint64_t pause = n < 16 ? first << n : most;

    return pause < most ? pause : most;
}

bool errand_delay(struct cluster *c, struct errand *e, struct trip *t,
                  uint64_t first, uint64_t most)
{
    uint64_t limit = e->call->deadline_ns != 0 ? e->call->deadline_ns
                                               : e->since_ns + PATIENCE_NS;
    uint64_t now = weir_now(), left = limit > now ? limit - now : 0;
    uint64_t pause = errand_pause(first, most, t->delays);

    /* Before the end the pauses become shorter again. */
    if (pause > left / 2)
        pause = left / 2;
    if (pause < first)
        return false;
    t->delays += t->delays < UINT8_MAX;
    errand_wait(e, t, now + pause);
    atomic_fetch_add_explicit(&c->delayed, 1, memory_order_relaxed);
    return true;
}

/* ---- choosing a node ---- */

static bool reads(const struct errand *e)
{
    uint32_t op = e->call->op;

    return op == WEIR_GET || op == WEIR_EXISTS || op == WEIR_STAT;
}

static uint16_t reader_of(struct cluster_session *cs, uint16_t master)
{
    int read = cs->redis->config->read;

    return read == READ_MASTER ? master
                               : map_reader(&cs->cluster->map, master,
                                            read == READ_NEAREST, cs->turn);
}

/* A slot has no owner: asks for a map, and tries again later. */
static void wait_for_owner(struct cluster_session *cs, struct errand *e,
                           struct weir_item *item)
{
    struct trip *t = errand_trip(e, item);

    scout_ask(cs->cluster);
    if (!errand_delay(cs->cluster, e, t, 20 * MS, 500 * MS))
        weir_call_fail(e->call, item, WEIR_UNAVAILABLE,
                       "no node of the cluster has slot %d", t->slot);
}

/* Connects to the node fail at present. A new map may name another one. */
static void wait_for_node(struct cluster_session *cs, struct errand *e,
                          struct weir_item *item, const struct peer *p)
{
    struct trip *t = errand_trip(e, item);
    char why[sizeof((struct node *)0)->why];
    int status;

    t->node = NO_NODE;
    if (!t->had_map) {
        trip_wait_for_map(cs->cluster, e, t);
        return;
    }
    status = map_why(&cs->cluster->map, p->node, why);
    weir_call_fail(e->call, item, status, "node %s: %s", p->name, why);
}

/* Returns the peer that an item goes to. NULL: it waits, or is answered. */
static struct peer *choose(struct cluster_session *cs, struct errand *e,
                           struct weir_item *item)
{
    struct trip *t = errand_trip(e, item);
    uint16_t owner = map_owner(&cs->cluster->map, t->slot), node = owner;
    struct peer *p;

    if (owner == NO_NODE) {
        wait_for_owner(cs, e, item);
        return NULL;
    }
    if (t->node != NO_NODE)
        node = t->node;
    else if (reads(e) && !t->of_master)
        node = reader_of(cs, owner);
    p = peer_of(cs, node);
    if (p != NULL && node != owner && peer_is_down(p))
        p = peer_of(cs, owner);
    if (p == NULL)
        weir_call_no_memory(e->call, item, "a connection");
    else if (peer_is_down(p))
        wait_for_node(cs, e, item, p);
    else
        return p;
    return NULL;
}

/* ---- parts ---- */

static struct progress *part_new(struct errand *e, uint32_t cap)
{
    struct progress *part = calloc(1, sizeof *part);

    if (part == NULL)
        return NULL;
    part->part = malloc(cap * sizeof *part->part);
    if (part->part == NULL) {
        free(part);
        return NULL;
    }
    part->call = e->call;
    part->errand = e;
    part->by_slot = e->sweep != NULL;
    return part;
}

/* Puts an item in the part that is being made for a peer. An item with ASK has
 * a part of its own. */
static void part_add(struct errand *e, struct peer *p, struct weir_item *item)
{
    bool asking = errand_trip(e, item)->node != NO_NODE;
    struct progress *part = NULL;

    if (p != NULL && asking)
        part = part_new(e, 1);
    else if (p != NULL && p->part == NULL)
        part = p->part = part_new(e, p->part_n);
    else if (p != NULL)
        part = p->part;
    if (part == NULL) {
        weir_call_no_memory(e->call, item, "a part of a batch");
        return;
    }
    part->part[part->n++] = item;
    if (!asking)
        return;
    errand_trip(e, item)->node = NO_NODE;
    part->asking = true;
    part->pass = PASS_SINGLE;
    e->parts++;
    peer_add(p, part);
}

static bool is_due(const struct trip *t, uint64_t now, uint64_t rounds)
{
    return t->waits && (t->for_map ? rounds >= t->due_ns : now >= t->due_ns);
}

/* Chooses a node for each item whose time has come, and counts the items of
 * each. */
static void count_parts(struct cluster_session *cs, struct errand *e,
                        uint64_t now)
{
    uint64_t rounds = atomic_load(&cs->cluster->scout.rounds);

    for (uint32_t i = 0; i < e->n; i++) {
        struct trip *t = &e->trips[i];
        struct peer *p;

        if (!is_due(t, now, rounds))
            continue;
        t->waits = false;
        t->had_map |= t->for_map;
        e->waiting--;
        p = choose(cs, e, &e->items[i]);
        t->leaves = p != NULL;
        if (p == NULL)
            continue;
        t->to = p->node;
        p->part_n++;
    }
}

void errand_resume(struct cluster_session *cs, struct errand *e, uint64_t now)
{
    if (e->waiting == 0)
        return;
    count_parts(cs, e, now);
    for (uint32_t i = 0; i < e->n; i++) {
        if (!e->trips[i].leaves)
            continue;
        e->trips[i].leaves = false;
        part_add(e, cs->peer_of[e->trips[i].to], &e->items[i]);
    }
    for (struct peer *p = cs->peers; p != NULL; p = p->next) {
        struct progress *part = p->part;

        p->part = NULL;
        p->part_n = 0;
        if (part == NULL)
            continue;
        if (e->call->op == WEIR_EXISTS)
            part->pass = PASS_SINGLE;
        e->parts++;
        peer_add(p, part);
    }
}

/* ---- the errand ---- */

/* Returns memory for an errand, if it can that of one that ended. A malloc of
 * this size makes glibc merge the small blocks that are free, which took 20 ns
 * a key. */
static struct errand *errand_memory(struct cluster_session *cs, uint32_t n)
{
    uint32_t room = n > ROOM_MIN ? n : ROOM_MIN;
    struct errand *e = cs->spare;

    if (e == NULL || e->room < n) {
        e = malloc(sizeof *e + room * sizeof *e->trips);
        if (e != NULL)
            e->room = room;
        return e;
    }
    cs->spare = e->next;
    cs->n_spare--;
    return e;
}

struct errand *errand_new(struct cluster_session *cs, struct weir_call *call,
                          uint32_t n)
{
    struct errand *e = errand_memory(cs, n);

    if (e == NULL)
        return NULL;
    *e = (struct errand){.call = call,
                         .items = call->items,
                         .n = n,
                         .room = e->room,
                         .previous = cs->last};
    e->since_ns = weir_now();
    if (cs->last != NULL)
        cs->last->next = e;
    else
        cs->errands = e;
    cs->last = e;
    cs->turn++;
    return e;
}

struct errand *errand_start(struct cluster_session *cs, struct weir_call *call)
{
    const struct redis *r = cs->redis;
    struct errand *e = errand_new(cs, call, call->n);

    if (e == NULL)
        return NULL;
    for (uint32_t i = 0; i < call->n; i++) {
        const struct weir_item *item = &call->items[i];

        e->trips[i] = (struct trip){
            .slot = slot_of(r->config->prefix, r->prefix_len, item->key,
                            item->key_len),
            .node = NO_NODE,
            .waits = true,
        };
    }
    e->waiting = call->n;
    errand_resume(cs, e, e->since_ns);
    return e;
}

void errand_end(struct cluster_session *cs, struct errand *e)
{
    if (e->previous != NULL)
        e->previous->next = e->next;
    else
        cs->errands = e->next;
    if (e->next != NULL)
        e->next->previous = e->previous;
    else
        cs->last = e->previous;
    if (e->free != NULL)
        e->free(e);
    if (e->room > ROOM_MIN || cs->n_spare == SPARES) {
        free(e);
        return;
    }
    e->next = cs->spare;
    cs->spare = e;
    cs->n_spare++;
}

void errands_free(struct cluster_session *cs)
{
    while (cs->errands != NULL)
        errand_end(cs, cs->errands);
    while (cs->spare != NULL) {
        struct errand *e = cs->spare;

        cs->spare = e->next;
        free(e);
    }
    cs->n_spare = 0;
}

uint64_t errand_due(const struct errand *e)
{
    uint64_t due = UINT64_MAX;

    for (uint32_t i = 0; i < e->n && e->waiting > 0; i++) {
        const struct trip *t = &e->trips[i];

        if (t->waits && !t->for_map && t->due_ns < due)
            due = t->due_ns;
    }
    return due;
}

bool errand_same_slot(const struct progress *p, uint32_t i, uint32_t j)
{
    return errand_trip(p->errand, p->part[i])->slot ==
           errand_trip(p->errand, p->part[j])->slot;
}

/* ---- a node that is down ---- */

static void part_not_connected(struct peer *peer, struct progress *part,
                               int status, const char *why)
{
    struct cluster *c = peer->cluster->cluster;
    struct errand *e = part->errand;

    for (uint32_t i = 0; i < part->n; i++) {
        struct weir_item *item = part->part[i];
        struct trip *t = errand_trip(e, item);

        t->source_read = false;
        if (peer->node != map_owner(&c->map, t->slot)) {
            t->of_master = true;
            errand_wait(e, t, 0);
        } else if (!t->had_map) {
            trip_wait_for_map(c, e, t);
        } else {
            weir_call_fail(e->call, item, status, "node %s: %s", peer->name,
                           why);
        }
    }
    e->parts--;
}

void errand_part_ended(struct progress *p)
{
    p->errand->parts--;
}

void errand_not_connected(struct peer *peer)
{
    char why[sizeof((struct node *)0)->why];
    int status = map_why(&peer->cluster->cluster->map, peer->node, why);

    peer->failed = false;
    while (peer->waiting != NULL) {
        struct progress *part = peer->waiting;

        peer->waiting = part->next;
        part_not_connected(peer, part, status, why);
        free(part->part);
        free(part);
    }
}

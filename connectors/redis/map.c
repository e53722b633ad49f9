/* map.c -- the nodes of a cluster and the owner of each slot.
 *
 * The map belongs to the store. Workers read owners and nodes without a lock:
 * each field is atomic, and no rule binds two of them together. A worker that
 * reads while the map changes may send a command to a node that has just lost
 * the slot. The node answers MOVED, as it does when the map is old. Only the
 * address of a node is read under the lock. */
#include "map.h"

#include <stdio.h>
#include <string.h>

#include "connector.h"

void map_init(struct map *m)
{
    pthread_mutex_init(&m->lock, NULL);
    for (int i = 0; i < SLOTS; i++)
        atomic_store(&m->owner[i], NO_NODE);
}

void map_destroy(struct map *m)
{
    pthread_mutex_destroy(&m->lock);
}

static bool is_same(const struct endpoint *a, const struct endpoint *b)
{
    return a->port == b->port && strcmp(a->host, b->host) == 0;
}

/* ---- nodes ---- */

/* Puts a new node in a place that no node uses. */
static void node_settle(struct node *n, uint16_t number,
                        const struct endpoint *at)
{
    n->at = *at;
    atomic_store(&n->master, number);
    atomic_store(&n->failures, 0);
    atomic_store(&n->retry_ns, 0);
    atomic_store(&n->silent_ns, 0);
    atomic_store(&n->greeting_ns, 0);
    atomic_fetch_add(&n->generation, 1);
    atomic_store(&n->present, true);
}

/* Under the lock. */
static uint16_t find_or_add(struct map *m, const struct endpoint *at)
{
    uint32_t n = atomic_load(&m->n_nodes), unused = n;

    for (uint32_t i = 0; i < n; i++) {
        bool present = atomic_load(&m->nodes[i].present);

        if (present && is_same(&m->nodes[i].at, at))
            return (uint16_t)i;
        if (!present && unused == n)
            unused = i;
    }
    if (unused == MAP_NODES)
        return NO_NODE;
    node_settle(&m->nodes[unused], (uint16_t)unused, at);
    if (unused == n)
        atomic_store(&m->n_nodes, n + 1);
    atomic_fetch_add(&m->version, 1);
    return (uint16_t)unused;
}

uint16_t map_node(struct map *m, const struct endpoint *at)
{
    uint16_t node;

    pthread_mutex_lock(&m->lock);
    node = find_or_add(m, at);
    pthread_mutex_unlock(&m->lock);
    return node;
}

bool map_address(struct map *m, uint16_t node, struct endpoint *out)
{
    bool present;

    pthread_mutex_lock(&m->lock);
    present = atomic_load(&m->nodes[node].present);
    *out = m->nodes[node].at;
    pthread_mutex_unlock(&m->lock);
    return present;
}

void map_note(struct map *m, uint16_t node, int status, const char *why)
{
    pthread_mutex_lock(&m->lock);
    m->nodes[node].status = status;
    snprintf(m->nodes[node].why, sizeof m->nodes[node].why, "%s", why);
    pthread_mutex_unlock(&m->lock);
}

int map_why(struct map *m, uint16_t node, char *why)
{
    int status;

    pthread_mutex_lock(&m->lock);
    status = m->nodes[node].status;
    memcpy(why, m->nodes[node].why, sizeof m->nodes[node].why);
    pthread_mutex_unlock(&m->lock);
    return status;
}

/* ---- changes ---- */

void map_moved(struct map *m, uint16_t slot, uint16_t node)
{
    pthread_mutex_lock(&m->lock);
    atomic_store(&m->owner[slot], node);
    if (atomic_load(&m->nodes[node].master) != node) {
        atomic_store(&m->nodes[node].master, node);
        atomic_fetch_add(&m->version, 1);
    }
    pthread_mutex_unlock(&m->lock);
}

/* Nodes that are not in the draft leave first, to make room. */
static void remove_absent(struct map *m, const struct draft *d)
{
    for (uint32_t i = 0; i < atomic_load(&m->n_nodes); i++) {
        bool stays = false;

        for (uint32_t j = 0; j < d->n_nodes && !stays; j++)
            stays = is_same(&m->nodes[i].at, &d->nodes[j].at);
        if (!stays)
            atomic_store(&m->nodes[i].present, false);
    }
}

void map_install(struct map *m, const struct draft *d)
{
    uint16_t number[MAP_NODES];

    pthread_mutex_lock(&m->lock);
    remove_absent(m, d);
    for (uint32_t j = 0; j < d->n_nodes; j++)
        number[j] = find_or_add(m, &d->nodes[j].at);
    for (uint32_t j = 0; j < d->n_nodes; j++) {
        if (number[j] != NO_NODE)
            atomic_store(&m->nodes[number[j]].master,
                         number[d->nodes[j].master]);
    }
    for (int i = 0; i < SLOTS; i++)
        atomic_store(&m->owner[i],
                     d->owner[i] == NO_NODE ? NO_NODE : number[d->owner[i]]);
    atomic_fetch_add(&m->version, 1);
    pthread_mutex_unlock(&m->lock);
}

/* ---- reading from replicas ---- */

static bool is_reader(const struct node *n, uint16_t master, uint64_t now)
{
    return atomic_load(&n->present) && atomic_load(&n->master) == master &&
           atomic_load(&n->retry_ns) <= now;
}

static uint16_t nearest_of(struct map *m, uint16_t master, uint64_t now)
{
    uint64_t best = UINT64_MAX;
    uint16_t found = master;

    for (uint32_t i = 0; i < atomic_load(&m->n_nodes); i++) {
        uint64_t time = atomic_load(&m->nodes[i].greeting_ns);

        /* 0: not measured, so it is tried once. */
        if (is_reader(&m->nodes[i], master, now) && time < best) {
            best = time;
            found = (uint16_t)i;
        }
    }
    return found;
}

uint16_t map_reader(struct map *m, uint16_t master, bool nearest, uint32_t turn)
{
    uint64_t now = weir_now();
    uint16_t replicas[64];
    uint32_t n = 0;

    if (nearest)
        return nearest_of(m, master, now);
    for (uint32_t i = 0; i < atomic_load(&m->n_nodes) && n < 64; i++) {
        if (i != master && is_reader(&m->nodes[i], master, now))
            replicas[n++] = (uint16_t)i;
    }
    return n > 0 ? replicas[turn % n] : master;
}

/* ---- numbers ---- */

uint32_t map_slots(const struct map *m)
{
    uint32_t n = 0;

    for (uint16_t i = 0; i < SLOTS; i++)
        n += map_owner(m, i) != NO_NODE;
    return n;
}

uint32_t map_count(const struct map *m, bool masters)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < atomic_load(&m->n_nodes); i++)
        n += atomic_load(&m->nodes[i].present) &&
             (!masters || atomic_load(&m->nodes[i].master) == i);
    return n;
}

uint32_t map_owners(const struct map *m, uint16_t *owners)
{
    bool owns[MAP_NODES] = {false};
    uint32_t n = 0;

    for (uint16_t i = 0; i < SLOTS; i++) {
        uint16_t owner = map_owner(m, i);

        if (owner != NO_NODE)
            owns[owner] = true;
    }
    for (uint16_t i = 0; i < MAP_NODES; i++) {
        if (owns[i])
            owners[n++] = i;
    }
    return n;
}

/* ---- drafts ---- */

void draft_init(struct draft *d)
{
    d->n_slots = d->n_nodes = 0;
    memset(d->owner, 0xff, sizeof d->owner);
}

uint16_t draft_node(struct draft *d, const struct endpoint *at)
{
    for (uint32_t i = 0; i < d->n_nodes; i++) {
        if (is_same(&d->nodes[i].at, at))
            return (uint16_t)i;
    }
    if (d->n_nodes == MAP_NODES)
        return NO_NODE;
    d->nodes[d->n_nodes].at = *at;
    d->nodes[d->n_nodes].master = (uint16_t)d->n_nodes;
    return (uint16_t)d->n_nodes++;
}

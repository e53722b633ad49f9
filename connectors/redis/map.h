/* map.h -- the nodes of a cluster and the owner of each slot. */
#ifndef WEIR_REDIS_MAP_H
#define WEIR_REDIS_MAP_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "endpoint.h"
#include "slot.h"

enum { MAP_NODES = 1024, NO_NODE = UINT16_MAX };

/* A node's place in the table is its number. The place of a node that left may
 * be used again, with another generation. A worker that still uses the number
 * for the old node reaches a wrong one, which then answers MOVED. */
struct node {
    struct endpoint at; /* under the lock of the map, with why and status */
    char why[200];      /* the last connect failed */
    int status;
    _Atomic bool present; /* in the last map, or named by a MOVED since */
    _Atomic uint32_t generation; /* of the place */
    _Atomic uint16_t master;     /* number of its master; its own: it is one */

    /* Connects that failed, by any worker: none is tried before retry_ns. */
    _Atomic uint32_t failures;
    _Atomic uint64_t retry_ns;
    _Atomic uint64_t silent_ns;   /* when a reply of it was last overdue */
    _Atomic uint64_t greeting_ns; /* time of its last greeting */
    _Atomic uint32_t loaded;      /* as in struct redis, for this node */
};

struct map {
    _Atomic uint16_t owner[SLOTS];
    _Atomic uint32_t version; /* changes with the nodes */
    _Atomic uint32_t n_nodes; /* places in use or used before */
    pthread_mutex_t lock;     /* guards changes */
    struct node nodes[MAP_NODES];
};

/* A new map, as a server described it. */
struct draft {
    uint16_t owner[SLOTS]; /* numbers in nodes, or NO_NODE */
    uint32_t n_slots;      /* that have an owner */
    uint32_t n_nodes;
    struct draft_node {
        struct endpoint at;
        uint16_t master; /* as in struct node */
    } nodes[MAP_NODES];
};

void map_init(struct map *m);
void map_destroy(struct map *m);

static inline uint16_t map_owner(const struct map *m, uint16_t slot)
{
    return atomic_load_explicit(&m->owner[slot], memory_order_relaxed);
}

/* map_node returns the number of the node at an address, which it adds if it is
 * new. NO_NODE: the table is full. */
uint16_t map_node(struct map *m, const struct endpoint *at);

/* map_moved makes a node the owner of a slot. */
void map_moved(struct map *m, uint16_t slot, uint16_t node);

/* map_address copies the address of a node. false: it has left. */
bool map_address(struct map *m, uint16_t node, struct endpoint *out);

/* map_note notes why a connect to a node failed. map_why returns the status,
 * and copies the reason to why, which has room for all of struct node's. */
void map_note(struct map *m, uint16_t node, int status, const char *why);
int map_why(struct map *m, uint16_t node, char *why);

/* map_install replaces the map. */
void map_install(struct map *m, const struct draft *d);

/* map_reader returns a node to read from: a replica of a master, or with
 * nearest the one of them all with the shortest greeting. turn chooses among
 * replicas. Nodes under backoff are left out. It returns the master if there is
 * no other. */
uint16_t map_reader(struct map *m, uint16_t master, bool nearest,
                    uint32_t turn);

/* map_slots returns how many slots have an owner; map_count counts the nodes:
 * all, or only masters. */
uint32_t map_slots(const struct map *m);
uint32_t map_count(const struct map *m, bool masters);

/* map_owners fills in the numbers of the nodes that own slots, in order.
 * Returns how many they are, at most MAP_NODES. */
uint32_t map_owners(const struct map *m, uint16_t *owners);

/* draft_init empties a draft. draft_node is map_node for a draft. */
void draft_init(struct draft *d);
uint16_t draft_node(struct draft *d, const struct endpoint *at);

#endif

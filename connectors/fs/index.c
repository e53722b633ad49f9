/* index.c -- the files of a store that has a capacity, and the order in which
 * they are evicted.
 *
 * A hash table of names and one queue in SIEVE's order. A hit only marks a
 * file. New files join at the young end. A hand walks from old to young, clears
 * the mark of each marked file, and evicts the first file without a mark. So a
 * hit costs one lookup, and files that are read once do not push out those that
 * are read often.
 *
 * One lock guards all of it. It is held for nanoseconds, and the system calls
 * around it take microseconds. */

#include "index.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { INDEX_BUCKETS = 1024, INDEX_BLOCK = 4096 };

struct index_node {
    struct index_node *chain; /* the next of its bucket */
    struct index_node *older, *younger;
    uint64_t hash;
    uint64_t used_ns; /* of a file found after open, until fs_index_settle */
    uint64_t bytes;
    bool hit;
    char name[];
};

struct fs_index {
    pthread_mutex_t lock; /* over all below */
    struct index_node **buckets;
    size_t nbuckets; /* a power of two */
    struct index_node *oldest, *youngest;
    struct index_node *hand; /* NULL: at the oldest */
    uint64_t capacity, stored, reserved;
    uint64_t entries, nodes_memory;
    bool settled; /* existing files are known and in order */
};

uint64_t fs_index_footprint(uint64_t file_size)
{
    return (file_size + INDEX_BLOCK - 1) / INDEX_BLOCK * INDEX_BLOCK;
}

struct fs_index *fs_index_new(uint64_t capacity)
{
    struct fs_index *ix = calloc(1, sizeof *ix);

    if (ix == NULL)
        return NULL;
    ix->capacity = capacity;
    ix->nbuckets = INDEX_BUCKETS;
    ix->buckets = calloc(ix->nbuckets, sizeof *ix->buckets);
    if (ix->buckets == NULL) {
        free(ix);
        return NULL;
    }
    pthread_mutex_init(&ix->lock, NULL);
    return ix;
}

static void index_free_nodes(struct index_node *node)
{
    struct index_node *next;

    for (; node != NULL; node = next) {
        next = node->younger;
        free(node);
    }
}

void fs_index_clear(struct fs_index *ix)
{
    struct index_node *nodes;

    pthread_mutex_lock(&ix->lock);
    nodes = ix->oldest;
    ix->oldest = ix->youngest = ix->hand = NULL;
    ix->stored = ix->entries = ix->nodes_memory = 0;
    ix->settled = false;
    memset(ix->buckets, 0, ix->nbuckets * sizeof *ix->buckets);
    pthread_mutex_unlock(&ix->lock);
    index_free_nodes(nodes);
}

void fs_index_free(struct fs_index *ix)
{
    if (ix == NULL)
        return;
    index_free_nodes(ix->oldest);
    pthread_mutex_destroy(&ix->lock);
    free(ix->buckets);
    free(ix);
}

/* Returns the link that points at the node of a name, or at NULL. */
static struct index_node **index_find(struct fs_index *ix,
                                      const struct fs_name *name)
{
    struct index_node **at = &ix->buckets[name->hash & (ix->nbuckets - 1)];

    while (*at != NULL &&
           ((*at)->hash != name->hash || strcmp((*at)->name, name->name) != 0))
        at = &(*at)->chain;
    return at;
}

/* Doubles the table. Without memory the chains only get longer. */
static void index_grow(struct fs_index *ix)
{
    size_t n = ix->nbuckets * 2;
    struct index_node **buckets = calloc(n, sizeof *buckets);

    if (buckets == NULL)
        return;
    for (struct index_node *p = ix->oldest; p != NULL; p = p->younger) {
        p->chain = buckets[p->hash & (n - 1)];
        buckets[p->hash & (n - 1)] = p;
    }
    free(ix->buckets);
    ix->buckets = buckets;
    ix->nbuckets = n;
}

static void index_link_youngest(struct fs_index *ix, struct index_node *node)
{
    node->older = ix->youngest;
    node->younger = NULL;
    if (ix->youngest != NULL)
        ix->youngest->younger = node;
    else
        ix->oldest = node;
    ix->youngest = node;
}

static void index_link_oldest(struct fs_index *ix, struct index_node *node)
{
    node->younger = ix->oldest;
    node->older = NULL;
    if (ix->oldest != NULL)
        ix->oldest->older = node;
    else
        ix->youngest = node;
    ix->oldest = node;
}

static void index_unlink(struct fs_index *ix, struct index_node *node)
{
    if (ix->hand == node)
        ix->hand = node->younger;
    if (node->older != NULL)
        node->older->younger = node->younger;
    else
        ix->oldest = node->younger;
    if (node->younger != NULL)
        node->younger->older = node->older;
    else
        ix->youngest = node->older;
}

/* Makes a node and appends it to the chain that ends at `at`. */
static struct index_node *index_add(struct fs_index *ix, struct index_node **at,
                                    const struct fs_name *name, uint64_t bytes)
{
    size_t len = strlen(name->name) + 1;
    struct index_node *node = calloc(1, sizeof *node + len);

    if (node == NULL)
        return NULL;
    node->hash = name->hash;
    node->bytes = bytes;
    memcpy(node->name, name->name, len);
    *at = node;
    ix->stored += bytes;
    ix->entries++;
    ix->nodes_memory += malloc_usable_size(node) + sizeof(size_t);
    return node;
}

void fs_index_reserve(struct fs_index *ix, uint64_t bytes)
{
    pthread_mutex_lock(&ix->lock);
    ix->reserved += bytes;
    pthread_mutex_unlock(&ix->lock);
}

void fs_index_release(struct fs_index *ix, uint64_t bytes)
{
    pthread_mutex_lock(&ix->lock);
    ix->reserved -= bytes;
    pthread_mutex_unlock(&ix->lock);
}

int fs_index_put(struct fs_index *ix, const struct fs_name *name,
                 uint64_t bytes)
{
    struct index_node **at, *node;

    pthread_mutex_lock(&ix->lock);
    ix->reserved -= bytes;
    at = index_find(ix, name);
    node = *at;
    if (node != NULL) {
        ix->stored += bytes - node->bytes;
        node->bytes = bytes;
        node->hit = true;
    } else {
        node = index_add(ix, at, name, bytes);
        if (node != NULL)
            index_link_youngest(ix, node);
        if (ix->entries > ix->nbuckets)
            index_grow(ix);
    }
    pthread_mutex_unlock(&ix->lock);
    return node ? 0 : -ENOMEM;
}

int fs_index_found(struct fs_index *ix, const struct fs_name *name,
                   uint64_t bytes, uint64_t used_ns)
{
    struct index_node **at, *node;

    pthread_mutex_lock(&ix->lock);
    at = index_find(ix, name);
    node = *at;
    if (node == NULL) {
        node = index_add(ix, at, name, bytes);
        if (node != NULL) {
            node->used_ns = used_ns;
            index_link_oldest(ix, node);
        }
        if (ix->entries > ix->nbuckets)
            index_grow(ix);
    }
    pthread_mutex_unlock(&ix->lock);
    return node ? 0 : -ENOMEM;
}

static int index_by_use(const void *a, const void *b)
{
    const struct index_node *const *x = a, *const *y = b;

    return ((*x)->used_ns > (*y)->used_ns) - ((*x)->used_ns < (*y)->used_ns);
}

/* Files found after open are all older than the others, in no order. Without
 * memory to sort them they stay so. */
void fs_index_settle(struct fs_index *ix)
{
    struct index_node **found;
    size_t n = 0;

    pthread_mutex_lock(&ix->lock);
    found = malloc((ix->entries + 1) * sizeof(struct index_node *));
    if (found != NULL) {
        for (struct index_node *p = ix->oldest; p && p->used_ns; p = p->younger)
            found[n++] = p;
        qsort(found, n, sizeof(struct index_node *), index_by_use);
        for (size_t i = n; i-- > 0;) {
            index_unlink(ix, found[i]);
            found[i]->used_ns = 0;
        }
        for (size_t i = n; i-- > 0;)
            index_link_oldest(ix, found[i]);
        ix->hand = NULL;
    }
    ix->settled = true;
    pthread_mutex_unlock(&ix->lock);
    free(found);
}

uint64_t fs_index_hit(struct fs_index *ix, const struct fs_name *name)
{
    struct index_node *node;
    uint64_t bytes = 0;

    pthread_mutex_lock(&ix->lock);
    node = *index_find(ix, name);
    if (node != NULL) {
        node->hit = true;
        bytes = node->bytes;
    }
    pthread_mutex_unlock(&ix->lock);
    return bytes;
}

bool fs_index_has(struct fs_index *ix, const struct fs_name *name)
{
    bool has;

    pthread_mutex_lock(&ix->lock);
    has = *index_find(ix, name) != NULL;
    pthread_mutex_unlock(&ix->lock);
    return has;
}

void fs_index_resize(struct fs_index *ix, const struct fs_name *name,
                     uint64_t bytes)
{
    struct index_node *node;

    pthread_mutex_lock(&ix->lock);
    node = *index_find(ix, name);
    if (node != NULL) {
        ix->stored += bytes - node->bytes;
        node->bytes = bytes;
    }
    pthread_mutex_unlock(&ix->lock);
}

void fs_index_remove(struct fs_index *ix, const struct fs_name *name)
{
    struct index_node **at, *node;

    pthread_mutex_lock(&ix->lock);
    at = index_find(ix, name);
    node = *at;
    if (node != NULL) {
        *at = node->chain;
        index_unlink(ix, node);
        ix->stored -= node->bytes;
        ix->entries--;
        ix->nodes_memory -= malloc_usable_size(node) + sizeof(size_t);
    }
    pthread_mutex_unlock(&ix->lock);
    free(node);
}

/* The hand passes each file at most twice: marked, then unmarked. */
static struct index_node *index_sift(struct fs_index *ix)
{
    struct index_node *node = ix->hand ? ix->hand : ix->oldest;

    while (node != NULL && node->hit) {
        node->hit = false;
        node = node->younger ? node->younger : ix->oldest;
    }
    if (node != NULL)
        ix->hand = node->younger;
    return node;
}

bool fs_index_victim(struct fs_index *ix, unsigned digits, struct fs_name *out)
{
    struct index_node *node = NULL;

    pthread_mutex_lock(&ix->lock);
    if (ix->settled && ix->stored + ix->reserved > ix->capacity)
        node = index_sift(ix);
    if (node != NULL)
        fs_name_of_file(out, digits, node->name);
    pthread_mutex_unlock(&ix->lock);
    return node != NULL;
}

bool fs_index_oldest(struct fs_index *ix, unsigned digits, struct fs_name *out,
                     uint64_t *bytes)
{
    struct index_node *node;

    pthread_mutex_lock(&ix->lock);
    node = index_sift(ix);
    if (node != NULL) {
        fs_name_of_file(out, digits, node->name);
        *bytes = node->bytes;
    }
    pthread_mutex_unlock(&ix->lock);
    return node != NULL;
}

void fs_index_stats(struct fs_index *ix, struct fs_index_stats *out)
{
    pthread_mutex_lock(&ix->lock);
    out->entries = ix->entries;
    out->bytes = ix->stored + ix->reserved;
    out->memory = ix->nodes_memory + ix->nbuckets * sizeof(struct index_node *);
    pthread_mutex_unlock(&ix->lock);
}

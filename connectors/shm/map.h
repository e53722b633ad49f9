/* map.h -- the file behind an shm store, and its place in this process.
 *
 * The file begins with a header, which never changes: what was chosen when the
 * mapping was made, and a checksum. Then come the seats (seats.h), then the
 * shards. A process that makes the file, or opens it, holds a lock on the byte
 * MAP_SETUP_AT, so that nobody sees it half made; one that died while making it
 * leaves a header that says so, and the next one starts anew. A mapping that an
 * earlier boot of the machine left in a file is emptied: its locks and times
 * mean nothing any more. */
#ifndef SHM_MAP_H
#define SHM_MAP_H

#include <sys/types.h>

#include "header.h"
#include "layout.h"
#include "seats.h"
#include "shard.h"
#include "sigbus.h"

struct map {
    struct layout layout;
    struct seats seats;
    uint64_t seed; /* of the keys' hash */
    const struct eviction_policy *policy;
    const char *path;
    char *windows; /* one after the other; each begins with a struct shard */
    char *control; /* follows them */
    struct sigbus *sigbus; /* of both; NULL = none was wished for */
    uint64_t huge; /* bytes that were in huge pages when it was opened */
    dev_t device;
    ino_t inode;
};

/* map_open makes or opens a mapping. wish->path lives until map_close. */
int map_open(struct map *m, const struct map_wish *wish,
             struct weir_error *err);

/* map_check says what is wrong with the numbers of a wish, and touches no file.
 */
int map_check(const struct map_wish *wish, struct weir_error *err);

/* map_remove removes the name of the mapping, if it still names it. Processes
 * that have it open keep it. */
void map_remove(struct map *m);

/* map_close gives the mapping back. */
void map_close(struct map *m);

static inline struct shard *map_shard(const struct map *m, uint32_t i)
{
    return (struct shard *)(m->windows + i * WINDOW_SIZE);
}

static inline uint32_t map_shard_number(const struct map *m,
                                        const struct shard *s)
{
    return (uint32_t)((uint64_t)((const char *)s - m->windows) >> WINDOW_BITS);
}

#endif

/* state.h -- a store and its sessions. */
#ifndef LMDB_STATE_H
#define LMDB_STATE_H

#include <time.h>

#include "env.h"
#include "young.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

struct lmdb_config {
    const char *path;
    bool create;
    int sync;
    uint64_t capacity;
    uint64_t ttl_ns;
};

struct lmdb {
    const struct lmdb_config *config;
    struct env *env; /* NULL: opened to be checked */
};

struct session {
    struct lmdb *store;
    struct env *env;
    MDB_txn *reader;        /* reset between calls; NULL until the first one */
    struct env_facts facts; /* of the reader, as levels and log are */
    struct levels levels;
    struct young young;
    struct log log;
    char *key;        /* room for a key of the log */
    char *piece;      /* two pieces: the open one, and one on its way */
    uint8_t *entries; /* of three buckets, in the memory of piece */
    uint8_t *moving;  /* of one bucket, there too */
    XXH3_state_t *hash;
};

static inline uint64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static inline uint64_t key_hash(const struct env *env, const void *key,
                                uint32_t len)
{
    return XXH3_64bits_withSeed(key, len, env->seed);
}

#endif

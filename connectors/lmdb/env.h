/* env.h -- the LMDB environment of a folder in use: transactions, the lock of
 * the writers, errors. open.h makes it. */
#ifndef LMDB_ENV_H
#define LMDB_ENV_H

#include <lmdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "connector.h"

enum {
    ENV_VERSION = 3,        /* of the format */
    ENV_LEVELS = 3,         /* of the index */
    ENV_PATIENCE_MS = 5000, /* for the lock of the writers */
};

#define ENV_MAGIC "weirlmdb" /* 8 bytes, without a NUL in the file */

/* What the record "weir" of the unnamed database says. */
struct env_facts {
    char magic[8];
    uint32_t version;
    uint32_t piece; /* bytes of the log in a page */
    uint64_t seed;  /* of the hashes of the keys */
    uint64_t tail;  /* position of the oldest record */
    uint64_t head;  /* where the next record begins */
    uint64_t live;  /* bytes of the records that are some key's value */
    uint64_t items; /* how many those are */
    uint64_t entries[ENV_LEVELS]; /* of the index, see levels.h */
    uint64_t sweep[ENV_LEVELS];   /* the hash that a level is merged from */
};

struct env {
    struct env *next; /* under the lock of the register, as refs is */
    unsigned refs;
    pid_t pid;    /* that opened it: a child of a fork opens its own */
    dev_t device; /* of the folder */
    ino_t inode;
    MDB_env *mdb;
    MDB_dbi main, log, index[ENV_LEVELS];
    uint32_t page, piece;
    uint64_t seed;
    int sync;
    int folder;   /* its fd */
    int unsynced; /* the fd of file_mark, or -1 */
    _Atomic uint64_t capacity;

    /* Held by every transaction, and exclusively to map the file anew. */
    pthread_rwlock_t map_lock;

    /* One writer in this process, then one in all: flock of lock_fd. Unlike
     * LMDB's own lock, waiting for them can be given up. */
    pthread_mutex_t write_lock;
    int lock_fd;

    struct {
        _Atomic uint64_t evicted, expired, copied, full;
    } counters;
};

/* env_begin begins a transaction, or renews *txn if it is not NULL, and holds
 * map_lock until env_end. Flags: MDB_RDONLY or 0. Returns 0 or a code of LMDB.
 */
int env_begin(struct env *env, MDB_txn **txn, unsigned flags);
void env_end(struct env *env);

/* env_lock makes the caller the only writer. It returns 0, or the status that
 * the pending items of the call got. */
int env_lock(struct env *env, struct weir_call *call);
void env_unlock(struct env *env);

/* env_facts_read and env_facts_write move the record of a transaction. */
int env_facts_read(struct env *env, MDB_txn *txn, struct env_facts *facts);
int env_facts_write(struct env *env, MDB_txn *txn, struct env_facts *facts);

/* env_used returns the bytes of the file that hold records and their index. */
uint64_t env_used(struct env *env, MDB_txn *txn);

/* env_say fills err for a code of LMDB and returns a negative errno. */
int env_say(struct weir_error *err, int rc);

/* env_cause returns why a commit failed. A disk that is full after a part of a
 * write makes LMDB say EIO. env_cause then says ENOSPC. */
int env_cause(const struct env *env, int rc);

/* env_fail answers an item (NULL: all pending) for a code of LMDB. */
void env_fail(struct weir_call *call, struct weir_item *item, int rc);

#endif

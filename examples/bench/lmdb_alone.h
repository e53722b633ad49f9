/* lmdb_alone.h -- LMDB without weir: the keys and values in one B-tree, a
 * transaction for each batch, one thread. It shows what the library and the
 * kernel take for the same sets. append_set shows what the kernel alone takes:
 * it appends the bytes of the same batches to a file. */
#ifndef WEIR_BENCH_LMDB_ALONE_H
#define WEIR_BENCH_LMDB_ALONE_H

#include <fcntl.h>
#include <lmdb.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench.h"

struct alone {
    MDB_env *env;
    MDB_dbi dbi;
    uint32_t size; /* of a value */
    uint64_t held;
};

static inline void alone_try(int rc)
{
    if (rc != 0)
        bench_die("LMDB alone", mdb_strerror(rc));
}

static inline void alone_open(struct alone *a, const char *path, uint32_t size)
{
    MDB_txn *txn;

    *a = (struct alone){.size = size};
    if (mkdir(path, 0700) != 0)
        bench_die(path, "cannot make the folder");
    alone_try(mdb_env_create(&a->env));
    alone_try(mdb_env_set_mapsize(a->env, (size_t)4 << 30));
    alone_try(mdb_env_open(a->env, path, MDB_NOTLS | MDB_NORDAHEAD | MDB_NOSYNC,
                           0600));
    alone_try(mdb_txn_begin(a->env, NULL, 0, &txn));
    alone_try(mdb_dbi_open(txn, NULL, 0, &a->dbi));
    alone_try(mdb_txn_commit(txn));
}

/* alone_set sets new keys in batches, and returns the keys a second. A key
 * begins with a hash: keys of a cache come in no order. */
static inline double alone_set(struct alone *a, uint32_t keys, uint32_t batch,
                               uint32_t key_len, uint64_t (*hash)(uint64_t n),
                               char *payload)
{
    uint64_t start = weir_now();

    for (uint32_t i = 0; i < keys; i += batch) {
        MDB_txn *txn;

        alone_try(mdb_txn_begin(a->env, NULL, 0, &txn));
        for (uint32_t j = 0; j < batch; j++) {
            uint64_t first = hash(a->held++);
            char bytes[32] = "";
            MDB_val key = {key_len, bytes}, data = {a->size, payload};

            memcpy(bytes, &first, sizeof first);
            alone_try(mdb_put(txn, a->dbi, &key, &data, 0));
        }
        alone_try(mdb_txn_commit(txn));
    }
    return (double)keys * 1e9 / (double)(weir_now() - start);
}

static inline void alone_close(struct alone *a)
{
    mdb_env_close(a->env);
}

/* append_set appends keys and values to the file at a path, a write for each
 * batch, and returns the keys a second. */
static inline double append_set(const char *path, uint32_t keys, uint32_t batch,
                                size_t key_and_value)
{
    size_t size = batch * key_and_value;
    char *bytes = calloc(1, size);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    uint64_t start;
    double seconds;

    if (bytes == NULL || fd < 0)
        bench_die(path, "cannot open the file");
    start = weir_now();
    for (uint32_t i = 0; i < keys; i += batch) {
        if (write(fd, bytes, size) != (ssize_t)size)
            bench_die(path, "cannot append to the file");
    }
    seconds = (double)(weir_now() - start) / 1e9;
    close(fd);
    free(bytes);
    return keys / seconds;
}

#endif

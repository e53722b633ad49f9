/* index.h -- from the hash of a key to the positions of its records.
 *
 * The database "index" holds buckets. A bucket's key is the lowest hash that it
 * is for, and its value is as long as a piece of the log: a count, then entries
 * of a hash of 32 bits and a position of 48 bits, ordered by hash. Keys with
 * the same hash have an entry each, all in one bucket. A full bucket shares its
 * entries with the next one before it is split. So entries take 10 bytes and
 * fill most of their pages. A node of LMDB's own takes 26, two thirds full.
 *
 * Functions return 0 or a code of LMDB. */
#ifndef LMDB_INDEX_H
#define LMDB_INDEX_H

#include <lmdb.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    INDEX_ENTRY = 10,
    INDEX_HEAD = 2,
};

/* A place in a bucket: valid until the transaction writes or ends. An entry
 * with a position before the tail is dead: index_next and index_walk pass over
 * it, and index_merge leaves it out. */
struct index_place {
    MDB_cursor *cursor; /* at the bucket */
    uint32_t piece;     /* bytes of a bucket */
    uint64_t tail;      /* of the log: positions are counted from it */
    uint32_t hash;      /* that is looked for */
    uint32_t start;     /* the bucket's key */
    uint32_t n, at;     /* entries; the one that comes next */
    bool any;           /* there is a bucket */
    const uint8_t *entries;
    uint32_t puts; /* buckets written */
};

/* index_seek goes to the first entry of a hash. The place has its cursor, piece
 * and tail. */
int index_seek(struct index_place *p, uint32_t hash);

/* index_next sets *pos to the position of the next entry with the hash. False:
 * there is none. */
bool index_next(struct index_place *p, uint64_t *pos);

/* index_walk goes on to the next entry of any hash. MDB_NOTFOUND: there is
 * none. */
int index_walk(struct index_place *p, uint32_t *hash, uint64_t *pos);

/* index_add adds an entry after those that index_next gave. index_replace and
 * index_remove change the one that it gave last. entries is room for the
 * entries of three buckets. MDB_KEYEXIST: one hash has more keys than a bucket
 * has room for. */
int index_add(struct index_place *p, uint64_t pos, uint8_t *entries);
int index_replace(struct index_place *p, uint64_t pos, uint8_t *entries);
int index_remove(struct index_place *p, uint8_t *entries);

/* index_take moves the entries of a bucket out of the index: of the first one
 * from a hash on that has some, or of the first one of all. The hash becomes
 * that from which the next one begins. MDB_NOTFOUND: the index is empty. */
int index_take(struct index_place *p, uint32_t *hash, uint8_t *to, uint32_t *n);

/* Sets *same to whether the records at two positions have the same key. */
struct index_same {
    int (*compare)(void *arg, uint64_t older, uint64_t newer, bool *same);
    void *arg;
};

/* index_merge adds entries that index_take gave. An older entry with the same
 * key goes. *gained becomes how many entries more the index has. */
int index_merge(struct index_place *p, const uint8_t *from, uint32_t n,
                uint8_t *entries, const struct index_same *same,
                int64_t *gained);

#endif

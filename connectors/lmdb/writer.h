/* writer.h -- one write transaction: the log's two ends and the index.
 *
 * Functions return 0 or a code of LMDB. After another one than 0 the
 * transaction can only be given up. */
#ifndef LMDB_WRITER_H
#define LMDB_WRITER_H

#include "record.h"
#include "state.h"

struct writer {
    struct env *env;
    struct session *session;
    MDB_txn *txn;
    struct env_facts facts;
    struct log log;
    struct levels levels;
    uint64_t pieces;  /* the number after the last piece in LMDB */
    uint64_t limit;   /* of the bytes of the file in use */
    uint64_t taken;   /* about what the transaction takes in new pages */
    uint64_t start;   /* the log's head when the transaction began */
    uint64_t oldest;  /* and its tail */
    uint64_t cleaned; /* evictions that merge.c has cleaned up after */
    uint64_t now_ms;
    bool filled; /* the open piece has bytes that are not in LMDB */
    struct {
        uint64_t evicted, expired, copied;
    } counted; /* for the counters, once it is committed */
};

/* writer_begin needs the lock of the writers. */
int writer_begin(struct writer *w, struct session *s);

/* writer_commit ends the transaction. One that changed nothing is given up,
 * which writes nothing to the file. */
int writer_commit(struct writer *w);
void writer_abort(struct writer *w);

/* writer_append puts bytes at the log's head. */
int writer_append(struct writer *w, const void *bytes, size_t n);

/* writer_patch replaces bytes of the log. */
int writer_patch(struct writer *w, uint64_t pos, const void *bytes, size_t n);

/* writer_copy puts bytes of the log at its head. */
int writer_copy(struct writer *w, uint64_t pos, uint64_t n);

/* writer_find finds the record of a key. MDB_NOTFOUND: there is none. */
int writer_find(struct writer *w, const char *key, uint32_t len,
                struct found *found);

/* writer_add and writer_move point the index at the log's head, for the key
 * that writer_find has just looked for: one that it did not find or did find.
 */
int writer_add(struct writer *w);
int writer_move(struct writer *w, const struct found *found);

/* writer_remove removes the key that writer_find has just found. */
int writer_remove(struct writer *w, const char *key, uint32_t len,
                  const struct found *found);

/* writer_indexed notes that the index was changed, with a result that it
 * returns. */
int writer_indexed(struct writer *w, int rc);

/* writer_head reads the head of a record. */
int writer_head(struct writer *w, uint64_t pos, struct record *r);

/* writer_drop moves the log's tail and removes the pieces before it. */
int writer_drop(struct writer *w, uint64_t tail);

#endif

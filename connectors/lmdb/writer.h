/* writer.h -- one write transaction: the log's two ends and the index.
 *
 * Functions return 0 or a code of LMDB. After another one than 0 the
 * transaction can only be given up. */
#ifndef LMDB_WRITER_H
#define LMDB_WRITER_H

#include "index.h"
#include "record.h"
#include "state.h"

struct writer {
    struct env *env;
    struct session *session;
    MDB_txn *txn;
    struct env_facts facts;
    struct log log;
    struct index_place place; /* of the key at hand */
    uint64_t pieces;          /* the number after the last piece in LMDB */
    uint64_t limit;           /* of the bytes of the file in use */
    uint64_t taken; /* about what the transaction takes in new pages */
    uint64_t start; /* the log's head when the transaction began */
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

/* writer_add, writer_move and writer_remove change the index at the writer's
 * place: index_add and index_replace with the position of the log's head, and
 * index_remove. */
int writer_add(struct writer *w);
int writer_move(struct writer *w);
int writer_remove(struct writer *w);

/* writer_head reads the head of a record. */
int writer_head(struct writer *w, uint64_t pos, struct record *r);

/* writer_drop removes the pieces before the log's tail, which was from. */
int writer_drop(struct writer *w, uint64_t from);

#endif

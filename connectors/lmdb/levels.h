/* levels.h -- the index: ENV_LEVELS databases of buckets (index.h).
 *
 * The hashes of a batch are spread over the whole index. If each entry went to
 * its bucket there at once, a commit of 64 keys would write 64 pages for 640
 * bytes. So new entries go to the first level, which has so few buckets that
 * the entries of a batch share them. When a level is over its bound, its
 * buckets are merged into the next level (merge.c), one after the other in the
 * order of their hashes. Each bucket of the next level that is written then
 * takes several entries.
 *
 * A key may have an entry in several levels. The one in the first of them is
 * right, the others are older. A merge drops the older entry when it meets the
 * newer one. The entry of an evicted record stays until a merge, too. It is
 * dead: its position is before the log's tail. Records are evicted in the order
 * of the log. So when an entry is dead, all older entries of its key are dead,
 * and no old value comes back. A delete removes the entries of all levels.
 *
 * All levels change in the transaction that changes the log. So a reader of any
 * process sees those of one commit, and kill -9 leaves those of one.
 *
 * Functions return 0 or a code of LMDB. */
#ifndef LMDB_LEVELS_H
#define LMDB_LEVELS_H

#include "env.h"
#include "index.h"
#include "log.h"
#include "record.h"

struct levels {
    struct index_place at[ENV_LEVELS];
    const struct env_facts *facts; /* of the transaction */
};

/* A key's record. Where it was found is the place of its level. */
struct found {
    unsigned level;
    uint64_t pos;
    struct record record;
};

/* levels_open opens the cursors in a transaction, levels_close closes them and
 * levels_renew takes them into another transaction for reading. */
int levels_open(struct levels *l, const struct env *env, MDB_txn *txn);
void levels_close(struct levels *l);
void levels_renew(struct levels *l, MDB_txn *txn);

/* levels_tail is called when facts has another tail of the log. */
void levels_tail(struct levels *l);

/* levels_record reads the head of a record. */
int levels_record(const struct levels *l, struct log *log, uint64_t pos,
                  struct record *r);

/* levels_find finds the record of a key with that hash in the first level that
 * has it, from a level on. MDB_NOTFOUND: there is none. The place of the first
 * level is then where an entry of the key would be added. */
int levels_find(struct levels *l, struct log *log, const char *key,
                uint32_t key_len, uint32_t hash, unsigned from,
                struct found *found);

#endif

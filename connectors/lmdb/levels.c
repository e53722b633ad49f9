/* levels.c -- see levels.h. */
#include "levels.h"

int levels_open(struct levels *l, const struct env *env, MDB_txn *txn)
{
    for (int i = 0; i < ENV_LEVELS; i++) {
        int rc;

        l->at[i] = (struct index_place){.piece = env->piece};
        rc = mdb_cursor_open(txn, env->index[i], &l->at[i].cursor);
        while (rc != 0 && i > 0)
            mdb_cursor_close(l->at[--i].cursor);
        if (rc != 0)
            return rc;
    }
    return 0;
}

void levels_close(struct levels *l)
{
    for (int i = 0; i < ENV_LEVELS; i++)
        mdb_cursor_close(l->at[i].cursor);
}

void levels_renew(struct levels *l, MDB_txn *txn)
{
    for (int i = 0; i < ENV_LEVELS; i++)
        mdb_cursor_renew(txn, l->at[i].cursor);
}

void levels_tail(struct levels *l)
{
    for (int i = 0; i < ENV_LEVELS; i++)
        l->at[i].tail = l->facts->tail;
}

int levels_record(const struct levels *l, struct log *log, uint64_t pos,
                  struct record *r)
{
    int rc;

    if (pos < l->facts->tail || pos >= l->facts->head)
        return MDB_CORRUPTED;
    rc = record_read(log, pos, r);
    if (rc == 0 && record_len(r) > l->facts->head - pos)
        rc = MDB_CORRUPTED;
    return rc;
}

static int levels_find_in(struct levels *l, struct log *log, const char *key,
                          uint32_t key_len, struct index_place *at,
                          struct found *found)
{
    while (index_next(at, &found->pos)) {
        struct record *r = &found->record;
        int same = 0, rc = levels_record(l, log, found->pos, r);

        if (rc == 0 && r->key_len == key_len)
            rc = log_compare(log, found->pos + r->head, key, key_len, &same);
        if (rc != 0 || same)
            return rc;
    }
    return MDB_NOTFOUND;
}

int levels_find(struct levels *l, struct log *log, const char *key,
                uint32_t key_len, uint32_t hash, unsigned from,
                struct found *found)
{
    int rc = MDB_NOTFOUND;

    for (unsigned i = from; i < ENV_LEVELS && rc == MDB_NOTFOUND; i++) {
        found->level = i;
        if (i > 0 && l->facts->entries[i] == 0)
            continue;
        rc = index_seek(&l->at[i], hash);
        if (rc == 0)
            rc = levels_find_in(l, log, key, key_len, &l->at[i], found);
    }
    return rc;
}

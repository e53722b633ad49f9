/* writer.c -- see writer.h. */
#include "writer.h"

#include <string.h>

/* Reads the piece that the log ends in, if it is not full. */
static int writer_load(struct writer *w)
{
    size_t have = w->facts.head % w->env->piece;
    int rc = 0;

    w->pieces = w->facts.head / w->env->piece;
    if (have > 0)
        rc = log_read(&w->log, w->facts.head - have, w->session->piece, have);
    w->log.at = LOG_NONE;
    w->log.open = w->session->piece;
    w->log.open_at = w->pieces;
    w->log.open_have = have;
    w->pieces += have > 0;
    return rc;
}

int writer_begin(struct writer *w, struct session *s)
{
    struct env *env = s->env;
    uint64_t capacity = env->capacity;
    int rc;

    *w = (struct writer){.env = env, .session = s, .now_ms = now_ms()};
    rc = env_begin(env, &w->txn, 0);
    if (rc != 0)
        return rc;
    w->log =
        (struct log){.piece = env->piece, .at = LOG_NONE, .open_at = LOG_NONE};
    w->limit = capacity - capacity / 8;
    rc = env_facts_read(env, w->txn, &w->facts);
    if (rc == 0)
        rc = mdb_cursor_open(w->txn, env->log, &w->log.cursor);
    if (rc == 0)
        rc = levels_open(&w->levels, env, w->txn);
    if (rc == 0)
        rc = writer_load(w);
    w->levels.facts = &w->facts;
    levels_tail(&w->levels);
    w->start = w->facts.head;
    w->oldest = w->facts.tail;
    if (rc != 0)
        writer_abort(w);
    return rc;
}

void writer_abort(struct writer *w)
{
    mdb_txn_abort(w->txn);
    env_end(w->env);
}

/* Puts a whole piece, or what there is of the last one, into LMDB. */
static int writer_put(struct writer *w, uint64_t number, const char *bytes,
                      size_t n)
{
    MDB_val key = {sizeof number, &number}, data = {n, (char *)bytes};
    unsigned flags = number >= w->pieces ? MDB_APPEND : 0;
    int rc = mdb_cursor_put(w->log.cursor, &key, &data, flags);

    w->log.at = LOG_NONE;
    if (rc == 0 && number >= w->pieces)
        w->pieces = number + 1;
    return rc;
}

static void writer_count(struct writer *w)
{
    w->env->counters.evicted += w->counted.evicted;
    w->env->counters.expired += w->counted.expired;
    w->env->counters.copied += w->counted.copied;
}

static bool writer_changed(const struct writer *w)
{
    return w->taken > 0 || w->facts.tail != w->oldest;
}

int writer_commit(struct writer *w)
{
    int rc = 0;

    if (!writer_changed(w)) {
        writer_abort(w);
        return 0;
    }
    if (w->filled)
        rc = writer_put(w, w->log.open_at, w->log.open, w->log.open_have);
    if (rc == 0)
        rc = env_facts_write(w->env, w->txn, &w->facts);
    if (rc != 0) {
        writer_abort(w);
        return rc;
    }
    rc = mdb_txn_commit(w->txn);
    env_end(w->env);
    if (rc == 0)
        writer_count(w);
    return rc;
}

int writer_append(struct writer *w, const void *bytes, size_t n)
{
    size_t piece = w->env->piece;
    int rc = 0;

    for (const char *from = bytes; n > 0 && rc == 0;) {
        size_t have = w->log.open_have;
        size_t step = piece - have < n ? piece - have : n;
        const char *full = w->log.open;

        if (step == piece)
            full = from;
        else
            memcpy(w->session->piece + have, from, step);
        w->log.open_have = have + step;
        w->filled = true;
        if (w->log.open_have == piece) {
            rc = writer_put(w, w->log.open_at, full, piece);
            w->log.open_at++;
            w->log.open_have = 0;
            w->filled = false;
        }
        w->facts.head += step;
        w->taken += step;
        from += step;
        n -= step;
    }
    return rc;
}

static int writer_patch_piece(struct writer *w, uint64_t pos, const void *bytes,
                              size_t n)
{
    size_t from = pos % w->env->piece;
    uint64_t number = pos / w->env->piece;
    char *copy = w->session->piece + w->env->piece;
    const char *old;
    size_t have;
    int rc;

    if (number == w->log.open_at) {
        memcpy(w->session->piece + from, bytes, n);
        w->filled = true;
        return 0;
    }
    rc = log_view(&w->log, pos - from, &old, &have);
    if (rc != 0)
        return rc;
    if (have < from + n)
        return MDB_CORRUPTED;
    memcpy(copy, old, have);
    memcpy(copy + from, bytes, n);
    return writer_put(w, number, copy, have);
}

int writer_patch(struct writer *w, uint64_t pos, const void *bytes, size_t n)
{
    int rc = 0;

    w->taken += w->env->page;
    for (const char *from = bytes; n > 0 && rc == 0;) {
        size_t room = w->env->piece - pos % w->env->piece;
        size_t step = room < n ? room : n;

        rc = writer_patch_piece(w, pos, from, step);
        pos += step;
        from += step;
        n -= step;
    }
    return rc;
}

/* It goes through a buffer, because writing a piece of the log may free the
 * page that the bytes are read from. */
int writer_copy(struct writer *w, uint64_t pos, uint64_t n)
{
    char *bounce = w->session->piece + w->env->piece;
    int rc = 0;

    while (rc == 0 && n > 0) {
        size_t step = n < w->env->piece ? n : w->env->piece;

        rc = log_read(&w->log, pos, bounce, step);
        if (rc == 0)
            rc = writer_append(w, bounce, step);
        pos += step;
        n -= step;
    }
    return rc;
}

/* LMDB may have taken the page that the log was read from last: it writes pages
 * of a large transaction early. */
int writer_indexed(struct writer *w, int rc)
{
    for (int i = 0; i < ENV_LEVELS; i++) {
        w->taken += (uint64_t)w->levels.at[i].puts * w->env->page;
        w->levels.at[i].puts = 0;
    }
    w->log.at = LOG_NONE;
    return rc;
}

int writer_find(struct writer *w, const char *key, uint32_t len,
                struct found *found)
{
    return levels_find(&w->levels, &w->log, key, len,
                       (uint32_t)(key_hash(w->env, key, len) >> 32), 0, found);
}

int writer_add(struct writer *w)
{
    w->facts.entries[0]++;
    return writer_indexed(
        w, index_add(&w->levels.at[0], w->facts.head, w->session->entries));
}

int writer_move(struct writer *w, const struct found *found)
{
    if (found->level > 0)
        return writer_add(w);
    return writer_indexed(
        w, index_replace(&w->levels.at[0], w->facts.head, w->session->entries));
}

int writer_remove(struct writer *w, const char *key, uint32_t len,
                  const struct found *found)
{
    uint32_t hash = (uint32_t)(key_hash(w->env, key, len) >> 32);
    struct found at = *found;
    int rc = 0;

    while (rc == 0) {
        w->facts.entries[at.level]--;
        rc = writer_indexed(
            w, index_remove(&w->levels.at[at.level], w->session->entries));
        if (rc == 0)
            rc = levels_find(&w->levels, &w->log, key, len, hash, at.level + 1,
                             &at);
    }
    w->taken += w->env->page;
    return rc == MDB_NOTFOUND ? 0 : rc;
}

int writer_head(struct writer *w, uint64_t pos, struct record *r)
{
    return levels_record(&w->levels, &w->log, pos, r);
}

int writer_drop(struct writer *w, uint64_t tail)
{
    uint64_t n = w->facts.tail / w->env->piece, end = tail / w->env->piece;

    w->facts.tail = tail;
    levels_tail(&w->levels);
    for (; n < end; n++) {
        MDB_val key = {sizeof n, &n};
        int rc = mdb_del(w->txn, w->env->log, &key, NULL);

        w->log.at = LOG_NONE;
        if (rc != 0)
            return rc == MDB_NOTFOUND ? MDB_CORRUPTED : rc;
    }
    return 0;
}

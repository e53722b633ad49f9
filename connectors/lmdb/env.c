/* env.c -- see env.h. */
#include "env.h"

#include <errno.h>
#include <string.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { ENV_STEP_MS = 10, ENV_FULL_BYTES = 64 << 10 };

static const char ENV_FACTS[] = "weir";

/* ---- facts ---- */

int env_facts_read(struct env *env, MDB_txn *txn, struct env_facts *facts)
{
    MDB_val key = {strlen(ENV_FACTS), (char *)ENV_FACTS}, data;
    int rc = mdb_get(txn, env->main, &key, &data);

    if (rc != 0)
        return rc;
    memcpy(facts, data.mv_data,
           data.mv_size < sizeof *facts ? data.mv_size : sizeof *facts);
    if (data.mv_size != sizeof *facts ||
        memcmp(facts->magic, ENV_MAGIC, sizeof facts->magic) != 0 ||
        facts->version != ENV_VERSION)
        return MDB_VERSION_MISMATCH;
    if (facts->piece != env->piece || facts->tail > facts->head)
        return MDB_CORRUPTED;
    return 0;
}

int env_facts_write(struct env *env, MDB_txn *txn, struct env_facts *facts)
{
    MDB_val key = {strlen(ENV_FACTS), (char *)ENV_FACTS};
    MDB_val data = {sizeof *facts, facts};

    return mdb_put(txn, env->main, &key, &data, 0);
}

static uint64_t env_pages(MDB_txn *txn, MDB_dbi dbi)
{
    MDB_stat st;

    if (mdb_stat(txn, dbi, &st) != 0)
        return 0;
    return st.ms_branch_pages + st.ms_leaf_pages + st.ms_overflow_pages;
}

uint64_t env_used(struct env *env, MDB_txn *txn)
{
    uint64_t pages = env_pages(txn, env->log);

    for (int i = 0; i < ENV_LEVELS; i++)
        pages += env_pages(txn, env->index[i]);
    return pages * env->page;
}

/* ---- transactions ---- */

/* Another process has made the file longer than this one has mapped. */
static void env_map_anew(struct env *env)
{
    pthread_rwlock_wrlock(&env->map_lock);
    mdb_env_set_mapsize(env->mdb, 0);
    pthread_rwlock_unlock(&env->map_lock);
}

int env_begin(struct env *env, MDB_txn **txn, unsigned flags)
{
    int rc = 0;

    for (int i = 0; i < 3; i++) {
        pthread_rwlock_rdlock(&env->map_lock);
        if (*txn != NULL)
            rc = mdb_txn_renew(*txn);
        else
            rc = mdb_txn_begin(env->mdb, NULL, flags, txn);
        if (rc == 0)
            return 0;
        pthread_rwlock_unlock(&env->map_lock);
        if (rc == MDB_MAP_RESIZED)
            env_map_anew(env);
        else if (rc == MDB_READERS_FULL)
            mdb_reader_check(env->mdb, NULL);
        else
            break;
    }
    return rc;
}

void env_end(struct env *env)
{
    pthread_rwlock_unlock(&env->map_lock);
}

static int env_lock_late(struct weir_call *call)
{
    return weir_call_fail(call, NULL, WEIR_BUSY,
                          "another writer has held the lock for %d s",
                          ENV_PATIENCE_MS / 1000);
}

static int env_lock_thread(struct env *env, struct weir_call *call)
{
    for (int ms = 0; ms < ENV_PATIENCE_MS; ms += ENV_STEP_MS) {
        struct timespec until;

        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += ENV_STEP_MS * 1000000;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        if (pthread_mutex_timedlock(&env->write_lock, &until) == 0)
            return 0;
        if (weir_call_stopped(call) < 0)
            return weir_call_fail(call, NULL, WEIR_SKIPPED,
                                  "no time was left to wait for other writers");
    }
    return env_lock_late(call);
}

int env_lock(struct env *env, struct weir_call *call)
{
    uint64_t until = weir_now() + ENV_PATIENCE_MS * UINT64_C(1000000);
    int rc = env_lock_thread(env, call);

    if (rc != 0)
        return rc;
    while (rc == 0 && flock(env->lock_fd, LOCK_EX | LOCK_NB) < 0) {
        if (weir_call_stopped(call) < 0)
            rc = weir_call_fail(call, NULL, WEIR_SKIPPED,
                                "no time was left to wait for other writers");
        else if (weir_now() > until)
            rc = env_lock_late(call);
        else
            usleep(200);
    }
    if (rc != 0)
        pthread_mutex_unlock(&env->write_lock);
    return rc;
}

void env_unlock(struct env *env)
{
    flock(env->lock_fd, LOCK_UN);
    pthread_mutex_unlock(&env->write_lock);
}

/* ---- errors ---- */

static int env_status(int rc)
{
    switch (rc) {
    case MDB_MAP_FULL:
    case ENOSPC:
    case EDQUOT:
        return WEIR_NOSPACE;
    case MDB_READERS_FULL:
    case MDB_TXN_FULL:
    case ENOMEM:
        return WEIR_BUSY;
    case EACCES:
    case EPERM:
    case EROFS:
        return WEIR_DENIED;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_NOTFOUND:
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH:
        return WEIR_CORRUPT;
    default:
        return WEIR_FAILED;
    }
}

int env_cause(const struct env *env, int rc)
{
    struct statvfs disk;

    if (rc != EIO || fstatvfs(env->folder, &disk) < 0 ||
        disk.f_bavail * disk.f_frsize > ENV_FULL_BYTES)
        return rc;
    return ENOSPC;
}

void env_fail(struct weir_call *call, struct weir_item *item, int rc)
{
    int status = env_status(rc);

    if (rc == MDB_MAP_FULL)
        weir_call_fail(call, item, status,
                       "the capacity is used up by pages that a slow reader "
                       "still holds");
    else if (status == WEIR_CORRUPT)
        weir_call_fail(call, item, status,
                       "data.mdb is damaged (%s): remove the folder to start "
                       "empty",
                       mdb_strerror(rc));
    else
        weir_call_fail(call, item, status, "%s", mdb_strerror(rc));
}

int env_say(struct weir_error *err, int rc)
{
    if (env_status(rc) == WEIR_CORRUPT)
        return weir_error_set(err, -EINVAL,
                              "data.mdb is damaged (%s): remove the folder to "
                              "start empty",
                              mdb_strerror(rc));
    return weir_error_set(err, rc > 0 ? -rc : -EIO, "%s", mdb_strerror(rc));
}

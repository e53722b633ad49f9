/* open.c -- see open.h.
 *
 * The register's lock is held while a folder is opened or closed, and the lock
 * of the writers inside it. */
#include "open.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"

enum {
    OPEN_READERS = 1024, /* sessions of all processes */
    OPEN_PAGE_HEAD = 16, /* of a page that holds one value */
};

static const char *const OPEN_INDEX[ENV_LEVELS] = {"young", "middle", "index"};

static pthread_mutex_t register_lock = PTHREAD_MUTEX_INITIALIZER;
static struct env *all; /* under register_lock */

/* Another thread may have had the lock when this process was forked, for as
 * long as it waits for the writers. The list is whole: what changes is one
 * pointer. */
static void register_in_child(void)
{
    register_lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
}

__attribute__((constructor)) static void register_watch_forks(void)
{
    pthread_atfork(NULL, NULL, register_in_child);
}

static int open_write_lock(struct env *env, struct weir_error *err)
{
    for (int ms = 0; flock(env->lock_fd, LOCK_EX | LOCK_NB) < 0; ms++) {
        if (ms >= ENV_PATIENCE_MS)
            return weir_error_set(err, -EBUSY,
                                  "another process has held weir.lock for %d s",
                                  ENV_PATIENCE_MS / 1000);
        usleep(1000);
    }
    return 0;
}

/* Makes the databases, or finds them. An environment of another program has
 * records, but no facts of ours. */
static int open_databases(struct env *env, MDB_txn *txn, struct weir_error *err)
{
    struct env_facts facts = {.version = ENV_VERSION, .piece = env->piece};
    MDB_stat st;
    int rc = mdb_dbi_open(txn, NULL, 0, &env->main);

    if (rc == 0)
        rc = mdb_stat(txn, env->main, &st);
    if (rc == 0 && st.ms_entries == 0) {
        memcpy(facts.magic, ENV_MAGIC, sizeof facts.magic);
        facts.seed = weir_seed();
        rc = env_facts_write(env, txn, &facts);
    } else if (rc == 0) {
        rc = env_facts_read(env, txn, &facts);
        if (rc == MDB_VERSION_MISMATCH &&
            memcmp(facts.magic, ENV_MAGIC, sizeof facts.magic) == 0)
            return weir_error_set(err, -EINVAL,
                                  "data.mdb has format %u, expected %d: remove "
                                  "the folder to start empty, or use the "
                                  "version of weir that made it",
                                  facts.version, ENV_VERSION);
        if (rc == MDB_NOTFOUND || rc == MDB_VERSION_MISMATCH)
            return weir_error_set(err, -EINVAL,
                                  "data.mdb is LMDB's, but belongs to another "
                                  "program");
    }
    for (int i = 0; i < ENV_LEVELS && rc == 0; i++)
        rc = mdb_dbi_open(txn, OPEN_INDEX[i], MDB_CREATE | MDB_INTEGERKEY,
                          &env->index[i]);
    if (rc == 0)
        rc = mdb_dbi_open(txn, "log", MDB_CREATE | MDB_INTEGERKEY, &env->log);
    env->seed = facts.seed;
    return rc == 0 ? 0 : env_say(err, rc);
}

static int open_begin_use(struct env *env, struct weir_error *err)
{
    MDB_txn *txn = NULL;
    MDB_stat st;
    int rc;

    mdb_env_stat(env->mdb, &st);
    env->page = st.ms_psize;
    env->piece = st.ms_psize - OPEN_PAGE_HEAD;
    mdb_reader_check(env->mdb, NULL);
    rc = mdb_txn_begin(env->mdb, NULL, 0, &txn);
    if (rc != 0)
        return env_say(err, rc);
    rc = open_databases(env, txn, err);
    if (rc < 0) {
        mdb_txn_abort(txn);
        return rc;
    }
    rc = mdb_txn_commit(txn);
    return rc == 0 ? 0 : env_say(err, rc);
}

static int open_map(struct env *env, const struct env_wish *wish,
                    struct weir_error *err)
{
    unsigned flags = MDB_NOTLS | MDB_NORDAHEAD | (env->sync ? 0 : MDB_NOSYNC);
    int rc = mdb_env_create(&env->mdb);

    if (rc != 0)
        return env_say(err, rc);
    mdb_env_set_mapsize(env->mdb, wish->capacity);
    mdb_env_set_maxdbs(env->mdb, ENV_LEVELS + 1);
    mdb_env_set_maxreaders(env->mdb, OPEN_READERS);
    rc = mdb_env_open(env->mdb, wish->path, flags, 0600);
    return rc == 0 ? 0 : env_say(err, rc);
}

/* The file's own state, before LMDB sees it. */
static int open_prepare(struct env *env, const struct env_wish *wish,
                        struct weir_error *err)
{
    int rc = file_distrust(env->folder, err);

    if (rc == 0)
        rc = file_check(env->folder, true, err);
    if (rc == 0 && !wish->create)
        return weir_error_set(err, -ENOENT, "there is no data.mdb");
    if (rc < 0)
        return rc;
    if (!env->sync) {
        env->unsynced = file_mark(env->folder, err);
        return env->unsynced < 0 ? env->unsynced : 0;
    }
    rc = file_unmark(env->folder, -1);
    if (rc == -EBUSY)
        return weir_error_set(err, rc,
                              "option sync: another process has the folder "
                              "open with sync=none");
    return rc == 0 ? 0
                   : weir_error_set(err, rc, "cannot sync data.mdb: %s",
                                    strerrordesc_np(-rc));
}

/* Before a set is answered as synced. A name that came back, of weir.unsynced,
 * would have its file removed. */
static int open_sync_names(struct env *env, struct weir_error *err)
{
    int rc = env->sync ? file_sync_names(env->folder) : 0;

    return rc == 0 ? 0
                   : weir_error_set(err, rc, "cannot sync the folder: %s",
                                    strerrordesc_np(-rc));
}

static int open_start(struct env *env, const struct env_wish *wish,
                      struct weir_error *err)
{
    int rc;

    env->lock_fd =
        openat(env->folder, "weir.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (env->lock_fd < 0)
        return weir_error_set(err, -errno, "cannot open weir.lock: %s",
                              strerrordesc_np(errno));
    rc = open_write_lock(env, err);
    if (rc < 0)
        return rc;
    rc = open_prepare(env, wish, err);
    if (rc == 0)
        rc = open_map(env, wish, err);
    if (rc == 0)
        rc = open_begin_use(env, err);
    if (rc == 0)
        rc = open_sync_names(env, err);
    flock(env->lock_fd, LOCK_UN);
    return rc;
}

/* Ends the use of a folder by this process. */
static void open_leave(struct env *env)
{
    struct weir_error err;

    if (env->mdb != NULL)
        mdb_env_close(env->mdb);
    if (env->unsynced >= 0 && open_write_lock(env, &err) == 0)
        file_unmark(env->folder, env->unsynced);
    else if (env->unsynced >= 0)
        close(env->unsynced);
    if (env->lock_fd >= 0)
        close(env->lock_fd);
}

static void open_free(struct env *env)
{
    open_leave(env);
    close(env->folder);
    pthread_rwlock_destroy(&env->map_lock);
    pthread_mutex_destroy(&env->write_lock);
    free(env);
}

/* Takes over the folder's fd. */
static int open_new(struct env **out, const struct env_wish *wish, int folder,
                    struct weir_error *err)
{
    struct env *env = calloc(1, sizeof *env);
    pthread_rwlockattr_t prefer_writer;
    int rc;

    if (env == NULL) {
        close(folder);
        return weir_error_set(err, -ENOMEM, "out of memory");
    }
    pthread_rwlockattr_init(&prefer_writer);
    pthread_rwlockattr_setkind_np(&prefer_writer,
                                  PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&env->map_lock, &prefer_writer);
    pthread_rwlockattr_destroy(&prefer_writer);
    pthread_mutex_init(&env->write_lock, NULL);
    env->refs = 1;
    env->pid = getpid();
    env->folder = folder;
    env->lock_fd = env->unsynced = -1;
    env->sync = wish->sync;
    env->capacity = wish->capacity;
    rc = open_start(env, wish, err);
    if (rc < 0) {
        open_free(env);
        return rc;
    }
    *out = env;
    return 0;
}

/* Another store of this process has the folder open. The newer capacity
 * counts for both. */
static int open_share(struct env *env, const struct env_wish *wish,
                      struct weir_error *err)
{
    MDB_envinfo info;

    if (env->sync != wish->sync)
        return weir_error_set(err, -EBUSY,
                              "option sync: another store of this process has "
                              "the folder open with sync=%s",
                              env->sync ? "data" : "none");
    pthread_rwlock_wrlock(&env->map_lock);
    mdb_env_info(env->mdb, &info);
    if (wish->capacity > info.me_mapsize)
        mdb_env_set_mapsize(env->mdb, wish->capacity);
    pthread_rwlock_unlock(&env->map_lock);
    env->capacity = wish->capacity;
    env->refs++;
    return 0;
}

static struct env *open_find(const struct stat *st)
{
    struct env *env = all;

    while (env != NULL && (env->device != st->st_dev ||
                           env->inode != st->st_ino || env->pid != getpid()))
        env = env->next;
    return env;
}

/* Under register_lock. Takes over the folder's fd. */
static int open_enter(struct env **out, const struct env_wish *wish, int folder,
                      struct weir_error *err)
{
    struct stat st;
    int rc;

    if (fstat(folder, &st) < 0) {
        close(folder);
        return weir_error_set(err, -EIO, "cannot look at the folder");
    }
    *out = open_find(&st);
    if (*out != NULL) {
        close(folder);
        return open_share(*out, wish, err);
    }
    rc = open_new(out, wish, folder, err);
    if (rc < 0)
        return rc;
    (*out)->device = st.st_dev;
    (*out)->inode = st.st_ino;
    (*out)->next = all;
    all = *out;
    return 0;
}

/* Makes one folder. */
static int open_mkdir(const char *path, int sync)
{
    int fd, rc;

    if (mkdir(path, 0700) < 0)
        return errno == EEXIST ? 0 : -errno;
    if (!sync)
        return 0;
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    rc = file_sync_above(fd);
    close(fd);
    return rc;
}

/* Makes the folder and those above it. */
static int open_make(const char *path, int sync)
{
    char *copy = strdup(path);
    int rc = 0;

    for (char *p = copy ? copy + 1 : NULL; rc == 0 && p != NULL;) {
        p = strchr(p, '/');
        if (p != NULL)
            *p = '\0';
        rc = open_mkdir(copy, sync);
        if (p != NULL)
            *p++ = '/';
    }
    if (copy == NULL)
        rc = -ENOMEM;
    free(copy);
    return rc;
}

static int open_folder(const struct env_wish *wish, struct weir_error *err)
{
    int fd = open(wish->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 && errno == ENOTDIR)
        return weir_error_set(err, -ENOTDIR,
                              "it is not a folder: expected one that holds "
                              "data.mdb, or will");
    if (fd < 0)
        return weir_error_set(err, -errno, "cannot open the folder: %s",
                              strerrordesc_np(errno));
    return fd;
}

int env_open(struct env **out, const struct env_wish *wish,
             struct weir_error *err)
{
    int rc = wish->create ? open_make(wish->path, wish->sync) : 0;

    if (rc < 0 && rc != -ENOTDIR)
        return weir_error_set(err, rc, "cannot make the folder: %s",
                              strerrordesc_np(-rc));
    rc = open_folder(wish, err);
    if (rc < 0)
        return rc;
    pthread_mutex_lock(&register_lock);
    rc = open_enter(out, wish, rc, err);
    pthread_mutex_unlock(&register_lock);
    return rc;
}

int env_check(const struct env_wish *wish, struct weir_error *err)
{
    int folder = open_folder(wish, err), rc;

    if (folder == -ENOENT && wish->create)
        return 0;
    if (folder < 0)
        return folder;
    rc = file_check(folder, false, err);
    close(folder);
    return rc < 0 ? rc : 0;
}

void env_close(struct env *env)
{
    struct env **at = &all;

    pthread_mutex_lock(&register_lock);
    if (--env->refs == 0) {
        while (*at != env)
            at = &(*at)->next;
        *at = env->next;
        open_free(env);
    }
    pthread_mutex_unlock(&register_lock);
}

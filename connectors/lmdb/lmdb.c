/* lmdb.c -- a connector that keeps small values by the million in one file, in
 * a folder that outlives the process and may be shared by several.
 *
 * LMDB is a B-tree in a file that is mapped to memory. A reader sees the last
 * commit without a lock, and a commit is in the file wholly or not at all. The
 * database "log" is a row of bytes (log.h) that holds the records one after the
 * other: a set appends one (writer.c, write.c). An index in three levels
 * (levels.h) leads from the hash of a key to the position of its record, which
 * has the whole key. So keys are as long as weir allows.
 *
 * With the file full, the oldest records go (evict.c). Expired ones are misses
 * and go in their turn. The file never gets shorter.
 *
 * A batch of sets is one commit. kill -9 loses no answered set. With sync=none
 * a power cut loses the file, which is noticed and starts empty (file.h).
 *
 * LMDB trusts its file. A file of something else is refused, a wrong value is
 * told by its checksum, and a missing end or page by LMDB. Pages that something
 * else overwrites while they are in use, or a file made shorter, can end the
 * process. A filesystem over the network is not supported by LMDB. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "open.h"
#include "ops.h"

#define OPTION(field) .offset = offsetof(struct lmdb_config, field)

static const struct weir_option lmdb_options[] = {
    {.name = "path",
     .help = "folder to keep the file in",
     .type = WEIR_PATH,
     .required = 1,
     .url = WEIR_URL_PATH,
     OPTION(path)},
    {.name = "create",
     .help = "whether to make the folder and the file when they are missing",
     .type = WEIR_BOOLEAN,
     .value = "true",
     OPTION(create)},
    {.name = "capacity",
     .help = "size of the file at most; an eighth of it is kept free",
     .type = WEIR_SIZE,
     .value = "1GiB",
     .min = 16 << 20,
     .max = INT64_C(1) << 44,
     OPTION(capacity)},
    {.name = "sync",
     .help = "what a set waits for: nothing, or its bytes on the disk",
     .type = WEIR_ENUM,
     .value = "none",
     .choices = "none|data",
     OPTION(sync)},
    {.name = "ttl",
     .help = "when a value expires that was set without a time to live; 0 = "
             "never",
     .type = WEIR_DURATION,
     .value = "0",
     OPTION(ttl_ns)},
    {.name = NULL},
};

static int lmdb_open(const void *config, const char *scheme, void **state,
                     struct weir_error *err)
{
    struct lmdb *m = calloc(1, sizeof *m);
    int rc;

    (void)scheme;
    if (m == NULL)
        return weir_error_set(err, -ENOMEM, "out of memory");
    m->config = config;
    struct env_wish wish = {
        .path = m->config->path,
        .capacity = m->config->capacity,
        .create = m->config->create,
        .sync = m->config->sync,
    };
    rc = weir_opening_dry() ? env_check(&wish, err)
                            : env_open(&m->env, &wish, err);
    if (rc < 0) {
        struct weir_error why = *err;

        weir_error_set(err, rc, "lmdb %s: %s", wish.path, why.message);
        free(m);
        return rc;
    }
    *state = m;
    return 0;
}

static void lmdb_close(void *state)
{
    struct lmdb *m = state;

    if (m->env != NULL)
        env_close(m->env);
    free(m);
}

static void lmdb_label(void *state, char *out, size_t cap)
{
    snprintf(out, cap, "lmdb %s", ((struct lmdb *)state)->config->path);
}

static void lmdb_disconnect(void *session)
{
    struct session *s = session;

    if (s->reader != NULL) {
        levels_close(&s->levels);
        mdb_cursor_close(s->log.cursor);
        mdb_txn_abort(s->reader);
    }
    free(s->key);
    free(s->piece);
    free(s->young.bits);
    XXH3_freeState(s->hash);
}

static int lmdb_connect(void *state, void *session, struct weir_call *call)
{
    struct session *s = session;

    s->store = state;
    s->env = s->store->env;
    if (s->env == NULL) {
        weir_call_fail(call, NULL, WEIR_UNAVAILABLE,
                       "was opened to be checked only");
        return -EPERM;
    }
    s->log = (struct log){
        .piece = s->env->piece, .at = LOG_NONE, .open_at = LOG_NONE};
    s->key = malloc(WEIR_KEY_MAX);
    s->piece = malloc(6 * (size_t)s->env->piece);
    s->hash = XXH3_createState();
    s->entries = (uint8_t *)s->piece + 2 * (size_t)s->env->piece;
    s->moving = s->entries + 3 * (size_t)s->env->piece;
    if (s->key != NULL && s->piece != NULL && s->hash != NULL)
        return 0;
    lmdb_disconnect(s);
    weir_call_fail(call, NULL, WEIR_UNAVAILABLE, "out of memory");
    return -ENOMEM;
}

static int lmdb_run(void *session, struct weir_call *call)
{
    switch (call->op) {
    case WEIR_SCAN:
        lmdb_scan(session, call);
        break;
    case WEIR_GET:
    case WEIR_EXISTS:
    case WEIR_STAT:
        lmdb_read(session, call);
        break;
    default:
        lmdb_write(session, call);
    }
    return 0;
}

static void lmdb_measure(struct env *env, uint64_t *items, uint64_t *bytes)
{
    MDB_txn *txn = NULL;
    struct env_facts facts;

    if (env_begin(env, &txn, MDB_RDONLY) != 0)
        return;
    if (env_facts_read(env, txn, &facts) == 0)
        *items = facts.items;
    *bytes = env_used(env, txn);
    mdb_txn_abort(txn);
    env_end(env);
}

static size_t lmdb_gauges(void *state, struct weir_gauge *out, size_t max)
{
    static struct env none;
    struct env *env = ((struct lmdb *)state)->env;
    uint64_t items = 0, bytes = 0;

    if (env != NULL)
        lmdb_measure(env, &items, &bytes);
    else
        env = &none;
    const struct weir_gauge gauges[] = {
        {"items", "keys held, of all processes", items, 0, 0},
        {"bytes", "bytes of the file in use", bytes, 0, 0},
        {"capacity", "size of the file at most", env->capacity, 0, 0},
        {"evictions", "keys dropped for room", env->counters.evicted, 1, 0},
        {"expired", "expired keys dropped", env->counters.expired, 1, 0},
        {"copied", "bytes moved to free the pages of replaced values",
         env->counters.copied, 1, 0},
        {"full", "writes refused because a slow reader held old pages",
         env->counters.full, 1, 0},
    };
    size_t n = sizeof gauges / sizeof *gauges;

    for (size_t i = 0; i < n && i < max; i++)
        out[i] = gauges[i];
    return n;
}

const struct weir_connector weir_connector = {
    .abi = WEIR_CONNECTOR_ABI,
    .name = "lmdb",
    .help = "small values by the million, in one file of LMDB",
    .options = lmdb_options,
    .config_size = sizeof(struct lmdb_config),
    .session_size = sizeof(struct session),
    .ops = 1u << WEIR_GET | 1u << WEIR_SET | 1u << WEIR_EXISTS |
           1u << WEIR_DELETE | 1u << WEIR_STAT | 1u << WEIR_TOUCH |
           1u << WEIR_SCAN | 1u << WEIR_ADD | 1u << WEIR_REPLACE |
           1u << WEIR_INCR | 1u << WEIR_APPEND | 1u << WEIR_CAS |
           1u << WEIR_GAT | 1u << WEIR_TAKE,
    .max_value = UINT32_MAX,
    .slice = {.items = 1024, .bytes = 4 << 20},
    .open = lmdb_open,
    .close = lmdb_close,
    .label = lmdb_label,
    .connect = lmdb_connect,
    .disconnect = lmdb_disconnect,
    .run = lmdb_run,
    .gauges = lmdb_gauges,
};

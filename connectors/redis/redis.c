/* redis.c -- the connector for Redis, Valkey, KeyDB and Dragonfly (RESP2).
 *
 * This file has the options and the vtable. Read on in pipeline.c. An error of
 * the server is passed on in the server's words (refusal.c). */
#include <errno.h>
#include <openssl/ssl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "cluster.h"
#include "master.h"
#include "place.h"
#include "session.h"
#include "tls.h"
#include "vtable.h"
#include "watch.h"

#define OPTION(kind, field, words)                                             \
    .name = #field, .type = kind, .help = words,                               \
    .offset = offsetof(struct redis_config, field)

static const struct weir_option redis_options[] = {
    {OPTION(WEIR_STRING, host,
            "name or address of the server; of a cluster or of sentinels a "
            "list: h1:7000,h2"),
     .value = "127.0.0.1", .url = WEIR_URL_HOST,
     .scheme = "redis rediss redis+sentinel"},
    {OPTION(WEIR_INTEGER, port, "port of the server"), .value = "6379",
     .min = 1, .max = 65535, .url = WEIR_URL_PORT,
     .scheme = "redis rediss redis+sentinel"},
    {OPTION(WEIR_PATH, socket, "a unix socket, instead of host and port"),
     .url = WEIR_URL_PATH, .scheme = "redis+unix"},
    {OPTION(WEIR_STRING, user, "user to log in as (ACL)"),
     .url = WEIR_URL_USER},
    {OPTION(WEIR_SECRET, password, "password to log in with"),
     .url = WEIR_URL_PASSWORD},
    {OPTION(WEIR_INTEGER, db, "number of the database"), .value = "0",
     .max = INT32_MAX, .url = WEIR_URL_PATH, .scheme = "redis rediss"},
    {OPTION(WEIR_STRING, client_name, "name in CLIENT LIST, empty = none"),
     .value = "weir"},
    {OPTION(WEIR_BOOLEAN, ping,
            "send PING on connect, to check that Redis replies"),
     .value = "true"},
    {OPTION(WEIR_STRING, prefix, "added before each key"), .value = ""},
    {OPTION(WEIR_DURATION, ttl,
            "time to live of sets without one, 0 = no expiry"),
     .value = "0"},
    {OPTION(WEIR_DURATION, read_timeout,
            "longest wait for data of a reply, 0 = no limit"),
     .value = "10s"},
    {OPTION(WEIR_DURATION, write_timeout,
            "longest wait until the server reads on, 0 = no limit"),
     .value = "10s"},
    {OPTION(WEIR_DURATION, keepalive,
            "idle time before TCP keepalive probes, 0 = none"),
     .value = "60s"},
    {OPTION(WEIR_SIZE, send_buffer, "SO_SNDBUF, 0 = the kernel's choice"),
     .value = "512KiB"},
    {OPTION(WEIR_SIZE, receive_buffer, "SO_RCVBUF, 0 = the kernel's choice"),
     .value = "0"},
    {OPTION(WEIR_BOOLEAN, multi,
            "use MGET, MSET and EXISTS for many small values"),
     .value = "true"},
    {OPTION(WEIR_BOOLEAN, tls, "use TLS, as rediss:// does"), .value = "false"},
    {OPTION(WEIR_BOOLEAN, verify, "check the server's certificate"),
     .value = "true"},
    {OPTION(WEIR_PATH, ca, "file or directory of certificates to trust")},
    {OPTION(WEIR_PATH, cert, "file with the client's certificate")},
    {OPTION(WEIR_PATH, key, "file with the client's key, if not in cert")},
    {OPTION(WEIR_STRING, server_name,
            "name in the server's certificate, if not the host")},
    {OPTION(WEIR_BOOLEAN, tracking,
            "learn which keys others change, for coherent (Redis 6)"),
     .value = "false"},
    {OPTION(WEIR_DURATION, tracking_timeout,
            "tracking notices within this time that the server is gone"),
     .value = "1s", .min = 10000000, .max = 3600000000000},
    {OPTION(WEIR_BOOLEAN, cluster,
            "a Redis Cluster: ask these nodes for the others"),
     .value = "false"},
    {OPTION(WEIR_ENUM, read, "nodes of a cluster that gets go to"),
     .value = "master", .choices = "master|replica|nearest"},
    {OPTION(WEIR_STRING, master,
            "the master's name (NAME/DB), host being its sentinels"),
     .url = WEIR_URL_PATH, .scheme = "redis+sentinel"},
    {OPTION(WEIR_STRING, sentinel_user, "user to log in to sentinels as")},
    {OPTION(WEIR_SECRET, sentinel_password,
            "password to log in to sentinels with")},
    {0},
};

static int redis_refuse_cluster(const struct redis_config *c,
                                struct weir_error *err)
{
    if (c->socket != NULL)
        return weir_error_set(err, -EINVAL,
                              "redis: option socket: a cluster is reached by "
                              "host and port");
    if (c->db != 0)
        return weir_error_set(err, -EINVAL,
                              "redis: option db: a cluster has only database "
                              "0, got %lld",
                              (long long)c->db);
    if (c->master != NULL)
        return weir_error_set(err, -EINVAL,
                              "redis: option master: a cluster needs no "
                              "sentinels");
    if (c->tracking && c->read != READ_MASTER)
        return weir_error_set(err, -EINVAL,
                              "redis: option read: with tracking expected "
                              "master, a replica may have an old value after "
                              "its master told of a new one");
    return 0;
}

static int redis_refuse_single(const struct redis_config *c,
                               struct weir_error *err)
{
    if (c->master == NULL && strchr(c->host, ',') != NULL)
        return weir_error_set(err, -EINVAL,
                              "redis: option host: a list of addresses needs "
                              "cluster=true or master=NAME");
    if (c->master != NULL && c->socket != NULL)
        return weir_error_set(err, -EINVAL,
                              "redis: option socket: sentinels are reached by "
                              "host and port");
    if (c->sentinel_user != NULL && c->sentinel_password == NULL)
        return weir_error_set(err, -EINVAL,
                              "redis: option sentinel_user: expected option "
                              "sentinel_password, too");
    if (c->read != READ_MASTER)
        return weir_error_set(err, -EINVAL,
                              "redis: option read: expected option cluster, "
                              "too");
    return 0;
}

static int redis_refuse(const struct redis_config *c, const char *scheme,
                        struct weir_error *err)
{
    if (c->socket == NULL && strcmp(scheme, "redis+unix") == 0)
        return weir_error_set(err, -EINVAL,
                              "redis: option socket: expected a path, as in "
                              "redis+unix:///run/redis.sock");
    if (c->socket != NULL &&
        strlen(c->socket) >= sizeof((struct sockaddr_un *)0)->sun_path)
        return weir_error_set(err, -EINVAL,
                              "redis: option socket: expected a path of at "
                              "most %zu bytes, got %zu",
                              sizeof((struct sockaddr_un *)0)->sun_path - 1,
                              strlen(c->socket));
    if (strlen(c->prefix) > REDIS_PREFIX_MAX)
        return weir_error_set(err, -EINVAL,
                              "redis: option prefix: expected at most %d "
                              "bytes, got %zu",
                              REDIS_PREFIX_MAX, strlen(c->prefix));
    if (c->user != NULL && c->password == NULL)
        return weir_error_set(err, -EINVAL,
                              "redis: option user: expected a password, too");
    if (c->key != NULL && c->cert == NULL)
        return weir_error_set(err, -EINVAL,
                              "redis: option key: expected option cert, too");
    return c->cluster ? redis_refuse_cluster(c, err)
                      : redis_refuse_single(c, err);
}

static void redis_close(void *state)
{
    struct redis *r = state;

    if (r->cluster != NULL)
        cluster_close(r->cluster);
    master_destroy(r);
    SSL_CTX_free(r->tls);
    free(r);
}

static int redis_open(const void *config, const char *scheme, void **state,
                      struct weir_error *err)
{
    const struct redis_config *c = config;
    bool tls = c->tls || strcmp(scheme, "rediss") == 0;
    struct redis *r;
    int rc = redis_refuse(c, scheme, err);

    if (rc < 0)
        return rc;
    if (tls && c->verify && redis_server_name(c) == NULL)
        return weir_error_set(err, -EINVAL,
                              "redis: option server_name: expected the name in "
                              "the server's certificate, a socket has none");
    r = calloc(1, sizeof *r);
    if (r == NULL)
        return weir_error_set(err, -ENOMEM, "out of memory");
    r->config = c;
    r->prefix_len = strlen(c->prefix);
    if (tls)
        rc = tls_context(c, &r->tls, err);
    if (rc == 0)
        rc = master_init(r, strcmp(scheme, "redis+sentinel") == 0, err);
    if (rc == 0 && c->cluster)
        rc = cluster_open(r, err);
    if (rc < 0)
        redis_close(r);
    else
        *state = r;
    return rc;
}

static void redis_label(void *state, char *out, size_t cap)
{
    const struct redis *r = state;
    const struct redis_config *c = r->config;
    char list[ENDPOINT_HOST + 32];

    if (c->socket != NULL) {
        snprintf(out, cap, "redis %s", c->socket);
    } else if (r->cluster != NULL) {
        endpoints_write(&r->cluster->seeds, list, sizeof list);
        snprintf(out, cap, "redis cluster %s", list);
    } else if (r->master != NULL) {
        endpoints_write(master_sentinels(r), list, sizeof list);
        snprintf(out, cap, "redis master %s of %s", c->master, list);
    } else {
        snprintf(out, cap,
                 strchr(c->host, ':') ? "redis [%s]:%d" : "redis %s:%d",
                 c->host, (int)c->port);
    }
}

static size_t redis_gauges(void *state, struct weir_gauge *out, size_t max)
{
    struct redis *r = state;
    size_t left = max > 0 ? max - 1 : 0;

    if (max > 0)
        out[0] = (struct weir_gauge){
            .name = "scan_left_out",
            .help = "keys that scans left out: empty or over 65536 bytes",
            .value = atomic_load(&r->left_out),
            .counter = 1,
        };
    if (r->cluster != NULL)
        return 1 + cluster_gauges(r->cluster, out + 1, left);
    return r->master != NULL ? 1 + master_gauges(r, out + 1, left) : 1;
}

/* ---- a single server, or a cluster ---- */

_Static_assert(sizeof(struct cluster_session) <= sizeof(struct redis_session),
               "a session has room for either");
_Static_assert(offsetof(struct cluster_session, redis) ==
                   offsetof(struct redis_session, redis),
               "both begin with the store");

static struct cluster_session *cluster_of(void *session)
{
    struct cluster_session *s = session;

    return s->redis->cluster != NULL ? s : NULL;
}

static int either_connect(void *state, void *session, struct weir_call *call)
{
    struct redis *r = state;

    return r->cluster != NULL ? cluster_connect(session, r, call)
                              : redis_connect(r, session, call);
}

static void either_disconnect(void *session)
{
    struct cluster_session *s = cluster_of(session);

    if (s != NULL)
        cluster_disconnect(s);
    else
        redis_disconnect(session);
}

static int either_check(void *session)
{
    struct cluster_session *s = cluster_of(session);

    return s != NULL ? cluster_check(s) : redis_check(session);
}

static int either_start(void *session, struct weir_call *call)
{
    struct cluster_session *s = cluster_of(session);

    return s != NULL ? cluster_start(s, call) : redis_start(session, call);
}

static int either_finish(void *session, struct weir_call *call)
{
    struct cluster_session *s = cluster_of(session);

    return s != NULL ? cluster_finish(s, call) : redis_finish(session, call);
}

static int either_expire(void *session, struct weir_call *call)
{
    struct cluster_session *s = cluster_of(session);

    return s != NULL ? cluster_expire(s, call) : redis_expire(session, call);
}

static int redis_ask(void *state, const char *words, uint64_t deadline_ns,
                     struct weir_value **out, struct weir_error *err)
{
    struct redis *r = state;

    return r->cluster != NULL
               ? place_ask(r->cluster, words, deadline_ns, out, err)
               : weir_error_set(err, -ENOTSUP,
                                "redis: answers no words, only a cluster does");
}

#define OP(op) (1u << WEIR_##op)

const struct weir_connector weir_connector = {
    .abi = WEIR_CONNECTOR_ABI,
    .name = "redis",
    .help = "Redis, Valkey, KeyDB, Dragonfly over RESP",
    .schemes = "rediss redis+unix redis+sentinel",
    .options = redis_options,
    .config_size = sizeof(struct redis_config),
    .session_size = sizeof(struct redis_session),
    .ops = OP(GET) | OP(SET) | OP(EXISTS) | OP(DELETE) | OP(STAT) | OP(TOUCH) |
           OP(SCAN) | OP(ADD) | OP(REPLACE) | OP(INCR) | OP(APPEND) | OP(CAS) |
           OP(GAT) | OP(TAKE),
    .max_value = (uint64_t)512 << 20,
    .workers = 2,
    .slice = {.items = 256, .bytes = 1 << 20},
    .window = {.items = 1024, .bytes = 8 << 20},
    .open = redis_open,
    .close = redis_close,
    .label = redis_label,
    .connect = either_connect,
    .disconnect = either_disconnect,
    .check = either_check,
    .start = either_start,
    .finish = either_finish,
    .expire = either_expire,
    .gauges = redis_gauges,
    .ask = redis_ask,
    .watch = redis_watch,
    .can_watch = redis_can_watch,
};

/* config.h -- the options of a redis store and the state its sessions share. */
#ifndef WEIR_REDIS_CONFIG_H
#define WEIR_REDIS_CONFIG_H

#include <openssl/types.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Filled from the option table in redis.c. Times are nanoseconds. */
struct redis_config {
    const char *host; /* with cluster or master: a list of addresses */
    int64_t port;
    const char *socket; /* a unix socket, instead of host and port */
    const char *user, *password;
    int64_t db;
    const char *client_name;
    bool ping;
    const char *prefix;
    uint64_t ttl;
    uint64_t read_timeout, write_timeout;
    uint64_t keepalive;
    uint64_t send_buffer, receive_buffer;
    bool multi;
    bool tls, verify;
    const char *ca, *cert, *key;
    const char *server_name;
    bool tracking;
    uint64_t tracking_timeout;
    bool cluster;
    int read;           /* enum read_from */
    const char *master; /* host is a list of sentinels */
    const char *sentinel_user, *sentinel_password;
};

enum { REDIS_PREFIX_MAX = 1024 };

/* The shared state of a store. */
struct cluster;
struct master;

struct redis {
    const struct redis_config *config;
    struct cluster *cluster; /* cluster.h, or NULL */
    struct master *master;   /* master.h: sentinels know it, or NULL */
    int64_t db;              /* to select */
    size_t prefix_len;
    SSL_CTX *tls;              /* NULL: no TLS */
    _Atomic bool nameless;     /* the server hangs up on CLIENT SETNAME */
    _Atomic uint32_t loaded;   /* sessions that receive loads (window.c) */
    _Atomic uint64_t left_out; /* keys that scans left out */
};

/* redis_server_name returns the name that the certificate must have, or NULL.
 */
static inline const char *redis_server_name(const struct redis_config *config)
{
    if (config->server_name != NULL)
        return config->server_name;
    return config->socket == NULL ? config->host : NULL;
}

#endif

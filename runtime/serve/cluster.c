/* cluster.c -- the hash slots of Redis Cluster, shared by processes. Each owns
 * a range of them. A key of another process is answered MOVED, which says where
 * it is; clients of Redis Cluster remember that. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "state.h"

enum { SLOTS = 16384, NONE = -1, MANY = -2 };

/* CRC16 (XMODEM), by the high byte of what has been summed up. */
static uint16_t crc_rows[256];

static void make_rows(void)
{
    for (unsigned i = 0; i < 256; i++) {
        unsigned crc = i << 8;

        for (int bit = 0; bit < 8; bit++)
            crc = crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1;
        crc_rows[i] = (uint16_t)crc;
    }
}

/* What counts of a key: what is between the first { and the next }, if there is
 * anything. */
static const char *tag_of(const char *key, uint64_t *size)
{
    const char *open = memchr(key, '{', *size), *close;

    if (open == NULL)
        return key;
    close = memchr(open, '}', (size_t)(*size - (uint64_t)(open - key)));
    if (close == NULL || close == open + 1)
        return key;
    *size = (uint64_t)(close - open - 1);
    return open + 1;
}

uint32_t weir_serve_slot(const char *key, uint64_t size)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    const char *tag = tag_of(key, &size);
    uint16_t crc = 0;

    pthread_once(&once, make_rows);
    for (uint64_t i = 0; i < size; i++)
        crc = (uint16_t)(crc << 8 ^ crc_rows[crc >> 8 ^ (uint8_t)tag[i]]);
    return crc % SLOTS;
}

uint32_t weir_serve_first_slot(uint32_t i, uint32_t n)
{
    return (i * SLOTS + n - 1) / n;
}

void weir_server_cluster(struct weir_server *s, uint32_t self, uint32_t n,
                         const char *announce)
{
    s->self = self;
    s->processes = n;
    s->announce = announce;
}

/* The slot of all keys of the parsed command. NONE: it has no keys. MANY: they
 * are in several slots. */
static int slot_of(const struct client *c, const struct weir_command *row)
{
    const struct parser *p = &c->parser;
    int n = (int)p->n_args, slot = NONE;
    int last = row->last_key < 0 ? n + row->last_key : row->last_key;

    for (int i = row->first_key; i <= last && i < n; i += row->key_step) {
        int found =
            (int)weir_serve_slot(wish_bytes(c, (uint32_t)i), p->args[i].size);

        if (slot != NONE && found != slot)
            return MANY;
        slot = found;
    }
    return slot;
}

static uint32_t owner_of(const struct weir_server *s, int slot)
{
    return (uint32_t)slot * s->processes / SLOTS;
}

bool cluster_owns(const struct weir_server *s, const struct client *c,
                  const struct weir_command *row)
{
    int slot;

    if (s->processes == 0 || row->first_key == 0)
        return true;
    slot = slot_of(c, row);
    return slot == NONE || (slot != MANY && owner_of(s, slot) == s->self);
}

void cluster_refuse(struct weir_server *s, struct client *c,
                    const struct weir_command *row)
{
    int slot = slot_of(c, row);
    const char *local = c->pub.local, *colon = strrchr(local, ':');
    const char *host = s->announce;
    int size, port;

    if (slot == MANY) {
        reply_refuse(s, c, row,
                     "CROSSSLOT Keys in request don't hash to the same slot");
        return;
    }
    if (colon == NULL)
        colon = local + strlen(local);
    port = *colon == ':' ? atoi(colon + 1) : 0;
    port += (int)owner_of(s, slot) - (int)s->self;
    size = (int)(host != NULL ? strlen(host) : (size_t)(colon - local));
    /* Redis writes IPv6 addresses without brackets. */
    if (host == NULL && *local == '[') {
        local++;
        size -= 2;
    }
    reply_refuse(s, c, row, "MOVED %d %.*s:%d", slot, size,
                 host != NULL ? host : local, port);
}

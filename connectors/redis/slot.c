/* slot.c -- CRC16 (XMODEM) modulo 16384, as the cluster specification says. */
#include "slot.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

enum { STEP = 8 };

/* tables[k][b] is the CRC of the byte b and k zero bytes, so that STEP bytes
 * need STEP lookups that do not wait for each other. */
static uint16_t tables[STEP][256];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static uint16_t crc_next(uint16_t crc, uint8_t byte)
{
    return (uint16_t)(crc << 8 ^ tables[0][crc >> 8 ^ byte]);
}

static void fill_tables(void)
{
    for (unsigned i = 0; i < 256; i++) {
        unsigned crc = i << 8;

        for (int bit = 0; bit < 8; bit++)
            crc = crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1;
        tables[0][i] = (uint16_t)crc;
    }
    for (int k = 1; k < STEP; k++) {
        for (unsigned i = 0; i < 256; i++)
            tables[k][i] = crc_next(tables[k - 1][i], 0);
    }
}

static uint16_t crc16(uint16_t crc, const char *bytes, size_t len)
{
    const uint8_t *at = (const uint8_t *)bytes;

    for (; len >= STEP; len -= STEP, at += STEP) {
        crc = tables[7][crc >> 8 ^ at[0]] ^ tables[6][(crc & 255) ^ at[1]] ^
              tables[5][at[2]] ^ tables[4][at[3]] ^ tables[3][at[4]] ^
              tables[2][at[5]] ^ tables[1][at[6]] ^ tables[0][at[7]];
    }
    for (; len > 0; len--)
        crc = crc_next(crc, *at++);
    return crc;
}

/* A key in two pieces. */
struct pieces {
    const char *bytes[2];
    size_t len[2];
};

/* Returns the place of a character at or after from, or -1. */
static ptrdiff_t find(const struct pieces *p, char c, size_t from)
{
    size_t before = 0;

    for (int i = 0; i < 2; before += p->len[i++]) {
        size_t skip = from > before ? from - before : 0;
        const char *at = skip < p->len[i]
                             ? memchr(p->bytes[i] + skip, c, p->len[i] - skip)
                             : NULL;

        if (at != NULL)
            return (ptrdiff_t)before + (at - p->bytes[i]);
    }
    return -1;
}

/* Finds the hash tag at [*begin, *end). false: there is none. */
static bool find_tag(const struct pieces *p, size_t *begin, size_t *end)
{
    ptrdiff_t open = find(p, '{', 0), close;

    if (open < 0)
        return false;
    close = find(p, '}', (size_t)open + 1);
    if (close <= open + 1)
        return false;
    *begin = (size_t)open + 1;
    *end = (size_t)close;
    return true;
}

bool slot_of_tag(const char *prefix, size_t prefix_len, const char *key,
                 size_t key_len)
{
    struct pieces p = {{prefix, key}, {prefix_len, key_len}};
    size_t begin, end;

    return find_tag(&p, &begin, &end);
}

/* CRC16 of the bytes at [begin, end). */
static uint16_t crc16_of(const struct pieces *p, size_t begin, size_t end)
{
    size_t before = 0;
    uint16_t crc = 0;

    for (int i = 0; i < 2; before += p->len[i++]) {
        size_t from = begin > before ? begin - before : 0;
        size_t to = end > before ? end - before : 0;

        if (to > p->len[i])
            to = p->len[i];
        if (from < to)
            crc = crc16(crc, p->bytes[i] + from, to - from);
    }
    return crc;
}

uint16_t slot_of(const char *prefix, size_t prefix_len, const char *key,
                 size_t key_len)
{
    struct pieces p = {{prefix, key}, {prefix_len, key_len}};
    size_t begin = 0, end = prefix_len + key_len;

    pthread_once(&once, fill_tables);
    if (memchr(key, '{', key_len) != NULL || prefix_len > 0)
        find_tag(&p, &begin, &end);
    return crc16_of(&p, begin, end) % SLOTS;
}

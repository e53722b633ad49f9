/* slot.c -- CRC16 (XMODEM) modulo 16384, as the cluster specification says. */
#include "slot.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

static uint16_t table[256];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void fill_table(void)
{
    for (unsigned i = 0; i < 256; i++) {
        unsigned crc = i << 8;

        for (int bit = 0; bit < 8; bit++)
            crc = crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1;
        table[i] = (uint16_t)crc;
    }
}

static uint16_t crc16(uint16_t crc, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        crc = (uint16_t)(crc << 8 ^ table[(crc >> 8 ^ (uint8_t)bytes[i])]);
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

    close = open >= 0 ? find(p, '}', (size_t)open + 1) : -1;
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

uint16_t slot_of(const char *prefix, size_t prefix_len, const char *key,
                 size_t key_len)
{
    struct pieces p = {{prefix, key}, {prefix_len, key_len}};
    size_t begin = 0, end = prefix_len + key_len, before = 0;
    uint16_t crc = 0;

    pthread_once(&once, fill_table);
    find_tag(&p, &begin, &end);
    for (int i = 0; i < 2; before += p.len[i++]) {
        size_t from = begin > before ? begin - before : 0;
        size_t to = end > before ? end - before : 0;

        if (to > p.len[i])
            to = p.len[i];
        if (from < to)
            crc = crc16(crc, p.bytes[i] + from, to - from);
    }
    return crc % SLOTS;
}

/* trailer.c -- writes and checks the trailer. It trusts no byte of a file. */

#include "trailer.h"

#include <stdbool.h>
#include <string.h>

#include "weir.h"

static const char trailer_magic[8] = {'w', 'e', 'i', 'r', '-', 'f', 's', '\n'};

enum { TRAILER_VERSION = 1 };

_Static_assert(sizeof(struct fs_trailer) == 48, "the trailer is a format");
_Static_assert(FS_TRAILER_LEASE % FS_TRAILER_ALIGN == 0,
               "the lease crosses no boundary");

static uint64_t trailer_check(const struct fs_trailer *t)
{
    return XXH3_64bits(t, offsetof(struct fs_trailer, check));
}

size_t fs_trailer_span(uint64_t value_len, uint32_t key_len)
{
    size_t over = (value_len + key_len) % FS_TRAILER_ALIGN;
    size_t padding = over ? FS_TRAILER_ALIGN - over : 0;

    return key_len + padding + sizeof(struct fs_trailer);
}

size_t fs_trailer_max(uint32_t key_len)
{
    return key_len + FS_TRAILER_ALIGN - 1 + sizeof(struct fs_trailer);
}

void fs_trailer_init(struct fs_trailer *t, uint64_t value_len, uint32_t key_len,
                     uint64_t expires_ms)
{
    memset(t, 0, sizeof *t);
    memcpy(t->magic, trailer_magic, sizeof t->magic);
    t->version = TRAILER_VERSION;
    t->key_len = key_len;
    t->value_len = value_len;
    t->expires_ms = expires_ms;
}

void fs_trailer_seal(struct fs_trailer *t)
{
    t->check = trailer_check(t);
}

static bool trailer_fits(const struct fs_trailer *t, uint64_t file_size)
{
    if (t->key_len == 0 || t->key_len > WEIR_KEY_MAX)
        return false;
    if (t->value_len >= file_size)
        return false;
    return t->value_len + fs_trailer_span(t->value_len, t->key_len) ==
           file_size;
}

const char *fs_trailer_parse(struct fs_trailer *out, const void *tail,
                             size_t have, uint64_t file_size)
{
    if (file_size < sizeof *out || have < sizeof *out)
        return "is too short to have a trailer";
    memcpy(out, (const char *)tail + have - sizeof *out, sizeof *out);
    if (memcmp(out->magic, trailer_magic, sizeof out->magic) != 0)
        return "has no trailer of ours";
    if (out->check != trailer_check(out))
        return "has a damaged trailer";
    if (out->version != TRAILER_VERSION)
        return "was written by another version";
    if (!trailer_fits(out, file_size))
        return "is not as long as its trailer says";
    return NULL;
}

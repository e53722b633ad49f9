/* trailer.h -- the bytes that follow the value in every file of an fs store.
 *
 *     value | key | zeros up to a multiple of 16 | struct fs_trailer
 *
 * The value is at offset 0, so that it keeps its alignment. The trailer is
 * found from the end. Numbers are in the machine's byte order: a machine of the
 * other order refuses the files as foreign. format.c explains the whole. */

#ifndef FS_TRAILER_H
#define FS_TRAILER_H

#include <stddef.h>
#include <stdint.h>

#include "wide_xxh3.h"

struct fs_trailer {
    char magic[8];
    uint32_t version;
    uint32_t key_len;
    uint64_t value_len;
    uint64_t hash; /* xxh3 of all bytes before the trailer */

    /* The lease. A touch rewrites it with one write of 16 aligned bytes, which
     * cross no page or sector boundary. */
    uint64_t expires_ms; /* CLOCK_REALTIME; 0 = never */
    uint64_t check;      /* xxh3 of the trailer up to here */
};

enum {
    FS_TRAILER_LEASE = offsetof(struct fs_trailer, expires_ms),
    FS_TRAILER_ALIGN = 16,
};

/* fs_trailer_span returns how many bytes follow a value: key, padding,
 * trailer. */
size_t fs_trailer_span(uint64_t value_len, uint32_t key_len);

/* fs_trailer_max returns the longest span that a key can have. */
size_t fs_trailer_max(uint32_t key_len);

/* fs_trailer_init fills all but the hash and the check. */
void fs_trailer_init(struct fs_trailer *t, uint64_t value_len, uint32_t key_len,
                     uint64_t expires_ms);

/* fs_trailer_seal computes the check. It is the last step before writing. */
void fs_trailer_seal(struct fs_trailer *t);

/* fs_trailer_parse reads the trailer at the end of a file of file_size bytes.
 * tail has the last `have` bytes of it. Returns NULL, or in words what is
 * wrong. The key begins fs_trailer_span bytes before the end; the caller checks
 * that tail reaches that far. */
const char *fs_trailer_parse(struct fs_trailer *out, const void *tail,
                             size_t have, uint64_t file_size);

#endif

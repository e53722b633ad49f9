/* trailer.h -- what stands behind the value in every file of an fs store.
 *
 *     value | key | zeros up to a multiple of 16 | struct fs_trailer
 *
 * The value is at offset 0, so that it keeps its alignment; the trailer is
 * found from the end. Numbers are in the machine's byte order: a folder moved
 * to a machine of the other order is foreign there, and refused as such. */

#ifndef FS_TRAILER_H
#define FS_TRAILER_H

#include <stddef.h>
#include <stdint.h>

/* The library picks the widest instructions at run time; test programs compile
 * the hash in with XXH_INLINE_ALL instead. */
#if defined(__x86_64__) && !defined(XXH_INLINE_ALL)
#include <xxh_x86dispatch.h>
#else
#include <xxhash.h>
#endif

struct fs_trailer {
    char magic[8];
    uint32_t version;
    uint32_t key_len;
    uint64_t value_len;
    uint64_t hash; /* xxh3 of all bytes before the trailer */

    /* The lease: what a touch rewrites, in one write of 16 aligned bytes that
     * no page or sector boundary divides. */
    uint64_t expires_ms; /* of CLOCK_REALTIME; 0 = never */
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

/* fs_trailer_seal computes the check, the last thing before writing. */
void fs_trailer_seal(struct fs_trailer *t);

/* fs_trailer_parse reads the trailer at the end of a file of file_size bytes,
 * of which the last have ones are in tail. Returns NULL, or what is wrong in
 * words. A trailer that is sound says where the key stands: span bytes before
 * the end; whether tail reaches that far is the caller's to see. */
const char *fs_trailer_parse(struct fs_trailer *out, const void *tail,
                             size_t have, uint64_t file_size);

#endif

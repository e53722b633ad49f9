/* header.h -- the first bytes of a mapping's file. */
#ifndef SHM_HEADER_H
#define SHM_HEADER_H

#include <sys/types.h>

#include "shard.h"

/* What a store is opened with. */
struct map_wish {
    const char *path;
    const char *name;  /* of the mapping; NULL: only the path is known */
    uint64_t capacity; /* 0 = as it was, or 64 MiB */
    uint32_t shards;   /* 0 = as it was, or what layout_shards says */
    int eviction;      /* 0 = as it was, or s3fifo; 1.. = its number */
    mode_t mode;
    bool create;
    bool huge;   /* of a new mapping: made for huge pages */
    bool sigbus; /* against SIGBUS (sigbus.h) */
};

/* The versions of the format, which differ in where the shards are (layout.h).
 */
enum { HEADER_PLAIN = 2, HEADER_HUGE = 3 };

struct header {
    char magic[8];
    uint32_t version;
    uint32_t shards;
    uint64_t capacity;
    uint64_t seed;
    uint32_t eviction;
    uint32_t unit;
    char boot[40]; /* the kernel's boot id */
    uint64_t sum;  /* of what stands before */
};

/* header_layout computes the layout of a sound header. */
void header_layout(const struct header *h, struct layout *l);

/* header_new fills in the header of a new mapping. */
void header_new(struct header *h, const struct map_wish *wish);

/* header_write_unmade marks a file as being made, header_write writes the
 * header of one that is. A negative errno. */
int header_write_unmade(int fd);
int header_write(int fd, const struct header *h);

enum { HEADER_SOUND, HEADER_NONE, HEADER_OLD };

/* header_read reads and checks the header of a file of that size. HEADER_NONE:
 * the file is empty, or its maker died. HEADER_OLD: sound, but from an earlier
 * boot. -EINVAL and a sentence: it is not a mapping of this version. */
int header_read(struct header *h, int fd, uint64_t size,
                struct weir_error *err);

/* header_agrees checks that a mapping is what a store asks for. -EINVAL and a
 * sentence. */
int header_agrees(const struct header *h, const struct map_wish *wish,
                  struct weir_error *err);

/* header_in_words writes a number of bytes with a unit, in the largest unit
 * that has no fraction. Returns out. */
enum { HEADER_WORDS = 32 };
const char *header_in_words(char out[HEADER_WORDS], uint64_t bytes);

/* header_policy returns the eviction policy of a number, as in map_wish. */
const struct eviction_policy *header_policy(uint32_t eviction);

#endif

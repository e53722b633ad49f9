/* index.h -- the files of a store that has a capacity, and the order in which
 * they are evicted. */

#ifndef FS_INDEX_H
#define FS_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "name.h"

struct fs_index;

struct fs_index_stats {
    uint64_t entries;
    uint64_t bytes;  /* of files, with those being written */
    uint64_t memory; /* used by the index itself */
};

struct fs_index *fs_index_new(uint64_t capacity);
void fs_index_free(struct fs_index *ix);

/* fs_index_footprint returns the bytes that a file of that size counts as:
 * whole blocks of 4 KiB, as most filesystems allocate. */
uint64_t fs_index_footprint(uint64_t file_size);

/* fs_index_reserve counts bytes before they are written. fs_index_release takes
 * them back if they were not written. */
void fs_index_reserve(struct fs_index *ix, uint64_t bytes);
void fs_index_release(struct fs_index *ix, uint64_t bytes);

/* fs_index_put counts a file as the youngest, replaces an older one of its
 * name, and releases the reservation. -ENOMEM: the file is not counted. */
int fs_index_put(struct fs_index *ix, const struct fs_name *name,
                 uint64_t bytes);

/* fs_index_found counts a file that existed before open and was last used at
 * that time, unless its name is counted already. */
int fs_index_found(struct fs_index *ix, const struct fs_name *name,
                   uint64_t bytes, uint64_t used_ns);

/* fs_index_settle ends the search for existing files and orders them by their
 * last use. Before it there are no victims. */
void fs_index_settle(struct fs_index *ix);

/* fs_index_hit marks a file as used and returns its counted bytes; 0: it is not
 * counted. */
uint64_t fs_index_hit(struct fs_index *ix, const struct fs_name *name);

/* fs_index_has returns whether a file is counted; fs_index_resize corrects its
 * bytes. */
bool fs_index_has(struct fs_index *ix, const struct fs_name *name);
void fs_index_resize(struct fs_index *ix, const struct fs_name *name,
                     uint64_t bytes);

/* fs_index_remove forgets a file; an unknown name is ignored. */
void fs_index_remove(struct fs_index *ix, const struct fs_name *name);

/* fs_index_victim names a file to evict. False: the counted bytes are within
 * the capacity, or no file is left. The file counts until fs_index_remove. */
bool fs_index_victim(struct fs_index *ix, unsigned digits, struct fs_name *out);

/* fs_index_oldest names a file to evict when the disk is full, whatever the
 * capacity, and its counted bytes. */
bool fs_index_oldest(struct fs_index *ix, unsigned digits, struct fs_name *out,
                     uint64_t *bytes);

/* fs_index_clear forgets all files; reservations stay. There are no victims
 * until the next fs_index_settle. */
void fs_index_clear(struct fs_index *ix);

void fs_index_stats(struct fs_index *ix, struct fs_index_stats *out);

#endif

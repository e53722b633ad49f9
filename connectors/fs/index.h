/* index.h -- which files there are, and which to evict, when a store has a
 * capacity. */

#ifndef FS_INDEX_H
#define FS_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "name.h"

struct fs_index;

struct fs_index_stats {
    uint64_t entries;
    uint64_t bytes;  /* of files, with what is being written */
    uint64_t memory; /* that the index itself takes */
};

struct fs_index *fs_index_new(uint64_t capacity);
void fs_index_free(struct fs_index *ix);

/* fs_index_footprint returns what a file of that size counts as: whole blocks
 * of 4 KiB, as it takes on most filesystems. */
uint64_t fs_index_footprint(uint64_t file_size);

/* fs_index_reserve counts bytes that are about to be written;
 * fs_index_release takes back what was not, or now counts as a file. */
void fs_index_reserve(struct fs_index *ix, uint64_t bytes);
void fs_index_release(struct fs_index *ix, uint64_t bytes);

/* fs_index_put counts a file as the youngest, in place of an older one of its
 * name, and releases what was reserved for it. -ENOMEM: it is not counted. */
int fs_index_put(struct fs_index *ix, const struct fs_name *name,
                 uint64_t bytes);

/* fs_index_found counts a file that was there before us, last used at that
 * time, unless its name is counted already. */
int fs_index_found(struct fs_index *ix, const struct fs_name *name,
                   uint64_t bytes, uint64_t used_ns);

/* fs_index_settle puts the found files into the order of their last use: all
 * have been found. There are no victims before. */
void fs_index_settle(struct fs_index *ix);

/* fs_index_hit marks a file as used and returns what it counts as; 0: it is not
 * counted. */
uint64_t fs_index_hit(struct fs_index *ix, const struct fs_name *name);

/* fs_index_has says whether a file is counted; fs_index_resize corrects what it
 * counts as. */
bool fs_index_has(struct fs_index *ix, const struct fs_name *name);
void fs_index_resize(struct fs_index *ix, const struct fs_name *name,
                     uint64_t bytes);

/* fs_index_remove forgets a file; unknown names do no harm. */
void fs_index_remove(struct fs_index *ix, const struct fs_name *name);

/* fs_index_victim names a file to evict while more than the capacity is
 * counted: false, it is not, or nothing is left to evict. The file counts
 * until fs_index_remove. */
bool fs_index_victim(struct fs_index *ix, unsigned digits, struct fs_name *out);

/* fs_index_oldest names a file to evict for want of disk, whatever is counted,
 * and what it counts as. */
bool fs_index_oldest(struct fs_index *ix, unsigned digits, struct fs_name *out,
                     uint64_t *bytes);

/* fs_index_clear forgets all files; what is reserved stays. As after new, there
 * are no victims before fs_index_settle. */
void fs_index_clear(struct fs_index *ix);

void fs_index_stats(struct fs_index *ix, struct fs_index_stats *out);

#endif

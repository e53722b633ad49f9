/* listing.h -- the file names of one directory, in the order of a scan. */

#ifndef FS_LISTING_H
#define FS_LISTING_H

#include "state.h"

struct fs_listing {
    struct fs_name *names; /* ordered by hash */
    size_t n, cap;

    /* Which names these are. */
    unsigned digits; /* of the directory's name */
    uint32_t directory;
    uint64_t from;       /* the least hash */
    uint32_t prefix_len; /* of the keys */
    char prefix[FS_NAME_MAX];

    /* Whether they may serve a later page. */
    struct stat st; /* of the directory, before it was read */
    bool steady;    /* a later change gives it another st_ctim */

    bool regular; /* all are regular files */
    size_t plain; /* so many of the first names are of files that were found
                     sound and without an expiry, or gone (trust.c) */
};

/* fs_listing_get lists the names in a directory whose hash is at least from and
 * that may hold a key with the item's prefix, or returns the listing that was
 * kept, if it still holds. NULL: no memory, or reading failed: *rc is a
 * negative errno. A directory that is missing or is no directory has no names.
 */
struct fs_listing *fs_listing_get(struct fs *fs, uint32_t directory,
                                  uint64_t from, const struct weir_item *item,
                                  int *rc);

/* fs_listing_keep keeps a listing for the next page of a scan, or frees it. The
 * store keeps one. */
void fs_listing_keep(struct fs *fs, struct fs_listing *list);

void fs_listing_free(struct fs_listing *list);

#endif

/* listing.c -- reads the names of a directory for a scan.
 *
 * A page of a scan ends in the middle of a directory. Without more, the next
 * page would read and sort the whole directory again: with 4000 files in it and
 * 512 keys a page, eight times. So the store keeps the last listing that was
 * not used up. It holds as long as the directory has the same change time,
 * which every new, removed or renamed file sets.
 *
 * The clock of a filesystem has a granularity, so two changes may have the same
 * time. A listing is only kept if the directory had not changed for
 * LISTING_STEADY_NS before it was read. */

#include "listing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "folder.h"

enum { LISTING_KEPT = 16384 }; /* names, 2.5 MiB */

#define LISTING_STEADY_NS 2000000000 /* FAT has the coarsest clock */

static int listing_add(struct fs_listing *list, const struct fs_name *name)
{
    if (list->n == list->cap) {
        size_t cap = list->cap ? list->cap * 2 : 64;
        struct fs_name *grown = realloc(list->names, cap * sizeof *grown);

        if (grown == NULL)
            return -ENOMEM;
        list->names = grown;
        list->cap = cap;
    }
    list->names[list->n++] = *name;
    return 0;
}

/* Returns whether a file of this name may hold a key with the prefix. */
static bool listing_may_match(const struct weir_item *item, const char *name)
{
    char key[FS_NAME_MAX];
    int n;

    if (item->key_len == 0)
        return true;
    n = fs_name_key(key, name);
    if (n < 0)
        return true;
    return (uint32_t)n >= item->key_len &&
           memcmp(key, item->key, item->key_len) == 0;
}

static int listing_by_hash(const void *a, const void *b)
{
    const struct fs_name *x = a, *y = b;

    return (x->hash > y->hash) - (x->hash < y->hash);
}

static int listing_read(struct fs_listing *list, DIR *dir,
                        const struct weir_item *item)
{
    struct dirent *entry;
    struct fs_name name;
    int rc = 0;

    while (rc == 0 && (errno = 0, entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] == '.' ||
            fs_name_of_file(&name, list->digits, entry->d_name) < 0 ||
            name.directory != list->directory)
            continue;
        if (name.hash < list->from || !listing_may_match(item, name.name))
            continue;
        rc = listing_add(list, &name);
        list->regular = list->regular && entry->d_type == DT_REG;
    }
    if (rc == 0)
        rc = -errno; /* of readdir */
    if (list->n > 0)
        qsort(list->names, list->n, sizeof *list->names, listing_by_hash);
    for (size_t i = 0; i < list->n; i++) /* they have been moved */
        list->names[i].name = list->names[i].path + list->digits + 1;
    return rc;
}

static void listing_path(const struct fs_listing *list, char out[16])
{
    snprintf(out, 16, "%0*x", (int)list->digits, list->directory);
}

static uint64_t listing_ns(const struct timespec *t)
{
    return (uint64_t)t->tv_sec * 1000000000 + (uint64_t)t->tv_nsec;
}

static int listing_open(struct fs *fs, struct fs_listing *list,
                        const struct weir_item *item)
{
    struct timespec now;
    char path[16];
    DIR *dir;
    int rc;

    listing_path(list, path);
    rc = fs_opendir(fs, path, &dir);
    /* Anything else in a directory's place holds no values: no link is
     * followed. */
    if (rc == -ENOENT || rc == -ELOOP || rc == -ENOTDIR)
        return 0;
    if (rc < 0)
        return rc;
    clock_gettime(CLOCK_REALTIME, &now);
    if (fstat(dirfd(dir), &list->st) == 0)
        list->steady = item->key_len <= sizeof list->prefix &&
                       listing_ns(&list->st.st_ctim) + LISTING_STEADY_NS <
                           listing_ns(&now);
    rc = listing_read(list, dir, item);
    closedir(dir);
    return rc;
}

static struct fs_listing *listing_new(struct fs *fs, uint32_t directory,
                                      uint64_t from,
                                      const struct weir_item *item, int *rc)
{
    struct fs_listing *list = calloc(1, sizeof *list);

    *rc = -ENOMEM;
    if (list == NULL)
        return NULL;
    list->digits = fs->digits;
    list->directory = directory;
    list->from = from;
    list->regular = true;
    list->prefix_len = item->key_len;
    if (item->key_len <= sizeof list->prefix)
        memcpy(list->prefix, item->key, item->key_len);
    *rc = listing_open(fs, list, item);
    if (*rc == 0)
        return list;
    fs_listing_free(list);
    return NULL;
}

/* Returns whether a kept listing is the one that would be read now. */
static bool listing_holds(struct fs *fs, const struct fs_listing *list,
                          uint32_t directory, uint64_t from,
                          const struct weir_item *item)
{
    const struct stat *was = &list->st;
    char path[16];
    struct stat now;

    if (list->digits != fs->digits || list->directory != directory ||
        list->from > from || list->prefix_len != item->key_len ||
        memcmp(list->prefix, item->key, item->key_len) != 0)
        return false;
    listing_path(list, path);
    return fstatat(fs->root, path, &now, AT_SYMLINK_NOFOLLOW) == 0 &&
           now.st_ino == was->st_ino && now.st_dev == was->st_dev &&
           listing_ns(&now.st_ctim) == listing_ns(&was->st_ctim);
}

struct fs_listing *fs_listing_get(struct fs *fs, uint32_t directory,
                                  uint64_t from, const struct weir_item *item,
                                  int *rc)
{
    struct fs_listing *kept = atomic_exchange(&fs->listing, NULL);

    *rc = 0;
    if (kept != NULL && listing_holds(fs, kept, directory, from, item))
        return kept;
    fs_listing_free(kept);
    return listing_new(fs, directory, from, item, rc);
}

void fs_listing_keep(struct fs *fs, struct fs_listing *list)
{
    if (list->steady && list->n <= LISTING_KEPT)
        list = atomic_exchange(&fs->listing, list);
    fs_listing_free(list);
}

void fs_listing_free(struct fs_listing *list)
{
    if (list == NULL)
        return;
    free(list->names);
    free(list);
}

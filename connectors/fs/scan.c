/* scan.c -- pages of the keys that begin with a prefix.
 *
 * A scan goes through the file names in the order of their hashes, which also
 * gives the directory. A cursor is the next hash to visit. So the store keeps
 * no state for a scan, keys may be set and deleted meanwhile, and a key that
 * stays is listed exactly once. Each page reads its directories anew.
 *
 * A readable name whose key does not begin with the prefix is skipped. Of the
 * others the size and expiry are known (known.c), or the file is opened for
 * them, so that a scan lists what a get would find. A page ends after SCAN_WORK
 * even if it found little. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "entry.h"
#include "folder.h"
#include "ops.h"
#include "read.h"
#include "watch.h"

enum {
    SCAN_KEYS = 1024,  /* of a page, unless the caller asks for a number */
    SCAN_WORK = 16384, /* of a page: files opened; a directory counts as 16 */
    SCAN_WORK_DIRECTORY = 16,
    SCAN_PAGE_BYTES = 4 << 20,
    SCAN_SPAN = 512, /* enough for a trailer and most keys */
};

struct scan_row {
    uint64_t hash;
    char name[FS_NAME_MAX + 1];
};

/* The names of one directory that a page may list. */
struct scan_list {
    struct scan_row *rows;
    size_t n, cap;
};

struct scan_job {
    struct weir_item *item;
    struct weir_page page;
    uint64_t keys; /* the most that the page may have */
    uint64_t cursor;
    int64_t work; /* left */
};

static int scan_push(struct scan_list *list, const struct fs_name *name)
{
    if (list->n == list->cap) {
        size_t cap = list->cap ? list->cap * 2 : 64;
        struct scan_row *grown = realloc(list->rows, cap * sizeof *grown);

        if (grown == NULL)
            return -ENOMEM;
        list->rows = grown;
        list->cap = cap;
    }
    list->rows[list->n].hash = name->hash;
    strcpy(list->rows[list->n].name, name->name);
    list->n++;
    return 0;
}

/* Returns whether a file of this name may hold a key with the prefix. */
static bool scan_may_match(const struct weir_item *item, const char *name)
{
    char key[FS_NAME_MAX];
    int n = fs_name_key(key, name);

    if (n < 0)
        return true;
    return (uint32_t)n >= item->key_len &&
           memcmp(key, item->key, item->key_len) == 0;
}

static int scan_by_hash(const void *a, const void *b)
{
    const struct scan_row *x = a, *y = b;

    return (x->hash > y->hash) - (x->hash < y->hash);
}

/* Lists a directory's names from the cursor on, ordered by hash. */
static int scan_list(struct fs *fs, const struct scan_job *job,
                     const char *directory, struct scan_list *list)
{
    struct dirent *entry;
    struct fs_name name;
    DIR *dir;
    int rc = fs_opendir(fs, directory, &dir);

    /* Anything else in a directory's place holds no values: no link is
     * followed. */
    if (rc == -ENOENT || rc == -ELOOP || rc == -ENOTDIR)
        return 0;
    if (rc < 0)
        return rc;
    while (rc == 0 && (errno = 0, entry = readdir(dir)) != NULL) {
        if (fs_name_of_file(&name, fs->digits, entry->d_name) < 0 ||
            strncmp(name.path, directory, fs->digits) != 0)
            continue;
        if (name.hash >= job->cursor && scan_may_match(job->item, name.name))
            rc = scan_push(list, &name);
    }
    if (rc == 0)
        rc = -errno; /* of readdir */
    closedir(dir);
    if (list->n > 0)
        qsort(list->rows, list->n, sizeof *list->rows, scan_by_hash);
    return rc;
}

/* Adds a file whose facts are known. False: it must be opened. */
static bool scan_add_known(struct fs *fs, struct scan_job *job,
                           const struct fs_name *name, int *rc)
{
    char key[FS_NAME_MAX];
    struct fs_fact fact;
    int n;

    if (fs->known == NULL ||
        fs_known_find(fs->known, name, &fact, NULL) != FS_KNOWN_FILE ||
        fs_read_is_expired(&fact))
        return false;
    n = fs_name_key(key, name->name);
    if (n < 0)
        return false;
    *rc = weir_page_add(&job->page, key, (uint32_t)n, fact.size,
                        fs_entry_ttl(fact.expires_ms));
    return true;
}

/* Adds the key of a file to the page, if it is one and has the prefix. */
static int scan_add(struct fs_session *s, struct scan_job *job,
                    const struct scan_row *row)
{
    const struct weir_item *item = job->item;
    struct fs_name name, again;
    struct fs_entry e;
    int rc;

    fs_name_of_file(&name, s->fs->digits, row->name);
    if (scan_add_known(s->fs, job, &name, &rc))
        return rc;
    rc = fs_entry_open(s, &name, O_RDONLY, SCAN_SPAN, &e);
    if (rc != FS_FOUND)
        return rc < 0 ? rc : 0;
    fs_name_of_key(&again, s->fs->digits, e.key, e.trailer.key_len);
    if (strcmp(again.path, name.path) != 0) {
        fs_entry_close(&e);
        return 0;
    }
    if (e.trailer.key_len >= item->key_len &&
        memcmp(e.key, item->key, item->key_len) == 0)
        rc = weir_page_add(&job->page, e.key, e.trailer.key_len,
                           e.trailer.value_len,
                           fs_entry_ttl(e.trailer.expires_ms));
    fs_entry_learn(s, &name, &e, false);
    fs_watch_miss(s->fs, &name);
    return rc;
}

static bool scan_full(const struct scan_job *job)
{
    return job->page.keys >= job->keys || job->page.size >= SCAN_PAGE_BYTES ||
           job->work <= 0;
}

/* Lists a directory's files until the page is full (1) and moves the cursor.
 * Files with the same hash go on the same page. */
static int scan_rows(struct fs_session *s, struct scan_job *job,
                     const struct scan_list *list)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < list->n; i++) {
        if (scan_full(job) && list->rows[i].hash >= job->cursor)
            return 1;
        rc = scan_add(s, job, &list->rows[i]);
        job->work--;
        job->cursor = list->rows[i].hash + 1;
    }
    return rc;
}

static int scan_directory(struct fs_session *s, struct scan_job *job)
{
    unsigned digits = s->fs->digits;
    uint32_t number = fs_name_directory(job->cursor, digits);
    struct scan_list list = {0};
    char directory[16];
    int rc;

    snprintf(directory, sizeof directory, "%0*x", (int)digits, number);
    rc = scan_list(s->fs, job, directory, &list);
    if (rc == 0)
        rc = scan_rows(s, job, &list);
    free(list.rows);
    if (rc != 0)
        return rc;
    job->work -= SCAN_WORK_DIRECTORY;
    job->cursor = (uint64_t)(number + 1) << (64 - 4 * digits);
    return 0;
}

void fs_scan(struct fs_session *s, struct weir_call *call,
             struct weir_item *item)
{
    struct scan_job job = {
        .item = item,
        .keys = item->cap ? item->cap : SCAN_KEYS,
        .cursor = item->cursor,
        .work = SCAN_WORK,
    };
    int rc;

    do {
        rc = scan_directory(s, &job);
    } while (rc == 0 && job.cursor != 0 && !scan_full(&job) &&
             weir_call_stopped(call) == 0);
    if (rc < 0) {
        free(job.page.data);
        fs_fail(call, item, -rc, "listing", s->fs->config->path);
        return;
    }
    weir_page_answer(call, item, &job.page, job.cursor);
}

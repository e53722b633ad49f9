/* scan.c -- pages of the keys that begin with a prefix.
 *
 * A scan goes through the file names in the order of their hashes, which also
 * gives the directory. A cursor is the next hash to visit. So a scan has no
 * state in the store, keys may be set and deleted meanwhile, and a key that
 * stays is listed exactly once. The names come from listing.c.
 *
 * A readable name whose key does not begin with the prefix is skipped. Of the
 * others the size and expiry are known (known.c), or the directory is trusted
 * to have only sound files that never expire (trust.c): then the size stays
 * unknown. Otherwise the file is opened, so that a scan lists what a get would
 * find. That takes four system calls a file, 7 us CPU time, where the rest of a
 * scan takes less than 1 us. A page ends after SCAN_WORK even if it found
 * little. */

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "entry.h"
#include "folder.h"
#include "listing.h"
#include "ops.h"
#include "read.h"
#include "trust.h"
#include "watch.h"

enum {
    SCAN_KEYS = 1024,  /* of a page, unless the caller asks for a number */
    SCAN_WORK = 16384, /* of a page: files opened; a directory counts as 16 */
    SCAN_WORK_DIRECTORY = 16,
    SCAN_PAGE_BYTES = 4 << 20,
    SCAN_SPAN = 512, /* enough for a trailer and most keys */
};

struct scan_job {
    struct weir_item *item;
    struct weir_page page;
    uint64_t keys; /* the most that the page may have */
    uint64_t cursor;
    uint64_t start; /* the cursor at the beginning of a directory */
    bool trusted;   /* the directory is */
    int64_t work;   /* left */
};

/* Adds a file whose facts are known, or which is sound and never expires.
 * False: it must be opened. */
static bool scan_add_unopened(struct fs *fs, struct scan_job *job,
                              const struct fs_name *name, bool *plain, int *rc)
{
    struct fs_fact fact = {.size = UINT64_MAX};
    char key[FS_NAME_MAX];
    bool known;
    int n;

    known = fs->known != NULL &&
            fs_known_find(fs->known, name, &fact, NULL) == FS_KNOWN_FILE;
    if ((!known && !job->trusted) || fs_read_is_expired(&fact))
        return false;
    n = fs_name_key(key, name->name);
    if (n < 0)
        return false;
    *plain = fact.expires_ms == 0;
    *rc = weir_page_add(&job->page, key, (uint32_t)n, fact.size,
                        fs_entry_ttl(fact.expires_ms));
    return true;
}

/* Opens a file and adds its key to the page, if it is one and has the prefix.
 */
static int scan_add_opened(struct fs_session *s, struct scan_job *job,
                           const struct fs_name *name, bool *plain)
{
    const struct weir_item *item = job->item;
    struct fs_name again;
    struct fs_entry e;
    int rc = fs_entry_open(s, name, O_RDONLY, SCAN_SPAN, &e);

    *plain = rc == FS_ABSENT;
    if (rc != FS_FOUND)
        return rc < 0 ? rc : 0;
    fs_name_of_key(&again, s->fs->digits, e.key, e.trailer.key_len);
    if (strcmp(again.path, name->path) != 0) {
        fs_entry_close(&e);
        return 0;
    }
    *plain = e.trailer.expires_ms == 0;
    if (e.trailer.key_len >= item->key_len &&
        memcmp(e.key, item->key, item->key_len) == 0)
        rc = weir_page_add(&job->page, e.key, e.trailer.key_len,
                           e.trailer.value_len,
                           fs_entry_ttl(e.trailer.expires_ms));
    fs_entry_learn(s, name, &e, false);
    fs_watch_miss(s->fs, name);
    return rc;
}

static bool scan_full(const struct scan_job *job)
{
    return job->page.keys >= job->keys || job->page.size >= SCAN_PAGE_BYTES ||
           job->work <= 0;
}

/* Lists a directory's files until the page is full (1) and moves the cursor.
 * Files with the same hash go on the same page. */
static int scan_names(struct fs_session *s, struct scan_job *job,
                      struct fs_listing *list)
{
    bool plain;
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < list->n; i++) {
        const struct fs_name *name = &list->names[i];

        if (name->hash < job->start)
            continue;
        if (scan_full(job) && name->hash >= job->cursor)
            return 1;
        if (!scan_add_unopened(s->fs, job, name, &plain, &rc))
            rc = scan_add_opened(s, job, name, &plain);
        list->plain += plain && list->plain == i;
        job->work--;
        job->cursor = name->hash + 1;
    }
    return rc;
}

/* Returns whether a listing that has been used up has shown that the directory
 * may be trusted. It must have been the whole directory. */
static bool scan_may_trust(const struct fs_listing *list)
{
    uint64_t first = (uint64_t)list->directory << (64 - 4 * list->digits);

    return list->regular && list->n > 0 && list->plain == list->n &&
           list->from == first && list->prefix_len == 0;
}

static int scan_directory(struct fs_session *s, struct scan_job *job)
{
    unsigned digits = s->fs->digits;
    uint32_t number = fs_name_directory(job->cursor, digits);
    struct fs_listing *list;
    int rc;

    job->start = job->cursor;
    list = fs_listing_get(s->fs, number, job->start, job->item, &rc);
    if (list == NULL)
        return rc;
    job->trusted =
        list->regular && list->n > 0 && fs_trust_has(s->fs, number, &list->st);
    rc = scan_names(s, job, list);
    if (rc == 0 && !job->trusted && scan_may_trust(list))
        fs_trust_give(s->fs, number, &list->st);
    if (rc == 1)
        fs_listing_keep(s->fs, list);
    else
        fs_listing_free(list);
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

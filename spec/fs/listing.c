/* listing.c -- the pages of a scan share the names of a directory, as long as
 * it does not change. */

#include "harness.h"

#include <stdatomic.h>
#include <sys/syscall.h>

enum { KEYS = 300, PAGE = 4, DIRECTORIES = 16 };

static atomic_uint names_read;
static atomic_int seconds_later;

#define SHIM __attribute__((visibility("default")))

/* These stand in front of libc's. */
SHIM struct dirent *readdir(DIR *dir)
{
    struct dirent64 *entry = readdir64(dir);

    names_read += entry != NULL;
    return (struct dirent *)entry;
}

SHIM int clock_gettime(clockid_t clock, struct timespec *out)
{
    int rc = (int)syscall(SYS_clock_gettime, clock, out);

    if (clock == CLOCK_REALTIME)
        out->tv_sec += seconds_later;
    return rc;
}

static unsigned met[KEYS * 2];

/* Scans a page and counts its keys; returns the cursor of the next. */
static uint64_t scan_page(struct client *c, uint64_t cursor)
{
    struct weir_scan_entry entry;
    char key[32];
    unsigned i;

    client_start(c, WEIR_SCAN, "key-", 4);
    c->item->cap = PAGE;
    c->item->cursor = cursor;
    CHECK(client_run(c) == WEIR_OK);
    for (uint64_t at = 0; at < c->item->value->size;) {
        memcpy(&entry, c->item->value->data + at, sizeof entry);
        CHECK(entry.key_len < sizeof key);
        memcpy(key, c->item->value->data + at + sizeof entry, entry.key_len);
        key[entry.key_len] = '\0';
        CHECK(sscanf(key, "key-%u", &i) == 1 && i < KEYS * 2);
        met[i]++;
        at += sizeof entry + ((entry.key_len + 7) & ~7u);
    }
    return c->item->cursor;
}

static void scan_rest(struct client *c, uint64_t cursor)
{
    while (cursor != 0)
        cursor = scan_page(c, cursor);
}

/* Scans all, and checks that each of the first keys is met once. */
static void scan_meets(struct client *c, unsigned keys)
{
    memset(met, 0, sizeof met);
    scan_rest(c, scan_page(c, 0));
    for (unsigned i = 0; i < keys; i++)
        CHECK(met[i] == 1);
}

static void fill(struct client *c, unsigned from, unsigned to)
{
    char key[32];

    for (unsigned i = from; i < to; i++) {
        snprintf(key, sizeof key, "key-%u", i);
        CHECK(client_set(c, key, "v", 1) == WEIR_OK);
    }
}

/* Returns how many names are read for a scan of all. */
static unsigned names_of_scan(struct client *c)
{
    names_read = 0;
    scan_meets(c, KEYS);
    return names_read;
}

/* A directory that has not changed for long is read once for all its pages. */
static void reads_once(struct client *c)
{
    scan_meets(c, KEYS); /* it makes the store list the directories, too */
    seconds_later = 10;
    CHECK(names_of_scan(c) <= KEYS + 4 * DIRECTORIES);
    seconds_later = -10;
    CHECK(names_of_scan(c) > KEYS + 4 * DIRECTORIES);
    seconds_later = 10;
}

/* A scan that was left leaves names. A later scan does not miss the keys that
 * were set since. */
static void changes(struct client *c, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i += 10) {
        scan_page(c, 0);
        fill(c, i, i + 10);
        scan_meets(c, i + 10);
    }
}

/* Names that were read from the middle of a directory on do not serve a scan
 * that begins before. */
static void begins_in_the_middle(struct client *c)
{
    uint64_t cursor;

    seconds_later = -10;
    cursor = scan_page(c, 0);
    seconds_later = 10;
    scan_page(c, cursor);
    scan_meets(c, KEYS);
}

/* Keys that were there from the beginning are met once, although the directory
 * changes between the pages. */
static void changes_between(struct client *c)
{
    uint64_t cursor;

    memset(met, 0, sizeof met);
    cursor = scan_page(c, 0);
    for (unsigned i = 0; cursor != 0; i++) {
        CHECK(client_set(c, i % 2 ? "other-a" : "other-b", "v", 1) == WEIR_OK);
        CHECK(client_do(c, WEIR_DELETE, i % 2 ? "other-b" : "other-a") >= 0);
        cursor = scan_page(c, cursor);
    }
    for (unsigned i = 0; i < KEYS; i++)
        CHECK(met[i] == 1);
}

int main(void)
{
    struct client c;

    folder_make();
    c = open_fs(folder_sub("a"), "fanout=16", NULL);
    fill(&c, 0, KEYS);
    reads_once(&c);
    begins_in_the_middle(&c);
    changes_between(&c);
    changes(&c, KEYS, KEYS * 2);
    close_fs(&c);
    return 0;
}

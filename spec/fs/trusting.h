/* trusting.h -- what trusted.c and sealed.c share: scans of a folder that say
 * of which files the size was known. A scan does not know it of a file that it
 * did not open. Each step runs in a process of its own, which has the folder
 * just opened. */

#ifndef FS_TRUSTING_H
#define FS_TRUSTING_H

#include <stdbool.h>

#include "harness.h"

enum { KEYS = 200, LATE = 30 };

/* What a scan listed: of the keys key-000 and so on, and of all others. */
struct listed {
    unsigned known, unknown; /* keys whose size is known, or not */
    unsigned timed;          /* keys with an expiry */
    unsigned others, others_known;
    bool key[KEYS];
};

static const char *folder;  /* of the present test */
static const char *options; /* of the next processes */

static inline pid_t begin(void (*step)(struct client *c))
{
    pid_t pid = fork();

    CHECK(pid >= 0);
    if (pid == 0) {
        struct client c;

        alarm(100);
        c = open_fs(folder_sub(folder), options, NULL);
        step(&c);
        close_fs(&c);
        _exit(0);
    }
    return pid;
}

static inline int end(pid_t pid)
{
    int status;

    CHECK(waitpid(pid, &status, 0) == pid);
    return status;
}

static inline void in_process(void (*step)(struct client *c))
{
    CHECK(end(begin(step)) == 0);
}

static inline const char *key_of(int i)
{
    static char key[16];

    snprintf(key, sizeof key, "key-%03d", i);
    return key;
}

static inline void list(struct listed *l, const struct weir_scan_entry *entry,
                        const char *bytes)
{
    bool known = entry->size != UINT64_MAX;
    char key[512] = "";
    int i;

    CHECK(entry->key_len < sizeof key);
    memcpy(key, bytes, entry->key_len);
    if (sscanf(key, "key-%d", &i) != 1) {
        l->others++;
        l->others_known += known;
        return;
    }
    CHECK(i >= 0 && i < KEYS && !l->key[i]);
    CHECK(!known || entry->size == 7);
    l->key[i] = true;
    l->known += known;
    l->unknown += !known;
    l->timed += entry->ttl_ms != 0;
}

/* Adds a page to what is listed; returns the next cursor. */
static inline uint64_t scan_page(struct client *c, struct listed *l,
                                 uint64_t cursor, uint64_t keys)
{
    client_start(c, WEIR_SCAN, "", 0);
    c->item->cap = keys;
    c->item->cursor = cursor;
    CHECK(client_run(c) == WEIR_OK);
    for (uint64_t at = 0; at < c->item->value->size;) {
        struct weir_scan_entry entry;
        const char *bytes = c->item->value->data + at;

        memcpy(&entry, bytes, sizeof entry);
        list(l, &entry, bytes + sizeof entry);
        at += sizeof entry + ((entry.key_len + 7) & ~7u);
    }
    return c->item->cursor;
}

static inline struct listed scan(struct client *c)
{
    struct listed l = {0};
    uint64_t cursor = 0;

    while ((cursor = scan_page(c, &l, cursor, 1000)) != 0)
        ;
    return l;
}

static inline bool is_all(const struct listed *l)
{
    return l->known + l->unknown == KEYS;
}

static inline void sets(struct client *c)
{
    for (int i = 0; i < KEYS; i++)
        CHECK(client_set(c, key_of(i), "a value", 7) == WEIR_OK);
}

static inline int set_timed(struct client *c, const char *key, uint64_t ttl_ms)
{
    client_start(c, WEIR_SET, key, strlen(key));
    c->item->data = (char *)"a value";
    c->item->size = 7;
    c->item->ttl_ms = ttl_ms;
    return client_run(c);
}

static inline void opens_none(struct client *c)
{
    struct listed l = scan(c);

    CHECK(is_all(&l) && l.known == 0);
}

static inline void opens_all(struct client *c)
{
    struct listed l = scan(c);

    CHECK(is_all(&l) && l.unknown == 0);
}

/* About one directory in sixteen. */
static inline void opens_some(struct client *c)
{
    struct listed l = scan(c);

    CHECK(l.known > 0 && l.known < KEYS / 4);
    CHECK(l.unknown > KEYS / 2);
}

static inline void make(const char *name)
{
    folder = name;
    options = "fanout=16";
    in_process(sets);
    options = NULL;
}

#endif

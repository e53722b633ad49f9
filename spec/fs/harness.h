/* harness.h -- what the test programs of fs share: a folder that goes away, a
 * store over it, and verbs for one key that wait for their answer. */
#ifndef FS_HARNESS_H
#define FS_HARNESS_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "weir.h"

#include "../check.h"

#define SECOND 1000000000ull

static char folder_path[64];
static pid_t folder_maker;

static inline int folder_unlink(const char *path, const struct stat *st,
                                int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static inline void folder_remove(void)
{
    if (getpid() == folder_maker)
        nftw(folder_path, folder_unlink, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

/* folder_make makes a folder that goes away with the program, and bounds the
 * program's time: whatever hangs is a failure that says so. */
static inline const char *folder_make(void)
{
    alarm(200);
    strcpy(folder_path, "/tmp/weir-fs-XXXXXX");
    CHECK(mkdtemp(folder_path) != NULL);
    folder_maker = getpid();
    atexit(folder_remove);
    return folder_path;
}

/* folder_sub names a path below the folder. */
static inline const char *folder_sub(const char *name)
{
    static _Thread_local char path[8][256];
    static _Thread_local unsigned turn;
    char *out = path[turn++ % 8];

    snprintf(out, sizeof path[0], "%s/%s", folder_path, name);
    return out;
}

/* try_open opens a store with "name=value" options. */
static inline int try_open(struct weir_store **out, struct weir_error *err,
                           const char *path, va_list options)
{
    struct weir_setting settings[16];
    char words[16][128];
    const char *option;
    size_t n = 0;

    settings[n++] = (struct weir_setting){"path", path};
    while ((option = va_arg(options, const char *)) != NULL) {
        char *equals;

        snprintf(words[n], sizeof words[n], "%s", option);
        equals = strchr(words[n], '=');
        *equals = '\0';
        settings[n] = (struct weir_setting){words[n], equals + 1};
        n++;
    }
    return weir_open(out, "fs", settings, n, err);
}

/* open_error returns what opening fails with. */
static inline int open_error(struct weir_error *err, const char *path, ...)
{
    struct weir_store *store;
    va_list args;
    int rc;

    va_start(args, path);
    rc = try_open(&store, err, path, args);
    va_end(args);
    if (rc == 0)
        weir_store_free(store);
    return rc;
}

/* What a thread needs to use a store: a queue and a batch of one. */
struct client {
    struct weir_store *store;
    struct weir_cq *cq;
    struct weir_batch *batch;
    struct weir_item *item;
};

static inline struct client client_new(struct weir_store *store)
{
    struct client c = {.store = store, .batch = weir_batch_new(1)};

    CHECK(c.batch != NULL && weir_cq_new(&c.cq) == 0);
    c.item = c.batch->items;
    return c;
}

static inline void client_free(struct client *c)
{
    weir_batch_free(c->batch);
    weir_cq_free(c->cq);
}

static inline struct client open_fs(const char *path, ...)
{
    struct weir_store *store;
    struct weir_error err;
    va_list args;

    va_start(args, path);
    if (try_open(&store, &err, path, args) < 0) {
        fprintf(stderr, "%s\n", err.message);
        exit(1);
    }
    va_end(args);
    return client_new(store);
}

static inline void close_fs(struct client *c)
{
    client_free(c);
    weir_store_free(c->store);
}

static inline void client_start(struct client *c, int op, const void *key,
                                size_t key_len)
{
    CHECK(weir_batch_reset(c->batch, (uint32_t)op, 1) == 0);
    c->item->key = key;
    c->item->key_len = (uint32_t)key_len;
}

/* client_run submits and waits; returns the status. */
static inline int client_run(struct client *c)
{
    int rc = weir_submit(c->store, c->cq, c->batch);
    struct weir_batch *done;

    CHECK(rc == 0 || rc == 1);
    while (rc == 0 && weir_cq_drain(c->cq, &done, 1) == 0)
        CHECK(weir_cq_wait(c->cq, 60 * SECOND) == 1);
    return c->item->status;
}

/* client_do does an op that needs a key alone. */
static inline int client_do(struct client *c, int op, const char *key)
{
    client_start(c, op, key, strlen(key));
    return client_run(c);
}

static inline int client_set(struct client *c, const char *key,
                             const void *value, size_t size)
{
    client_start(c, WEIR_SET, key, strlen(key));
    c->item->data = (char *)value;
    c->item->size = size;
    return client_run(c);
}

/* client_is says whether a get answers exactly these bytes. */
static inline int client_is(struct client *c, const char *key,
                            const void *value, size_t size)
{
    return client_do(c, WEIR_GET, key) == WEIR_OK &&
           c->item->value->size == size &&
           memcmp(c->item->value->data, value, size) == 0;
}

static inline uint64_t gauge(struct weir_store *store, const char *name)
{
    struct weir_gauge all[32];
    size_t n = weir_store_gauges(store, all, 32);

    for (size_t i = 0; i < n; i++) {
        if (strcmp(all[i].name, name) == 0)
            return all[i].value;
    }
    fprintf(stderr, "no gauge %s\n", name);
    exit(1);
}

/* recovered waits until a store knows what is in its folder. */
static inline void recovered(struct weir_store *store)
{
    uint64_t until = weir_now() + 60 * SECOND;

    while (gauge(store, "recovering") && weir_now() < until)
        usleep(1000);
    CHECK(gauge(store, "recovering") == 0);
}

/* only_file finds the one value in a store's folder. */
static char only_path[512];

static inline int only_visit(const char *path, const struct stat *st, int flag,
                             struct FTW *ftw)
{
    (void)st;
    (void)flag;
    if (strstr(path, "/.weir"))
        return 0;
    if (ftw->level == 2)
        snprintf(only_path, sizeof only_path, "%s", path);
    return 0;
}

static inline const char *only_file(const char *folder)
{
    only_path[0] = '\0';
    nftw(folder, only_visit, 16, FTW_PHYS);
    CHECK(only_path[0] != '\0');
    return only_path;
}

/* file_read and file_write handle whole files behind the store's back. */
static inline size_t file_read(const char *path, char *out, size_t cap)
{
    int fd = open(path, O_RDONLY);
    ssize_t n = read(fd, out, cap);

    CHECK(fd >= 0 && n >= 0);
    close(fd);
    return (size_t)n;
}

static inline void file_write(const char *path, const char *bytes, size_t n)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    CHECK(fd >= 0 && write(fd, bytes, n) == (ssize_t)n);
    close(fd);
}

static inline int file_is(const char *path, const char *bytes, size_t n)
{
    char is[256];

    return file_read(path, is, sizeof is) == n && memcmp(is, bytes, n) == 0;
}

/* A value that says whose it is: everything in it follows from its number and
 * its length. */
static inline void telling_fill(char *out, size_t size, uint64_t number)
{
    uint64_t state = number;

    CHECK(size >= 16);
    memcpy(out, &number, 8);
    memcpy(out + 8, &size, 8);
    for (size_t i = 16; i < size; i += 8) {
        uint64_t x = random_next(&state);

        memcpy(out + i, &x, size - i < 8 ? size - i : 8);
    }
}

static inline int telling_sound(const char *bytes, size_t size)
{
    uint64_t number, said;
    char *again;
    int sound;

    if (size < 16)
        return 0;
    memcpy(&number, bytes, 8);
    memcpy(&said, bytes + 8, 8);
    if (said != size)
        return 0;
    again = malloc(size);
    CHECK(again != NULL);
    telling_fill(again, size, number);
    sound = memcmp(again, bytes, size) == 0;
    free(again);
    return sound;
}

#endif

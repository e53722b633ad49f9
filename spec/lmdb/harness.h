/* harness.h -- what the test programs of lmdb share: a folder that goes away, a
 * store over it, verbs that wait for their answer, and values that tell whether
 * they are whole. */
#ifndef LMDB_HARNESS_H
#define LMDB_HARNESS_H

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "weir.h"

#include "../check.h"

#define SECOND 1000000000ull

enum { BATCH = 64 };

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
        nftw(folder_path, folder_unlink, 16, FTW_DEPTH | FTW_PHYS);
}

/* folder_make makes a folder that goes away with the program, and bounds the
 * program's time. */
static inline const char *folder_make(void)
{
    alarm(200);
    strcpy(folder_path, "/tmp/weir-lmdb-XXXXXX");
    CHECK(mkdtemp(folder_path) != NULL);
    folder_maker = getpid();
    atexit(folder_remove);
    return folder_path;
}

/* What a thread needs to use a store: a queue and a batch. */
struct client {
    struct weir_store *store;
    struct weir_cq *cq;
    struct weir_batch *batch;
};

/* open_store returns 0, or the negative errno that opening fails with. */
static inline int open_store(struct client *c, const char *options,
                             struct weir_error *err)
{
    char url[200];
    int rc;

    snprintf(url, sizeof url, "lmdb://%s?%s", folder_path, options);
    rc = weir_open(&c->store, url, NULL, 0, err);
    if (rc < 0)
        return rc;
    c->batch = weir_batch_new(BATCH);
    CHECK(c->batch != NULL && weir_cq_new(&c->cq) == 0);
    return 0;
}

static inline struct client open_lmdb(const char *options)
{
    struct weir_error err;
    struct client c;

    if (open_store(&c, options, &err) < 0) {
        fprintf(stderr, "%s\n", err.message);
        exit(1);
    }
    return c;
}

static inline void close_lmdb(struct client *c)
{
    weir_batch_free(c->batch);
    weir_cq_free(c->cq);
    weir_store_free(c->store);
}

/* client_run submits the batch and waits. */
static inline void client_run(struct client *c)
{
    int rc = weir_submit(c->store, c->cq, c->batch);
    struct weir_batch *done;

    CHECK(rc == 0 || rc == 1);
    while (rc == 0 && weir_cq_drain(c->cq, &done, 1) == 0)
        CHECK(weir_cq_wait(c->cq, 60 * SECOND) == 1);
}

/* client_do does an op on one key and returns its status. */
static inline int client_do(struct client *c, uint32_t op, const char *key,
                            const char *value, size_t size)
{
    CHECK(weir_batch_reset(c->batch, op, 1) == 0);
    c->batch->items[0].key = key;
    c->batch->items[0].key_len = (uint32_t)strlen(key);
    c->batch->items[0].data = (char *)value;
    c->batch->items[0].size = size;
    client_run(c);
    return c->batch->items[0].status;
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

/* A value of which every byte follows from its first 8, a number, and from its
 * size, which is at least 16. */
static inline void telling_fill(char *out, size_t size, uint64_t number)
{
    uint64_t state = number ^ size;

    memcpy(out, &number, 8);
    for (size_t i = 8; i < size; i += 8) {
        uint64_t x = random_next(&state);

        memcpy(out + i, &x, size - i < 8 ? size - i : 8);
    }
}

/* telling_number returns the number of a value, which must be whole. */
static inline uint64_t telling_number(const struct weir_value *v)
{
    char *again = malloc(v->size);
    uint64_t number;

    CHECK(again != NULL && v->size >= 16);
    memcpy(&number, v->data, 8);
    telling_fill(again, v->size, number);
    CHECK(memcmp(again, v->data, v->size) == 0);
    free(again);
    return number;
}

#endif

/* known.c -- what fs answers without asking the filesystem is what the
 * filesystem would answer, whoever changed it: this store, another store, or a
 * program that knows nothing of weir. */

#include <fcntl.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "../descriptors.h"
#include "harness.h"

enum { KEYS = 40, SIZE = 3000, DIRECTORIES = 16 };
enum { OPEN_MOST = 512 }; /* files that are kept open, of 2048 */
enum { TURNS = SANITIZED ? 3000 : 10000, RENAMES_MOST = 40000 };

static const char options[] = "fanout=16";

static void key_of(char *key, int i)
{
    snprintf(key, 16, "key-%d", i);
}

/* Returns whether an op was answered by weir_submit itself. */
static bool is_quick(struct client *c, int op, const char *key)
{
    client_start(c, op, key, strlen(key));
    if (weir_submit(c->store, c->cq, c->batch) == 1)
        return true;
    for (struct weir_batch *done; weir_cq_drain(c->cq, &done, 1) == 0;)
        CHECK(weir_cq_wait(c->cq, 60 * SECOND) == 1);
    return false;
}

/* Looks at the first n keys until the store answers for them by itself. */
static void warm_keys(struct client *c, int op, int n)
{
    uint64_t until = weir_now() + 60 * SECOND;
    bool quick = false;
    char key[16];

    while (!quick) {
        CHECK(weir_now() < until);
        quick = true;
        for (int i = 0; i < n; i++) {
            key_of(key, i);
            quick &= is_quick(c, op, key);
        }
    }
}

static void warm(struct client *c, int op)
{
    warm_keys(c, op, KEYS);
}

static void set_keys(struct client *c, int n)
{
    static char value[SIZE];
    char key[16];

    for (int i = 0; i < n; i++) {
        key_of(key, i);
        CHECK(client_set(c, key, value, SIZE) == WEIR_OK);
    }
}

static void set_all(struct client *c)
{
    set_keys(c, KEYS);
}

/* Writes the path of a key's file. */
static void path_of(char *path, const char *folder, const char *key)
{
    struct stat st;

    for (int i = 0; i < DIRECTORIES; i++) {
        snprintf(path, 300, "%s/%x/%s", folder, (unsigned)i, key);
        if (stat(path, &st) == 0)
            return;
    }
    CHECK(!"the file is there");
}

static void answers_at_submit(void)
{
    struct client c = open_fs(folder_sub("a"), options, NULL);

    set_all(&c);
    warm(&c, WEIR_EXISTS);
    CHECK(client_do(&c, WEIR_EXISTS, "key-1") == WEIR_OK);
    CHECK(is_quick(&c, WEIR_STAT, "key-1"));
    CHECK(c.item->size == SIZE && c.item->ttl_ms == 0);
    CHECK(is_quick(&c, WEIR_EXISTS, "another"));
    CHECK(c.item->status == WEIR_MISS);
    CHECK(is_quick(&c, WEIR_GET, "another"));
    CHECK(c.item->status == WEIR_MISS);
    warm(&c, WEIR_GET);
    CHECK(is_quick(&c, WEIR_GET, "key-1"));
    CHECK(c.item->status == WEIR_OK && c.item->value->size == SIZE);
    close_fs(&c);
}

/* As many files stay open as may, wherever the hashes of their names lie, and
 * never more. */
static void keeps_files_open(void)
{
    struct rlimit was, few = {4 * OPEN_MOST, 4 * OPEN_MOST};
    struct client c;
    char key[16];
    int before;

    CHECK(getrlimit(RLIMIT_NOFILE, &was) == 0);
    few.rlim_max = was.rlim_max;
    CHECK(setrlimit(RLIMIT_NOFILE, &few) == 0);
    c = open_fs(folder_sub("g"), options, NULL);
    set_keys(&c, OPEN_MOST + 100);
    warm_keys(&c, WEIR_EXISTS, OPEN_MOST + 100);
    before = count_descriptors();
    warm_keys(&c, WEIR_GET, OPEN_MOST);
    CHECK(count_descriptors() == before + OPEN_MOST);
    for (int i = 0; i < OPEN_MOST + 100; i++) {
        key_of(key, i);
        CHECK(client_do(&c, WEIR_GET, key) == WEIR_OK);
    }
    CHECK(count_descriptors() == before + OPEN_MOST);
    close_fs(&c);
    CHECK(setrlimit(RLIMIT_NOFILE, &was) == 0);
}

/* A host that asks for workers gets every batch through its queue. */
static void leaves_all_to_workers(void)
{
    struct client c = open_fs(folder_sub("a"), "inline=false", NULL);

    for (int i = 0; i < 100; i++) {
        CHECK(!is_quick(&c, WEIR_EXISTS, "key-1"));
        CHECK(c.item->status == WEIR_OK);
        CHECK(!is_quick(&c, WEIR_GET, "another"));
    }
    close_fs(&c);
}

/* Each change by another program is seen by the next op. */
static void sees_what_others_do(void)
{
    const char *folder = folder_sub("b");
    struct client c = open_fs(folder, options, NULL);
    char path[300], other[310];
    int fd;

    set_all(&c);
    warm(&c, WEIR_GET);
    path_of(path, folder, "key-1");
    CHECK(unlink(path) == 0);
    CHECK(client_do(&c, WEIR_EXISTS, "key-1") == WEIR_MISS);
    CHECK(client_do(&c, WEIR_GET, "key-1") == WEIR_MISS);

    path_of(path, folder, "key-2");
    snprintf(other, sizeof other, "%s/aside", folder);
    CHECK(rename(path, other) == 0);
    CHECK(client_do(&c, WEIR_STAT, "key-2") == WEIR_MISS);
    CHECK(client_do(&c, WEIR_EXISTS, "key-2") == WEIR_MISS);
    CHECK(link(other, path) == 0);
    CHECK(client_do(&c, WEIR_EXISTS, "key-2") == WEIR_OK);
    CHECK(client_do(&c, WEIR_GET, "key-2") == WEIR_OK);

    path_of(path, folder, "key-3");
    CHECK(truncate(path, 100) == 0);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    CHECK(pwrite(fd, "x", 1, 0) == 1);
    close(fd);
    CHECK(client_do(&c, WEIR_EXISTS, "key-3") == WEIR_CORRUPT);
    CHECK(client_do(&c, WEIR_EXISTS, "key-3") == WEIR_MISS);
    close_fs(&c);
}

static void sees_directories_go(void)
{
    const char *folder = folder_sub("c");
    struct client c = open_fs(folder, options, NULL);
    char path[300], moved[310], key[16];

    set_all(&c);
    warm(&c, WEIR_EXISTS);
    for (int i = 0; i < DIRECTORIES; i++) {
        snprintf(path, sizeof path, "%s/%x", folder, (unsigned)i);
        snprintf(moved, sizeof moved, "%s/was-%x", folder, (unsigned)i);
        rename(path, moved);
    }
    for (int i = 0; i < KEYS; i++) {
        key_of(key, i);
        CHECK(client_do(&c, WEIR_EXISTS, key) == WEIR_MISS);
    }
    for (int i = 0; i < DIRECTORIES; i++) {
        snprintf(path, sizeof path, "%s/%x", folder, (unsigned)i);
        snprintf(moved, sizeof moved, "%s/was-%x", folder, (unsigned)i);
        rename(moved, path);
    }
    for (int i = 0; i < KEYS; i++) {
        key_of(key, i);
        CHECK(client_do(&c, WEIR_GET, key) == WEIR_OK);
    }
    close_fs(&c);
}

/* The most reports that the kernel keeps for one who does not read them. */
static int queue_length(void)
{
    FILE *f = fopen("/proc/sys/fs/inotify/max_queued_events", "r");
    int n = 0;

    CHECK(f != NULL && fscanf(f, "%d", &n) == 1);
    fclose(f);
    return n;
}

/* More changes than the kernel's queue holds: what was lost is not believed. */
static void survives_lost_reports(void)
{
    const char *folder = folder_sub("d");
    struct client c = open_fs(folder, options, NULL);
    char path[300], other[310], gone[300];
    int queue = queue_length();

    set_all(&c);
    warm(&c, WEIR_EXISTS);
    path_of(path, folder, "key-1");
    path_of(gone, folder, "key-2");
    snprintf(other, sizeof other, "%s/aside", folder);
    for (int i = 0; i <= queue && i < RENAMES_MOST; i++) {
        CHECK(rename(path, other) == 0);
        CHECK(rename(other, path) == 0);
    }
    CHECK(unlink(gone) == 0);
    CHECK(unlink(path) == 0);
    /* A worker answers this one, since it must look for the folder. */
    client_do(&c, WEIR_EXISTS, "another");
    CHECK(client_do(&c, WEIR_EXISTS, "key-2") == WEIR_MISS);
    CHECK(client_do(&c, WEIR_EXISTS, "key-1") == WEIR_MISS);
    CHECK(client_do(&c, WEIR_EXISTS, "key-3") == WEIR_OK);
    close_fs(&c);
}

static void minds_expiry(void)
{
    struct client c = open_fs(folder_sub("e"), options, NULL);
    struct client other = open_fs(folder_sub("e"), NULL);
    uint64_t until;

    set_all(&c);
    warm(&c, WEIR_GET);
    client_start(&other, WEIR_TOUCH, "key-1", 5);
    other.item->ttl_ms = 50;
    CHECK(client_run(&other) == WEIR_OK);
    until = weir_now() + 60 * SECOND;
    while (client_do(&c, WEIR_EXISTS, "key-1") == WEIR_OK)
        CHECK(weir_now() < until);
    CHECK(client_do(&c, WEIR_GET, "key-1") == WEIR_MISS);
    close_fs(&other);
    close_fs(&c);
}

/* Two stores and a plain unlink change a few keys at random; after each change
 * both stores must answer as the last change says. */
static void agrees_with_a_model(const char *with)
{
    struct client c[2];
    char model[8] = {0}, value[100], path[300];
    uint64_t random = 7;

    for (int i = 0; i < 2; i++)
        c[i] = open_fs(folder_sub("f"), options, with, NULL);
    for (int turn = 1; turn < TURNS; turn++) {
        unsigned k = (unsigned)random_below(&random, sizeof model);
        unsigned who = (unsigned)random_below(&random, 2);
        char key[16];

        key_of(key, (int)k);
        switch (random_below(&random, 8)) {
        case 0:
        case 1:
            model[k] = (char)(1 + turn % 100);
            memset(value, model[k], sizeof value);
            CHECK(client_set(&c[who], key, value, (size_t)model[k]) == WEIR_OK);
            break;
        case 2:
            CHECK(client_do(&c[who], WEIR_DELETE, key) ==
                  (model[k] ? WEIR_OK : WEIR_MISS));
            model[k] = 0;
            break;
        case 3:
            if (model[k] == 0)
                break;
            path_of(path, folder_sub("f"), key);
            CHECK(unlink(path) == 0);
            model[k] = 0;
            break;
        case 4:
        case 5:
            memset(value, model[k], sizeof value);
            CHECK(model[k] ? client_is(&c[who], key, value, (size_t)model[k])
                           : client_do(&c[who], WEIR_GET, key) == WEIR_MISS);
            break;
        default:
            CHECK(client_do(&c[who], turn % 2 ? WEIR_STAT : WEIR_EXISTS, key) ==
                  (model[k] ? WEIR_OK : WEIR_MISS));
            CHECK(model[k] == 0 || c[who].item->size == (uint64_t)model[k]);
        }
    }
    for (int i = 0; i < 2; i++)
        close_fs(&c[i]);
    for (unsigned k = 0; k < sizeof model; k++) {
        char key[16];

        key_of(key, (int)k);
        if (model[k] == 0)
            continue;
        path_of(path, folder_sub("f"), key);
        CHECK(unlink(path) == 0);
    }
}

int main(void)
{
    folder_make();
    answers_at_submit();
    keeps_files_open();
    leaves_all_to_workers();
    sees_what_others_do();
    sees_directories_go();
    survives_lost_reports();
    minds_expiry();
    agrees_with_a_model("verify=always");
    agrees_with_a_model("verify=never");
    agrees_with_a_model("capacity=1GiB");
    return 0;
}

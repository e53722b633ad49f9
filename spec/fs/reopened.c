/* reopened.c -- the folder is removed, and perhaps made again, while a store
 * has it open: sets make it anew, gets find what another process put there, the
 * count starts anew. Looking for it costs no more than one look a second. */

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/syscall.h>

#include "harness.h"

static atomic_uint looks;

/* Stands in front of libc's; the store looks at its folder with it. */
__attribute__((visibility("default"))) int stat(const char *path,
                                                struct stat *st)
{
    looks++;
    return fstatat(AT_FDCWD, path, st, 0);
}

static void remove_folder(const char *name)
{
    nftw(folder_sub(name), folder_unlink, 16, FTW_DEPTH | FTW_PHYS);
    CHECK(access(folder_sub(name), F_OK) < 0);
}

static void eventually(struct client *c, const char *key, int status)
{
    uint64_t until = weir_now() + 60 * SECOND;

    while (client_do(c, WEIR_GET, key) != status && weir_now() < until)
        usleep(10000);
    CHECK(c->item->status == status);
}

static void sets_make_it(void)
{
    struct client c = open_fs(folder_sub("a"), "capacity=1MiB", NULL);

    for (int i = 0; i < 3; i++) {
        CHECK(client_set(&c, "old", "v", 1) == WEIR_OK);
        remove_folder("a");
        CHECK(client_set(&c, "new", "w", 1) == WEIR_OK);
        CHECK(client_is(&c, "new", "w", 1));
        CHECK(client_do(&c, WEIR_GET, "old") == WEIR_MISS);
        CHECK(gauge(c.store, "items") == 1);
        CHECK(gauge(c.store, "bytes") == 4096);
        CHECK(gauge(c.store, "reopened") == (uint64_t)i + 1);
    }
    close_fs(&c);
    c = open_fs(folder_sub("a"), "create=no", NULL);
    CHECK(client_is(&c, "new", "w", 1));
    close_fs(&c);
}

/* Another process was first, with other directories and a value. */
static void gets_find_it(void)
{
    struct client c = open_fs(folder_sub("b"), "capacity=1MiB", NULL), other;

    CHECK(client_set(&c, "old", "v", 1) == WEIR_OK);
    remove_folder("b");
    other = open_fs(folder_sub("b"), "fanout=4096", NULL);
    CHECK(client_set(&other, "new", "w", 1) == WEIR_OK);
    eventually(&c, "new", WEIR_OK);
    recovered(c.store);
    CHECK(gauge(c.store, "items") == 1);
    CHECK(client_set(&c, "more", "x", 1) == WEIR_OK);
    CHECK(client_is(&other, "more", "x", 1));
    close_fs(&other);
    close_fs(&c);
}

/* Not while another folder stands there that this store was not made for. */
static void another_fanout(void)
{
    struct client c = open_fs(folder_sub("c"), "fanout=16", NULL), other;

    remove_folder("c");
    other = open_fs(folder_sub("c"), "fanout=4096", NULL);
    CHECK(client_set(&c, "k", "v", 1) >= WEIR_FAILED);
    CHECK(strstr(c.batch->error.message, "was made with 4096, got 16"));
    close_fs(&other);
    remove_folder("c");
    eventually(&c, "k", WEIR_MISS);
    usleep(1100000); /* the failed attempt is not repeated within a second */
    CHECK(client_set(&c, "k", "v", 1) == WEIR_OK);
    close_fs(&c);
}

/* create=no: the folder is waited for, and the error names it. */
static void not_to_be_made(void)
{
    struct client c = open_fs(folder_sub("a"), "create=no", NULL);
    uint64_t until;

    remove_folder("a");
    CHECK(client_set(&c, "k", "v", 1) == WEIR_FAILED);
    CHECK(strstr(c.batch->error.message, folder_sub("a")) != NULL);
    CHECK(access(folder_sub("a"), F_OK) < 0);
    CHECK(mkdir(folder_sub("a"), 0700) == 0);
    until = weir_now() + 60 * SECOND;
    while (client_set(&c, "k", "v", 1) != WEIR_OK && weir_now() < until)
        usleep(10000);
    CHECK(client_is(&c, "k", "v", 1));
    close_fs(&c);
}

static void looks_are_rare(void)
{
    struct client c = open_fs(folder_sub("d"), NULL);
    uint64_t started = weir_now(), seconds;

    looks = 0;
    for (int i = 0; i < 3000; i++)
        CHECK(client_do(&c, WEIR_GET, "none") == WEIR_MISS);
    seconds = (weir_now() - started) / SECOND;
    CHECK(looks <= seconds + 1);
    close_fs(&c);
}

static atomic_bool stop;

static void *churn(void *arg)
{
    static const char value[5000];
    struct client c = client_new(arg);
    uint64_t random = (uintptr_t)&c;
    char key[16];

    while (!stop) {
        snprintf(key, sizeof key, "%u", (unsigned)random_below(&random, 50));
        if (random_below(&random, 2)) {
            client_set(&c, key, value, sizeof value);
            CHECK(c.item->status == WEIR_OK || c.item->status == WEIR_FAILED);
        } else {
            CHECK(client_do(&c, WEIR_GET, key) == WEIR_MISS ||
                  (c.item->status == WEIR_OK && c.item->size == sizeof value));
        }
    }
    client_free(&c);
    return NULL;
}

/* The folder goes again and again under several threads. A set may fail while
 * it is being removed, and within a second of a failed attempt to make it anew,
 * not afterwards. */
static void removed_at_work(void)
{
    struct client c = open_fs(folder_sub("e"), "capacity=1MiB", NULL);
    uint64_t until = weir_now() + 60 * SECOND;
    pthread_t threads[4];

    for (int i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, churn, c.store) == 0);
    while (gauge(c.store, "reopened") < 3 && weir_now() < until) {
        /* The old one is written to until it is gone or found replaced. */
        rename(folder_sub("e"), folder_sub("gone"));
        nftw(folder_sub("gone"), folder_unlink, 16, FTW_DEPTH | FTW_PHYS);
        usleep(20000);
    }
    stop = true;
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    CHECK(gauge(c.store, "reopened") >= 3);
    /* The last one may have been moved away, not removed, and not missed yet.
     */
    until = weir_now() + 60 * SECOND;
    while ((client_set(&c, "k", "v", 1) != WEIR_OK ||
            access(folder_sub("e"), F_OK) < 0) &&
           weir_now() < until)
        usleep(10000);
    CHECK(client_is(&c, "k", "v", 1));
    close_fs(&c);
    c = open_fs(folder_sub("e"), "create=no", NULL);
    CHECK(client_is(&c, "k", "v", 1));
    close_fs(&c);
}

int main(void)
{
    folder_make();
    sets_make_it();
    gets_find_it();
    another_fanout();
    not_to_be_made();
    looks_are_rare();
    removed_at_work();
    return 0;
}

/* capacity.c -- disk used stays within the capacity, whatever the mix of sets,
 * overwrites and deletes; it is known right after a restart, and so is which
 * file was used last. */

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "harness.h"

enum { KIB = 1024, CAPACITY = 2 << 20, WRITERS = 3, LARGEST = 100 * KIB };

static uint64_t disk_sum;

static int disk_add(const char *path, const struct stat *st, int flag,
                    struct FTW *ftw)
{
    (void)ftw;
    if (flag == FTW_F && strstr(path, "/.weir/") == NULL)
        disk_sum += ((uint64_t)st->st_size + 4095) / 4096 * 4096;
    return 0;
}

/* What the files of a store take, as it counts them; files may vanish. */
static uint64_t disk_used(const char *name)
{
    disk_sum = 0;
    nftw(folder_sub(name), disk_add, 16, FTW_PHYS);
    return disk_sum;
}

static atomic_bool stop;

/* Held by each operation, and alone by who counts: a walk takes longer than a
 * file may stay. */
static pthread_rwlock_t gate;

static void *writer(void *arg)
{
    static char value[LARGEST];
    struct client c = client_new(arg);
    uint64_t random = (uintptr_t)&c;
    char key[16];

    while (!stop) {
        snprintf(key, sizeof key, "key-%u",
                 (unsigned)random_below(&random, 99));
        pthread_rwlock_rdlock(&gate);
        if (random_below(&random, 8) == 0) {
            client_do(&c, WEIR_DELETE, key);
        } else {
            CHECK(client_set(&c, key, value, random_below(&random, LARGEST)) ==
                  WEIR_OK);
        }
        pthread_rwlock_unlock(&gate);
    }
    client_free(&c);
    return NULL;
}

/* A gate that whoever wants to count gets next. */
static void gate_init(void)
{
    pthread_rwlockattr_t attr;

    pthread_rwlockattr_init(&attr);
    pthread_rwlockattr_setkind_np(&attr,
                                  PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&gate, &attr);
}

static void bounded(void)
{
    struct client c = open_fs(folder_sub("a"), "capacity=2MiB", NULL);
    pthread_t threads[WRITERS];
    uint64_t most = 0, counted;

    gate_init();
    for (int i = 0; i < WRITERS; i++)
        CHECK(pthread_create(&threads[i], NULL, writer, c.store) == 0);
    for (uint64_t until = weir_now() + SECOND; weir_now() < until;
         usleep(1000)) {
        uint64_t used;

        pthread_rwlock_wrlock(&gate);
        used = disk_used("a");
        pthread_rwlock_unlock(&gate);
        most = used > most ? used : most;
    }
    stop = true;
    for (int i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    CHECK(most > CAPACITY / 2);
    CHECK(most <= CAPACITY);
    counted = gauge(c.store, "bytes");
    CHECK(counted == disk_used("a") && counted <= CAPACITY);
    CHECK(gauge(c.store, "evictions") > 0);
    CHECK(gauge(c.store, "index_bytes") > 0);
    close_fs(&c);

    c = open_fs(folder_sub("a"), "capacity=2MiB", NULL);
    recovered(c.store);
    CHECK(gauge(c.store, "bytes") == counted);
    close_fs(&c);
    c = open_fs(folder_sub("a"), "capacity=200KiB", NULL);
    recovered(c.store);
    CHECK(gauge(c.store, "bytes") <= 200 * KIB);
    CHECK(disk_used("a") == gauge(c.store, "bytes"));
    close_fs(&c);
}

static void set_some(struct client *c, char first, char last)
{
    static const char value[8000];

    for (char k[2] = {first}; k[0] <= last; k[0]++) {
        CHECK(client_set(c, k, value, sizeof value) == WEIR_OK);
        usleep(10000); /* a file's time is that coarse */
    }
}

/* Ages a key's file. */
static void last_used(const char *name, long seconds_ago)
{
    struct timespec times[2];

    clock_gettime(CLOCK_REALTIME, &times[0]);
    times[0].tv_sec -= seconds_ago;
    times[1] = times[0];
    CHECK(utimensat(AT_FDCWD, name, times, 0) == 0);
}

/* Reads spare a file, and are remembered over a restart. */
static void order(void)
{
    struct client c = open_fs(folder_sub("b"), "capacity=80KiB", NULL);
    char path[512];

    set_some(&c, 'a', 'a');
    snprintf(path, sizeof path, "%s", only_file(folder_sub("b")));
    set_some(&c, 'b', 'j');
    CHECK(client_do(&c, WEIR_GET, "a") == WEIR_OK);
    set_some(&c, 'k', 'l');
    CHECK(client_do(&c, WEIR_EXISTS, "a") == WEIR_OK);
    CHECK(client_do(&c, WEIR_EXISTS, "b") == WEIR_MISS);
    CHECK(client_do(&c, WEIR_EXISTS, "c") == WEIR_MISS);
    CHECK(client_do(&c, WEIR_EXISTS, "d") == WEIR_OK);

    last_used(path, 3600);
    CHECK(client_do(&c, WEIR_GET, "a") == WEIR_OK); /* and now again */
    close_fs(&c);
    c = open_fs(folder_sub("b"), "capacity=24KiB", NULL);
    recovered(c.store);
    CHECK(client_do(&c, WEIR_EXISTS, "a") == WEIR_OK);
    CHECK(client_do(&c, WEIR_EXISTS, "l") == WEIR_OK);
    CHECK(client_do(&c, WEIR_EXISTS, "d") == WEIR_MISS);
    CHECK(client_do(&c, WEIR_EXISTS, "j") == WEIR_MISS);
    CHECK(gauge(c.store, "items") == 3);
    close_fs(&c);

    last_used(path, 3600);
    c = open_fs(folder_sub("b"), "capacity=20KiB", NULL);
    recovered(c.store);
    CHECK(client_do(&c, WEIR_EXISTS, "a") == WEIR_MISS);
    CHECK(client_do(&c, WEIR_EXISTS, "l") == WEIR_OK);
    close_fs(&c);
}

/* What cannot fit is refused, and does not leave an older value behind. */
static void too_large(void)
{
    static const char value[64 * KIB];
    struct client c = open_fs(folder_sub("c"), "capacity=64KiB", NULL);

    CHECK(client_set(&c, "k", value, 100) == WEIR_OK);
    CHECK(client_set(&c, "other", value, 100) == WEIR_OK);
    CHECK(client_set(&c, "k", value, sizeof value) == WEIR_REJECTED);
    CHECK(client_do(&c, WEIR_GET, "k") == WEIR_MISS);
    CHECK(client_do(&c, WEIR_GET, "other") == WEIR_OK);
    CHECK(gauge(c.store, "bytes") == 4096);
    close_fs(&c);
}

/* Whatever is not ours is neither counted nor evicted. */
static void strangers(void)
{
    struct client c = open_fs(folder_sub("d"), "capacity=16KiB", NULL);
    char path[512];

    CHECK(client_set(&c, "k", "v", 1) == WEIR_OK);
    snprintf(path, sizeof path, "%s", only_file(folder_sub("d")));
    close_fs(&c);
    strcpy(strrchr(path, '/'), "/README");
    file_write(path, "mine", 4);
    file_write(folder_sub("d/notes"), "mine", 4);
    c = open_fs(folder_sub("d"), "capacity=4KiB", NULL);
    recovered(c.store);
    CHECK(gauge(c.store, "items") == 1);
    CHECK(client_set(&c, "l", "v", 1) == WEIR_OK);
    CHECK(gauge(c.store, "evictions") == 1);
    CHECK(access(path, F_OK) == 0);
    CHECK(access(folder_sub("d/notes"), F_OK) == 0);
    close_fs(&c);
}

int main(void)
{
    folder_make();
    bounded();
    order();
    too_large();
    strangers();
    return 0;
}

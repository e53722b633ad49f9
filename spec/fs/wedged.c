/* wedged.c -- a disk that is full, or has no inodes left, before the capacity
 * is reached: own values go, oldest first, as many as it takes and are counted;
 * sets and replacements go on, also those of a store that is opened on a full
 * disk. A store may refuse instead. Needs root to mount: without it this is
 * skipped. */

#include <pthread.h>

#include "disk.h"

enum { VALUE = 100 << 10, SMALL = 100 };

static char value[VALUE];

static void key_of(char *key, int i)
{
    snprintf(key, 16, "key-%d", i);
}

/* All of far more sets than the disk has room for are answered OK; the last
 * ones are there, and so is whatever is replaced. */
static void goes_on(struct client *c, int sets, size_t size)
{
    char key[16];

    for (int i = 0; i < sets; i++) {
        key_of(key, i);
        CHECK(client_set(c, key, value, size) == WEIR_OK);
    }
    for (int i = sets - 5; i < sets; i++) {
        key_of(key, i);
        CHECK(client_is(c, key, value, size));
    }
    for (int i = 0; i < sets; i++) {
        key_of(key, i);
        CHECK(client_set(c, key, value, size) == WEIR_OK);
    }
    CHECK(gauge(c->store, "evictions_full") > 0);
    CHECK(gauge(c->store, "evictions") == gauge(c->store, "evictions_full"));
}

/* Until a set is refused; returns how many were not. */
static int refuses(struct client *c, size_t size)
{
    char key[16];

    for (int i = 0; i < 100000; i++) {
        key_of(key, i);
        if (client_set(c, key, value, size) == WEIR_OK)
            continue;
        CHECK(c->item->status == WEIR_NOSPACE);
        CHECK(gauge(c->store, "evictions") == 0);
        for (int k = 0; k < i; k++) {
            key_of(key, k);
            CHECK(client_is(c, key, value, size));
        }
        return i;
    }
    CHECK(!"the disk is never full");
    return 0;
}

/* Others leave less and less room. */
static void others_fill(void)
{
    char path[64];

    for (int i = 0; i < 30; i++) {
        snprintf(path, sizeof path, "disk/other-%d", i);
        if (!disk_run("head -c 100000 /dev/zero > %s 2>&1", folder_sub(path)))
            return;
    }
    CHECK(!"the disk is never full");
}

static void in_memory(const char *disk, size_t size, const char *option)
{
    struct client c;

    CHECK(disk_tmpfs(disk));
    c = open_fs(folder_sub("disk/kv"), option, "fanout=16", NULL);
    goes_on(&c, 300, size);
    close_fs(&c);
    disk_unmount();
}

static void may_refuse(const char *capacity, const char *on_full)
{
    struct client c;

    CHECK(disk_tmpfs("size=2m"));
    c = open_fs(folder_sub("disk/kv"), capacity, on_full, NULL);
    CHECK(refuses(&c, VALUE) > 10);
    close_fs(&c);
    disk_unmount();
}

/* Neither the file that says who lives nor a value finds room at first. */
static void opened_when_full(const char *disk, size_t size)
{
    struct client c;

    CHECK(disk_tmpfs(disk));
    c = open_fs(folder_sub("disk/kv"), "on_full=refuse", "capacity=1GiB", NULL);
    refuses(&c, size);
    close_fs(&c);
    /* What it left behind when it went, too. */
    while (disk_run("mktemp -p %s >/dev/null 2>&1", folder_sub("disk")))
        ;
    c = open_fs(folder_sub("disk/kv"), "capacity=1GiB", NULL);
    CHECK(client_is(&c, "key-0", value, size));
    goes_on(&c, 300, size);
    close_fs(&c);
    disk_unmount();
}

static void *writer(void *arg)
{
    struct client c = client_new(arg);
    uint64_t random = (uintptr_t)&c;
    char key[16];

    for (int i = 0; i < 500; i++) {
        key_of(key, (int)random_below(&random, 1000));
        CHECK(client_set(&c, key, value, SMALL) == WEIR_OK);
    }
    client_free(&c);
    return NULL;
}

/* Several at once, in directories that come and go. */
static void by_several(void)
{
    pthread_t threads[4];
    struct client c;

    CHECK(disk_tmpfs("size=64m,nr_inodes=100"));
    c = open_fs(folder_sub("disk/kv"), "capacity=1GiB", NULL);
    for (int i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, writer, c.store) == 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    CHECK(gauge(c.store, "evictions_full") > 0);
    close_fs(&c);
    disk_unmount();
}

/* Nothing of ours is left to evict: that is said, and passes. */
static void others_have_it_all(void)
{
    struct client c;

    CHECK(disk_tmpfs("size=2m"));
    c = open_fs(folder_sub("disk/kv"), "capacity=1GiB", NULL);
    CHECK(client_set(&c, "key", value, VALUE) == WEIR_OK);
    others_fill();
    CHECK(client_set(&c, "large", value, VALUE) == WEIR_OK);
    CHECK(client_do(&c, WEIR_GET, "key") == WEIR_MISS);
    CHECK(client_do(&c, WEIR_DELETE, "large") == WEIR_OK);
    others_fill();
    CHECK(client_set(&c, "large", value, VALUE) == WEIR_NOSPACE);
    CHECK(gauge(c.store, "bytes") == 0);
    CHECK(disk_run("rm %s/other-*", folder_sub("disk")));
    CHECK(client_set(&c, "large", value, VALUE) == WEIR_OK);
    close_fs(&c);
    disk_unmount();
}

/* One inode for 16 KiB, as mkfs has it, and values of less. */
static void ext4(void)
{
    struct client c;

    if (!disk_ext4("image", "8M", "-i 16384")) {
        printf("cannot mount an ext4 in a file here: left out\n");
        return;
    }
    c = open_fs(folder_sub("disk/kv"), "capacity=1GiB", NULL);
    goes_on(&c, 1000, SMALL);
    goes_on(&c, 200, VALUE);
    close_fs(&c);
    disk_unmount();
}

int main(void)
{
    folder_make();
    memset(value, 'v', sizeof value);
    if (!disk_tmpfs("size=2m")) {
        printf("cannot mount a tmpfs here: %s\n", strerror(errno));
        return 77;
    }
    disk_unmount();
    in_memory("size=2m", VALUE, "capacity=1GiB");
    in_memory("size=64m,nr_inodes=60", SMALL, "capacity=1GiB");
    in_memory("size=2m", VALUE, "on_full=evict");
    may_refuse("capacity=1GiB", "on_full=refuse");
    may_refuse("capacity=0", "on_full=auto");
    opened_when_full("size=64m,nr_inodes=60", SMALL);
    by_several();
    others_have_it_all();
    ext4();
    return 0;
}
